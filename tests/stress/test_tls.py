"""
TLS connections whose first reads and writes race, and what serialising costs.

Each connection is opened, written to by several threads while the server already
talks, and closed. The figures of the comparison are in the decision record on TLS.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from time import monotonic, process_time
from typing import Any

import pytest

from realtime_sync import Session
from realtime_sync.errors import RealtimeError
from tests.rawserver import Peer
from tests.stress.sequenced_server import LONG, Place

pytestmark = pytest.mark.usefixtures("arrangement")

WRITERS = 3
WORDS = 5
"""Commands of each writer."""

DELTA = {"type": "response.output_text.delta", "delta": "x" * 200}


def talking(peer: Peer) -> None:
    """Greet and talk at once, repeat every number, answer the close."""
    peer.greet()
    peer.raw(b"".join(_frame() for _ in range(20)))
    for _ in range(WRITERS * WORDS):
        number = str(peer.hear()["number"])
        peer.say({"type": "response.output_text.delta", "delta": number})
    peer.answer_close()


def _frame() -> bytes:
    import json

    from tests.rawserver import server_frame

    return server_frame(json.dumps(DELTA).encode())


class Run:
    """One short connection: what came back, or what failed."""

    def __init__(self, place: Place) -> None:
        self.failures: list[BaseException] = []
        self.numbers: list[str] = []
        self._all = threading.Event()
        session = place.session(wait_created=False, close_timeout=LONG)
        session.on("response.output_text.delta", self._note, inline=True)
        try:
            session.open()
            self._talk(session)
            report = session.close()
            assert (1000, True) == (report.code, report.complete)
        except (RealtimeError, AssertionError) as exc:
            self.failures.append(exc)

    def _talk(self, session: Session) -> None:
        barrier = threading.Barrier(WRITERS)

        def write(first: int) -> None:
            barrier.wait(LONG)
            try:
                for number in range(first, WRITERS * WORDS, WRITERS):
                    session.send({"type": "vendor.say", "number": number})
            except RealtimeError as exc:
                self.failures.append(exc)

        threads = [threading.Thread(target=write, args=(n,)) for n in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert self._all.wait(LONG), "the server's answers did not come"

    def _note(self, event: Any) -> None:
        if event.delta.isdigit():
            self.numbers.append(event.delta)
            if len(self.numbers) == WRITERS * WORDS:
                self._all.set()


def open_many(count: int, at_once: int) -> list[Run]:
    """So many short connections, several at a time."""
    runs: list[Run] = []
    numbers = iter(range(count))
    with Place(talking, secure=True) as place:

        def work() -> None:
            for _ in numbers:
                runs.append(Run(place))

        threads = [threading.Thread(target=work) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return runs


def check(runs: list[Run], count: int) -> None:
    """None failed, and all that was said came back."""
    every = sorted(str(number) for number in range(WRITERS * WORDS))
    assert [] == [failure for run in runs for failure in run.failures]
    assert [every] * count == [sorted(run.numbers) for run in runs]


@pytest.mark.parametrize("count", [60, pytest.param(600, marks=pytest.mark.deep)])
def test_short_connections(count: int) -> None:
    """With racing first reads and writes, four at a time: no failure."""
    check(open_many(count, 4), count)


def exchange(*, serialised: bool, rounds: int) -> tuple[float, float]:
    """Seconds, and seconds of CPU, of a stream in both directions at once."""
    import json

    from tests.rawserver import server_frame

    frame = server_frame(json.dumps(DELTA).encode())
    came = threading.Event()

    def both_ways(peer: Peer) -> None:
        peer.greet()
        talker = threading.Thread(target=peer.raw, args=(frame * rounds,))
        talker.start()
        for _ in range(rounds):
            peer.read()
        talker.join()
        peer.say({"type": "response.output_text.done", "text": ""})
        peer.answer_close()

    with Place(both_ways, secure=True) as place:
        session = place.session(wait_created=False)
        session.on("response.output_text.done", lambda event: came.set(), inline=True)
        session.open()
        if not serialised:
            transport: Any = session._parts.connection._transport  # type: ignore
            transport._tls = transport._outbox._guard = nullcontext()

        def write() -> None:
            for _ in range(rounds):
                session.input_audio_buffer.append(bytes(960))

        started, cpu = monotonic(), process_time()
        writer = threading.Thread(target=write)
        writer.start()
        assert came.wait(60)
        took = monotonic() - started, process_time() - cpu
        writer.join(LONG)
        session.close()
    return took


@pytest.mark.deep
def test_what_serialising_costs() -> None:
    """Prints the comparison; both ways are run in turns, the best of five counts."""
    rounds, best = 20_000, {True: (9e9, 9e9), False: (9e9, 9e9)}
    for _ in range(5):
        for serialised in (True, False):
            best[serialised] = min(
                best[serialised], exchange(serialised=serialised, rounds=rounds)
            )
    for serialised, (seconds, cpu) in best.items():
        name = "serialised" if serialised else "not serialised"
        print(
            f"\n{name}: {rounds} messages each way in {seconds:.2f} s, "
            f"{1e6 * cpu / rounds / 2:.1f} us of CPU per message, both ends"
        )
