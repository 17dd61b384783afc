"""
What a connection is given to move messages with, whatever carries them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional, Protocol

from ..deadline import Deadline
from .loop import Loop
from .outbox import Entry

__all__ = ["Disconnected", "Entry", "Pushing", "Transport"]


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
