"""Until when something is waited for, as `time.monotonic` says it."""

from __future__ import annotations

import math
import time
from typing import Optional


def end_of(timeout: Optional[float]) -> float:
    """The moment at which so many seconds are over; infinity for None."""
    return math.inf if timeout is None else time.monotonic() + timeout


def left(ends: float, most: float = math.inf) -> float:
    """Seconds until then, or *most* if that is less; 0 if it is over."""
    return max(0.0, min(most, ends - time.monotonic()))
