"""A WebSocket server that does exactly what a script says, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, Optional

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA

GREETING: dict[str, Any] = {
    "type": "session.created",
    "event_id": "event_1",
    "session": {"type": "realtime", "id": "sess_raw", "object": "realtime.session"},
}


def server_frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True) -> bytes:
    """One unmasked frame."""
    first = bytes([(0x80 if fin else 0) | opcode])
    size = len(payload)
    if size < 126:
        return first + bytes([size]) + payload
    if size < 1 << 16:
        return first + b"\x7e" + size.to_bytes(2, "big") + payload
    return first + b"\x7f" + size.to_bytes(8, "big") + payload


class Gone(Exception):
    """The client has closed its side, or the server is being stopped."""


class Peer:
    """
    The server's end of one connection, for a script.

    Attributes:
        head: the client's request, once `upgrade` or `read_head` has run.
        sock: the socket itself.
    """

    def __init__(self, sock: Any, server: RawServer) -> None:
        self.sock = sock
        self.head = ""
        self._server = server
        self._buffer = b""

    # -- HTTP ----------------------------------------------------------------

    def read_head(self) -> str:
        """Read the request up to the empty line."""
        while b"\r\n\r\n" not in self._buffer:
            self.read_some()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        self.head = head.decode()
        self._server.heads.append(self.head)
        return self.head

    def header(self, name: str) -> Optional[str]:
        """A header of the request."""
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.strip().lower() == name.lower():
                return value.strip()
        return None

    def accepted(self, *extra: str) -> bytes:
        """The answer that accepts the upgrade."""
        key = (self.header("Sec-WebSocket-Key") or "").encode()
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        lines = (
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}",
            *extra,
        )
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def upgrade(self) -> None:
        """Do a proper handshake."""
        self.read_head()
        self.raw(self.accepted())

    def refuse(self, status: str, *headers: str, body: bytes = b"") -> None:
        """Answer the request with an HTTP status."""
        self.read_head()
        lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
        self.raw(("\r\n".join(lines) + "\r\n\r\n").encode() + body)

    # -- frames --------------------------------------------------------------

    def greet(self) -> None:
        """Handshake and ``session.created``."""
        self.upgrade()
        self.say(GREETING)

    def say(self, event: Any, opcode: int = TEXT) -> None:
        """Send one event as one frame."""
        self.frame(json.dumps(event).encode(), opcode)

    def frame(self, payload: bytes, opcode: int = TEXT, *, fin: bool = True) -> None:
        """Send one frame."""
        self.raw(server_frame(payload, opcode, fin=fin))

    def raw(self, data: bytes) -> None:
        """Send bytes."""
        try:
            self.sock.sendall(data)
        except OSError as exc:
            raise Gone from exc

    def read_frame(self) -> tuple[int, bytes, bool]:
        """The client's next frame: opcode, payload, whether it is a last one."""
        first, second = self._take(2)
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(self._take(2), "big")
        elif size == 127:
            size = int.from_bytes(self._take(8), "big")
        assert second & 0x80, "a client's frame is not masked"
        mask, payload = self._take(4), self._take(size)
        long_mask = (mask * (size // 4 + 1))[:size]
        plain = int.from_bytes(payload, "big") ^ int.from_bytes(long_mask, "big")
        return first & 0x0F, plain.to_bytes(size, "big"), bool(first & 0x80)

    def read(self) -> tuple[int, bytes]:
        """The client's next whole message or control frame."""
        opcode, payload, last = self.read_frame()
        parts = [payload]
        while not last:
            kind, payload, last = self.read_frame()
            assert kind == 0, f"frame {kind} within a message"
            parts.append(payload)
        return opcode, b"".join(parts)

    def hear(self) -> Any:
        """The client's next command, decoded; control frames are skipped."""
        while True:
            opcode, payload = self.read()
            if opcode == CLOSE:
                raise Gone
            if opcode in (TEXT, BINARY):
                return json.loads(payload)

    def oblige(self, command: Any) -> None:
        """Acknowledge a configuration, or an item."""
        if command["type"] == "session.update":
            session = {**GREETING["session"], **command["session"]}
            self.say({"type": "session.updated", "event_id": "u", "session": session})
        if command["type"] == "conversation.item.create":
            item = {"status": "completed", **command["item"]}
            item.setdefault("id", f"item_{command['event_id']}")
            self.say(
                {
                    "type": "conversation.item.added",
                    "event_id": "a",
                    "item": item,
                    "previous_item_id": command.get("previous_item_id"),
                }
            )

    def hear_until(self, kind: str) -> Any:
        """The client's next command of a type."""
        while True:
            command = self.hear()
            if command["type"] == kind:
                return command

    def answer_close(self) -> bytes:
        """Read up to the client's close frame, echo it, return its payload."""
        while True:
            opcode, payload = self.read()
            if opcode == CLOSE:
                self.frame(payload, CLOSE)
                return payload

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame; 1005 is one without a code."""
        told = b"" if code == 1005 else code.to_bytes(2, "big") + reason.encode()
        self.frame(told, CLOSE)

    def drop(self) -> None:
        """End the TCP connection."""
        self.sock.close()

    def rest(self) -> None:
        """Stay silent until the server is stopped or the client goes."""
        try:
            while True:
                self.read_some()
        except Gone:
            pass

    def hold(self) -> None:
        """Read nothing any more until the server is stopped."""
        self._server.stopping.wait()

    def _take(self, count: int) -> bytes:
        if len(self._buffer) < count:
            pieces, have = [self._buffer], len(self._buffer)
            while have < count:
                pieces.append(self._receive())
                have += len(pieces[-1])
            self._buffer = b"".join(pieces)
        found, self._buffer = self._buffer[:count], self._buffer[count:]
        return found

    def read_some(self) -> None:
        """Wait for bytes, whatever they are."""
        self._buffer += self._receive()

    def _receive(self) -> bytes:
        try:
            data: bytes = self.sock.recv(1 << 16)
        except OSError as exc:
            raise Gone from exc
        if not data:
            raise Gone
        return data


class RawServer:
    """
    Listens on loopback and runs a script for each connection, in a thread.

    Args:
        script: called with a `Peer`; the connection ends when it returns, or when it
            hears that the client has `Gone`.
        tls: server side settings for ``wss``.
        receive_buffer: size of the receiving buffer, to make senders stall.

    Attributes:
        heads: the requests that came, in order.
        failures: exceptions of scripts.
    """

    def __init__(
        self,
        script: Callable[[Peer], None],
        *,
        tls: Optional[ssl.SSLContext] = None,
        receive_buffer: Optional[int] = None,
    ) -> None:
        self.heads: list[str] = []
        self.failures: list[BaseException] = []
        self.stopping = threading.Event()
        self._script = script
        self._tls = tls
        self._socks: list[Any] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket()
        if receive_buffer is not None:
            self._listener.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer
            )
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="raw-server")
        self._acceptor.start()

    @property
    def url(self) -> str:
        """What `connect(base_url=...)` takes."""
        return f"{'wss' if self._tls else 'ws'}://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> RawServer:
        return self

    def __exit__(self, exc_type: Any, *exc_info: object) -> None:
        self.stop()
        if exc_type is None:
            assert [] == self.failures

    def stop(self) -> None:
        """End every connection and every thread."""
        self.stopping.set()
        _shut(self._listener)
        # A listener is not woken by its end on every system.
        with socket.socket() as knock:
            knock.connect_ex(("127.0.0.1", self.port))
        self._acceptor.join(5)
        for sock in self._socks:
            _shut(sock)
        for thread in self._threads:
            thread.join(5)
        for sock in self._socks:
            sock.close()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                break
            if self.stopping.is_set():
                sock.close()
                break
            self._socks.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,), name="raw-peer")
            self._threads.append(thread)
            thread.start()
        self._listener.close()

    def _serve(self, sock: Any) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._socks.append(sock)
            self._script(Peer(sock, self))
        except (Gone, OSError):
            pass
        except BaseException as exc:
            self.failures.append(exc)
        finally:
            _shut(sock)
            sock.close()


def obliging(peer: Peer) -> None:
    """Greet, and accept every configuration and item."""
    peer.greet()
    while True:
        peer.oblige(peer.hear())


def _shut(sock: Any) -> None:
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass
