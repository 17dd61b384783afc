"""A plain WebSocket client: what the server's tests talk with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

import websocket

from realtime_sync.server import Server


class Client:
    """One WebSocket, JSON in and out."""

    def __init__(self, socket: websocket.WebSocket) -> None:
        self.socket = socket

    @property
    def protocol(self) -> Optional[str]:
        """The sub-protocol that the server chose."""
        chosen: Optional[str] = self.socket.getsubprotocol()
        return chosen

    def send(self, kind: str, **fields: Any) -> None:
        """Send a command."""
        self.socket.send(json.dumps({"type": kind, **fields}))

    def receive(self) -> Any:
        """Receive one frame; a close frame comes as ``(code, reason)``."""
        opcode, data = self.socket.recv_data(control_frame=True)
        while opcode in (websocket.ABNF.OPCODE_PING, websocket.ABNF.OPCODE_PONG):
            opcode, data = self.socket.recv_data(control_frame=True)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return int.from_bytes(data[:2], "big"), data[2:].decode()
        return json.loads(data)

    def until(self, kind: str) -> list[dict[str, Any]]:
        """Receive up to and including the first event of a type."""
        frames = [self.receive()]
        while frames[-1]["type"] != kind:
            frames.append(self.receive())
        return frames

    def say(self, text: str) -> None:
        """Add a user message."""
        part = {"type": "input_text", "text": text}
        item = {"type": "message", "role": "user", "content": [part]}
        self.send("conversation.item.create", item=item)

    def answer(self, **response: Any) -> list[dict[str, Any]]:
        """Ask for a response in text and wait for its end."""
        response = {"output_modalities": ["text"], **response}
        self.send("response.create", response=response)
        return self.until("response.done")


def opened(
    server: Server,
    path: str = "/v1/realtime?model=gpt-realtime",
    **arguments: Any,
) -> Client:
    """Open a WebSocket; the caller closes it."""
    return Client(
        websocket.create_connection(
            f"ws://127.0.0.1:{server.port}{path}", timeout=10, **arguments
        )
    )


@contextmanager
def client(server: Server, *faults: str, **arguments: Any) -> Iterator[Client]:
    """A WebSocket for a block, with faults asked for in its URL."""
    path = arguments.pop("path", "/v1/realtime?model=gpt-realtime")
    query = "".join(f"&fault={fault}" for fault in faults)
    one = opened(server, path + query, **arguments)
    try:
        yield one
    finally:
        one.socket.close(timeout=0.2)
        # After a close frame from the server, close() leaves the socket open.
        one.socket.shutdown()
