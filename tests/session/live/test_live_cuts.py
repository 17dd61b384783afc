"""
A live session that is cut after each of its events.

Every wait is answered, nothing is run twice, and the report says what is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Any, Optional

import pytest

from realtime_sync import ReconnectPolicy, errors
from realtime_sync.session.live import LiveConfig, LiveSession, Responses, Task

from . import captures
from .live_session import LiveServer, closed, delegated, live_session

Frame = dict[str, Any]

LONG = 10.0
LAST = 6
"""Events that are told once more to whoever attaches again."""


def decided(name: str, **more: Any) -> Frame:
    """Something was decided."""
    done = {"model": "m", "answers": [{"type": "predicate", "probability": 0.5}]}
    event = {"type": "decision.completed", "decision": {**done, "usage": {}}}
    return {"type": "decision.event", "event_id": name, "event": event, **more}


def told(kind: str, **more: Any) -> Frame:
    """An event that says little more than its name."""
    return {"type": kind, "event_id": f"event_{kind}_{len(more)}", **more}


SCENES: dict[str, list[Frame]] = {
    "talk": [*captures.SPOKEN, captures.usage(14.0, 0.01)],
    "client": [
        captures.heard("input", 600, "Which"),
        delegated("item_1"),
        captures.heard("input", 800, " gate?"),
        captures.heard("output", 1200, "One moment."),
        told("session.thinking.appended", start_ms=1200, end_ms=1400),
        told("session.commentary.appended", start_ms=1800, end_ms=2000),
        captures.heard("output", 2000, "B12."),
        captures.usage(14.0, 0.01),
        captures.heard("input", 2800, "And"),
        delegated("item_2"),
        captures.heard("input", 3000, " hers?"),
        captures.usage(29.0, 0.02),
    ],
    "backend": [*captures.CALLED, *captures.ANSWERED, *captures.WENT_ON],
    "decisions": [
        captures.heard("input", 600, "Warmer"),
        decided("d1", trigger_id="t", source_event_id="event_input_600"),
        delegated("item_1", "decisions"),
        decided("d2", delegation_id="item_1"),
        told("decision.item.created", item={"id": "i", "type": "message"}),
        told("decision.item.deleted", item_id="i"),
    ],
    "rest": [
        told("info", info={"anything": 1}),
        told("session.input_audio.muted"),
        told("session.output_audio.fixture.playing"),
        {"type": "error", "error": {"type": "server_error", "code": None}},
        told("session.output_audio.fixture.played"),
        told("session.input_audio.unmuted"),
        told("session.paused"),
        told("session.resumed"),
        told("of.the.future", unknown=[1]),
        captures.usage(14.0, 0.01),
    ],
}


class Ran:
    """What functions of the program were run for."""

    def __init__(self) -> None:
        self._changed = Condition()
        self.names: list[str] = []

    def add(self, name: str) -> None:
        """Another one."""
        with self._changed:
            self.names.append(name)
            self._changed.notify_all()

    def wait(self, count: int) -> None:
        """Wait until there were so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.names) >= count, LONG)


def forecast(city: str) -> str:
    """The weather of a city."""
    return f"Rain in {city}."


@contextmanager
def scene(name: str, **options: Any) -> Iterator[tuple[LiveSession, LiveServer, Ran]]:
    """A session whose delegations and calls are answered at once."""
    server, ran = LiveServer(), Ran()
    # What takes up a text is one of the events.
    server.silent |= {"session.commentary.append", "session.thinking.append"}
    config = LiveConfig(delegation=Responses(model="m")) if name == "backend" else None
    if config is not None:
        server.session["delegation"] = config.wire()["delegation"]
    if "call_id" not in options:
        options["config"] = config
    with live_session(server, **options) as (session, server):
        if name == "backend":
            session.tool(forecast)

            @session.on("client.response.item.create", inline=True)
            def note(command: Any) -> None:
                ran.add(command.item["call_id"])

        elif name == "client":

            @session.delegate
            def look_up(task: Task) -> str:
                return f"B12 for {task.id}"

            @session.on("delegation.finished", inline=True)
            def finished(event: Any) -> None:
                ran.add(event.delegation_id)

        yield session, server, ran


def feed(server: LiveServer, ran: Ran, frames: list[Frame]) -> None:
    """Tell events, each once what the ones before it had run is done."""
    for place, frame in enumerate(frames):
        server.feed(frame)
        ran.wait(len(due(frames[: place + 1])))


def due(frames: list[Frame]) -> list[str]:
    """What is to be run once these were told."""
    found: dict[str, None] = {}
    for frame in frames:
        inner = frame.get("event", {})
        if frame["type"] == "session.delegation.created":
            if frame["delegation"]["target"] == "client":
                found[frame["delegation"]["id"]] = None
        elif inner.get("type") == "response.output_item.done":
            if inner["item"]["type"] == "function_call":
                found[inner["item"]["call_id"]] = None
    return list(found)


def places(frames: list[Frame]) -> Iterator[int]:
    """After how many events it is cut: after each, of audio after the first."""
    for place in range(len(frames) + 1):
        around = [each["type"] for each in frames[max(0, place - 1) : place + 1]]
        if around != ["session.output_audio.delta"] * 2:
            yield place


def seconds(frames: list[Frame]) -> float:
    """What the service has told last."""
    every = [each["usage"]["seconds"] for each in frames if "usage" in each]
    return every[-1] if every else 0.0


