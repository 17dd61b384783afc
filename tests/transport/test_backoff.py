"""Delays between attempts."""

from __future__ import annotations

from itertools import islice
from random import Random

import pytest

from realtime_sync.transport.backoff import backoff_delays


class Highest(Random):
    """Chance that always takes the upper bound."""

    def uniform(self, a: float, b: float) -> float:
        """The upper bound."""
        return b


def test_bounds_grow_from_the_base_to_the_cap() -> None:
    """Each bound is the last one times the factor, and none is above the cap."""
    bounds = list(islice(backoff_delays(Highest(), base=0.5, factor=2, cap=3), 5))

    assert [0.5, 1.0, 2.0, 3.0, 3.0] == bounds


def test_delays_use_the_whole_range() -> None:
    """Full jitter: anything from zero to the bound may come."""
    drawn = list(islice(backoff_delays(Random(1), base=8, cap=8), 200))

    assert min(drawn) < 1 and max(drawn) > 7
    assert all(0 <= each <= 8 for each in drawn)


def test_a_seed_repeats_the_delays() -> None:
    """Chance is a parameter, so a test can know what it gets."""
    first = list(islice(backoff_delays(Random(7)), 10))
    second = list(islice(backoff_delays(Random(7)), 10))

    assert first == second


def test_delays_never_end_and_never_overflow() -> None:
    """The bound stops at the cap instead of growing beyond any number."""
    last = next(islice(backoff_delays(Random(3), factor=1e9, cap=30), 5000, None))

    assert 0 <= last <= 30


@pytest.mark.parametrize("wrong", [{"base": -1}, {"cap": -1}, {"factor": 0.5}])
def test_bounds_that_make_no_sense_are_refused_at_once(wrong: dict[str, float]) -> None:
    """The mistake shows where it was made, not at the first attempt."""
    with pytest.raises(ValueError):
        backoff_delays(Random(), **wrong)
