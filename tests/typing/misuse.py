"""
Mistakes that a type checker must find. Checked by mypy, never run.

Each line that is wrong says with which code; `warn_unused_ignores` fails the
check when mypy finds nothing there.
"""

from __future__ import annotations

from realtime_sync import Session, connect, events, on


@on(events.ResponseDone)  # type: ignore[arg-type]
def wrong_event(event: events.ResponseTextDelta) -> None: ...


def wrong_arguments(session: Session) -> None:
    session.input_audio_buffer.append("base64")  # type: ignore[arg-type]
    session.conversation.item.delete(7)  # type: ignore[arg-type]
    session.conversation.item.truncate("item_1", 120)  # type: ignore[call-arg, misc]
    session.ask("Hello", timeout="soon")  # type: ignore[arg-type]
    session.response.create(on_conflict="shout")  # type: ignore[arg-type]
    connect("gpt-realtime-2.1", dispatch="async")  # type: ignore[arg-type]
    connect("gpt-realtime-2.1", dialect="alpha")  # type: ignore[arg-type]


def wrong_results(session: Session) -> None:
    event = session.wait_for(events.ResponseDone)
    event.delta  # type: ignore[attr-defined]
    session.response.create().result().txt  # type: ignore[attr-defined]
