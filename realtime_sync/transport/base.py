"""
What a connection is given to move messages with, whatever carries them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from threading import Event
from typing import Optional, Protocol

from ..deadline import Deadline
from .loop import Loop

Write = Callable[[memoryview], int]
"""
Writes what the kernel takes now and returns how much. If it raises, it has
written nothing; otherwise the caller must say that it cannot be relied upon.
"""

_MOST_NOTES = 64


class Disconnected(Exception):
    """
    The connection has ended; internal to the library.

    Attributes:
        code: close code, 1006 when there was no close frame.
        reason: the server's words.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"close code {code} {reason}".strip())
        self.code = code
        self.reason = reason


class Entry:
    """
    One message: its frames, and how far they are written.

    A large message is several frames, so that a pong can pass between them.
    """

    __slots__ = (
        "frames",
        "ends",
        "final",
        "over",
        "tried",
        "withdrawn",
        "_written",
    )

    def __init__(self, frames: list[bytes], *, final: bool = False) -> None:
        self.frames = frames
        self.ends = [len(frames[0])]
        if len(frames) > 1:
            self.ends = list(accumulate(map(len, frames)))
        self.final = final
        # Set when it is written, or will not be, if a thread waits for that.
        self.over: Optional[Event] = None
        self.tried = -1
        self.withdrawn = False
        self._written: list[int] = []

    @property
    def offset(self) -> int:
        """Bytes that are written."""
        return sum(self._written)

    @property
    def done(self) -> bool:
        """Whether all of it is written."""
        return sum(self._written) >= self.ends[-1]

    @property
    def begun(self) -> bool:
        """Whether it is going to be written, whatever becomes of its sender."""
        return self.tried >= 0

    @property
    def within_frame(self) -> bool:
        """
        Whether the next bytes must be this message's.

        True also when the writing of a frame was tried and nothing was taken:
        TLS has then encrypted a part and insists on the same bytes.
        """
        return self.tried == bisect_right(self.ends, self.offset)

    def write(self, write: Write) -> int:
        """
        Write from the present frame what is taken.
        """
        offset = self.offset
        index = bisect_right(self.ends, offset)
        frame = self.frames[index]
        start = offset - (self.ends[index] - len(frame))
        view = memoryview(frame)[start:] if start else memoryview(frame)
        self.tried = index
        notes = self._written
        if len(notes) > _MOST_NOTES:
            notes[:] = [offset]
        # One call into C from the write to the note of how much was written: a
        # KeyboardInterrupt cannot come between the two.
        notes.extend(map(write, (view,)))
        return notes[-1]


class Transport(Protocol):
    """
    Moves whole messages. `realtime_sync.testing` has one without a socket.

    Attributes:
        heard_at: when bytes last came in, seconds of the monotonic clock;
            liveness watches it.
        pushes: the transport calls the connection when something arrives, in
            the thread that brings it, so that no reader thread is needed.
    """

    heard_at: float
    pushes: bool

    def recv(self, timeout: Optional[float]) -> Optional[bytes]:
        """The next message; None after `timeout` seconds or when woken."""

    def prepare(self, payload: bytes) -> Entry:
        """Make a text message ready to be sent; touches nothing of the connection."""

    def enqueue(self, entry: Entry) -> None:
        """
        Put a message behind those before it.

        Writes nothing, waits for nothing and takes no lock, so that it may be
        called under one.
        """

    def flush(self, entry: Entry, deadline: Deadline) -> None:
        """
        Return when the kernel has a message that was enqueued.

        Raises:
            ConnectionClosed: the connection is broken or closed.
            WaitTimeout: the server takes nothing until the deadline.
        """

    def flush_now(self, entry: Entry) -> None:
        """Write what needs no waiting, for the reader thread; the rest follows."""

    def ping(self) -> None:
        """Queue a ping without waiting."""

    def begin_close(self, code: int, reason: str) -> None:
        """Queue a close frame; the reader sees the answer."""

    def wake(self) -> None:
        """Make a waiting `recv` return None."""

    def abort(self) -> None:
        """Shut the connection down so that the reader notices at once."""

    def close(self) -> None:
        """Release the socket. Reader thread only."""

    def unsent(self) -> int:
        """Number of messages not wholly written."""


class Pushing(Transport, Protocol):
    """
    A transport that pushes.

    Attributes:
        loop: on which it does so. One that pushes in the threads that bring
            something about, such as a test's, has none, and no such attribute.
        released: whether the socket is closed.
    """

    loop: Optional[Loop]
    released: bool

    def begin(
        self,
        receive: Callable[[bytes], None],
        ended: Callable[[int, str, Optional[BaseException]], None],
    ) -> None:
        """
        From now on push.

        Args:
            receive: is given every message. What it raises ends the connection.
            ended: is told once: close code, reason and cause.
        """
