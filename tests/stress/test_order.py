"""
Threads that send commands of one kind at the same time get their own answers.

What acknowledges these commands says nothing of which one it means, so all of it
rests on the order: of expecting the answers, and of writing the commands.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy, Session
from realtime_sync.connection.sender import sender_event_ids
from realtime_sync.errors import WaitTimeout
from tests.rawserver import Peer, obliging
from tests.stress.sequenced_server import LONG, Place, wait_until

pytestmark = pytest.mark.usefixtures("arrangement")

THREADS = 4
EACH = 100
"""Commands of each thread."""


def leaving(peer: Peer) -> None:
    """Greet, and drop when something is said."""
    peer.greet()
    peer.hear()


def at_once(action: Any) -> None:
    """Run something in every thread, from one moment on."""
    go = threading.Barrier(THREADS)
    failures: list[BaseException] = []

    def run(number: int) -> None:
        go.wait(LONG)
        try:
            action(number)
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)

    assert [] == failures
    assert not any(thread.is_alive() for thread in threads)


def answer(session: Session, instructions: str) -> str:
    """The instructions that the acknowledgement of an update tells."""
    handle = session.update(instructions=instructions)
    told: str = handle.acknowledged(LONG).session.instructions
    return told


def answer_at_last(session: Session, instructions: str) -> str:
    """The same of a session that has little patience, once the way is free."""
    told: list[str] = []

    def try_it() -> list[str]:
        with suppress(WaitTimeout):
            told.append(answer(session, instructions))
        return told

    wait_until(try_it, "an answer")
    return told[0]


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_each_update_gets_its_own_answer(secure: bool) -> None:
    """Whichever thread is the first to expect, and whichever to write."""
    with Place(obliging, secure=secure) as place, place.open() as session:

        def update(number: int) -> None:
            for count in range(EACH):
                words = f"thread {number}, update {count}"
                assert words == answer(session, words)

        at_once(update)


@pytest.mark.shared
def test_updates_that_wait_for_a_connection_get_their_own_answers() -> None:
    """They are expected in the order in which they are held, and sent so."""
    go_on, lost = threading.Event(), threading.Event()
    policy = ReconnectPolicy(base=0.0, hook=lambda attempt: go_on.wait(LONG) and None)
    with Place(leaving, obliging) as place, place.open(reconnect=policy) as session:
        session.on("connection.lost", lambda event: lost.set(), inline=True)
        session.input_audio_buffer.clear()
        assert lost.wait(LONG)
        handles: list[tuple[str, Any]] = []

        def update(number: int) -> None:
            for count in range(EACH):
                words = f"thread {number}, update {count}"
                handles.append((words, session.update(instructions=words)))

        at_once(update)
        go_on.set()

        assert THREADS * EACH == len(handles)
        for words, handle in handles:
            assert words == handle.acknowledged(LONG).session.instructions


class Reluctant:
    """Greets, and reads nothing until it is told to; then it obliges."""

    def __init__(self) -> None:
        self.read = threading.Event()

    def __call__(self, peer: Peer) -> None:
        peer.greet()
        assert self.read.wait(LONG)
        while True:
            peer.oblige(peer.hear())


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_a_command_that_was_begun_takes_its_answer_though_its_sender_gave_up(
    secure: bool,
) -> None:
    """It is finished in the background; the next one's answer is the next one's."""
    server = Reluctant()
    with Place(server, secure=secure) as place:
        with place.open(timeout=0.1) as session:
            with pytest.raises(WaitTimeout):
                session.update(instructions="x" * 30_000_000)
            server.read.set()

            assert "second" == answer_at_last(session, "second")


def test_a_command_that_was_not_begun_expects_nothing() -> None:
    """It waited behind another one, and is not sent."""
    server = Reluctant()
    with Place(server) as place, place.open(timeout=0.1) as session:
        with pytest.raises(WaitTimeout):
            session.send({"type": "vendor.big", "filler": "x" * 30_000_000})
        with pytest.raises(WaitTimeout):
            session.update(instructions="first")
        server.read.set()

        assert "second" == answer_at_last(session, "second")


def test_no_two_commands_have_one_id() -> None:
    """Threads ask for ids at the same time."""
    ids, found = sender_event_ids("event"), []

    def ask(number: int) -> None:
        found.extend([next(ids) for _ in range(2000)])

    at_once(ask)

    assert 2000 * THREADS == len(set(found))
