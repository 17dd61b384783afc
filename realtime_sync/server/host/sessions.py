"""
One client's session, as a test may look at it.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import (
    Any,
    Iterator,
    Mapping,
    Optional,
    Sequence,
    Union,
    overload,
)

import attrs

from .connection import HostConnection
from .fault_injector import Drop, Send, encoded_faulty_frame
from .handshake import Admission


class SessionFrameLog(Sequence[Any]):
    """
    The newest frames of one direction; bounded by count and by bytes.

    May be read from any thread while the session's thread appends.

    Args:
        count: frames to keep.
        size: bytes to keep, roughly.
    """

    def __init__(self, count: int, size: int = 64 << 20) -> None:
        self._count = count
        self._size = size
        # Guards the two below.
        self._lock = threading.Lock()
        self._frames: deque[tuple[object, int]] = deque()
        self._bytes = 0

    def append(self, frame: object, size: int) -> None:
        """Add a frame of about *size* bytes; the oldest may have to go."""
        with self._lock:
            self._frames.append((frame, size))
            self._bytes += size
            while len(self._frames) > self._count or self._bytes > self._size:
                self._bytes -= self._frames.popleft()[1]

    def _copy(self) -> list[Any]:
        with self._lock:
            return [frame for frame, _ in self._frames]

    def __len__(self) -> int:
        return len(self._frames)

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: Union[int, slice]) -> Any:
        return self._copy()[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._copy())

    def __repr__(self) -> str:
        return f"<SessionFrameLog {len(self)} frames>"


def session_frame_size(frame: Mapping[str, Any]) -> int:
    """Estimate the bytes of a frame by its audio, the only big thing in one."""
    delta = frame.get("delta") or frame.get("audio")
    if isinstance(delta, str):
        return 200 + len(delta)
    item = frame.get("item")
    parts = item.get("content") if isinstance(item, Mapping) else None
    if not isinstance(parts, (list, tuple)):
        return 1000
    return 1000 + sum(len(part.get("audio") or "") for part in parts)


@attrs.define(eq=False)
class ServerSession:
    """
    One client's session, as a test may look at it.

    The engine belongs to the session's thread: look at it when the session is idle
    (`Server.wait_idle`).

    Attributes:
        engine: the protocol engine.
        admission: what the client asked for.
        received: the client's frames, decoded where they were JSON; the newest only.
        sent: the frames sent, as they were on the wire; the newest only.
        connection: the loop.
    """

    engine: Any
    admission: Admission
    received: SessionFrameLog
    sent: SessionFrameLog
    connection: HostConnection = attrs.field(init=False)
    open: bool = True

    @property
    def id(self) -> str:
        """The id that the client was told."""
        return str(self.engine.session_id)

    @property
    def close_code(self) -> Optional[int]:
        """The code that the client closed with; None before, or without one."""
        return self.connection.wire.close_code

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End the session with a close frame; does not wait."""
        self.connection.stop(code, reason)

    def drop(self, *, reset: bool = False) -> None:
        """End the TCP connection without a close frame; does not wait."""
        self.connection.act(Drop(reset))

    def send(self, message: Union[str, Mapping[str, Any]]) -> None:
        """Send a frame, or any text, that the engine knows nothing of."""
        text = (
            message.encode()
            if isinstance(message, str)
            else encoded_faulty_frame(message)
        )
        self.connection.act(Send(text))
