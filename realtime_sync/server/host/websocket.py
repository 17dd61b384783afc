"""
One WebSocket on a socket that never blocks.

Framing, masking, close codes and limits are those of the ``websockets`` library's
protocol object, which does no I/O of its own.
"""

from __future__ import annotations

import socket
import struct
from ssl import SSLSocket, SSLWantReadError, SSLWantWriteError
from typing import Iterable, Optional, Union

import attrs
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from ...transport.logs import area_logger

_CHUNK = 1 << 18
_NOT_NOW = (BlockingIOError, InterruptedError, SSLWantReadError, SSLWantWriteError)
_quiet = area_logger("realtime_sync.server.websocket")


@attrs.frozen
class TextMessage:
    """A whole text message, not yet decoded."""

    data: bytes


@attrs.frozen
class BinaryMessage:
    """A whole binary message."""

    data: bytes


Message = Union[TextMessage, BinaryMessage]


class HostWebSocket:
    """
    The server's end of a WebSocket; belongs to one thread.

    Args:
        sock: the accepted socket; becomes non-blocking.
        max_size: bytes that one message may have.
        protocol: sub-protocol to answer with, or None.
    """

    def __init__(
        self, sock: socket.socket, *, max_size: int, protocol: Optional[str] = None
    ) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = sock
        self.buffer = bytearray()
        self.lost = False
        self.muted = False
        self._protocol = ServerProtocol(
            max_size=max_size,
            logger=_quiet,
            select_subprotocol=lambda _, offered: (
                Subprotocol(protocol) if protocol else None
            ),
            subprotocols=[Subprotocol(protocol)] if protocol else None,
        )
        # Its debug log shows the headers of the handshake, and with them keys.
        self._protocol.debug = False
        # One piece of memory, however many fragments a message comes in.
        self._fragments = bytearray()
        self._opcode = Opcode.TEXT

    # -- handshake -------------------------------------------------------------

    def accept(self, target: str, headers: Iterable[tuple[str, str]]) -> bool:
        """Answer the handshake; False if it was not a valid one."""
        request = Request(target, Headers(headers))
        # The protocol object starts by reading the request itself.
        self._protocol.receive_data(request.serialize())
        self._protocol.events_received()
        response = self._protocol.accept(request)
        self._protocol.send_response(response)
        self._collect()
        return response.status_code == 101

    # -- receiving -------------------------------------------------------------

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes that somebody else has read."""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        messages = [
            message
            for event in self._protocol.events_received()
            if isinstance(event, Frame) and (message := self._frame(event)) is not None
        ]
        self._collect()
        return messages

    def read(self) -> list[Message]:
        """Read what has arrived; sets `lost` when the peer is gone."""
        try:
            data = self.socket.recv(_CHUNK)
            # TLS hands out one record at a time, and select does not see the rest.
            while data and isinstance(self.socket, SSLSocket) and self.socket.pending():
                data += self.socket.recv(_CHUNK)
        except _NOT_NOW:
            return []
        except OSError:
            data = b""
        if not data:
            self.lost = True
        return self.feed(data)

    def has_input(self) -> bool:
        """Whether bytes of the client wait to be read."""
        try:
            # Asked below TLS, which cannot peek.
            return bool(socket.socket.recv(self.socket, 1, socket.MSG_PEEK))
        except _NOT_NOW:
            return False
        except OSError:
            return True

    def _frame(self, frame: Frame) -> Optional[Message]:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._opcode = frame.opcode
            if frame.fin:
                return self._message(bytes(frame.data))
        elif frame.opcode is not Opcode.CONT:
            return None
        self._fragments += frame.data
        if not frame.fin:
            return None
        data, self._fragments = bytes(self._fragments), bytearray()
        return self._message(data)

    def _message(self, data: bytes) -> Message:
        return TextMessage(data) if self._opcode is Opcode.TEXT else BinaryMessage(data)

    # -- sending ---------------------------------------------------------------

    def send_text(self, data: bytes) -> None:
        """Put a text message into the buffer."""
        if self.open:
            self._protocol.send_text(data)
            self._collect()

    def send_binary(self, data: bytes) -> None:
        """Put a binary message into the buffer."""
        if self.open:
            self._protocol.send_binary(data)
            self._collect()

    def ping(self, data: bytes) -> None:
        """Put a ping into the buffer."""
        if self.open:
            self._protocol.send_ping(data)
            self._collect()

    def send_cut(self, data: bytes, binary: bool, size: int) -> None:
        """Put the first *size* bytes of a message's frame into the buffer."""
        before = len(self.buffer)
        (self.send_binary if binary else self.send_text)(data)
        del self.buffer[before + size :]

    def reset(self) -> None:
        """Let the connection end with a reset instead of in order."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()
        self.lost = True

    def close(self, code: int, reason: str = "") -> None:
        """Put a close frame into the buffer."""
        if self.open:
            self._protocol.send_close(code, reason)
            self._collect()

    def write(self, limit: Optional[int] = None) -> int:
        """Write as much of the buffer as the socket takes, at most *limit* bytes."""
        end = len(self.buffer) if limit is None else min(limit, len(self.buffer))
        if not end or self.lost or self.muted:
            return 0
        try:
            with memoryview(self.buffer) as view:
                sent = self.socket.send(view[: min(end, _CHUNK)])
        except _NOT_NOW:
            return 0
        except OSError:
            self.lost = True
            return 0
        del self.buffer[:sent]
        return sent

    def _collect(self) -> None:
        for data in self._protocol.data_to_send():
            self.buffer += data

    # -- state -----------------------------------------------------------------

    @property
    def open(self) -> bool:
        """Whether messages may still be sent."""
        return self._protocol.state.name == "OPEN"

    @property
    def ended(self) -> bool:
        """Whether the closing handshake is over, or the peer is gone."""
        both = self._protocol.close_sent and self._protocol.close_rcvd
        return self.lost or both is not None

    @property
    def close_code(self) -> Optional[int]:
        """The code that the peer closed with, None before that."""
        received = self._protocol.close_rcvd
        return received.code if received else None
