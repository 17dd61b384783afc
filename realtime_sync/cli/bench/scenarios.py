"""What is measured, and what would be too slow."""

from __future__ import annotations

import re
from typing import Any

from attrs import Factory, frozen


@frozen(kw_only=True)
class BenchScenario:
    """
    One line of the benchmark.

    Attributes:
        name: for people.
        measurement: which function of a side does it; ``"import"`` for none.
        kind: what the server sends.
        events: how many make one measurement.
        sides: who can do it.
        settings: more for the `BenchJob`.
        single: takes long, or says the same each time: one pair is enough.
        seconds: what one measurement takes, about, on two cores of a virtual machine.
        bars: largest allowed share of the peer's figure.
        limits: largest allowed figure of ours.
    """

    name: str
    measurement: str
    kind: str
    events: int
    sides: tuple[str, ...] = ("ours", "peer")
    settings: dict[str, Any] = Factory(dict)
    single: bool = False
    seconds: float = 2.0
    bars: dict[str, float] = Factory(dict)
    limits: dict[str, float] = Factory(dict)


_ALL = ("ours", "peer", "floor")
_SECONDS = 10
_ARRANGEMENTS = {
    "own threads": "own",
    "shared": "workers",
    "shared, frozen": "workers frozen",
    "shared, inline": "inline",
    "shared, inline, frozen": "inline frozen",
}
"""What the table calls it -> `BenchJob.arrangement`."""
_MANY = {"threads": 16, "KiB/session": 60}


def _paced_scenario(
    load: str, told: str, bars: dict[str, float] | None = None
) -> BenchScenario:
    """Sessions at an even rate, beside openai-python's asyncio client."""
    sessions, rate = (int(n.replace(",", "")) for n in re.findall(r"[\d,]+", load))
    return BenchScenario(
        name=f"{load}, {told}",
        measurement="shared sessions",
        kind="paced",
        events=rate * _SECONDS,
        settings={
            "sessions": sessions,
            "rate": rate,
            "arrangement": _ARRANGEMENTS[told],
        },
        single=True,
        seconds=25.0 if sessions >= 500 else 14.0,
        bars=bars or {},
        limits={"missing": 0, **({} if sessions < 500 else _MANY)},
    )


SCENARIOS: tuple[BenchScenario, ...] = (
    BenchScenario(
        name="text deltas",
        measurement="stream",
        kind="text",
        events=20_000,
        sides=_ALL,
        bars={"cpu us": 1 / 6},
    ),
    BenchScenario(
        name="audio deltas, 200 ms",
        measurement="stream",
        kind="audio",
        events=4_000,
        sides=_ALL,
        bars={"cpu us": 0.28},
    ),
    BenchScenario(
        name="text, handlers inline",
        measurement="stream",
        kind="text",
        events=20_000,
        sides=_ALL,
        settings={"arrangement": "inline"},
    ),
    BenchScenario(
        name="audio of 200 ms, handlers inline",
        measurement="stream",
        kind="audio",
        events=4_000,
        sides=_ALL,
        settings={"arrangement": "inline"},
    ),
    BenchScenario(
        name="argument deltas",
        measurement="stream",
        kind="arguments",
        events=20_000,
        sides=_ALL,
    ),
    BenchScenario(
        name="append of 20 ms",
        measurement="append",
        kind="drain",
        events=10_000,
        sides=_ALL,
        bars={"cpu us": 1 / 6},
    ),
    BenchScenario(
        name="GPT-Live: audio, 100 ms",
        measurement="live stream",
        kind="live_audio",
        events=8_000,
        bars={"cpu us": 1 / 3},
    ),
    BenchScenario(
        name="GPT-Live: words",
        measurement="live stream",
        kind="live_words",
        events=20_000,
        bars={"cpu us": 1 / 2},
    ),
    BenchScenario(
        name="import",
        measurement="import",
        kind="alone",
        events=1,
        bars={"cpu ms": 1 / 4},
    ),
    BenchScenario(
        name="import, and a session not yet open",
        measurement="import",
        kind="used",
        events=1,
    ),
    BenchScenario(
        name="connect to session.created",
        measurement="opening",
        kind="quiet",
        events=50,
    ),
    BenchScenario(
        name="one frame of 15 MB",
        measurement="stream",
        kind="big",
        events=4,
        sides=_ALL,
    ),
    BenchScenario(
        name="command and answer",
        measurement="answers",
        kind="answers",
        events=2_000,
    ),
    BenchScenario(
        name="200 sessions x 50/s",
        measurement="sessions",
        kind="paced",
        events=500,
        settings={"sessions": 200},
        single=True,
        seconds=25.0,
        limits={"missing": 0},
    ),
    BenchScenario(
        name="200 sessions x 50/s, on one core",
        measurement="sessions",
        kind="paced",
        events=500,
        settings={"sessions": 200, "confined": True},
        single=True,
        seconds=25.0,
        limits={"p99 ms": 50, "missing": 0},
    ),
    BenchScenario(
        name="500 sessions x 50/s",
        measurement="sessions",
        kind="paced",
        events=500,
        settings={"sessions": 500},
        single=True,
        seconds=25.0,
    ),
    _paced_scenario(
        "500 sessions x 50/s", "shared", {"p99 ms": 1 / 30, "cpu us": 0.65}
    ),
    _paced_scenario(
        "500 sessions x 50/s",
        "shared, inline, frozen",
        {"p99 ms": 1 / 50, "cpu us": 0.45},
    ),
    _paced_scenario("1,000 sessions x 30/s", "shared", {"p99 ms": 1 / 30}),
    _paced_scenario(
        "2,000 sessions x 15/s",
        "shared, inline, frozen",
        {"p99 ms": 1 / 50, "cpu us": 0.55},
    ),
    # The asyncio client needs 70 % of a core for that.
    _paced_scenario("500 sessions x 27/s", "shared", {"p99 ms": 1.0}),
    _paced_scenario("500 sessions x 27/s", "shared, frozen", {"p99 ms": 1.0}),
    _paced_scenario("500 sessions x 27/s", "shared, inline, frozen", {"p99 ms": 1.0}),
    _paced_scenario("50 sessions x 20/s", "own threads"),
    _paced_scenario("50 sessions x 20/s", "shared"),
    _paced_scenario("50 sessions x 20/s", "shared, inline"),
    _paced_scenario("1 session x 20/s", "own threads"),
    _paced_scenario("1 session x 20/s", "shared"),
    _paced_scenario("1 session x 20/s", "shared, inline"),
    BenchScenario(
        name="an hour of audio",
        measurement="hour",
        kind="turns",
        events=720,
        single=True,
    ),
    BenchScenario(
        name="speech_started, a handler sleeps",
        measurement="hushed while blocked",
        kind="speech",
        events=1_000,
        sides=("ours",),
        settings={"rate": 100},
        limits={"p99 ms": 10, "missing": 0},
        single=True,
        seconds=12.0,
    ),
    BenchScenario(
        name="speech_started, a handler computes",
        measurement="hushed while busy",
        kind="speech",
        events=1_000,
        sides=("ours",),
        settings={"rate": 100},
        limits={"p99 ms": 30, "missing": 0},
        single=True,
        seconds=12.0,
    ),
)
"""Every scenario, in the order of the table."""


def scenario_named(name: str) -> BenchScenario:
    """
    The scenario of a name.

    Raises:
        KeyError: there is none.
    """
    return {each.name: each for each in SCENARIOS}[name]
