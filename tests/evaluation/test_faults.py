"""Faults of known size, injected by the server: each makes its own gate fall."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Optional

import pytest

from realtime_sync import connect
from realtime_sync.evaluation import CallRecord
from realtime_sync.server import open_engine
from realtime_sync.testing import ManualClock, MemoryTransport

from .booking import CONFIG, FAULTS, Faulty, book, fallen, talk

AT_ONCE = 4
"""Calls in real time, side by side: more of them are late on two cores."""


class LateToNotice:
    """
    An engine that is late to say that somebody speaks; so is all that is said after.

    Args:
        engine: says it.
        seconds: how late.
    """

    def __init__(self, engine: Any, seconds: float) -> None:
        self._engine = engine
        self._seconds = seconds
        self._held: list[Any] = []
        self._until = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def receive_text(self, payload: bytes, now: float) -> list[Any]:
        """What is due of what it says to a command."""
        return self._due(self._engine.receive_text(payload, now), now)

    def tick(self, now: float) -> list[Any]:
        """What is due by now."""
        return self._due(self._engine.tick(now), now)

    def settle(self, now: float) -> list[Any]:
        """What is due of the work that it has done."""
        return self._due(self._engine.settle(now), now)

    def _due(self, said: Iterable[Any], now: float) -> list[Any]:
        for message in said:
            if message["type"] == "input_audio_buffer.speech_started":
                self._until = now + self._seconds
            self._held.append(message)
        if now < self._until:
            return []
        due, self._held = self._held, []
        return due


def on_a_moved_clock(agent: Faulty) -> CallRecord:
    """The call in memory, where no other work of the machine counts."""
    clock = ManualClock()
    engine = open_engine(agent.agent(), now=clock.now(), pace=8.0)
    late = LateToNotice(engine, agent.stop_late)
    with connect(
        "gpt-realtime-2.1",
        transport=MemoryTransport(late, clock=clock),
        dispatch="inline",
        config=CONFIG,
        tools=[book],
    ) as session:
        return talk(session, clock)


@pytest.mark.parametrize("gate", [None, *FAULTS])
def test_a_fault_is_found_by_its_own_gate_alone(gate: Optional[str]) -> None:
    """400 ms late, 500 ms too long; without a fault none falls."""
    agent = Faulty() if gate is None else FAULTS[gate]()

    assert ([] if gate is None else [gate]) == fallen(on_a_moved_clock(agent))


def fallen_in(agents: Iterable[Faulty]) -> list[list[str]]:
    """The gates that fall in a call of each agent, in real time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda agent: fallen(agent.call()), agents))


@pytest.mark.alone
@pytest.mark.deep
@pytest.mark.timeout(600)
@pytest.mark.parametrize("gate", FAULTS)
def test_a_fault_is_found_fifty_times_of_fifty(gate: str) -> None:
    """A gate that falls sometimes is no gate."""
    assert [[gate]] * 50 == fallen_in(FAULTS[gate]() for _ in range(50))


@pytest.mark.alone
@pytest.mark.deep
@pytest.mark.timeout(600)
def test_two_hundred_calls_without_a_fault_pass() -> None:
    """A gate that falls for nothing is none either."""
    assert [[]] * 200 == fallen_in(Faulty() for _ in range(200))
