"""Commands of a recording that a mirror heard of before the server answered them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from .reader import RecordedLine

Told = TypeVar("Told")


class NotedCommands(Generic[Told]):
    """
    Which commands the mirror of a connection hears of before which message.

    Args:
        session_type: of the recording. Of a live session the mirror heard of commands
            that are in the recording; of others what it heard is written beside the
            message that came next, unless another program has recorded them.
    """

    def __init__(self, session_type: str) -> None:
        self._session_type = session_type
        self._sent: dict[int, tuple[Told, ...]] = {}
        # Told of before they were written: those that come next are late already.
        self._owed: dict[int, int] = {}

    def copy(self) -> NotedCommands[Told]:
        """The same, to go on from here more than once."""
        other: NotedCommands[Told] = NotedCommands(self._session_type)
        other._sent, other._owed = dict(self._sent), dict(self._owed)
        return other

    def sent(self, line: RecordedLine, command: Told) -> None:
        """Keep a command of a kind that the mirror hears of."""
        if self._session_type == "live" or line.asked is None:
            sent = self._sent.get(line.connection, ())
            self._sent[line.connection] = (*sent, command)

    def due(self, line: RecordedLine) -> list[Told | Mapping[str, Any]]:
        """What the mirror heard of just before a message, in order."""
        number = line.connection
        waiting = self._sent.pop(number, ())
        due: list[Told | Mapping[str, Any]] = list(waiting)
        if line.noted is not None:
            count = line.noted + self._owed.pop(number, 0)
            due, left = due[:count], waiting[count:]
            if left:
                self._sent[number] = left
            if count > len(due):
                self._owed[number] = count - len(due)
        frame = {"type": "conversation.item.create", "previous_item_id": "root"}
        return due + [{**frame, **asked} for asked in line.asked or ()]

    def rest(self, number: int) -> tuple[Told, ...]:
        """What the mirror heard of when the connection ended, after all messages."""
        return self._sent.pop(number, ())

    def forget(self, number: int) -> None:
        """The recording has the mirror as it was after all that was sent before."""
        self._sent.pop(number, None)
