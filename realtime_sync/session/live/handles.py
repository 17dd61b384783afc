"""Handles of what takes more than one command, or more than one answer."""

from __future__ import annotations

from typing import Any

from ...connection.command_handle import CommandHandle
from ...dispatch.streams import Expectation
from ...dispatch.watches import WatchWaiting
from ...types import UNSET, Timeout


class TextHandle:
    """
    A text that was sent, in one piece or several. Any thread.

    Attributes:
        handles: of the commands, in order.
    """

    def __init__(
        self, handles: tuple[CommandHandle, ...], waiting: WatchWaiting
    ) -> None:
        self.handles = handles
        self._waiting = waiting

    def __repr__(self) -> str:
        return f"<TextHandle {', '.join(map(repr, self.handles))}>"

    @property
    def event_id(self) -> str:
        """The id of the last command."""
        return self.handles[-1].event_id

    def done(self) -> bool:
        """Whether all of it has been taken up or refused."""
        return all(each.done() for each in self.handles)

    def acknowledged(self, timeout: Timeout = UNSET) -> Any:
        """
        Wait until all of it has been taken up; audio must flow meanwhile.

        Args:
            timeout: seconds for all of it; by default the session's.

        Returns:
            The event for the last piece, with the interval that it lies in.

        Raises:
            CommandRejected: a piece was refused.
            ConnectionClosed: the connection ended first.
            WaitTimeout: not in time.
        """
        deadline = self._waiting.deadline(timeout)
        answers = [each.acknowledged(deadline.remaining()) for each in self.handles]
        return answers[-1]


class FixtureHandle:
    """
    A recording that plays in the place of the model. Any thread.

    Attributes:
        command: the handle of its command.
    """

    def __init__(
        self, command: CommandHandle, end: Expectation[Any], waiting: WatchWaiting
    ) -> None:
        self.command = command
        self._end = end
        self._waiting = waiting

    def __repr__(self) -> str:
        return f"<FixtureHandle {self.command!r}>"

    def playing(self, timeout: Timeout = UNSET) -> Any:
        """
        Wait until it has begun. From any thread but the loop.

        Args:
            timeout: seconds; by default the session's.

        Raises:
            CommandRejected: it was refused.
            ConnectionClosed: the connection ended first.
            WaitTimeout: not in time.
        """
        return self.command.acknowledged(timeout)

    def played(self, timeout: Timeout = UNSET) -> Any:
        """
        Wait until the server has played it; the caller may hear it a bit longer.

        From any thread but the loop. The server never says that of a recording which
        is cut off.

        Args:
            timeout: seconds; by default the session's.

        Raises:
            CommandRejected: it was refused.
            ConnectionClosed: the connection ended first.
            WaitTimeout: not in time.
        """
        deadline = self._waiting.deadline(timeout)
        self.playing(deadline.remaining())
        return self._end.result(deadline.remaining())
