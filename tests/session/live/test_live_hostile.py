"""A server that says anything: no session ends, no event is lost, nothing raises."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest

from realtime_sync import audio
from realtime_sync.deadline import Flag
from realtime_sync.session.live import LiveConfig, Responses
from realtime_sync.telemetry import Budget, Ledger, OpenTelemetry, ProcessCalls

from .live_session import delegated, live_session, said

FOLDER = Path(__file__).parents[2] / "frames" / "live" / "server"
EXAMPLES = [json.loads(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))]
SAID = [each for each in EXAMPLES if each["type"] != "session.closed"]
GONE = object()
"""Stands for a field that is left out."""

ANYTHING = (
    GONE,
    None,
    True,
    7,
    -1,
    10**30,
    1e308,
    "",
    "x",
    "\ud800",
    [],
    {},
    [1, {"a": 2}],
    {"type": 5},
    {"type": "dreamt"},
)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something is in a frame, at any depth."""
    if isinstance(value, dict):
        inner = list(value.items())
    else:
        inner = list(enumerate(value)) if isinstance(value, list) else []
    for name, each in inner:
        yield (*at, name)
        yield from places(each, (*at, name))


def spoilt(frame: Any, at: tuple[Any, ...], value: object) -> Any:
    """A frame with something else in one place."""
    made = deepcopy(frame)
    inner = made
    for name in at[:-1]:
        inner = inner[name]
    if value is GONE:
        del inner[at[-1]]
    else:
        inner[at[-1]] = value
    return made


def hostile() -> list[Any]:
    """Every example, with anything in each of its places."""
    return [
        spoilt(frame, at, value)
        for frame in SAID
        for at in places(frame)
        for value in ANYTHING
        if at != ("type",) or value != "session.closed"
    ]


def check_survives(frames: list[Any], delegation: Any) -> None:
    """Tell a session that is listened to in every way, and see that it goes on."""
    failed: list[Any] = []
    config = LiveConfig(delegation=delegation)
    with live_session(config=config, idle_audio=None) as (session, server):
        session.on("handler.failed", failed.append)
        ledger = Ledger()
        ledger.watch(session)
        Budget(1e12).guard(session)
        OpenTelemetry().watch(session)
        calls = ProcessCalls(sessions=lambda: [session])
        calls.rows()
        session.decision("angry")(lambda answer: None)
        player = audio.Player(lambda sound: None)
        player.attach(session)
        count = 0

        @session.on("*")
        def heard(event: Any) -> None:
            nonlocal count
            count += 1

        for frame in frames:
            server.feed(json.dumps(frame).encode())
        snapshot = session.snapshot
        made = (snapshot.to_dict(), snapshot.transcript(), snapshot.segments)
        looked = (snapshot.overlaps(), snapshot.to_messages(), snapshot.clock_ms)
        server.feed(said("user", "Still here.", 0))

        assert made and looked and calls.rows()
        assert [] == failed
        assert len(frames) + 1 == count
        assert "Still here." in session.snapshot.user.text
        assert session.is_open
        player.close()


@pytest.fixture(autouse=True)
def no_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What should never happen is an error in the log."""
    yield
    assert [] == [each for each in caplog.records if each.levelno >= logging.ERROR]


@pytest.mark.parametrize("delegation", ["client", Responses(model="m")])
def test_a_tenth_of_all_that_may_be_wrong(delegation: Any) -> None:
    """Of every kind something: wrong types, missing fields, unknown names."""
    every = hostile()
    check_survives(Random(7).sample(every, len(every) // 10), delegation)


@pytest.mark.deep
@pytest.mark.parametrize("delegation", ["client", Responses(model="m")])
def test_anything_in_any_place_of_any_event(delegation: Any) -> None:
    """Some nine thousand frames that no server should send."""
    check_survives(hostile(), delegation)


@pytest.mark.parametrize("seed", range(5))
def test_events_in_any_order_and_twice(seed: int) -> None:
    """Work that ends before it begins, answers to nobody, audio after the silence."""
    frames = SAID * 3
    Random(seed).shuffle(frames)
    check_survives(frames, "client")


def test_answer_to_a_command_that_nobody_has_given_answers_no_other() -> None:
    """It names one; the command that waits is not it."""
    with live_session() as (session, server):
        server.silent |= {"session.thinking.append", "session.input_audio.mute"}
        note, mute = session.note("Known."), session.input_audio.mute()
        for kind in ("thinking.appended", "input_audio.muted"):
            server.feed({"type": f"session.{kind}", "client_event_id": "nobody"})

        assert not note.done() and not mute.done()
        [waiting] = [each for each in session.snapshot.context if each.pending]
        assert "Known." == waiting.content


def test_function_runs_once_however_often_its_work_is_told() -> None:
    """Before it has begun, while it waits, and when it is done."""
    asked: list[str] = []
    over = Flag()
    with live_session() as (session, server):
        session.delegate(lambda task: asked.append(task.id))

        @session.on("delegation.finished", inline=True)
        def ended(event: Any) -> None:
            if event.delegation_id == "last":
                over.set()

        for name in ("one", "two", "one", "two", "one", "last"):
            server.feed(delegated(name))
        # One after the other, so that this is the end of all.
        assert over.wait(10)

    assert ["one", "two", "last"] == asked
