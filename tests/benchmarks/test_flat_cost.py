"""What an event costs the mirror does not depend on what there is already."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Optional

import pytest

from realtime_sync.state.reduce import reduce
from realtime_sync.state.snapshot import Snapshot
from realtime_sync.state.snapshot_parts import Limits
from tests.state.cost import FRAMES, PLACE, conversation
from tests.state.mirror_builder import Mirror, message

MANY = 1_000
SLACK = 3.0
"""How much dearer a measurement may look on a machine that does other things."""


def seconds(snapshot: Snapshot, event: Any) -> float:
    """CPU time of a thousand deltas, the best of five."""
    best = float("inf")
    for _ in range(5):
        after = snapshot
        start = time.process_time()
        for _ in range(MANY):
            after = reduce(after, event)
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize("kind", FRAMES)
def test_the_ten_thousandth_delta_costs_what_the_first_did(kind: str) -> None:
    """A growing text is not copied, whatever its length."""
    mirror = conversation(10)
    event = mirror.codec.structure({**FRAMES[kind], **PLACE})
    late = mirror.snapshot
    for _ in range(10_000):
        late = reduce(late, event)

    assert seconds(late, event) < SLACK * seconds(mirror.snapshot, event)


@pytest.mark.parametrize("kind", FRAMES)
def test_a_delta_among_five_thousand_items_costs_what_it_does_among_ten(
    kind: str,
) -> None:
    """Items that are done are not touched by one that grows."""
    few, many = conversation(10), conversation(5_000)
    event = few.codec.structure({**FRAMES[kind], **PLACE})

    assert seconds(many.snapshot, event) < SLACK * seconds(few.snapshot, event)


FEWEST = 10
TURN = 2_500
"""Items that are added, so that what is done now and then is done as well."""

SAID = [{"type": "input_text", "text": "hello"}]

AIM = 1.5
"""How much dearer an item may be among 50,000 than among ten."""


def items(mirror: Mirror, first: int, count: int) -> list[Any]:
    """The events of so many items, each after the one before it."""
    frames = (
        {
            "type": f"conversation.item.{kind}",
            "event_id": "e",
            "previous_item_id": f"u{number - 1}" if number else None,
            "item": message(f"u{number}", SAID),
        }
        for number in range(first, first + count)
        for kind in ("added", "done")
    )
    return [mirror.codec.structure(frame) for frame in frames]


def after(snapshot: Snapshot, events: Sequence[Any]) -> Snapshot:
    """The conversation after some events."""
    for event in events:
        snapshot = reduce(snapshot, event)
    return snapshot


def dearer(sizes: Sequence[int], most: Optional[int]) -> dict[int, float]:
    """
    What an event of an item costs among so many, as a multiple of among ten.

    All take turns, so that what else the machine does falls on all; the best counts.
    """
    limits = Limits() if most is None else Limits(max_items=most)
    mirror = Mirror(limits=limits)
    begun, events, best = mirror.snapshot, dict[int, Any](), dict[int, float]()
    had, snapshots = 0, dict[int, Snapshot]()
    for size in (FEWEST, *sizes):
        begun = after(begun, items(mirror, had, size - had))
        had, snapshots[size] = size, begun
        events[size] = items(mirror, size, TURN)
    for _ in range(3):
        for size, snapshot in snapshots.items():
            start = time.process_time()
            after(snapshot, events[size])
            took = time.process_time() - start
            best[size] = min(best.get(size, took), took)
    return {size: best[size] / best[FEWEST] for size in sizes}


@pytest.mark.parametrize("most", [None, 500], ids=["few", "beyond the limit"])
def test_an_item_among_five_thousand_costs_what_it_does_among_ten(
    most: Optional[int],
) -> None:
    """Neither the order nor the items are copied for one that comes."""
    assert max(dearer([5_000], most).values()) < SLACK


@pytest.mark.alone
@pytest.mark.deep
@pytest.mark.parametrize("most", [None, 100_000], ids=["default limit", "no limit"])
def test_an_item_among_fifty_thousand_costs_what_it_does_among_ten(
    most: Optional[int],
) -> None:
    """Flat, below the limit of items and beyond it."""
    for _ in range(2):
        found = dearer([1_000, 20_000, 50_000], most)
        print(most, {size: round(times, 2) for size, times in found.items()})
        if max(found.values()) <= AIM:
            break

    assert max(found.values()) <= AIM
