"""Who calls a player when something is due: a thread of its own, or shared ones."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import inf
from queue import Empty, SimpleQueue
from threading import RLock, Thread, current_thread
from time import monotonic
from typing import Protocol

from ..deadline import held_here
from ..transport.logs import area_logger

_log = area_logger("realtime_sync.audio")

_PATIENCE = 5.0


class PlayerTurns(Protocol):
    """Calls a player when it is due, once at a time."""

    def ask(self, seconds: float) -> None:
        """
        Have the player called after some seconds, unless it will be before.

        Any thread; does not wait.

        Raises:
            RuntimeError: the system gives no thread; ask again.
        """

    def end(self) -> None:
        """Nothing is to be called any more. Any thread; does not wait."""


class OwnThreadOfTurns:
    """
    Turns on a daemon thread that comes when there are any.

    It goes again after some idle seconds: a player that nobody closes must not keep a
    thread for ever.

    Args:
        run: what is called.
        name: of the thread.
    """

    def __init__(self, run: Callable[[], object], name: str) -> None:
        self._run = run
        self._name = name
        # Times that were asked for, by the monotonic clock. To put one is a single call
        # into C that wakes the thread, too: an interrupt comes before it or after it.
        self._asked: SimpleQueue[float] = SimpleQueue()
        # When the next turn is; the thread's own, others look.
        self._when = inf
        self._over = False
        # Guards the start and the end of the thread. Reentrant: a signal handler may
        # ask in the middle of a start.
        self._lock = RLock()
        self._thread: Thread | None = None

    def ask(self, seconds: float) -> None:
        """Have the function called after some seconds, unless it will be before."""
        when = monotonic() + seconds
        if self._over or when >= self._when:
            return
        self._asked.put(when)
        # Last: a thread that goes says so before it looks for the last time.
        if self._thread is None:
            self._start()

    def end(self) -> None:
        """Let the thread end."""
        self._over = True
        self._asked.put(inf)

    def join(self, timeout: float | None) -> bool:
        """
        Wait for the end of the thread.

        Unless it is the caller; or a signal handler has found the caller inside of the
        lock, which the thread wants to begin or to end.
        """
        thread = self._thread
        if thread is None or thread is current_thread():
            return True
        if held_here(self._lock):
            return False
        thread.join(timeout)
        return not thread.is_alive()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            thread = Thread(target=self._work, name=self._name, daemon=True)
            try:
                thread.start()
            except BaseException:
                # The system gives none now; or a Ctrl-C, and then it may have begun: it
                # finds that it is not the one. Whoever asks next starts another.
                with suppress(Empty):
                    self._asked.get(False)
                raise
            # Once it can be joined: another thread, or a signal handler, may close.
            self._thread = thread

    def _work(self) -> None:
        with self._lock:  # `_start` has it until it knows whether there is a thread.
            if self._thread is not current_thread():
                return
        while self._wait():
            try:
                self._run()
            except BaseException:  # A sink may even raise SystemExit.
                # It must not end: nobody would make another one in its place.
                _log.exception("! a player failed outside of what a sink may raise")

    def _wait(self) -> bool:
        """Wait for a turn; False when it is time to end."""
        while True:
            # All that was asked for, or what is past would be a turn each. And first
            # without waiting, see `Flag.wait`.
            with suppress(Empty):
                while True:
                    self._when = min(self._when, self._asked.get(False))
            if self._over:
                return False
            wait = min(self._when - monotonic(), _PATIENCE)
            if wait <= 0:
                # Before the call: what is asked for during it is another turn.
                self._when = inf
                return True
            try:
                self._when = min(self._when, self._asked.get(True, wait))
            except Empty:
                if self._when == inf and self._goes():
                    return False

    def _goes(self) -> bool:
        """End the thread, unless somebody has asked for it meanwhile."""
        with self._lock:
            self._thread = None
            if self._asked.empty():
                return True
            self._thread = current_thread()
            return False
