"""Delays between attempts: exponential, with full jitter."""

from __future__ import annotations

import random
from collections.abc import Iterator


def delays(
    rng: random.Random, *, base: float = 0.5, factor: float = 2.0, cap: float = 30.0
) -> Iterator[float]:
    """
    Seconds to wait before each attempt, without end.

    Each is drawn between 0 and a bound that grows, so that clients that lost
    the same server do not come back at the same moment.

    Args:
        rng: where the randomness comes from.
        base: first bound, in seconds.
        factor: by which the bound grows.
        cap: largest bound, in seconds.
    """
    bound = base
    while True:
        yield rng.uniform(0.0, min(cap, bound))
        bound = min(cap, bound * factor)