def waits_of(session: LiveSession) -> list[Callable[[], object]]:
    """Everything that may wait when the session is cut."""
    handles: list[Any] = [
        session.say("Hello."),
        session.note("VIP"),
        session.instruct("Be brief."),
        session.input_audio.mute(),
    ]
    fixture = session.play_fixture(bytes(4800))
    expected = session.expect("session.resumed")
    stream = iter(session.events("session.paused", timeout=LONG))
    return [
        *(lambda each=each: each.acknowledged(LONG) for each in handles),
        lambda: fixture.command.acknowledged(LONG),
        lambda: fixture.played(LONG),
        lambda: expected.result(LONG),
        lambda: [next(stream) for _ in range(9)],
    ]


def answered(waits: list[Callable[[], object]]) -> None:
    """Each has an answer, or fails because of the loss; nothing waits out its time."""
    for wait in waits:
        try:
            wait()
        except (errors.ConnectionClosed, StopIteration):
            pass


@pytest.mark.parametrize("name", SCENES)
def test_cut_without_another_session_is_the_end(name: str) -> None:
    """Of every wait, at once; the report has what was told until then."""
    frames = SCENES[name]
    for place in places(frames):
        with scene(name) as (session, server, ran):
            waits = waits_of(session)
            server.feed(*frames[:place])
            ran.wait(len(due(frames[:place])))
            server.transport.cut(1006)
            answered(waits)
            with pytest.raises(errors.ConnectionLost):
                session.wait_said("nobody says this", timeout=LONG)
            report = session.close()

        at = f"{name} after {place}"
        assert due(frames[:place]) == ran.names, at
        assert (None, False, True) == (report.reason, report.confirmed, report.complete)
        assert seconds(frames[:place]) == report.seconds, at
        assert isinstance(report.error, errors.ConnectionLost), at


@pytest.mark.parametrize("name", SCENES)
def test_cut_with_another_session_runs_nothing_twice(name: str) -> None:
    """It knows nothing of the first; what was open is given up, and told."""
    frames = SCENES[name]
    for place in places(frames):
        policy = ReconnectPolicy(attempts=2, base=0.001, cap=0.001)
        with scene(name, reconnect=policy) as (session, server, ran):
            reports: list[Any] = []
            session.on("connection.restored", lambda e: reports.append(e.report))
            server.feed(*frames[:place])
            ran.wait(len(due(frames[:place])))
            states = dict(session.snapshot.delegations)
            server.session["id"] = "live_u0_2"
            server.transport.cut(1006)
            open_work = [key for key, each in states.items() if each.state == "open"]
            server.silent.clear()
            session.note("Again.").acknowledged(LONG)
            asked = len(server.sent("response.create"))
            server.feed(delegated("item_9"))
            if name == "client":
                ran.wait(len(due(frames[:place])) + 1)
            report = session.close()

        at = f"{name} after {place}"
        [restored] = reports
        assert ("seed", tuple(open_work)) == (restored.way, restored.abandoned), at
        new = ["item_9"] if name == "client" else []
        assert [*due(frames[:place]), *new] == ran.names, at
        assert asked <= (1 if captures.ANSWERED[-1] in frames[:place] else 0), at
        assert seconds(frames[:place]) == report.earlier_seconds, at
        assert report.confirmed and report.error is None, at


def known(session: LiveSession) -> tuple[Any, ...]:
    """What the service has told of a session, its audio and the clock apart."""
    snapshot = session.snapshot
    return (
        snapshot.user.text,
        snapshot.assistant.text,
        snapshot.segments,
        {
            key: (each.target, each.text, each.response_ids, tuple(each.calls))
            for key, each in snapshot.delegations.items()
        },
        snapshot.usage,
        len(snapshot.decisions),
        snapshot.epochs,
    )


def watch(name: str, place: Optional[int]) -> tuple[tuple[Any, ...], list[str]]:
    """Look on from aside, cut after so many events; what is known, and what ran."""
    frames = [each for each in SCENES[name] if "audio.delta" not in each["type"]]
    policy = ReconnectPolicy(attempts=2, base=0.001, cap=0.001)
    with scene(name, call_id="live_u0_1", reconnect=policy) as (session, server, ran):
        if place is None:
            feed(server, ran, frames)
        else:
            feed(server, ran, frames[:place])
            server.transport.cut(1006)
            assert session.is_open
            server.feed(*frames[max(0, place - LAST) : place])
            for at in range(place, len(frames)):
                server.feed(frames[at])
                ran.wait(len(due(frames[: at + 1])))
        return known(session), ran.names


@pytest.mark.parametrize("name", SCENES)
def test_cut_of_a_connection_from_aside_is_not_seen_afterwards(name: str) -> None:
    """The last events are told twice, and count once."""
    frames = [each for each in SCENES[name] if "audio.delta" not in each["type"]]
    whole = watch(name, None)
    for place in range(len(frames) + 1):
        assert whole == watch(name, place), f"{name} after {place}"


@pytest.mark.parametrize("way", [{}, {"call_id": "live_u0_1"}])
@pytest.mark.parametrize("code", [1000, 1006, 1011])
@pytest.mark.parametrize("reason", ["close_requested", "content", "remote_hangup"])
def test_end_that_was_told_is_the_end_however_the_socket_closes(
    reason: str, code: int, way: dict[str, Any]
) -> None:
    """The service closes that of a connection from aside without a handshake."""
    policy = ReconnectPolicy(attempts=2, base=0.001, cap=0.001)
    with live_session(reconnect=policy, **way) as (session, server):
        before = len(server.transport.sent)
        server.feed(closed(server.session, reason=reason))
        server.transport.cut(code)
        report = session.close()

        assert session.closed
        assert before == len(server.transport.sent)
        assert (reason, True, 18.0) == (report.reason, report.confirmed, report.seconds)
