"""Keeping audio in step with a clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..deadline import Flag


class Pacer:
    """
    Waits until audio is due, without drift.

    Every wait is measured from the first one and not from the last, so that
    lateness never adds up; a block that is late is followed by the next at once.

    Args:
        clock: seconds, monotonic.
        stop: setting it ends every wait at once. Waiting on an event rather than
            sleeping is what makes a paced stream stoppable.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        stop: threading.Event | None = None,
    ) -> None:
        self.stop = stop or Flag()
        self._clock = clock
        self._start: float | None = None

    def wait(self, position: float) -> bool:
        """
        Wait until *position*, in seconds of audio since the first call, is due.

        The first call starts the clock.

        Returns:
            False when the wait was ended by `stop`.
        """
        now = self._clock()
        if self._start is None:
            self._start = now
        remaining = self._start + position - now
        if remaining <= 0:
            return not self.stop.is_set()
        return not self.stop.wait(remaining)
