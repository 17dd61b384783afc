"""
How a connection is refused: over HTTP, or over the WebSocket it asked for.
"""

from __future__ import annotations

import json
import time

from ..live.context import live_context_error
from .handshake import AdmissionRefused
from .listener import ListenerHandler
from .websocket import HostWebSocket


def refuse_with_close_reason(
    handler: ListenerHandler, refused: AdmissionRefused
) -> None:
    """Answer the HTTP request with the error instead of upgrading it."""
    error = refused.refusal.event(None)["error"]
    body = json.dumps({"error": error}).encode()
    handler.send_response(refused.status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    if refused.status == 429:
        handler.send_header("Retry-After", "1")
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(body)


def turn_away_with_close_reason(wire: HostWebSocket, refused: AdmissionRefused) -> None:
    """Upgrade, tell the error, close: as the service does with a bad key."""
    event = {"event_id": "event_refused", **refused.refusal.event(None)}
    if refused.live:
        event["error"] = live_context_error(refused.refusal, None)
    wire.send_text(json.dumps(event).encode())
    wire.close(refused.close_code or 1008, refused.reason)
    flush_before_close(wire, until_closed=True)


def flush_before_close(
    wire: HostWebSocket, *, until_closed: bool = False, seconds: float = 2.0
) -> None:
    """Write the buffer out, and wait for the peer's close frame if asked to."""
    wire.socket.settimeout(seconds)
    ends = time.monotonic() + seconds
    while wire.write() and wire.buffer:
        pass
    while until_closed and not wire.ended and time.monotonic() < ends:
        wire.read()
