"""
What a connection is given to move messages with, whatever carries them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional, Protocol

from ..deadline import Deadline
from .loop import Loop
from .outbox import OutboxEntry

__all__ = ["Disconnected", "OutboxEntry", "Transport"]


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
    Moves whole messages, and pushes those that arrive to its connection.

    `realtime_sync.testing` has one without a socket.

    Attributes:
        heard_at: when bytes last came in, seconds of the monotonic clock;
            liveness watches it.
    """

    heard_at: float

    @property
    def loop(self) -> Optional[Loop]:
        """
        On which it pushes; None if it does so in the thread that brings something
        about, such as a test's. What time brings about happens on a loop only.
        """

    @property
    def released(self) -> bool:
        """Whether `close` is done with the socket."""

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

    def prepare(self, payload: bytes) -> OutboxEntry:
        """Make a text message ready to be sent; touches nothing of the connection."""

    def enqueue(self, entry: OutboxEntry) -> None:
        """
        Put a message behind those before it.

        Writes nothing, waits for nothing and takes no lock, so that it may be
        called under one.
        """

    def flush(self, entry: OutboxEntry, deadline: Deadline) -> None:
        """
        Return when the kernel has a message that was enqueued.

        Raises:
            ConnectionClosed: the connection is broken or closed.
            WaitTimeout: the server takes nothing until the deadline.
        """

    def flush_now(self, entry: OutboxEntry) -> None:
        """Write what needs no waiting, for the loop; the rest follows."""

    def ping(self) -> None:
        """Queue a ping without waiting."""

    def begin_close(self, code: int, reason: str) -> None:
        """Queue a close frame; the answer ends the connection."""

    def held_here(self) -> bool:
        """
        Whether the calling thread is inside of a send, as one is that a signal has
        interrupted there: the end waits for it.
        """

    def abort(self) -> None:
        """Shut the connection down, which then ends at once."""

    def close(self) -> None:
        """Release the socket, in the thread that pushes."""

    def unsent(self) -> int:
        """Number of messages not wholly written."""
