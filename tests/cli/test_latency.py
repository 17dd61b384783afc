"""The table of latencies."""

from __future__ import annotations

from realtime_sync.cli.latency import Turn, latency_table


def test_latencies_count_from_the_end_of_speech() -> None:
    """In milliseconds, a dash for what did not happen."""
    turns = [
        Turn("a", spoken=10.0, found=10.25, heard=10.3, first_audio=10.4, done=12.0),
        Turn("b", found=20.0, done=21.0),
    ]
    lines = latency_table(turns).splitlines()

    assert ["1", "250", "300", "400", "2000"] == lines[2].split()
    assert ["2", "-", "-", "-", "-"] == lines[3].split()
    assert "first audio" in lines[1]
