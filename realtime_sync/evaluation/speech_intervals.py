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
    stretches: Sequence[Stretch],
    *,
    pause: float = PAUSE_SECONDS,
    share: float = QUIET,
) -> tuple[Interval, ...]:
    """
    Find where sound is loud enough to be heard.

    What counts as loud is what counts for the end of the user's speech: see
    `realtime_sync.state.latency`.

    Args:
        stretches: one side of a call, in order.
        pause: seconds of quiet that do not end an interval.
        share: of the loudest sample that is loud.
    """
    blocks = list(_blocks(stretches))
    loudest = max((loud for _, _, loud in blocks), default=0)
    limit = max(FLOOR, share * loudest)
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
        size = max(1, int(stretch.rate * BLOCK_SECONDS))
        last = stretch.end
        for number, loud in enumerate(_peaks(stretch, size)):
            start = stretch.start + number * size / stretch.rate
            yield start, min(last, start + size / stretch.rate), loud


def _peaks(stretch: Stretch, size: int) -> Iterable[int]:
    """The loudest sample of every *size* samples."""
    data = bytes(stretch.data)
    if stretch.format == "pcm16" and len(data) > 1:
        try:
            import numpy
        except ImportError:
            pass
        else:
            samples = numpy.frombuffer(data[: len(data) // 2 * 2], "<i2")
            loud = numpy.abs(samples.astype(numpy.int32))
            places = numpy.arange(0, len(loud), size)
            found: list[int] = numpy.maximum.reduceat(loud, places).tolist()
            return found
    width = size * (stretch.per_second // stretch.rate)
    places_of_bytes = range(0, len(data), width)
    return [peak(data[at : at + width], stretch.format) for at in places_of_bytes]
