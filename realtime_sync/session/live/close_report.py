"""How a live session ended, as it is told to whoever closed it."""

from __future__ import annotations

from typing import Optional

from attrs import frozen

from ...state.live.snapshot import LiveSnapshot
from ..close_report import CloseReport


@frozen(kw_only=True)
class LiveCloseReport:
    """
    How a live session ended.

    Attributes:
        reason: ``"close_requested"``, ``"expired"``, ``"content"``,
            ``"remote_hangup"`` or ``"connection_lost"``; None if the service did
            not say.
        seconds: that are billed: how long it lasted, as the service last said.
        earlier_seconds: of the sessions that were lost before it took their place, as
            the service last said of each: what is billed of them is that or more.
        confirmed: the service has confirmed the end, so that `seconds` is final.
        complete: the session is over: socket closed, threads ended.
        error: what broke the connection, or None after a clean close.
        connection: of the connection: close code, commands that were not sent.
    """

    reason: Optional[str]
    seconds: float
    confirmed: bool
    complete: bool
    error: Optional[BaseException]
    connection: CloseReport
    earlier_seconds: float = 0.0

    @property
    def total_seconds(self) -> float:
        """Seconds of all sessions together, the lost ones included."""
        return self.earlier_seconds + self.seconds

    @classmethod
    def of(cls, snapshot: LiveSnapshot, connection: CloseReport) -> LiveCloseReport:
        """Put together what is known."""
        return cls(
            reason=snapshot.close_reason,
            seconds=snapshot.usage.seconds,
            confirmed=snapshot.state == "closed",
            complete=connection.complete,
            error=connection.error,
            connection=connection,
            earlier_seconds=snapshot.usage.earlier_seconds,
        )
