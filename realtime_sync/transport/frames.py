"""
WebSocket frames (RFC 6455, client side): cuts a byte stream into messages, and
masks what is sent.

websocket-client does the handshake, the proxies and TLS. Reading is done here
because its reader costs several times as much per small frame, and because a
reader that is handed bytes can be tested without a socket; so is the masking of
what is sent. No sockets, no clocks; chance is asked for masks alone.
"""

from __future__ import annotations

from os import urandom
from sys import byteorder
from typing import Final, NamedTuple, Optional, Union

from ..errors import RemoteProtocolError

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_FRAGMENT = 1 << 18
_SMALL = 1 << 10
_DATA = (TEXT, BINARY)
_OPCODES = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))


class Message(NamedTuple):
    """
    One message or control frame.

    Attributes:
        opcode: what it is; a message in fragments has its first frame's.
        payload: its bytes.
    """

    opcode: int
    payload: bytes


class FrameReader:
    """
    Collects bytes and gives back messages.

    Args:
        max_size: largest message in bytes; None for no limit.
    """

    def __init__(self, max_size: Optional[int] = None) -> None:
        self._max_size = max_size
        self._data = b""
        self._at = 0
        self._chunks: list[Union[bytes, bytearray]] = []
        self._have = 0
        self._need = 2
        # One buffer, however many fragments: a list of them would take several times
        # the bound of a message from a server that sends it byte by byte.
        self._fragments = bytearray()
        self._fragmented: Optional[int] = None

    def feed(self, chunk: bytes) -> None:
        """
        Add bytes from the stream.

        Chunks are joined only when a whole frame is there, so that a large
        frame that comes in pieces costs one copy; very small ones sooner, because
        each takes more memory than what is in it.
        """
        if self._have == 0:
            self._data, self._at = chunk, 0
        elif len(chunk) >= _SMALL:
            self._chunks.append(chunk)
        elif self._chunks and isinstance(self._chunks[-1], bytearray):
            self._chunks[-1] += chunk
        else:
            self._chunks.append(bytearray(chunk))
        self._have += len(chunk)

    def texts(self) -> list[bytes]:
        """
        Those of the next messages that are whole, unfragmented text frames of less
        than 64 KiB, which nearly all are.

        Returns:
            Up to the first that is something else, for which `next` is made; it
            would give the same here, at four times the cost.
        """
        found: list[bytes] = []
        if self._fragmented is not None:
            return found
        data, first, most = self._data, self._at, self._max_size
        at, size = first, len(data)
        while size - at >= 4 and data[at] == 0x81:
            length, start = data[at + 1], at + 2
            if length > 126:
                break
            if length == 126:
                length = data[start] << 8 | data[start + 1]
                start += 2
            end = start + length
            if end > size or (most is not None and length > most):
                break
            found.append(data[start:end])
            at = end
        if found:
            self._have -= at - first
            self._need = 2
            self._data, self._at = (b"", 0) if at == size else (data, at)
        return found

    def next(self) -> Optional[Message]:
        """
        The next message, or None until more bytes are fed.

        Raises:
            RemoteProtocolError: the stream breaks the protocol or the limit.
        """
        while self._have >= self._need:
            if len(self._data) - self._at < self._need:
                self._join()
            frame = self._frame()
            if frame is None:
                continue  # It has said how much it needs.
            fin, opcode, payload = frame
            if opcode >= CLOSE or (
                opcode in _DATA and fin and self._fragmented is None
            ):
                return Message(opcode, payload)
            whole = self._collect(fin, opcode, payload)
            if whole is not None:
                return whole
        return None

    def _join(self) -> None:
        rest = self._data[self._at :]
        self._data = b"".join([rest, *self._chunks]) if rest else b"".join(self._chunks)
        self._at = 0
        self._chunks.clear()

    def _frame(self) -> Optional[tuple[bool, int, bytes]]:
        data, at = self._data, self._at
        first, second = data[at], data[at + 1]
        if first & 0x70 or second & 0x80:
            raise RemoteProtocolError(
                "the server's frame is masked or has reserved bits set"
            )
        start, length = at + 2, second & 0x7F
        if first & 0x08:
            _check_control_frame(first, length)
        if length >= 126:
            start += 2 if length == 126 else 8
            if start > len(data):
                self._need = start - at
                return None
            length = int.from_bytes(data[at + 2 : start], "big")
        self._check_size(first, length)
        end = start + length
        if end > len(data):
            self._need = end - at
            return None
        self._have -= end - at
        self._need = 2
        if end == len(data):
            self._data, self._at = b"", 0
        else:
            self._at = end
        return bool(first & 0x80), first & 0x0F, data[start:end]

    def _check_size(self, first: int, length: int) -> None:
        if first & 0x08:
            return  # Control frames are small, and no part of the message.
        size = length + len(self._fragments)
        if length >> 63:
            raise RemoteProtocolError("a frame has a negative length")
        if self._max_size is not None and size > self._max_size:
            raise RemoteProtocolError(
                f"a message of {size} bytes or more is over the limit of "
                f"{self._max_size} bytes; raise max_frame_size if it is wanted"
            )

    def _collect(self, fin: bool, opcode: int, payload: bytes) -> Optional[Message]:
        if opcode not in _OPCODES or (opcode == CONTINUATION) == (
            self._fragmented is None
        ):
            raise RemoteProtocolError(f"unexpected frame, opcode {opcode}")
        if self._fragmented is None:
            self._fragmented = opcode
        self._fragments += payload
        if not fin:
            return None
        whole = Message(self._fragmented, bytes(self._fragments))
        self._fragments = bytearray()
        self._fragmented = None
        return whole


