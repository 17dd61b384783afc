"""Faults of known size, injected by the server: each makes its own gate fall."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from realtime_sync.evaluation import Check

from .booking import FAULTS, LARGE, PATIENT, STRICT, Faulty, fallen

AT_ONCE = 4
"""Calls in real time, side by side: more of them are late on two cores."""


def fallen_in(agents: Iterable[Faulty], gates: tuple[Check, ...]) -> list[list[str]]:
    """The gates that fall in a call of each agent."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda agent: fallen(agent.call(), gates), agents))


def test_each_fault_is_found_by_its_own_gate_alone() -> None:
    """Six calls with a fault each and two without, all in real time."""
    agents = [*[make() for make in LARGE.values()], Faulty(), Faulty()]

    assert [*[[gate] for gate in LARGE], [], []] == fallen_in(agents, PATIENT)


@pytest.mark.deep
@pytest.mark.timeout(600)
@pytest.mark.parametrize("gate", FAULTS)
def test_a_fault_is_found_fifty_times_of_fifty(gate: str) -> None:
    """400 ms late, 500 ms too long: a gate that falls sometimes is no gate."""
    agents = [FAULTS[gate]() for _ in range(50)]

    assert [[gate]] * 50 == fallen_in(agents, STRICT)


@pytest.mark.deep
@pytest.mark.timeout(600)
def test_two_hundred_calls_without_a_fault_pass() -> None:
    """A gate that falls for nothing is none either."""
    assert [[]] * 200 == fallen_in([Faulty() for _ in range(200)], STRICT)
