"""Where on the time axis somebody is to be heard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from ..report import Stretch
from ..state.latency import FLOOR, QUIET, peak

BLOCK_SECONDS = 0.01
"""How finely sound is looked at."""

PAUSE_SECONDS = 0.35
"""A pause shorter than this, as between words, does not end a stretch of speech."""


@frozen(order=True)
class Interval:
    """
    A time during which somebody is to be heard.

    Attributes:
        start, end: seconds on the time axis of the call.
    """

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start

    def overlap(self, other: Interval) -> float:
        """Seconds that two intervals have in common."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


def audible(
    stretches: Sequence[Stretch], *, pause: float = PAUSE_SECONDS
) -> tuple[Interval, ...]:
    """
    Find where sound is loud enough to be heard.

    What counts as loud is what counts for the end of the user's speech: see
    `realtime_sync.state.latency`.

    Args:
        stretches: one side of a call, in order.
        pause: seconds of quiet that do not end an interval.
    """
    blocks = list(_blocks(stretches))
    loudest = max((loud for _, _, loud in blocks), default=0)
    limit = max(FLOOR, QUIET * loudest)
    return joined(
        (Interval(start, end) for start, end, loud in blocks if loud >= limit),
        pause=pause,
    )


def joined(intervals: Iterable[Interval], *, pause: float) -> tuple[Interval, ...]:
    """Make one of those that are less than *pause* seconds apart."""
    found: list[Interval] = []
    for each in sorted(intervals):
        if found and each.start - found[-1].end < pause:
            found[-1] = Interval(found[-1].start, max(found[-1].end, each.end))
        else:
            found.append(each)
    return tuple(found)


def _blocks(stretches: Iterable[Stretch]) -> Iterator[tuple[float, float, int]]:
    """Start, end and loudest sample of every ten milliseconds."""
    for stretch in stretches:
        width = stretch.per_second // stretch.rate
        size = max(1, int(stretch.rate * BLOCK_SECONDS)) * width
        data = bytes(stretch.data)
        for place in range(0, len(data), size):
            start = stretch.start + place / stretch.per_second
            block = data[place : place + size]
            end = start + len(block) / stretch.per_second
            yield start, end, peak(block, stretch.format)
