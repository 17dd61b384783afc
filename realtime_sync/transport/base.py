"""
What a connection asks of whatever carries its messages.
"""

from __future__ import annotations

from typing import Optional, Protocol

from ..deadline import Deadline
from ..types import Place


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

    def send(
        self, payload: bytes, deadline: Deadline, place: Optional[Place] = None
    ) -> None:
        """
        Send a text message; returns when the kernel has the bytes.

        Args:
            payload: the message.
            deadline: when to stop waiting.
            place: to be called once, with the step that fixes the order of the
                message among others. What it raises means that it is not sent.
        """

    def post(self, payload: bytes, place: Optional[Place] = None) -> None:
        """Queue a text message without waiting, for the reader thread."""

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
