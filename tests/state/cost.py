"""
What one delta costs the mirror: ``python -m tests.state.cost``.

Microseconds of `reduce` per text delta and per audio delta, for conversations
of 10 to 5,000 items and for parts of 10 to 10,000 deltas. They should not
differ; the best of several rounds is shown.
"""

from __future__ import annotations

import time
from typing import Any

from realtime_sync.state.reduce import reduce
from realtime_sync.state.snapshot import Snapshot
from tests.state.mirror_builder import Mirror, answer

ITEMS = (10, 1_000, 5_000)
DELTAS = (10, 10_000)
PLACE = {"response_id": "r", "item_id": "a", "output_index": 0, "content_index": 0}
FRAMES: dict[str, dict[str, Any]] = {
    "text": {"type": "response.output_audio_transcript.delta", "delta": "Hello "},
    "audio": {"type": "response.output_audio.delta", "delta": "AAAA" * 3_200},
}
"""A word, and 200 ms of audio."""


def conversation(items: int) -> Mirror:
    """A conversation of so many items, the last of which is being spoken."""
    mirror = Mirror()
    previous = None
    for index in range(items - 1):
        mirror.user(f"u{index}", previous)
        previous = f"u{index}"
    mirror.created()
    mirror.started(answer())
    mirror.added(answer(), previous)
    mirror.about("response.content_part.added", part={"type": "audio"})
    return mirror


def microseconds(snapshot: Snapshot, event: Any, deltas: int) -> float:
    """The best time per delta over several rounds from the same snapshot."""
    best = float("inf")
    for _ in range(max(5, 2_000 // deltas)):
        after = snapshot
        start = time.perf_counter()
        for _ in range(deltas):
            after = reduce(after, event)
        best = min(best, time.perf_counter() - start)
    return best / deltas * 1e6


def main() -> None:
    """Print one line per kind of delta, size and length."""
    for items in ITEMS:
        mirror = conversation(items)
        for name, frame in FRAMES.items():
            event = mirror.codec.structure({**frame, **PLACE})
            for deltas in DELTAS:
                cost = microseconds(mirror.snapshot, event, deltas)
                print(f"{name:>5} {items:>5} items {deltas:>6} deltas {cost:6.2f} us")


if __name__ == "__main__":
    main()
