"""Figures for Prometheus, read by Prometheus' own parser."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from realtime_sync import connect
from realtime_sync.telemetry import ProcessCalls, metrics_text
from realtime_sync.testing import MemoryTransport, frames

pytestmark = pytest.mark.usefixtures("no_other_sessions")


def families(calls: ProcessCalls) -> dict[str, Any]:
    """The metrics by name."""
    found = text_string_to_metric_families(metrics_text(calls))
    return {each.name.removeprefix("realtime_sync_"): each for each in found}


def value(family: Any, suffix: str = "", **labels: str) -> float:
    """One sample."""
    return next(
        float(sample.value)
        for sample in family.samples
        if sample.name == f"{family.name}{suffix}" and sample.labels == labels
    )


def test_figures_of_a_process_are_what_its_sessions_did() -> None:
    """Counters, a gauge by state, and a histogram that adds up."""
    transport = MemoryTransport(on_send=frames.acknowledged)
    session = connect(transport=transport, dispatch="inline", timeout=0.2)
    calls = ProcessCalls(sessions=lambda: (session,))
    empty = families(calls)
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    for frame in frames.answer("Hi", response_id="resp_1")({}):
        if frame["type"] == "response.done":
            frame["response"]["usage"] = usage
        transport.feed(frame)
    transport.feed({"type": "error", "error": {"message": "no"}})
    found = families(calls)
    session.close()
    ended = families(ProcessCalls(sessions=lambda: ()))

    assert 0 == value(empty["turns"], "_total")
    assert 1 == value(found["turns"], "_total") == value(found["calls"], "_total")
    assert 1 == value(found["errors"], "_total")
    assert 7 == value(found["tokens"], "_total", kind="input")
    assert 3 == value(found["tokens"], "_total", kind="output")
    assert 1 == value(found["sessions"], state="waiting")
    assert 0 == value(found["queued_deliveries"])
    times = found["first_output_seconds"]
    assert "histogram" == times.type
    assert 1 == value(times, "_count") == value(times, "_bucket", le="+Inf")
    assert [] == ended["sessions"].samples


@pytest.mark.parametrize("state", ['act"ive', "a\nb", "{}", "x" * 99])
def test_word_of_a_server_cannot_break_the_page(state: str) -> None:
    """A live service says in its own words what state it is in."""
    from realtime_sync.telemetry.calls import CallRow

    class Odd(ProcessCalls):
        def reading(self) -> Any:
            return [CallRow(id="1", state=state)], super().reading()[1]

    found = families(Odd(sessions=lambda: ()))

    assert [1.0] == [sample.value for sample in found["sessions"].samples]
