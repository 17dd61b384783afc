"""What a session has done so far, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen


@frozen(kw_only=True)
class SessionStats:
    """
    Counts and depths of one moment.

    Attributes:
        events: server events received.
        bytes: bytes of their frames.
        queued: deliveries that wait for handlers.
        queued_bytes: bytes of their frames.
        delivered: deliveries that handlers have had.
        discarded: stale audio deliveries dropped on request.
        handler_failures: exceptions of handlers.
        unknown: unknown event types and how often each came.
    """

    events: int
    bytes: int
    queued: int
    queued_bytes: int
    delivered: int
    discarded: int
    handler_failures: int
    unknown: Mapping[str, int]

    @classmethod
    def of(cls, wiring: Any) -> SessionStats:
        """
        Read the counters of a session's parts.
        """
        connection, dispatcher = wiring.connection, wiring.dispatcher
        return cls(
            events=connection.events_received if connection else 0,
            bytes=connection.bytes_received if connection else 0,
            queued=dispatcher.depth,
            queued_bytes=dispatcher.depth_bytes,
            delivered=dispatcher.delivered,
            discarded=dispatcher.discarded,
            handler_failures=dispatcher.failures,
            unknown=dict(connection.unknown) if connection else {},
        )
