"""Who is told of commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync import events
from realtime_sync.dispatch.notices import TurnFinished
from realtime_sync.dispatch.watches import Watch, WatchList
from realtime_sync.session.publisher import SessionPublisher
from realtime_sync.state.snapshot import Snapshot
from tests.scripted_session import ScriptedSession

COMMIT = "input_audio_buffer.commit"
APPEND = "input_audio_buffer.append"


class Scene:
    """A publisher, with those whom it may tell."""

    def __init__(self, scripted: ScriptedSession) -> None:
        self.watches = WatchList()
        self.board = scripted.board
        self.router = scripted.router
        self.publisher = SessionPublisher(
            self.board, scripted.dispatcher, self.watches, None, Snapshot
        )
        self.got: list[str] = []

    def send(self, command: Any) -> None:
        """Hand a command over, as the sender tells of it."""
        if command.type not in self.publisher.unheard:
            self.publisher.sent(command, f"client.{command.type}")

    def keep(self, event: Any) -> None:
        """A handler."""
        self.got.append(event.type)


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A publisher that has told nobody yet."""
    with ScriptedSession() as scripted:
        yield Scene(scripted)


def append() -> events.InputAudioBufferAppend:
    """Twenty milliseconds of silence."""
    return events.InputAudioBufferAppend(audio=bytes(960))


def test_a_command_that_nobody_wants_is_found_unheard(scene: Scene) -> None:
    """So that the next ones need not be told of."""
    scene.send(events.InputAudioBufferCommit())
    scene.send(append())

    assert {COMMIT, APPEND} == scene.publisher.unheard


@pytest.mark.parametrize(
    "pattern", ["client.*", f"client.{COMMIT}", "client.input_audio_buffer.*"]
)
def test_a_handler_that_comes_later_is_told(scene: Scene, pattern: str) -> None:
    """Whatever was found unheard before it came."""
    scene.send(events.InputAudioBufferCommit())
    subscription = scene.router.on(pattern, scene.keep)
    scene.send(events.InputAudioBufferCommit())
    scene.send(events.InputAudioBufferCommit())
    subscription.cancel()
    scene.send(events.InputAudioBufferCommit())

    assert [COMMIT, COMMIT] == scene.got
    assert {COMMIT} == scene.publisher.unheard


def test_a_plain_blinker_receiver_is_told(scene: Scene) -> None:
    """It comes by the signal, not by a router."""
    scene.send(events.InputAudioBufferCommit())

    def receiver(session: Any, **given: Any) -> None:
        scene.keep(given["event"])

    scene.board.signal(f"client.{COMMIT}").connect(receiver)
    scene.send(events.InputAudioBufferCommit())

    assert [COMMIT] == scene.got


def test_a_handler_of_turns_has_the_audio_timed(scene: Scene) -> None:
    """Where the user stopped speaking is in what was sent."""
    scene.send(append())
    scene.router.on(TurnFinished, lambda event: None)
    scene.send(append())

    assert APPEND not in scene.publisher.unheard


def test_a_wait_for_a_turn_has_the_audio_timed(scene: Scene) -> None:
    """Until it is over."""
    scene.send(append())
    watch = Watch(frozenset({TurnFinished.type}), scene.keep, lambda error: None)
    scene.watches.add(watch)
    scene.send(append())
    timed = APPEND not in scene.publisher.unheard
    scene.watches.remove(watch)
    scene.send(append())

    assert timed
    assert APPEND in scene.publisher.unheard


def test_a_response_that_is_asked_for_is_always_timed(scene: Scene) -> None:
    """A handler that comes while it runs is told of its whole time."""
    scene.send(events.ResponseCreate())

    assert set() == scene.publisher.unheard


def test_types_without_end_are_not_kept(scene: Scene) -> None:
    """A program may make them up."""
    for number in range(1000):
        scene.publisher.sent(events.UnknownEvent(type=f"vendor.{number}"), "client.v")

    assert len(scene.publisher.unheard) < 100


def test_a_handler_that_comes_while_a_command_is_told_is_not_forgotten(
    scene: Scene,
) -> None:
    """What was found before it came is kept in a set that is out of use."""
    route = scene.board.route

    def interrupted(key: str) -> Any:
        found = route(key)
        scene.board.route = route  # type: ignore[method-assign]
        scene.router.on(f"client.{COMMIT}", scene.keep)
        return found

    scene.board.route = interrupted  # type: ignore[method-assign]
    scene.send(events.InputAudioBufferCommit())
    scene.send(events.InputAudioBufferCommit())

    assert [COMMIT] == scene.got
