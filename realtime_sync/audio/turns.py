"""Who calls a player when something is due: a thread of its own, or shared ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from ..transport.logs import area_logger

_log = area_logger("realtime_sync.audio")

_PATIENCE = 5.0


class Turns(Protocol):
    """Calls a player when it is due, once at a time."""

    def ask(self, seconds: float) -> None:
        """
        Have the player called after some seconds, unless it will be before.

        Any thread; does not wait.
        """

    def end(self) -> None:
        """Nothing is to be called any more. Any thread; does not wait."""


class OwnThread:
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
        # Guards everything below, and wakes the thread.
        self._changed = threading.Condition()
        # When the next turn is, by the monotonic clock.
        self._when: float | None = None
        self._over = False
        self._thread: threading.Thread | None = None

    def ask(self, seconds: float) -> None:
        """Have the function called after some seconds, unless it will be before."""
        when = time.monotonic() + seconds
        with self._changed:
            if self._over or self._when is not None and when >= self._when:
                return
            if self._thread is None:
                thread = threading.Thread(
                    target=self._work, name=self._name, daemon=True
                )
                # Before the rest: where the system gives none now, the next who asks
                # must not take this turn for one that somebody waits for.
                thread.start()
                self._thread = thread
            self._when = when
            self._changed.notify()

    def end(self) -> None:
        """Let the thread end."""
        with self._changed:
            self._over = True
            self._changed.notify()

    def join(self, timeout: float) -> bool:
        """Wait for the end of the thread, unless it is the caller."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def _work(self) -> None:
        while self._wait():
            try:
                self._run()
            except BaseException:  # A sink may even raise SystemExit.
                # It must not end: nobody would make another one in its place.
                _log.exception("! a player failed outside of what a sink may raise")

    def _wait(self) -> bool:
        """Wait for a turn; False when it is time to end."""
        with self._changed:
            while not self._over:
                when = self._when
                wait = _PATIENCE if when is None else when - time.monotonic()
                if wait <= 0:
                    # Before the call: what is asked for during it is another turn.
                    self._when = None
                    return True
                if not self._changed.wait(wait) and self._when is None:
                    self._thread = None
                    return False
            return False
