"""What a session counts."""

from __future__ import annotations

from realtime_sync import connect
from realtime_sync.server import serve


def test_a_session_counts_events_deliveries_and_their_delay() -> None:
    """Deliveries are counted as handlers get them; delays are a sample."""
    with serve(agent="echo") as server:
        with connect("m", base_url=server.url) as session:
            before = session.stats
            session.on("*", lambda event: None)
            session.ask("one two three four five", timeout=10)
            session.flush()
            stats = session.stats

    assert 1 == before.events
    assert (None, 0) == (before.delay_p50_ms, before.delivered)
    assert stats.events > 16
    assert stats.bytes > stats.events
    assert 0 == stats.queued == stats.queued_bytes == stats.handler_failures
    assert {} == stats.unknown
    assert stats.delay_p99_ms is not None and stats.delay_p50_ms is not None
    assert 0 <= stats.delay_p50_ms <= stats.delay_p99_ms
