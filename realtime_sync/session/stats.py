"""What a session has done so far, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from attrs import frozen

from ..connection.connection import Connection
from ..dispatch.dispatcher import Dispatcher
from ..state.latency import percentile


@frozen(kw_only=True)
class SessionStats:
    """
    Counts and depths of one moment.

    Attributes:
        events: server events received.
        bytes: bytes of their frames.
        queued: deliveries that wait for handlers.
        queued_bytes: bytes of their frames.
        delivered: deliveries that handlers were called with.
        discarded: stale audio deliveries dropped on request.
        handler_failures: exceptions of handlers.
        unknown: unknown event types and how often each came; what is no event at
            all, and types beyond the first hundred, are counted together.
        delay_p50_ms: milliseconds that deliveries lately waited for their
            handlers, median of a sample; None before there is one.
        delay_p99_ms: the same, 99th percentile.
        seconds: how long the session has been open, or was.
    """

    events: int
    bytes: int
    queued: int
    queued_bytes: int
    delivered: int
    discarded: int
    handler_failures: int
    unknown: Mapping[str, int]
    delay_p50_ms: Optional[float] = None
    delay_p99_ms: Optional[float] = None
    seconds: float = 0.0

    @classmethod
    def of(
        cls, connection: Optional[Connection], dispatcher: Dispatcher, seconds: float
    ) -> SessionStats:
        """
        Read the counters of a session's parts.

        Args:
            connection: in use, if there is one.
            dispatcher: calls the handlers.
            seconds: how long the session is open.
        """
        delays = dispatcher.delays()
        return cls(
            events=connection.events_received if connection else 0,
            bytes=connection.bytes_received if connection else 0,
            queued=dispatcher.depth,
            queued_bytes=dispatcher.depth_bytes,
            delivered=dispatcher.delivered,
            discarded=dispatcher.discarded,
            handler_failures=dispatcher.failures,
            unknown=dict(connection.unknown) if connection else {},
            delay_p50_ms=_percentile_ms_of_stats(delays, 50),
            delay_p99_ms=_percentile_ms_of_stats(delays, 99),
            seconds=seconds,
        )


def _percentile_ms_of_stats(seconds: list[float], percent: float) -> Optional[float]:
    return percentile(seconds, percent) * 1000 if seconds else None
