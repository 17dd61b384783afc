"""What a delta costs the mirror does not depend on what there is already."""

from __future__ import annotations

import time
from typing import Any

import pytest

from realtime_sync.state.reduce import reduce
from realtime_sync.state.snapshot import Snapshot
from tests.state.cost import FRAMES, PLACE, conversation

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
