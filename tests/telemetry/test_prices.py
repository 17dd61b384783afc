"""A price list: what is told, what is not told, and what is no price."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from realtime_sync import errors
from realtime_sync.telemetry import Budget, Prices, Tokens

PRICES = Prices(
    input_text=4.0,
    input_audio=32.0,
    cached_text=0.4,
    output_text=16.0,
    output_audio=64.0,
    currency="USD",
)


def cost(**counts: int) -> float:
    """What some tokens cost, in millionths."""
    return round(PRICES.cost(Tokens(**counts)) * 1_000_000, 6)


def test_every_kind_has_its_price() -> None:
    """Cached tokens are a part of those that were read."""
    known = cost(
        input=150,
        input_text=100,
        input_audio=50,
        cached=60,
        cached_text=60,
        output=30,
        output_text=10,
        output_audio=20,
    )

    assert 40 * 4.0 + 60 * 0.4 + 50 * 32.0 + 10 * 16.0 + 20 * 64.0 == known


@pytest.mark.parametrize(
    ("seconds", "cost"), [(0.0, 0.0), (30.0, 0.05), (90.5, 0.1508), (7200.0, 12.0)]
)
def test_minutes_of_a_live_session_have_a_price_of_their_own(
    seconds: float, cost: float
) -> None:
    """They are billed besides the tokens of its backend, and in parts."""
    prices = Prices(live_minute=0.1, output_text=16.0)
    both = Tokens(seconds=seconds, output=1_000_000, output_text=1_000_000)

    assert cost == pytest.approx(prices.cost(Tokens(seconds=seconds)), abs=1e-4)
    assert 16.0 + cost == pytest.approx(prices.cost(both), abs=1e-4)


@pytest.mark.parametrize(
    "counts, expected",
    [
        ({"input": 10}, 320.0),
        ({"output": 10}, 640.0),
        ({"input": 10, "input_text": 4}, 16.0 + 6 * 32.0),
        ({"input": 10, "input_audio": 10, "cached": 10, "cached_audio": 10}, 320.0),
        ({"input": 10, "input_text": 10, "cached": 10}, 40.0),
        ({"input": 10, "input_text": 10, "cached_text": 99}, 4.0),
        ({"input": 5, "input_text": 10}, 40.0),
        ({"output": 10, "output_text": 4, "reasoning": 6}, 160.0),
        ({"output": 10, "output_text": 10, "reasoning": 6}, 160.0),
        ({"output": 10, "reasoning": 99}, 160.0),
        ({"total": 99}, 0.0),
        ({}, 0.0),
    ],
)
def test_what_a_server_does_not_tell_is_counted_at_its_highest(
    counts: dict[str, int], expected: float
) -> None:
    """So that no limit is kept by what was left out."""
    assert expected == cost(**counts)


def test_a_price_list_measures_a_budget_and_travels() -> None:
    """To the processes that hold many calls against a gate."""
    budget = Budget(0.5, measure=PRICES)

    assert 0 == budget.spent
    assert PRICES == pickle.loads(pickle.dumps(PRICES))
    assert PRICES is Prices.of(PRICES)
    assert Prices(input_text=1) == Prices.of({"input_text": 1})


@pytest.mark.parametrize(
    "given, message",
    [
        ({"input_tekst": 1}, "did you mean 'input_text'"),
        ({"output": 1}, "no price of 'output'"),
        ({"input_text": -1}, "0 or more"),
        ({"input_text": float("nan")}, "0 or more"),
        ({"cached_text": "0.4"}, "0 or more"),
        ({"output_audio": True}, "0 or more"),
        ({"live_minute": None}, "0 or more"),
        ({"output_audio": 10**400}, "0 or more"),
        ({1: 1}, "no price of 1"),
        ([1], "a mapping"),
    ],
)
def test_what_is_no_price_list_is_refused(given: Any, message: str) -> None:
    """With the name of what is wrong."""
    with pytest.raises(errors.ConfigurationError, match=message):
        Prices.of(given)