def _check_control_frame(first: int, length: int) -> None:
    opcode = first & 0x0F
    if opcode not in _OPCODES or not first & 0x80 or length > 125:
        raise RemoteProtocolError(f"malformed control frame, opcode {opcode}")


def masked_frame(payload: bytes, opcode: int, key: bytes, *, fin: bool = True) -> bytes:
    """
    A frame as a client sends it.

    What websocket-client's ``ABNF.format`` gives for the same key, at half the
    cost for 20 ms of audio.

    Args:
        payload: what it carries.
        opcode: what it is.
        key: four bytes that nobody can foretell, new for each frame.
        fin: whether it is the last one of its message.
    """
    size = len(payload)
    first = (0x80 if fin else 0) | opcode
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((first, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 0xFF)) + size.to_bytes(8, "big")
    pad = int.from_bytes((key * (size // 4 + 1))[:size], byteorder)
    masked = int.from_bytes(payload, byteorder) ^ pad
    return b"".join((head, key, masked.to_bytes(size, byteorder)))


def client_frame(payload: bytes, opcode: int, *, fin: bool = True) -> bytes:
    """
    A frame as a client sends it, masked.
    """
    return masked_frame(payload, opcode, urandom(4), fin=fin)


def text_frames(payload: bytes) -> list[bytes]:
    """
    A text message in frames, so that a pong can pass between those of a large one.
    """
    if len(payload) <= 2 * _FRAGMENT:
        return [client_frame(payload, TEXT)]
    pieces = range(0, len(payload), _FRAGMENT)
    last = pieces[-1]
    return [
        client_frame(
            payload[at : at + _FRAGMENT],
            CONTINUATION if at else TEXT,
            fin=at == last,
        )
        for at in pieces
    ]


def close_frame_payload(code: int, reason: str = "") -> bytes:
    """
    The body of a close frame.

    The reason is cut to the 123 bytes allowed, between two characters.
    """
    words = reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")
    return code.to_bytes(2, "big") + words.encode()


def parse_close_frame(payload: bytes) -> tuple[int, str]:
    """
    Close code and reason; 1005 when the frame has none.
    """
    if len(payload) < 2:
        return 1005, ""
    return (
        int.from_bytes(payload[:2], "big"),
        payload[2:].decode("utf-8", "replace"),
    )
