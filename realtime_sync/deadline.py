"""One deadline per operation, passed down instead of a timeout used twice."""

from __future__ import annotations

from threading import TIMEOUT_MAX
from time import monotonic
from typing import Optional


class Deadline:
    """
    A point in time, or none.

    Args:
        seconds: from now; None means never.
    """

    __slots__ = ("_at",)

    def __init__(self, seconds: Optional[float]) -> None:
        self._at = None if seconds is None else monotonic() + seconds

    def remaining(self) -> Optional[float]:
        """
        Seconds left, never negative; None when there is no end.
        """
        if self._at is None:
            return None
        return max(0.0, self._at - monotonic())

    @property
    def passed(self) -> bool:
        """Whether the point in time lies behind us."""
        return self._at is not None and monotonic() >= self._at

    def limited(self, seconds: Optional[float]) -> Deadline:
        """
        The nearer of this deadline and one `seconds` from now.
        """
        other = Deadline(seconds)
        if self._at is None or (other._at is not None and other._at < self._at):
            return other
        return self


def acquire_timeout(deadline: Deadline) -> float:
    """
    The deadline in the form that ``lock.acquire(timeout=...)`` takes.
    """
    remaining = deadline.remaining()
    return -1 if remaining is None else min(remaining, TIMEOUT_MAX)
