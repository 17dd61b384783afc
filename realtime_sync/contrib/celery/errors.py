"""What a fleet raises."""

from __future__ import annotations

from ...errors import RealtimeError


class FleetError(RealtimeError):
    """
    A fleet could not do what it was asked for.

    Attributes:
        call_id: of the call in question; empty if it was about none.
    """

    def __init__(self, message: str, *, call_id: str = "") -> None:
        super().__init__(message)
        self.call_id = call_id


class CallLost(FleetError):
    """The worker that had the call is gone, and the call with it."""


class CallOver(FleetError):
    """The call has ended, so that it can be told nothing any more."""


class CommandFailed(FleetError):
    """The worker has the call, and could not do what it was asked for."""


class NoAnswer(FleetError, TimeoutError):
    """Nobody answered in time, or the broker cannot be reached."""
