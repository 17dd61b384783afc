"""The time in which a call takes place: the machine's, or one that is moved by hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Optional, Protocol

from ..errors import ConfigurationError

STEP = 0.02
"""Seconds by which a clock is moved at once: a block of the microphone."""

_STANDS_STILL = 30.0
"""Seconds of the machine's for which a clock stands still while tools work."""

_LOOK = 0.02


class MovedCallClock(Protocol):
    """A clock that is moved by hand, see `realtime_sync.testing.ManualClock`."""

    def now(self) -> float:
        """Return the time, in seconds."""

    def advance(self, seconds: float, /) -> None:
        """Move it, and let everybody do what is due."""


class CallTime(Protocol):
    """How a call knows the time, and lets it pass."""

    threads: bool
    """Whether what takes its time does so in threads of its own."""

    def now(self) -> float:
        """Return seconds that never go back."""

    def wait(self, changed: threading.Condition, seconds: float, working: bool) -> None:
        """
        Wait until something has changed; may return early.

        Args:
            changed: is held, once.
            seconds: to wait at most.
            working: a function of the program works, for which nothing waits but it.
        """

    def until(self, happened: threading.Event, seconds: Optional[float] = None) -> None:
        """Wait until something has happened, or so many seconds."""

    def each_step(self, due: Callable[[], object]) -> None:
        """Have a function called whenever time has passed, where no thread does it."""


class RealCallTime:
    """The time of the machine."""

    threads = True

    def now(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def wait(self, changed: threading.Condition, seconds: float, working: bool) -> None:
        """Wait until something has changed."""
        changed.wait(seconds)

    def until(self, happened: threading.Event, seconds: Optional[float] = None) -> None:
        """Wait until something has happened, or so many seconds."""
        happened.wait(seconds)

    def each_step(self, due: Callable[[], object]) -> None:
        """Threads do what is due."""


class MovedCallTime:
    """
    A clock that moves while somebody waits, in the thread that waits.

    It stands still while a function of the program works, which takes no time then.

    Args:
        clock: is moved by this alone.
        advance: moves it; the clock's own by default.
    """

    threads = False

    def __init__(
        self, clock: MovedCallClock, advance: Optional[Callable[[float], object]] = None
    ) -> None:
        if not (callable(getattr(clock, "now", None)) and hasattr(clock, "advance")):
            raise ConfigurationError(
                "clock is a realtime_sync.testing.ManualClock, or None for real time; "
                f"not {clock!r}"
            )
        self.now = clock.now
        self._advance = advance or clock.advance
        self._due: list[Callable[[], object]] = []
        # Seconds of the machine's for which it has been standing still.
        self._stood = 0.0

    def wait(self, changed: threading.Condition, seconds: float, working: bool) -> None:
        """Let a step pass; with a function at work, wait for that instead."""
        if not working:
            self._stood = 0.0
        elif self._stood < _STANDS_STILL:
            # Asked again soon: not all that ends work tells so.
            begun = time.monotonic()
            changed.wait(_LOOK)
            self._stood += time.monotonic() - begun
            return
        # What happens in a step may have others wait for what is held.
        changed.release()
        try:
            self._step()
        finally:
            changed.acquire()

    def until(self, happened: threading.Event, seconds: Optional[float] = None) -> None:
        """Let time pass until something has happened, or so many seconds."""
        end = None if seconds is None else self.now() + seconds
        while not happened.is_set() and (end is None or self.now() < end):
            self._step()

    def each_step(self, due: Callable[[], object]) -> None:
        """Have a function called after each step."""
        self._due.append(due)

    def _step(self) -> None:
        self._advance(STEP)
        # The microphone, which comes last, goes first: what is answered at once is
        # played in the same step.
        for due in reversed(self._due):
            due()
