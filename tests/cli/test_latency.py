"""The table of latencies."""

from __future__ import annotations

from realtime_sync.cli.latency import TurnLatency, latency_table
from realtime_sync.cli.plain_screen import plain_table
from realtime_sync.dispatch.notices import TurnFinished


def test_latencies_count_from_the_end_of_speech() -> None:
    """In milliseconds, a dash for what did not happen."""
    times = TurnFinished(found_ms=250.0, first_audio_ms=400.0, done_ms=2000.0)
    turns = [
        TurnLatency("a", heard=10.3, done=12.0, times=times),
        TurnLatency("b", done=21.0),
    ]
    lines = plain_table(latency_table(turns)).splitlines()

    assert ["1", "250", "300", "400", "2000"] == lines[2].split()
    assert ["2", "-", "-", "-", "-"] == lines[3].split()
    assert "first audio" in lines[1]
