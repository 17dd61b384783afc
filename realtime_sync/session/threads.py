"""
Threads that many sessions share.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Event, RLock, get_ident
from types import TracebackType
from typing import Any, Optional, Protocol, Union
from weakref import WeakSet

from attrs import frozen

from ..deadline import Deadline, check_seconds, held_here
from ..dispatch.strand import call_strand
from ..dispatch.workers import Workers, WorkersPlace
from ..errors import (
    ConfigurationError,
    ForkedSession,
    LocalProtocolError,
    WouldDeadlock,
)
from ..transport.loop import Loop
from .dialers import Dialers
from .turns import SharedTurns

_CLOSE_TIMEOUT = 5.0
# One may wait for a disk that is slow, and the others' recordings need not.
_WRITERS = 2
# Most calls return at once. A few may wait for a telephone line that is slow.
_PLAYERS = 4


class SessionOnThreads(Protocol):
    """The life of a session that shares threads."""

    over: Event

    def leave(self, deadline: Deadline) -> None:
        """Ask for the end without waiting for it."""

    def break_off(self) -> None:
        """Cut the connection, so that the end comes at once."""

    def held_here(self) -> bool:
        """Whether the calling thread is inside of something that the end waits for."""


@frozen(kw_only=True)
class ThreadsStats:
    """
    What the shared threads are at; see `Threads.stats`.

    Attributes:
        sessions: that are open.
        ready: sessions whose deliveries wait for a worker.
        workers: threads that run handlers.
        busy: workers that are at work.
        dialers: threads that dial or restore.
        dialing: sessions that wait for one of these.
        delay_p50: seconds that half of the loop's latest turns took at most; the
            last socket of a turn waits that long.
        delay_p99: the same for 99 of 100 turns.
    """

    sessions: int
    ready: int
    workers: int
    busy: int
    dialers: int
    dialing: int
    delay_p50: float
    delay_p99: float


class Threads:
    """
    One loop, some workers and some dialers for all sessions that are given them.

    For many sessions in one process: ``RealtimeClient(threads=threads)`` or
    ``connect(..., threads=threads)``. The order of deliveries, one at a time for
    each session, isolation, waiting and closing are those of a session with threads
    of its own. What is not the same is the thread: deliveries of one session may be
    made by one worker after another, so what belongs to one thread does not carry
    over; see `around`. An inline handler runs on the loop, where it holds up all.

    Any thread. Nothing starts before the first session opens, is recorded or gets a
    player. A context manager, which closes.

    Args:
        workers: most threads that run handlers. There are as many as it takes: a
            handler that blocks holds up its own session only, until all are in
            handlers that block.
        dialers: most threads that dial, wait for the next attempt, call reconnect
            hooks and restore conversations.
        tools: most functions of tools that run at once, and most responses whose calls
            are waited for; others wait for their turn, within their time.
        around: called for each delivery; gives a context manager that is entered
            around it on the worker, such as one that opens and closes a database
            connection.

    Raises:
        ConfigurationError: a number is not a positive whole one.
    """

    def __init__(
        self,
        *,
        workers: int = 8,
        dialers: int = 8,
        tools: int = 32,
        around: Optional[Callable[[], AbstractContextManager[Any]]] = None,
    ) -> None:
        _check_number_of_threads("workers", workers)
        _check_number_of_threads("dialers", dialers)
        _check_number_of_threads("tools", tools)
        if around is not None and not callable(around):
            raise ConfigurationError(
                f"around must give a context manager when called, not {around!r}"
            )
        self.around = around
        self.loop = Loop("realtime-sync shared loop")
        self.workers = Workers(
            workers,
            "realtime-sync shared",
            self.loop.call_later,
            at_turn_end=self.loop.at_turn_end,
        )
        self.dialers = Dialers(dialers, "realtime-sync shared", self.loop.call_later)
        self._writers = self._pool(_WRITERS, "recorder", "writes to a disk")
        self._players = self._pool(_PLAYERS, "player", "calls that take sound")
        # Two, since who waits for a call must not keep the thread that it needs.
        self._tools = self._pool(tools, "tool", "tools")
        self._rounds = self._pool(tools, "round", "rounds of tools")
        self._pools = (self._writers, self._players, self._tools, self._rounds)
        # Guards the sessions, the turns and `_closed`, so that a session that opens
        # meanwhile is either refused or closed. Reentrant: a signal handler may close
        # them while the main thread is in the middle of it.
        self._lock = RLock()
        self._sessions: set[SessionOnThreads] = set()
        # Weakly: a player that nobody has closed and nobody knows is collected.
        self._turns: WeakSet[SharedTurns] = WeakSet()
        self._closed = False
        # Threads that close them now.
        self._closing: set[int] = set()
        self._unfreeze = False
        self._process = os.getpid()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._sessions)} sessions"
        return (
            f"<Threads {state}, workers={self.workers.limit}, "
            f"dialers={self.dialers.limit}>"
        )

    def __enter__(self) -> Threads:
        return self

    def __exit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    @property
    def stats(self) -> ThreadsStats:
        """Counts and delays as they are now."""
        delays = self.loop.delays() or [0.0]
        return ThreadsStats(
            sessions=len(self._sessions),
            ready=self.workers.waiting,
            workers=self.workers.size,
            busy=self.workers.busy,
            dialers=self.dialers.size,
            dialing=self.dialers.waiting,
            delay_p50=delays[len(delays) // 2],
            delay_p99=delays[len(delays) * 99 // 100],
        )

    def freeze(self) -> None:
        """
        Let Python's cyclic collector pass over everything that there is now.

        Call it once sessions are open. The collector stops all threads of the
        process while it looks at the objects that live, which with hundreds of
        sessions takes longer than anything else here; see `gc.freeze`. `close`
        undoes it, unless something else had frozen objects before.
        """
        gc.collect()
        self._unfreeze = self._unfreeze or not gc.get_freeze_count()
        gc.freeze()

    def close(self, timeout: float = _CLOSE_TIMEOUT) -> bool:
        """
        Close the sessions that still use the threads, then end the threads.

        Idempotent. Not from a handler of events. In a handler of signals that finds its
        thread in the middle of this or of a call of a session, it asks for the end and
        waits for nothing, because that thread is what the end waits for.

        Args:
            timeout: seconds for all of it; half of them are the servers'.

        Returns:
            Whether everything has ended.

        Raises:
            WouldDeadlock: called on one of these threads.
        """
        if self._process != os.getpid():
            return True  # The sessions and the threads are the parent's.
        pools = (self.workers, *self._pools)
        if self.loop.on_loop() or any(pool.on_worker() for pool in pools):
            raise WouldDeadlock(
                "Threads.close() on one of these threads would wait for itself"
            )
        ident = get_ident()
        if ident in self._closing:
            return False
        try:
            self._closing.add(ident)
            return self._close(timeout)
        finally:
            self._closing.discard(ident)

    def _close(self, timeout: float) -> bool:
        deadline = Deadline(check_seconds(timeout))
        with self._lock:
            self._closed = True
        sessions = list(self._sessions)  # There come no more.
        if held_here(self._lock) or any(each.held_here() for each in sessions):
            for session in sessions:
                session.leave(deadline)
            return False
        ended = self._end(sessions, timeout, deadline)
        with self._lock:
            playing = list(self._turns)
        # What still plays goes on without them.
        for turns in playing:
            turns.leave()
        pools = (self.workers, *self._pools)
        parts: tuple[Union[Workers, Dialers], ...] = (self.workers, self.dialers)
        for part in (*parts, *self._pools):
            part.stop()
            ended &= part.join(deadline)
        # Last: the others may ask it for something up to their end.
        self.loop.stop()
        ended &= self.loop.join(deadline)
        # Once more: up to its end it has lined up what the main thread put.
        ended &= all([pool.join(deadline) for pool in pools])
        if self._unfreeze:
            self._unfreeze = False
            gc.unfreeze()
        return ended

    def _end(
        self, sessions: list[SessionOnThreads], timeout: float, whole: Deadline
    ) -> bool:
        patience = Deadline(timeout / 2)
        for session in sessions:
            session.leave(patience)
        for session in sessions:
            session.over.wait(patience.remaining())
        late = [session for session in sessions if not session.over.is_set()]
        for session in late:
            session.break_off()
        return all([session.over.wait(whole.remaining()) for session in late])

    def _pool(self, limit: int, name: str, busy_with: str) -> Workers:
        return Workers(
            limit,
            f"realtime-sync shared {name}",
            self.loop.call_later,
            busy_with=busy_with,
        )

    def _place(self, pool: Workers) -> WorkersPlace[Callable[[], object]]:
        return WorkersPlace(pool, call_strand(), lambda limit: None)

    # -- for the sessions --------------------------------------------------------

    def writer(self) -> Callable[[float, Callable[[], object]], None]:
        """
        Give one recording its place in the threads that write them.

        Returns:
            What calls something there after some seconds; of what one recording gives
            it, one after the other.

        Raises:
            LocalProtocolError: they are closed.
        """
        place = self._place(self._writers)
        with self._lock:
            if self._closed:
                raise LocalProtocolError("these Threads are closed")
            # A recording may end before a session has opened.
            self.loop.start()

        def later(seconds: float, run: Callable[[], object]) -> None:
            if self._closed and self.loop.join(Deadline(0)):
                run()  # Of a session that was never opened: there is nobody else.
            elif seconds:
                self.loop.call_later(seconds, lambda: place.put(run))
            else:
                place.put(run)

        return later

    def run_tool(self, run: Callable[[], object]) -> None:
        """Have a function of a tool called, as soon as a thread is free."""
        self._place(self._tools).put(run)

    def run_round(self, run: Callable[[], object]) -> None:
        """Have the calls of a response waited for."""
        self._place(self._rounds).put(run)

    def turns(
        self, run: Callable[[], object], turned_out: Callable[[], object]
    ) -> SharedTurns:
        """
        Have something called whenever it is due; see `Turns`.

        Closed threads turn it out at once.
        """
        turns = SharedTurns(self._players, self.loop, run, turned_out)
        with self._lock:
            served = not self._closed and self._process == os.getpid()
            if served:
                self.loop.start()
                self._turns.add(turns)
        if not served:
            turns.leave()
        return turns

    def add(self, session: SessionOnThreads) -> None:
        """
        Serve a session that is about to open.

        Raises:
            LocalProtocolError: they are closed.
            ForkedSession: this process is a forked child of the one they are in.
        """
        if self._process != os.getpid():
            raise ForkedSession(
                "these Threads are those of the process before the fork; "
                "make others here"
            )
        with self._lock:
            if not self._closed:
                self.loop.start()
            # Looked at behind the start, in which a signal handler may have closed
            # them; none comes between this look and the set.
            if self._closed:
                raise LocalProtocolError("these Threads are closed")
            self._sessions.add(session)

    def discard(self, session: SessionOnThreads) -> None:
        """Serve a session no more: it has ended, or could not be opened."""
        # One call into C, and no lock: the main thread may be inside of that, in a
        # signal handler that waits for this very end.
        self._sessions.discard(session)


def _check_number_of_threads(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name} must be a whole number from 1, not {value!r}")
