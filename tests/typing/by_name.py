"""
Thirty right uses of events by name, and thirty wrong ones. Checked, never run.

Each line that is wrong says so to mypy and to pyright; either tool reports a remark
that is not needed.
"""

from __future__ import annotations

from typing import Union

from typing_extensions import assert_type

from realtime_sync import Router, Session, events, on
from realtime_sync.dispatch import notices
from realtime_sync.session.live import LiveSession


def right(session: Session, live: LiveSession, router: Router) -> None:
    """What completes, and is accepted."""
    session.on("response.done", print)
    session.on("response.audio.delta", print, inline=True)
    session.on("response.output_audio.delta", print)
    session.on("response.*", print)
    session.on("*", print)
    session.on("connection.lost", print)
    session.on("connection.*", print)
    session.on("client.response.create", print)
    session.on("vendor.event", print, unknown=True)
    session.once("session.created", print)
    router.on("error", print)
    on("turn.finished", print)
    assert_type(session.wait_for("response.done"), events.ResponseDone)
    assert_type(session.wait_for("response.audio.delta"), events.ResponseAudioDelta)
    assert_type(session.wait_for("response.text.delta"), events.ResponseTextDelta)
    assert_type(session.wait_for("error"), events.Error)
    assert_type(session.wait_for("connection.lost"), notices.ConnectionDropped)
    assert_type(session.wait_for("client.response.create"), events.ResponseCreate)
    assert_type(session.wait_for("x.y", unknown=True), events.ServerEvent)
    assert_type(session.wait_for(events.ResponseDone), events.ResponseDone)
    session.wait_for("response.done", where=lambda event: event.response, timeout=3)
    session.wait_for("response.done", timeout=None)
    got = session.expect("conversation.item.added")
    assert_type(got.result(5), events.ConversationItemAdded)
    for spoken in session.events("response.output_audio.*"):
        assert_type(spoken, Union[events.ResponseAudioDelta, events.ResponseAudioDone])
        if spoken.type == "response.output_audio.delta":
            assert_type(spoken, events.ResponseAudioDelta)
    for event in session.events():
        if event.type == "response.done":
            assert_type(event, events.ResponseDone)
        elif event.type == "error":
            assert_type(event, events.Error)
    for each in session.events(timeout=2):
        print(each.event_id, each.raw)
    print(live.wait_for("session.started").session)
    print(live.expect("session.output_transcript.delta").result().delta)


def wrong(session: Session, live: LiveSession, router: Router) -> None:
    """What a checker finds."""
    session.on("response.don", print)  # type: ignore[call-overload]
    session.on("respons.done", print)  # type: ignore[call-overload]
    session.on("response.audio.delt", print)  # type: ignore[call-overload]
    session.on("response", print)  # type: ignore[call-overload]
    session.on("respons.*", print)  # type: ignore[call-overload]
    session.on("", print)  # type: ignore[call-overload]
    session.on("connection.dropped", print)  # type: ignore[call-overload]
    session.on("client.response.done", print)  # type: ignore[call-overload]
    session.on("vendor.event", print)  # type: ignore[call-overload]
    session.on("vendor.event", print, unknown=False)  # type: ignore[call-overload]
    session.on("response.done", print, in_line=True)  # type: ignore[call-overload]
    session.once("session.create", print)  # type: ignore[call-overload]
    router.on("errors", print)  # type: ignore[call-overload]
    on("turn.finish", print)  # type: ignore[call-overload]
    session.wait_for("response.don")  # type: ignore[call-overload]
    session.wait_for("x.y")  # type: ignore[call-overload]
    session.wait_for("response.done", where=3)  # type: ignore[call-overload]
    session.wait_for("response.done", time=3)  # type: ignore[call-overload]
    session.wait_for("response.done").delta  # type: ignore[attr-defined]
    session.wait_for("error").response  # type: ignore[attr-defined]
    session.wait_for("connection.lost").raw  # type: ignore[attr-defined]
    session.expect("response.dones")  # type: ignore[call-overload]
    session.expect("response.done", timeout=3)  # type: ignore[call-overload]
    session.expect("response.done").result().item  # type: ignore[attr-defined]
    session.events("response.output_sound.*")  # type: ignore[call-overload]
    for event in session.events():
        if event.type == "response.done":
            print(event.delta)  # type: ignore[attr-defined]
    for spoken in session.events("response.output_audio.*"):
        print(spoken.delta)  # type: ignore[union-attr]
    session.wait_for("session.started")  # type: ignore[call-overload]
    live.wait_for("response.done")  # type: ignore[call-overload]
    live.wait_for("session.started").delta  # type: ignore[attr-defined]
