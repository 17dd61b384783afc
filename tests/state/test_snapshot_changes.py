"""What a server says of itself is kept as long as it is useful, and no longer."""

from __future__ import annotations

import pytest

from realtime_sync.state.snapshot_changes import LONGEST_DETAIL, shorten_anomaly


@pytest.mark.parametrize("length", [0, 1, LONGEST_DETAIL])
def test_a_detail_of_usual_length_is_kept(length: int) -> None:
    """Nothing is shortened that fits."""
    assert "x" * length == shorten_anomaly("x" * length)


@pytest.mark.parametrize("length", [LONGEST_DETAIL + 1, 1 << 20])
def test_a_longer_detail_says_how_long_it_was(length: int) -> None:
    """A megabyte in an error must not stay in every snapshot."""
    kept = shorten_anomaly("x" * length)

    assert kept.startswith("x" * LONGEST_DETAIL + "...")
    assert str(length) in kept
    assert len(kept) < LONGEST_DETAIL + 40
