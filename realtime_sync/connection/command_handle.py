"""
Handles: what a command returns, to be ignored or waited on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Union, cast

from ..dispatch.watches import WatchSlot, WatchWaiting, copy_of_watched_error
from ..errors import CommandRejected, ConnectionLost, LocalProtocolError
from ..protocol.ack_tables import REALTIME, AckTable
from ..protocol.events import ServerEvent
from ..types import UNSET, Timeout, Unset


class CommandOfHandle(Protocol):
    """A command on its way: a client event, or one that the protocol lacks."""

    @property
    def type(self) -> str:
        """Its canonical type."""

    @property
    def event_id(self) -> Union[str, Unset]:
        """Its id; the sender assigns one where it is unset."""


Noted = Union[CommandOfHandle, Mapping[str, Any]]
"""What the mirror is told of before the server answers; a replay has mappings."""


class CommandHandle:
    """
    A command that has been sent.

    Ignore it, or wait for the event that acknowledges it. Any thread.

    Attributes:
        command: the client event.
        event_id: the id under which an error would come back.
        since: how many ``error`` events had come when it was made.
    """

    def __init__(
        self, command: CommandOfHandle, waiting: WatchWaiting, acks: AckTable = REALTIME
    ) -> None:
        self.command = command
        self.event_id = cast(str, command.event_id)  # The sender has seen to it.
        self._waiting = waiting
        self._rules = acks.rules
        self.since = waiting.heard
        self._slot = WatchSlot()
        self._awaited = False
        self._number = 0
        self._call: object = None

    def __repr__(self) -> str:
        state = "done" if self.done() else "pending"
        return f"<{type(self).__name__} {self.command.type} {self.event_id} {state}>"

    def done(self) -> bool:
        """Whether the server has acknowledged or rejected the command."""
        return self._slot.done

    def acknowledged(self, timeout: Timeout = UNSET) -> Any:
        """
        Wait for the event that acknowledges the command.

        From any thread but the loop; wakes at once when the connection ends.

        Args:
            timeout: seconds; by default the session's, None for as long as the
                connection lives.

        Returns:
            The acknowledging event; the page of acknowledgements says which.

        Raises:
            CommandRejected: the server refused; its subclass says why.
            ConnectionClosed: the connection ended first.
            LocalProtocolError: nothing ever acknowledges this command.
            WaitTimeout: no answer in time; some servers never give one.
        """
        if self.command.type not in self._rules:
            raise LocalProtocolError(f"{self.command.type} is never acknowledged")
        self._awaited = True
        with self._waiting.explaining(self.since):
            return self._slot.result(
                self._waiting.wait,
                self._waiting.deadline(timeout),
                f"acknowledgement of {self.command.type} ({self.event_id})",
            )

    def raise_if_rejected(self) -> None:
        """
        Look, without waiting, whether the server has refused the command.

        Raises:
            CommandRejected: it has.
            ConnectionLost: the connection was lost before the acknowledgement.
        """
        error = self._slot.error
        if isinstance(error, (CommandRejected, ConnectionLost)):
            raise copy_of_watched_error(error)

    def _acknowledge(self, event: ServerEvent) -> None:
        self._slot.resolve(event)

    def _reject(self, error: BaseException) -> None:
        self._slot.fail(error)

    def _retract(self, error: BaseException) -> None:
        """The acknowledgement was that of another command."""
        # A new one: only the first outcome of a slot counts, and this one has had it.
        self._slot = WatchSlot()
        self._reject(error)
