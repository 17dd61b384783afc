"""WebSocket frames and the handshake, as far as a benchmark needs them."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
from collections.abc import Iterator

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CHUNK = 1 << 16


def server_frame(payload: bytes) -> bytes:
    """One text frame, not masked, as servers send it."""
    return _frame_head(len(payload), 0) + payload


def masked_peer_frame(payload: bytes) -> bytes:
    """One text frame as clients send it; the mask is zero, which changes nothing."""
    return _frame_head(len(payload), 0x80) + bytes(4) + payload


def _frame_head(size: int, mask: int) -> bytes:
    if size < 126:
        return bytes((0x81, mask | size))
    if size < 1 << 16:
        return bytes((0x81, mask | 126)) + size.to_bytes(2, "big")
    return bytes((0x81, mask | 127)) + size.to_bytes(8, "big")


def read_http_head(sock: socket.socket) -> bytes:
    """The head of an HTTP message, and no byte of what follows."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        more = sock.recv(1)
        if not more:
            raise ConnectionError("the connection ended within the handshake")
        head += more
    return head


def accept_upgrade(head: bytes) -> bytes:
    """The answer to a client's request for an upgrade."""
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n") if b": " in line)
    named = {name.lower(): value for name, value in fields.items()}
    digest = hashlib.sha1(named[b"sec-websocket-key"] + _GUID).digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
        % base64.b64encode(digest)
    )


def upgrade_request(target: str) -> bytes:
    """A client's request for an upgrade."""
    key = base64.b64encode(os.urandom(16))
    return (
        b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: %b\r\n\r\n" % (target.encode(), key)
    )


def client_commands(sock: socket.socket) -> Iterator[bytes]:
    """Payloads of the client's text frames, until it closes."""
    data = b""
    while True:
        while (cut := _cut_frames(data)) is not None:
            opcode, payload, size = cut
            data = data[size:]
            if opcode == 8:
                sock.sendall(bytes((0x88, len(payload))) + payload)
                return
            if opcode == 1:
                yield payload
        more = sock.recv(_CHUNK)
        if not more:
            return
        data += more


def _cut_frames(data: bytes) -> tuple[int, bytes, int] | None:
    if len(data) < 6:
        return None
    size, at = data[1] & 0x7F, 2
    if size >= 126:
        at = 4 if size == 126 else 10
        size = int.from_bytes(data[2:at], "big")
    end = at + 4 + size
    if len(data) < end:
        return None
    key, masked = data[at : at + 4], data[at + 4 : end]
    pad = (key * (size // 4 + 1))[:size]
    plain = int.from_bytes(masked, "big") ^ int.from_bytes(pad, "big")
    return data[0] & 0x0F, plain.to_bytes(size, "big"), end
