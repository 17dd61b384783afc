"""Where on the time axis somebody is to be heard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby

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


def audible_intervals(
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
    peaks = [_peaks_of_speech(each, _speech_block_size(each)) for each in stretches]
    loudest = max((max(each, default=0) for each in peaks), default=0)
    limit = max(FLOOR, share * loudest)
    return join_intervals(
        chain.from_iterable(
            _loud_runs(stretch, found, limit)
            for stretch, found in zip(stretches, peaks)
        ),
        pause=pause,
    )


def join_intervals(
    intervals: Iterable[Interval], *, pause: float
) -> tuple[Interval, ...]:
    """Make one of those that are less than *pause* seconds apart."""
    found: list[Interval] = []
    for each in sorted(intervals, key=lambda each: (each.start, each.end)):
        if found and each.start - found[-1].end < pause:
            found[-1] = Interval(found[-1].start, max(found[-1].end, each.end))
        else:
            found.append(each)
    return tuple(found)


def _speech_block_size(stretch: Stretch) -> int:
    """Samples of a block."""
    return max(1, int(stretch.rate * BLOCK_SECONDS))


def _loud_runs(
    stretch: Stretch, peaks: Sequence[int], limit: float
) -> Iterator[Interval]:
    """From the first to the last of loud blocks that follow each other."""
    size, last = _speech_block_size(stretch), stretch.end
    number = 0
    for loud, blocks in groupby(peak >= limit for peak in peaks):
        first, number = number, number + sum(1 for _ in blocks)
        if loud:
            start = stretch.start + first * size / stretch.rate
            end = stretch.start + (number - 1) * size / stretch.rate
            yield Interval(start, min(last, end + size / stretch.rate))


def _peaks_of_speech(stretch: Stretch, size: int) -> Sequence[int]:
    """The loudest sample of every *size* samples."""
    data = stretch.data
    if stretch.format == "pcm16" and len(data) > 1:
        try:
            import numpy
        except ImportError:
            pass
        else:
            samples = numpy.frombuffer(data, "<i2", len(data) // 2)
            places = numpy.arange(0, len(samples), size)
            # In 16 bit, the lowest sample has no positive twin.
            low, high = (
                each.reduceat(samples, places).astype(numpy.int32)
                for each in (numpy.minimum, numpy.maximum)
            )
            found: list[int] = numpy.maximum(high, -low).tolist()
            return found
    width = size * (stretch.per_second // stretch.rate)
    places_of_bytes = range(0, len(data), width)
    return [peak(data[at : at + width], stretch.format) for at in places_of_bytes]
