"""
Many threads send and wait; the connection is cut at a random point.

Every wait ends: with its answer if it came, else with the loss, at once.
"""

from __future__ import annotations

import random
import threading
from time import monotonic
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy, Session
from realtime_sync.errors import ConnectionLost
from tests.rawserver import Peer
from tests.stress.sequenced_server import LONG, Place, percentile, wait_until

pytestmark = pytest.mark.usefixtures("arrangement")

THREADS = 8


class Cutting:
    """A server that acknowledges so many commands, and then drops."""

    def __init__(self, after: int) -> None:
        self._after = after
        self.answered: set[str] = set()
        self.heard: list[str] = []
        self.cut_at = 0.0

    def __call__(self, peer: Peer) -> None:
        peer.greet()
        count = 0
        while count < self._after:
            command = peer.hear()
            if command["type"] == "conversation.item.create":
                count += 1
                self.heard.append(command["event_id"])
                self._answer(peer, command)
        self.cut_at = monotonic()
        peer.drop()

    def _answer(self, peer: Peer, command: Any) -> None:
        item = {"status": "completed", "id": command["event_id"], **command["item"]}
        self.answered.add(command["event_id"])
        peer.say({"type": "conversation.item.added", "event_id": "a", "item": item})


class Obliging(Cutting):
    """The server after that one: acknowledges everything."""

    def __init__(self) -> None:
        super().__init__(0)

    def __call__(self, peer: Peer) -> None:
        peer.greet()
        while True:
            command = peer.hear()
            if command["type"] == "conversation.item.create":
                self.heard.append(command["event_id"])
                self._answer(peer, command)
            else:
                peer.oblige(command)


class Senders:
    """
    Threads that send and wait for each answer.

    Args:
        session: to send with.
        commands: by all of them together.
        go_on: after a loss as well.
    """

    def __init__(self, session: Session, commands: int, *, go_on: bool) -> None:
        self._session = session
        self._go_on = go_on
        self._each = commands // THREADS
        self.done: list[str] = []
        self.lost: list[tuple[str, float]] = []
        self.strange: list[BaseException] = []
        self.threads = [threading.Thread(target=self._run) for _ in range(THREADS)]
        for thread in self.threads:
            thread.start()

    def join(self) -> None:
        """Wait for all of them; none may be stuck."""
        for thread in self.threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self.threads)

    def _run(self) -> None:
        for _ in range(self._each):
            event_id = ""
            try:
                handle = self._session.conversation.add_message("x")
                event_id = handle.event_id
                handle.acknowledged(LONG)
                self.done.append(event_id)
            except ConnectionLost:
                self.lost.append((event_id, monotonic()))
                if not self._go_on:
                    return
            except BaseException as exc:
                self.strange.append(exc)
                return


def under_fire(commands: int, seed: int) -> list[float]:
    """One run without reconnecting; seconds from the cut to each failed wait."""
    server = Cutting(random.Random(seed).randrange(commands // 10, commands * 9 // 10))
    with Place(server) as place:
        session = place.open()
        waits = [session.expect("response.done") for _ in range(20)]
        ends: list[float] = []

        def wait(expectation: Any) -> None:
            try:
                expectation.result(None)
            except ConnectionLost:
                ends.append(monotonic())

        waiting = [threading.Thread(target=wait, args=(each,)) for each in waits]
        for thread in waiting:
            thread.start()
        senders = Senders(session, commands, go_on=False)
        senders.join()
        for thread in waiting:
            thread.join(LONG)
        report = session.close()

        assert [] == senders.strange
        assert 20 == len(ends)
        assert THREADS == len(senders.lost)
        assert set(senders.done) <= server.answered
        assert len(server.heard) == len(set(server.heard))
        assert isinstance(report.error, ConnectionLost)
        moments = [moment for _, moment in senders.lost] + ends
        return [moment - server.cut_at for moment in moments]


@pytest.mark.shared
@pytest.mark.parametrize("seed", range(4))
def test_a_thousand_commands(seed: int) -> None:
    """From eight threads; every wait ends at once, with the loss."""
    delays = under_fire(1000, seed)
    print(f"\nworst {1000 * max(delays):.1f} ms after the cut")

    assert max(delays) < 5.0


@pytest.mark.deep
def test_ten_thousand_commands() -> None:
    """Ten times, each time cut elsewhere: all waits end within 100 ms."""
    delays = [delay for seed in range(10) for delay in under_fire(10_000, seed)]
    print(
        f"\n{len(delays)} waits ended after the cut: "
        f"p50 {1000 * percentile(delays, 0.5):.1f} ms, "
        f"worst {1000 * max(delays):.1f} ms"
    )

    assert max(delays) <= 0.1


@pytest.mark.parametrize("seed", range(3))
def test_with_a_new_connection(seed: int) -> None:
    """No command is sent twice, and each has its answer or the loss."""
    first = Cutting(random.Random(seed).randrange(100, 900))
    second = Obliging()
    policy = ReconnectPolicy(base=0.001, cap=0.001, restore=False)
    with Place(first, second) as place:
        session = place.open(reconnect=policy)
        senders = Senders(session, 1000, go_on=True)
        senders.join()
        wait_until(lambda: place.connections == 2, "the second connection")
        session.close()
        heard = first.heard + second.heard

        assert [] == senders.strange
        assert 1000 == len(senders.done) + len(senders.lost)
        assert len(senders.lost) <= THREADS
        assert len(heard) == len(set(heard))
        assert set(senders.done) <= first.answered | second.answered
