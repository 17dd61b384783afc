"""Sessions of the real service, fed again: mirror, segments, and what is sent."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest
from attrs import evolve

from realtime_sync import ReconnectPolicy
from realtime_sync.session.live import LiveConfig, LiveSession, LiveSnapshot, Responses
from realtime_sync.state.live.fragments import Overlap
from realtime_sync.testing import Close

from . import captures
from .live_session import LiveServer, closed, live_session

pytest.importorskip("openai.lib.live")

from openai.lib.live._transcript_state import TranscriptState  # noqa: E402
from openai.lib.live._types import (  # noqa: E402
    TranscriptGrouperOptions,
    TranscriptSegment,
)
from openai.types.live import ServerEvent  # noqa: E402
from pydantic import TypeAdapter  # noqa: E402

Spoken = list[tuple[str, str, float, float]]


def grouped(snapshot: LiveSnapshot) -> Spoken:
    """Our segments of the latest session, once it is over."""
    return [
        (each.speaker, each.text, each.start_ms, each.end_ms)
        for each in evolve(snapshot, state="closed").segments
        if each.epoch == snapshot.epoch
    ]


def as_the_vendor_groups(frames: list[captures.Frame]) -> Spoken:
    """What the vendor's own client makes of the same frames."""
    state = TranscriptState(TranscriptGrouperOptions(), lambda: 0.0)
    events: TypeAdapter[Any] = TypeAdapter(ServerEvent)
    made: list[Any] = []
    for frame in frames:
        if "transcript" in frame["type"]:
            made += state.push(events.validate_python(frame)) or ()
    made += state.finish("session_closed") or ()
    ended = [each.segment for each in made if not isinstance(each, TranscriptSegment)]
    return [(each.speaker, each.text, each.start_ms, each.end_ms) for each in ended]


def kinds(server: LiveServer) -> list[str]:
    """The commands that were sent, without audio."""
    sent = [command["type"] for command in server.transport.sent]
    return [kind for kind in sent if "input_audio" not in kind]


def test_backend_calls_a_function_and_goes_on_once() -> None:
    """On the call that is complete, and when its response is over, not before."""
    server = LiveServer()
    config = LiveConfig(delegation=Responses(model="gpt-5.5"))
    steps: list[list[str]] = []
    called: list[str] = []
    answered = Event()

    def answer(command: dict[str, Any]) -> None:
        if command["type"] == "response.item.create":
            answered.set()

    server.answer = answer
    with live_session(server, config=config, idle_audio=None) as (session, _):

        @session.tool
        def forecast(city: str) -> str:
            """The weather in a city."""
            called.append(city)
            return "cold"

        del server.transport.sent[:]
        for part in (captures.CALLED, captures.ANSWERED, captures.WENT_ON):
            server.feed(*part)
            if part is captures.CALLED:
                assert answered.wait(10)
            steps.append(kinds(server))
        snapshot = session.snapshot

        assert ["Oslo"] == called
        item = ["response.item.create"]
        assert [item, [*item, "response.create"]] == steps[:2]
        assert steps[1] == steps[2]
        [output] = server.sent("response.item.create")
        assert "call_1" == output["item"]["call_id"]
        [work] = snapshot.delegations.values()
        assert (3800, "answered") == (work.offset_ms, work.state)
        assert ("resp_1", "resp_2") == work.response_ids
        assert " ".join(captures.WORDS) == work.text
        [call] = work.calls.values()
        assert ("answered", "forecast") == (call.state, call.name)
        assert {"gpt-5.5": (1651, 38)} == dict(snapshot.usage.backend)
        assert (14.0, 0.0103203125) == (
            snapshot.usage.seconds,
            snapshot.usage.context_ratio,
        )
        every = [*captures.CALLED, *captures.ANSWERED, *captures.WENT_ON]
        assert as_the_vendor_groups(every) == grouped(snapshot)
        assert [("user", 600, 4000), ("assistant", 4000, 5600)] == [
            (speaker, start, end) for speaker, _, start, end in grouped(snapshot)
        ]
        assert () == snapshot.anomalies
        assert not snapshot.overlaps()


