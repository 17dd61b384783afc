"""
Time for the local server: the machine's own, or one that a test moves by hand.
"""

from __future__ import annotations

import threading
import time
from typing import Callable, Protocol


class Clock(Protocol):
    """Where the server takes its time from."""

    manual: bool
    """True when time only moves by hand, so that nobody should sleep for it."""

    def now(self) -> float:
        """Return seconds since the epoch; never runs backwards."""
        ...

    def subscribe(self, moved: Callable[[], None]) -> Callable[[], None]:
        """Call *moved* when time jumps; returns a function that ends that."""
        ...


class SystemClock:
    """The machine's time: starts at the wall clock, moves with the monotonic one."""

    manual = False

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Return seconds since the epoch; never runs backwards."""
        return self._offset + time.monotonic()

    def subscribe(self, moved: Callable[[], None]) -> Callable[[], None]:
        """Do nothing: this clock never jumps."""
        return lambda: None


class ManualClock:
    """
    A clock that stands still until `advance` is called; for tests.

    May be used from any thread.

    Args:
        start: seconds since the epoch to begin with.
    """

    manual = True

    def __init__(self, start: float = 1_767_225_600.0) -> None:
        # Guards _now and _subscribers.
        self._lock = threading.Lock()
        self._now = start
        self._subscribers: list[Callable[[], None]] = []

    def now(self) -> float:
        """Return the time it was last set to, seconds since the epoch."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> None:
        """
        Move time forward and tell everybody who waits for it.

        Raises:
            ValueError: *seconds* is negative.
        """
        if seconds < 0:
            raise ValueError("time cannot run backwards")
        with self._lock:
            self._now += seconds
            subscribers = list(self._subscribers)
        for moved in subscribers:
            moved()

    def subscribe(self, moved: Callable[[], None]) -> Callable[[], None]:
        """Call *moved* after every `advance`; returns a function that ends that."""
        with self._lock:
            self._subscribers.append(moved)

        def cancel() -> None:
            with self._lock:
                if moved in self._subscribers:
                    self._subscribers.remove(moved)

        return cancel
