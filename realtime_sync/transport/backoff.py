"""How long to wait before the next attempt."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random


def backoff_delays(
    rng: Random, *, base: float = 0.5, factor: float = 2.0, cap: float = 30.0
) -> Iterator[float]:
    """
    Endless delays in seconds, each somewhere between zero and a growing bound.

    The whole range is used ("full jitter"), so that clients that lost the same
    server at the same moment do not come back together.

    Args:
        rng: where chance comes from; seed it to repeat a sequence.
        base: bound of the first delay, in seconds.
        factor: how much larger each bound is than the one before.
        cap: the largest bound, in seconds.

    Raises:
        ValueError: a bound is negative, or the bounds would shrink. Raised by
            this call, not by the first ``next()``.
    """
    if base < 0 or cap < 0 or factor < 1:
        raise ValueError(
            f"base and cap must not be negative and factor not below 1: "
            f"{base}, {cap}, {factor}"
        )
    return _endless_backoff(rng, base, factor, cap)


def _endless_backoff(
    rng: Random, base: float, factor: float, cap: float
) -> Iterator[float]:
    bound = min(base, cap)
    while True:
        yield rng.uniform(0.0, bound)
        bound = min(bound * factor, cap)
