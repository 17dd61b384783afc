"""
Calling something whenever it is due, on threads that many share.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from threading import Lock, current_thread, main_thread
from time import monotonic

from ..dispatch.strand import call_strand
from ..dispatch.workers import Workers, WorkersPlace
from ..transport.loop import Loop

_NOW = 0.0


class SharedTurns:
    """
    Calls a function when its time has come: the loop keeps the time, a worker calls.

    For what many have to do often and quickly, such as handing over the next block
    of sound. One call at a time; whoever is called asks for the next turn.

    Args:
        workers: who call.
        loop: keeps the time.
        run: what is called.
        turned_out: called when there are no more turns, because the threads are closed
            or all in calls that do not return; must not wait. What was asked for may
            be lost, and a call that is in line may still come.
    """

    def __init__(
        self,
        workers: Workers,
        loop: Loop,
        run: Callable[[], object],
        turned_out: Callable[[], object],
    ) -> None:
        self._loop = loop
        self._run = run
        self._turned_out = turned_out
        self._place = WorkersPlace(workers, call_strand(), lambda limit: self.leave())
        # Guards both of these. A leaf.
        self._lock = Lock()
        # When the next turn is, by the monotonic clock; `_NOW` once it is in line.
        self._when = inf
        self._over = False

    def ask(self, seconds: float) -> None:
        """
        Have the function called after some seconds, unless it will be before.

        Any thread; does not wait.
        """
        when = _NOW if seconds <= 0 else monotonic() + seconds
        # Read without the lock: `leave` tells of it once more, after whoever asks now.
        if self._over:
            self._turned_out()
        elif current_thread() is not main_thread():
            self._note(when)
        elif when < self._when:
            # A Ctrl-C may strike here, between the note of a turn and the turn: all who
            # ask later would take it for one that comes. So the loop notes it.
            self._loop.call(lambda: self._note(when))

    def _note(self, when: float) -> None:
        with self._lock:
            if self._over or when >= self._when:
                return
            self._when = when
        if when == _NOW:
            self._place.put(self._turn)
        else:
            self._loop.call_later(when - monotonic(), lambda: self._due(when))

    def end(self) -> None:
        """Nothing is to be called any more; what is being called is not waited for."""
        with self._lock:
            self._over = True
        # What was asked for would keep whoever is to be called until it is due.
        self._run = self._turned_out = _no_turn

    def leave(self) -> None:
        """Have no more turns, and say so. Once."""
        with self._lock:
            over, self._over = self._over, True
        if not over:
            self._turned_out()

    def _due(self, when: float) -> None:
        """On the loop."""
        with self._lock:
            # Another time was asked for since, and is brought by its own timer.
            if self._when != when or self._over:
                return
            self._when = _NOW
        self._place.put(self._turn)

    def _turn(self) -> None:
        """On a worker."""
        with self._lock:
            # Before the call: what is asked for during it is a turn of its own.
            self._when = inf
        self._run()


def _no_turn() -> None:
    pass
