"""
Silence in the place of audio that does not come.

The audio that a live session is sent is its clock: while none comes nothing is
spoken and no note is taken up.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from time import monotonic
from typing import Final, Optional

from ...deadline import held_here

PATIENCE: Final = 0.2
"""Seconds without audio before silence takes its place."""

PIECE: Final = 0.1
"""Seconds of silence that are sent at a time."""


class IdleAudio:
    """
    Says when silence is due.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        # Guards both times: threads that send audio, and the reader. Re-entrant: a
        # signal handler may close the session while its thread appends.
        self._lock = RLock()
        self._fed: Optional[float] = None
        self._due: Optional[float] = None

    def held_here(self) -> bool:
        """Whether the calling thread has the lock, which the loop may want."""
        return held_here(self._lock)

    def start(self) -> None:
        """The session has begun: from now on audio is due."""
        with self._lock:
            self._fed = self._clock()
            self._due = self._fed + PATIENCE

    def stop(self) -> None:
        """No audio is due until the next session begins."""
        with self._lock:
            self._fed = self._due = None

    def sent(self, seconds: float) -> None:
        """The program has sent so much audio; a burst lasts as long as it plays."""
        with self._lock:
            if self._fed is None:
                return
            self._fed = max(self._fed, self._clock()) + seconds
            self._due = self._fed + PATIENCE

    def take(self) -> bool:
        """Whether a piece of silence is due now; if so it counts as sent."""
        with self._lock:
            now = self._clock()
            if self._due is None or now < self._due:
                return False
            # After a stall no burst: the clock of the session stood still, too.
            self._due = max(self._due + PIECE, now)
            return True

    def ahead(self) -> float:
        """Seconds of the program's audio that were sent before their time."""
        with self._lock:
            return 0.0 if self._fed is None else max(0.0, self._fed - self._clock())

    def wait(self) -> Optional[float]:
        """Seconds until a piece is due; None while none will be."""
        with self._lock:
            return None if self._due is None else max(0.0, self._due - self._clock())