def test_stored_session_that_drops_is_forked_and_closed() -> None:
    """A new id, an empty input, a clock from zero; the words of both are there."""
    ids = iter(["live_u0_1", "live_u0_2"])
    server = LiveServer()

    def answer(command: dict[str, Any]) -> Any:
        if command["type"] == "session.start":
            server.session = captures.started(next(ids), store=True)["session"]
            return {"type": "session.started", "session": server.session}
        return None

    server.answer = answer
    history = [
        {"type": "message", "role": role, "content": [{"type": kind, "text": "Hm."}]}
        for role, kind in (("user", "input_text"), ("assistant", "output_text"))
    ]
    policy = ReconnectPolicy(base=0.001, cap=0.001)
    reports: list[Any] = []
    config = LiveConfig(store=True, input=history)
    with live_session(server, config=config, reconnect=policy) as (session, _):
        session.on("connection.restored", lambda event: reports.append(event.report))
        server.feed(captures.heard("input", 400, "Before"), Close(1011))
        _, start = server.sent("session.start")
        server.feed(*captures.FORKED)
        snapshot = session.snapshot
        report = session.close()

    assert {} == start["session"]
    [told] = reports
    assert ("fork", "live_u0_2") == (told.way, told.session_id)
    assert ("live_u0_1", "live_u0_2") == snapshot.epochs
    assert as_the_vendor_groups(captures.FORKED) == grouped(snapshot)
    assert [("user", "And then?"), ("assistant", "It stays.")] == [
        (speaker, text) for speaker, text, _, _ in grouped(snapshot)
    ]
    assert "BeforeAnd then?" == snapshot.user.text
    assert 29 * 4800 == snapshot.audio.received_bytes
    assert (14.0, 0.0089140625) == (
        snapshot.usage.seconds,
        snapshot.usage.context_ratio,
    )
    assert ("close_requested", 18.0, True) == (
        report.reason,
        report.seconds,
        report.confirmed,
    )
    # The service calls a session active that it has just closed.
    assert "active" == session.config.status
    assert "closed" == session.snapshot.state


def test_text_is_spoken_and_its_answer_names_no_command() -> None:
    """The oldest that waits is meant."""
    server = LiveServer()
    server.silent.add("session.commentary.append")
    with live_session(server) as (session, _):
        first, second = session.say("Welcome them."), session.say("And the rest.")
        server.feed(*captures.SPOKEN)
        snapshot = session.snapshot

        assert (600, 800) == (
            first.acknowledged().start_ms,
            first.acknowledged().end_ms,
        )
        assert not second.done()
        assert [True, False] == [each.acknowledged for each in snapshot.context]
        spoken = [("assistant", "Good evening and welcome aboard.", 0, 2200)]
        assert spoken == grouped(snapshot) == as_the_vendor_groups(captures.SPOKEN)
        assert "Good evening" == snapshot.assistant.between(0, 400)


def test_connection_from_aside_follows_both_sides() -> None:
    """Reflected audio has neither id nor time; what is left out is no anomaly."""
    server = LiveServer()
    server.session["id"] = "live_u1_1"
    with live_session(server, call_id="live_u1_1") as (session, _):
        reflected: list[bytes] = []
        session.on(
            "session.input_audio.append", lambda event: reflected.append(event.audio)
        )
        server.feed(*captures.WATCHED)
        snapshot = session.snapshot

        assert [9600] == [len(each) for each in reflected]
        assert (Overlap(start_ms=2400, end_ms=2800),) == snapshot.overlaps()
        assert as_the_vendor_groups(captures.WATCHED) == grouped(snapshot)
        assert ["user", "assistant"] == [who for who, *_ in grouped(snapshot)]
        assert "May we go in?" == snapshot.user.text
        assert () == snapshot.anomalies
        assert "active" == snapshot.state


@pytest.mark.parametrize("name", ["CALLED", "WENT_ON", "FORKED", "SPOKEN"])
def test_frames_are_what_the_vendor_types_say(name: str) -> None:
    """So that what is fed again is what was on the wire."""
    events: TypeAdapter[Any] = TypeAdapter(ServerEvent)
    for frame in getattr(captures, name):
        assert frame["type"] == events.validate_python(frame).type


def test_every_part_of_a_session_may_be_told_twice() -> None:
    """To whoever attaches again: the same ids, and nothing counts twice."""

    def follow(session: LiveSession, server: LiveServer, times: int) -> LiveSnapshot:
        for part in (captures.CALLED, captures.ANSWERED, captures.WENT_ON):
            for _ in range(times):
                server.feed(*(each for each in part if "audio" not in each["type"]))
        return session.snapshot

    found = []
    for times in (1, 2):
        with live_session(call_id="live_u0_1") as (session, server):
            server.feed(captures.started("live_u0_1"))
            snapshot = follow(session, server, times)
            found.append(
                (
                    snapshot.user.text,
                    snapshot.assistant.text,
                    dict(snapshot.usage.backend),
                    snapshot.delegations["item_work"].text,
                    snapshot.delegations["item_work"].state,
                )
            )

    assert found[0] == found[1]


def test_the_end_of_a_captured_session_is_confirmed() -> None:
    """Whole seconds, and the connection is closed by the server."""
    with live_session() as (session, server):
        server.feed(*captures.SPOKEN, closed(), Close(1000))

        assert session.close().confirmed
