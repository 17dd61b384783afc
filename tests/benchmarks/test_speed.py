"""
What the benchmarks promise, against openai-python in the same run.

The default suite runs a tenth and asks for less than what is promised, and for
ratios only: they hold on a busy machine. ``tox -m deep`` asks for all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import pytest
from attrs import evolve

from realtime_sync.cli.bench import (
    SCENARIOS,
    BenchRow,
    BenchScenario,
    measure,
    rows_as_table,
)

pytest.importorskip("openai", reason="the peer that is measured against")

TRIES = 3
"""How often a promise is measured again before it counts as broken."""

GENEROUS = {
    "text deltas": 1 / 3,
    "append of 20 ms": 1 / 3,
    "import": 1 / 3,
    "GPT-Live: audio, 100 ms": 1 / 2,
    "GPT-Live: words": 2 / 3,
}
"""Largest share of the peer's CPU time in the default suite."""


def named(name: str) -> BenchScenario:
    """The scenario of a name."""
    return next(each for each in SCENARIOS if each.name == name)


def share(rows: Sequence[BenchRow], unit: str) -> float:
    """Our figure as a share of the peer's, the median of the pairs."""
    row = next(row for row in rows if row.unit == unit)
    assert row.ratio is not None
    return 1 / row.ratio


def best_share(name: str, unit: str, bar: float, *, pairs: int, scale: float) -> float:
    """The share of the first measurement that is within the bar, or the last."""
    found = 1.0
    for _ in range(TRIES):
        rows = measure(
            [named(name)], pairs=pairs, scale=scale, sides=("ours", "peer", "floor")
        )
        print(rows_as_table(rows))
        found = share(rows, unit)
        if found <= bar:
            break
    return found


@pytest.mark.parametrize(("name", "bar"), GENEROUS.items())
def test_a_tenth_costs_a_third_of_the_peer_at_most(name: str, bar: float) -> None:
    """CPU time per event, with the mirror on, is a fraction of openai-python's."""
    unit = next(iter(named(name).bars))
    pytest.importorskip("orjson", reason="the bars are for the [speed] extra")

    assert best_share(name, unit, bar, pairs=1, scale=0.1) <= bar


def test_a_conversation_leaves_little_behind() -> None:
    """A tenth of an hour of audio in both directions, after the first minute."""
    rows = measure([named("an hour of audio")], scale=0.1, sides=("ours",))

    assert rows[0].ours < 16, "MiB in six minutes"


def test_an_inline_handler_overtakes_a_blocked_one() -> None:
    """While a handler sleeps every ``speech_started`` comes to the inline one."""
    rows = measure(
        [named("speech_started, a handler sleeps")], scale=0.1, sides=("ours",)
    )

    assert [0.0] == [row.ours for row in rows if row.unit == "missing"]


def promises() -> list[tuple[str, str, float]]:
    """Scenario, unit and largest share of the peer's figure."""
    return [
        (each.name, unit, bar) for each in SCENARIOS for unit, bar in each.bars.items()
    ]


@pytest.mark.alone
@pytest.mark.deep
@pytest.mark.parametrize(("name", "unit", "bar"), promises())
def test_what_is_promised_against_the_peer_is_kept(
    name: str, unit: str, bar: float
) -> None:
    """Each takes the share of the CPU time that its scenario names, or less."""
    pytest.importorskip("orjson", reason="the bars are for the [speed] extra")

    assert best_share(name, unit, bar, pairs=5, scale=1.0) <= bar


def limits() -> list[tuple[str, str, float]]:
    """Scenario, unit and largest figure of ours."""
    return [
        (each.name, unit, limit)
        for each in SCENARIOS
        for unit, limit in each.limits.items()
    ]


@pytest.mark.alone
@pytest.mark.deep
@pytest.mark.parametrize(("name", "unit", "limit"), limits())
def test_delays_stay_within_their_limits(name: str, unit: str, limit: float) -> None:
    """Percentiles of delays in milliseconds; no event goes missing."""
    found: Optional[float] = None
    for _ in range(TRIES):
        rows = measure([named(name)], sides=("ours",))
        found = next(row.ours for row in rows if row.unit == unit)
        if found <= limit:
            break

    assert found is not None
    assert found <= limit


@pytest.mark.alone
@pytest.mark.deep
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("plain", [False, True])
def test_every_stream_can_be_measured_every_way(tls: bool, plain: bool) -> None:
    """With and without TLS, with and without the modules of the extra."""
    chosen = [each for each in SCENARIOS if each.measurement == "stream"]
    rows = measure(chosen, pairs=2, tls=tls, plain=plain)
    print(rows_as_table(rows))

    assert {each.name for each in chosen} == {row.scenario for row in rows}


@pytest.mark.alone
@pytest.mark.deep
def test_an_hour_of_audio_leaves_little_behind() -> None:
    """The mirror of a long conversation is bounded, and its audio is not kept."""
    rows = measure([named("an hour of audio")], sides=("ours",))

    assert rows[0].ours < 16, "MiB in an hour"


@pytest.mark.parametrize("dispatch", ["shared", "shared, inline, frozen"])
def test_sessions_on_shared_threads_lose_nothing_and_are_few_threads(
    dispatch: str,
) -> None:
    """A tenth of the sessions, beside openai-python's asyncio client."""
    scenario = named(f"500 sessions x 50/s, {dispatch}")
    fewer = {**scenario.settings, "sessions": 50}
    rows = measure(
        [evolve(scenario, events=50, settings=fewer)], pairs=1, sides=("ours", "peer")
    )
    print(rows_as_table(rows))
    figures = {row.unit: row.ours for row in rows}

    assert 0 == figures["missing"]
    assert figures["threads"] <= 16
