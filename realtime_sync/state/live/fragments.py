"""
What both sides said, piece by piece, in the order in which the pieces came.

An hour has some ten thousand pieces, and each makes a new snapshot. So they
are kept in blocks: a new piece copies one short block, and now and then the
list of blocks.
"""

from __future__ import annotations

from typing import Final, Optional

from attrs import frozen

BLOCK: Final = 64
"""Pieces in a block."""

MOST_BLOCKS: Final = 640
"""Blocks kept: three hours of two people who never pause."""


@frozen(kw_only=True)
class Fragment:
    """
    One piece of what somebody said.

    Attributes:
        speaker: ``"user"`` or ``"assistant"``.
        text: what to append, spaces included.
        start_ms: where it begins, in milliseconds of its epoch.
        end_ms: where it ends; the end itself is not part of it.
        event_id: of the event that brought it, None if it had none.
        epoch: which session of several, one after another, it belongs to.
        received_ms: when it came, by any steady clock; None if nobody looked.
    """

    speaker: str
    text: str
    start_ms: float
    end_ms: float
    event_id: Optional[str] = None
    epoch: int = 0
    received_ms: Optional[float] = None


@frozen(kw_only=True)
class Fragments:
    """
    Pieces in delivery order.

    Attributes:
        blocks: full blocks, oldest first.
        tail: the block that is being filled.
        dropped: how many of the oldest are not kept any more.
    """

    blocks: tuple[tuple[Fragment, ...], ...] = ()
    tail: tuple[Fragment, ...] = ()
    dropped: int = 0

    def has(self, event_id: str, epoch: int) -> bool:
        """Whether a piece is among the latest: servers repeat a few seconds."""
        # A plain loop: this is done for each piece, and nearly always in vain.
        for block in (self.tail, *self.blocks[-1:]):
            for each in block:
                if each.event_id == event_id and each.epoch == epoch:
                    return True
        return False

    def add(self, fragment: Fragment) -> Fragments:
        """Return the pieces with one more."""
        tail = (*self.tail, fragment)
        if len(tail) < BLOCK:
            return Fragments(blocks=self.blocks, tail=tail, dropped=self.dropped)
        blocks = (*self.blocks, tail)
        lost = len(blocks) - MOST_BLOCKS
        if lost <= 0:
            return Fragments(blocks=blocks, dropped=self.dropped)
        return Fragments(blocks=blocks[lost:], dropped=self.dropped + lost * BLOCK)

    def all(self) -> tuple[Fragment, ...]:
        """Return every piece that is kept."""
        return tuple(each for block in (*self.blocks, self.tail) for each in block)


@frozen(kw_only=True)
class FragmentTimeline:
    """
    What one side said.

    Attributes:
        fragments: in delivery order.
    """

    fragments: tuple[Fragment, ...] = ()

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(each.text for each in self.fragments)

    @property
    def last_ms(self) -> float:
        """Where the latest session's speech ends so far, 0 if there is none."""
        epoch = max((each.epoch for each in self.fragments), default=0)
        ends = (each.end_ms for each in self.fragments if each.epoch == epoch)
        return max(ends, default=0)

    def between(self, start_ms: float, end_ms: float, *, epoch: int = 0) -> str:
        """Return what was said in a span of time, in whole pieces."""
        return "".join(
            each.text
            for each in self.fragments
            if each.epoch == epoch and each.start_ms < end_ms and each.end_ms > start_ms
        )


@frozen(kw_only=True)
class Overlap:
    """A span of time in which both sides spoke."""

    start_ms: float
    end_ms: float
    epoch: int = 0


def overlaps(fragments: tuple[Fragment, ...]) -> tuple[Overlap, ...]:
    """Return the spans in which both sides spoke, each as long as it can be."""
    found: list[Overlap] = []
    for epoch in sorted({each.epoch for each in fragments}):
        users = _spans_of_fragments(fragments, "user", epoch)
        others = _spans_of_fragments(fragments, "assistant", epoch)
        while users and others:
            start = max(users[0][0], others[0][0])
            end = min(users[0][1], others[0][1])
            if start < end:
                found.append(Overlap(start_ms=start, end_ms=end, epoch=epoch))
            (users if users[0][1] <= others[0][1] else others).pop(0)
    return tuple(found)


def _spans_of_fragments(
    fragments: tuple[Fragment, ...], speaker: str, epoch: int
) -> list[tuple[float, float]]:
    spans: list[tuple[float, float]] = []
    for start, end in sorted(
        (each.start_ms, each.end_ms)
        for each in fragments
        if (each.speaker, each.epoch) == (speaker, epoch)
    ):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans
