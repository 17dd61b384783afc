"""
Many sessions for a long time, some of them cut each second.

Memory and the number of threads stay flat, and nobody gets stuck.
"""

from __future__ import annotations

import gc
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy, Router, Session, Threads, connect
from realtime_sync.errors import (
    ConnectionClosed,
    ConnectionLost,
    RealtimeError,
    WaitTimeout,
)
from realtime_sync.server import Server, serve
from realtime_sync.state.snapshot import Limits
from tests.stress.sequenced_server import (
    LONG,
    library_threads,
    memory_bytes,
    shared_threads,
)

TEXT: dict[str, Any] = {"output_modalities": ["text"]}
BESIDE: dict[str, Any] = {"conversation": "none"}
ASKERS = 4
"""Threads that ask the sessions in turn."""
SAMPLES = 20
"""Of memory and threads, evenly spread."""


class Soak:
    """
    Sessions, threads that ask them, and a hand that cuts.

    Args:
        sessions: how many.
        seconds: how long.
        cuts: the share of them that is cut each second.
        url: of a server elsewhere that drops who clears the audio buffer; None for
            one in this process.
        options: of each session.

    Attributes:
        counts: of what happened.
        samples: (threads of the library, resident bytes, blocks of memory) over time.
        shared: the most threads that sessions shared.
    """

    def __init__(
        self,
        sessions: int,
        seconds: float,
        cuts: float,
        *,
        url: str | None = None,
        **options: Any,
    ) -> None:
        self.shared = 0
        self._options = options
        self.counts: Counter[str] = Counter()
        # Guards the counts: fifty dispatchers and the askers add to them.
        self._counting = threading.Lock()
        self.stuck: list[str] = []
        self.samples: list[tuple[int, int, int]] = []
        self._rng = random.Random(5)
        self._over = threading.Event()
        with ExitStack() as stack:
            server = None
            if url is None:
                server = stack.enter_context(serve(workers=4, keep_frames=20))
            made = [self._open(url or server.url) for _ in range(sessions)]
            askers = [
                threading.Thread(target=self._ask, args=(made[first::ASKERS],))
                for first in range(ASKERS)
            ]
            for thread in askers:
                thread.start()
            self._cut(made, server, seconds, cuts)
            self._over.set()
            for thread in askers:
                thread.join(60)
                if thread.is_alive():
                    self.stuck.append("an asker")
            self._end(made)

    def _open(self, url: str) -> Session:
        policy = ReconnectPolicy(base=0.01, cap=0.1, attempts=20)
        session = connect(
            "m",
            base_url=url,
            router=Router(),
            reconnect=policy,
            timeout=LONG,
            close_timeout=LONG,
            **self._options,
        )
        session.on("response.*", self._note)
        session.on("connection.restored", self._restored)
        return session

    def _count(self, what: str) -> None:
        with self._counting:
            self.counts[what] += 1

    def _note(self, event: object) -> None:
        self._count("delivered")

    def _restored(self, event: object) -> None:
        self._count("restored")

    def _ask(self, sessions: list[Session]) -> None:
        while not self._over.is_set():
            for session in sessions:
                try:
                    place: Any = {} if self._rng.random() < 0.1 else BESIDE
                    session.ask("Hello", **TEXT, **place)
                    self._count("answered")
                    for item in session.conversation.items[:-4]:
                        session.conversation.item.delete(item.id)
                except WaitTimeout as exc:
                    self.stuck.append(str(exc))
                except ConnectionClosed:
                    self._count("lost")
                except RealtimeError:
                    self._count("refused")
                if self._over.wait(0.005):
                    return

    def _cut(
        self,
        sessions: list[Session],
        server: Server | None,
        seconds: float,
        share: float,
    ) -> None:
        """Each second a share of them; take samples."""
        begun = looked = monotonic()
        due = 0.0
        while looked - begun < seconds:
            self._over.wait(0.2)
            now = monotonic()
            alive = [session for session in sessions if session.is_open]
            due += (now - looked) * len(alive) * share
            looked = now
            while due >= 1.0:
                due -= 1.0
                self._cut_one(alive, server)
            if now - begun >= len(self.samples) * seconds / SAMPLES:
                self._sample()

    def _cut_one(self, alive: list[Session], server: Server | None) -> None:
        """By the server's hand, half of the time by a reset, or by its fault."""
        if server is not None:
            victim = self._rng.choice(server.open_sessions())
            victim.drop(reset=self._rng.random() < 0.5)
        else:
            with suppress(ConnectionClosed):
                self._rng.choice(alive).input_audio_buffer.clear()
        self._count("cut")

    @property
    def grown(self) -> float:
        """How much more memory the second half ends with than it began with."""
        middle, end = self.samples[len(self.samples) // 2], self.samples[-1]
        resident = (end[1] - (4 << 20)) / max(middle[1], 1)
        return max(resident, end[2] / middle[2])

    def _sample(self) -> None:
        # With millions of objects this takes long enough to spoil the pace.
        gc.collect()
        objects = sys.getallocatedblocks()
        memory = memory_bytes() or 0
        self.samples.append((len(library_threads()), memory, objects))
        self.shared = max(self.shared, len(shared_threads()))

    def _end(self, sessions: list[Session]) -> None:
        for session in sessions:
            try:
                # Those that were cut last are still on their way back.
                with suppress(ConnectionLost):
                    session.ask("Still there?", **TEXT, **BESIDE)
                # A question that goes into a line that is cut, of which the session
                # has not been told, is lost with it; the next one is not.
                session.ask("Still there?", **TEXT, **BESIDE)
            except RealtimeError as exc:
                self.stuck.append(f"{session.name} is lost: {exc}")
            if not session.close().complete:
                self.stuck.append(f"{session.name} did not close")

    def check(self, sessions: int, most_threads: int) -> None:
        """Nobody stuck, no more threads than there may be, and no growth."""
        threads = [sample[0] for sample in self.samples]
        half = len(self.samples) // 2
        early, late = self.samples[half], self.samples[-1]
        resident = ", ".join(str(sample[1] >> 20) for sample in self.samples)
        print(
            f"\n{dict(self.counts)}; threads {min(threads)} to {max(threads)}, "
            f"{self.shared} shared; "
            f"resident MiB: {resident}; "
            f"blocks {early[2]} at half time and {late[2]} at the end"
        )
        assert [] == self.stuck
        assert self.counts["answered"] > sessions
        # One that is cut while it comes back is restored once.
        assert self.counts["restored"] >= 0.8 * self.counts["cut"]
        assert max(threads) <= most_threads


MOST_THREADS = {"private": 2 * 50 + 10, "shared": 8}
"""
Of fifty sessions: two for each, and what is being replaced at the moment; or the
handshakes of the dialers alone, apart from those that are shared.
"""


@pytest.mark.shared
def test_two_seconds(arrangement: str) -> None:
    """Fifty sessions; a hand that cuts five of them each second."""
    soak = Soak(50, 2.0, 0.1)
    soak.check(50, MOST_THREADS[arrangement])

    assert soak.counts["cut"] >= 8
    assert soak.samples[-1][2] < 1.5 * soak.samples[0][2]


@pytest.mark.shared
@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_ten_minutes(arrangement: str) -> None:
    """One in a hundred for ten minutes: memory of the second half does not grow."""
    soak = Soak(50, 600.0, 0.01)
    soak.check(50, MOST_THREADS[arrangement])

    assert soak.counts["cut"] >= 250
    assert soak.grown <= 1.05


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_ten_minutes_of_five_hundred_shared_sessions(
    elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    One in a hundred each second: memory and threads are flat, nobody is stuck.

    Of the hundred or so answers that each of them has it keeps ten, so that no session
    still fills what it may keep.
    """
    defaults: dict[str, Any] = Limits.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, "max_responses", 10)
    url = f"{elsewhere}?fault=drop_after:input_audio_buffer.cleared"
    with Threads() as threads:
        soak = Soak(500, 600.0, 0.01, url=url, threads=threads)
        soak.check(500, MOST_THREADS["shared"])
        ended = threads.close()

    assert soak.counts["cut"] >= 2500
    assert soak.shared <= 24
    assert soak.grown <= 1.05
    assert ended


SERVER = """
import sys
from realtime_sync.server import serve
with serve(keep_frames=20, max_sessions=1000) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The URL of a server in a process of its own, whose memory is not ours."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None and process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def grown(action: Callable[[], object], times: int) -> int:
    """Blocks of memory that are left of repeating something, once it is warm."""
    for _ in range(times):
        action()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(times):
        action()
    gc.collect()
    return sys.getallocatedblocks() - before


@pytest.mark.deep
def test_nothing_is_left_of_answers_losses_and_sessions(elsewhere: str) -> None:
    """
    Of a thousand answers, a hundred losses, a hundred sessions.

    The first answers are kept, five hundred of a session, and so come before.
    """
    policy = ReconnectPolicy(base=0.0, cap=0.001, stable_after=0.0)

    def open_one(**options: Any) -> Session:
        url = f"{elsewhere}?fault=drop_after:input_audio_buffer.cleared"
        return connect("m", base_url=url, router=Router(), **options)

    def ask(session: Session) -> None:
        session.ask("Hello", **TEXT, **BESIDE)

    def lose(session: Session) -> None:
        with session.expect("connection.restored") as restored:
            session.input_audio_buffer.clear()
        restored.result(LONG)

    def open_and_ask() -> None:
        with open_one() as session:
            ask(session)

    with open_one(reconnect=policy) as session:
        answers = grown(lambda: ask(session), 1000)
        losses = grown(lambda: lose(session), 100)
    sessions = grown(open_and_ask, 100)
    print(f"\nblocks: {answers} of answers, {losses} of losses, {sessions} of sessions")

    assert max(answers, losses, sessions) < 500
