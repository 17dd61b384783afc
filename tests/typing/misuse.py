"""
Mistakes that a type checker must find. Checked by mypy, never run.

Each line that is wrong says with which code; `warn_unused_ignores` fails the
check when mypy finds nothing there.
"""

from __future__ import annotations

from typing import Any

from realtime_sync import Context, RealtimeClient, Session, connect, events, on


@on(events.ResponseDone)  # type: ignore[arg-type]
def wrong_event(event: events.ResponseTextDelta) -> None: ...


@on(events.ResponseDone)  # type: ignore[arg-type]
def wrong_with_context(event: events.ResponseTextDelta, ctx: Context) -> None: ...


@on(events.ResponseDone)
def handler(event: events.ResponseDone) -> int:
    return 1


text: str = handler(events.ResponseDone())  # type: ignore[assignment]
events.ResponseDonne  # type: ignore[attr-defined]


def wrong_registration(session: Session) -> None:
    session.on(events.ResponseTextDelta, handler)  # type: ignore[arg-type]
    session.once(events.ResponseTextDelta, handler)  # type: ignore[arg-type]
    session.on("response.done", in_line=True)  # type: ignore[call-overload]

    @session.once(events.ResponseDone)  # type: ignore[arg-type]
    def wrong(event: events.ResponseTextDelta) -> None: ...


def wrong_options(client: RealtimeClient) -> None:
    connect("m", dispatch="threads")  # type: ignore[call-overload]
    connect("m", time_out=3)  # type: ignore[call-overload]
    connect("m", reconnect=True)  # type: ignore[call-overload]
    connect("m", config="brief")  # type: ignore[call-overload]
    client.connect("m", dialect="gamma")  # type: ignore[call-overload]
    client.session("m", time_out=3)  # type: ignore[call-overload]
    client.ask("Hello", queue_limit="many")  # type: ignore[arg-type]
    connect("m", history=7)  # type: ignore[call-overload]
    RealtimeClient(timout=3)  # type: ignore[call-arg]


def wrong_arguments(session: Session) -> None:
    session.conversation.item.delete(7)  # type: ignore[arg-type]
    session.conversation.item.truncate("item_1", 120)  # type: ignore[call-arg]
    session.ask("Hello", timeout="soon")  # type: ignore[arg-type]
    session.ask(7)  # type: ignore[arg-type]
    session.send("input_audio_buffer.clear")  # type: ignore[arg-type]
    session.response.create(on_conflict="shout")  # type: ignore[arg-type]


def wrong_results(session: Session) -> None:
    session.ask("Hello").txt  # type: ignore[attr-defined]
    session.response.create().results()  # type: ignore[attr-defined]


def wrong_waits(session: Session) -> None:
    session.wait_for(events.ResponseDone).delta  # type: ignore[attr-defined]
    for event in session.events(events.ResponseTextDelta):
        event.response  # type: ignore[attr-defined]
    got = session.expect(
        events.SessionUpdated,
        where=lambda event: event.delta,  # type: ignore[attr-defined]
    )
    updated: events.ResponseDone = got.result()  # type: ignore[assignment]
    number: Any = session.wait_for(7)  # type: ignore[call-overload]
    print(updated, number)
