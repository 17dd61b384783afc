"""
The way of a command: an id, an expected answer, the codec, the socket.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator, Mapping
from threading import Event
from typing import Any, Optional, TypeVar

from attrs import frozen

from .connection import Connection
from .errors import LocalProtocolError
from .gap import Gap
from .handles import CommandHandle, PendingCommands
from .protocol import events
from .protocol.codec import Codec, to_mapping
from .types import UNSET, Unset
from .waiters import Waiting

H = TypeVar("H", bound=CommandHandle)


@frozen(kw_only=True, slots=False)
class VendorCommand:
    """
    A command that the protocol does not have, sent as it is.

    Attributes:
        type: its type.
        event_id: its id, empty if the caller gave none.
        frame: what is sent.
    """

    type: str
    event_id: str
    frame: Mapping[str, Any]


class Sender:
    """
    Sends the commands of one session; any thread.

    Args:
        name: of the session, for logs.
        codec: encodes.
        pending: where answers are expected.
        waiting: gives deadlines.
        session_type: decides which command appends audio.
        sent: called with each command that was handed over, and its key.

    Attributes:
        connection: where commands go; replaced on reconnecting.
        gap: holds commands while there is no connection.
        tools: the tools that were last sent, or None.
        verdict: set while it is decided what becomes of a lost connection.
    """

    def __init__(
        self,
        *,
        name: str,
        codec: Codec,
        pending: PendingCommands,
        waiting: Waiting,
        session_type: str,
        sent: Callable[[Any, str], None],
    ) -> None:
        self.connection: Optional[Connection] = None
        self.gap: Optional[Gap] = None
        self.tools: Any = None
        self.verdict = Event()
        self.codec = codec
        self._name = name
        self._pending = pending
        self._waiting = waiting
        self._session_type = session_type
        self._sent = sent
        self._ids = event_ids("event")

    def send(
        self, command: Any, make: Optional[Callable[[Any], H]] = None
    ) -> CommandHandle:
        """
        Give a command an id, expect its answer, encode it, write it.

        Args:
            command: a client event, or a mapping.
            make: makes the handle.

        Raises:
            ConnectionClosed: the connection is over.
            LocalProtocolError: the session is not open, or the mapping is no
                event.
        """
        if isinstance(command, Mapping):
            command = self.from_mapping(command)
        if isinstance(command, VendorCommand):
            self._write(command, command.frame)
            return CommandHandle(command, self._waiting)
        if isinstance(command.event_id, Unset):
            command = with_event_id(command, next(self._ids))
        self._await_verdict()
        handle = make(command) if make else CommandHandle(command, self._waiting)
        self._pending.register(handle)
        try:
            self.write(command)
        except BaseException:
            self._pending.withdraw(handle)
            raise
        return handle

    def write(self, command: Any) -> None:
        """Encode and write a command without expecting an answer."""
        if command.type == "session.update":
            self._note_tools(command)
        self._write(command, command)

    def append_command(self, *, audio: bytes) -> Any:
        """The command that appends audio in this kind of session."""
        if self._session_type == "translation":
            return events.TranslationInputAudioBufferAppend(audio=audio)
        return events.InputAudioBufferAppend(audio=audio)

    def note(self, command: Any) -> None:
        """Let the mirror know what was asked for, as far as order needs it."""
        if self.connection is not None:
            self.connection.note(command)

    def close_gap(self, connection: Connection) -> None:
        """
        Send what was held meanwhile over a new connection, then use it.
        """
        self.connection = connection
        self.verdict.clear()
        gap = self.gap
        while gap is not None:
            held = gap.take()
            for command in held:
                frame = getattr(command, "frame", command)
                connection.send(self.codec.encode(frame), self._waiting.deadline())
            if not held:
                self.gap = gap = None

    def _await_verdict(self) -> None:
        """
        A connection that has just been lost may be about to be replaced; the
        moment until that is known is waited out rather than raised.
        """
        connection = self.connection
        if connection is None or not connection.lost or self.gap is not None:
            return
        if not connection.on_reader():
            self.verdict.wait(self._waiting.deadline().remaining())

    def _write(self, command: Any, frame: Any) -> None:
        if self.connection is None:
            raise LocalProtocolError("the session is not open yet; call open()")
        self._await_verdict()
        payload = self.codec.encode(frame)
        gap = self.gap
        if gap is None or not gap.hold(command):
            self.connection.send(payload, self._waiting.deadline())
        self._sent(command, f"client.{command.type}")

    def from_mapping(self, frame: Mapping[str, Any]) -> Any:
        """
        The command that a mapping stands for.

        Raises:
            LocalProtocolError: it is no event.
        """
        command = self.codec.command(frame)
        if not isinstance(command, Mapping):
            return command
        if not isinstance(frame.get("type"), str):
            raise LocalProtocolError("an event needs a type")
        event_id = frame.get("event_id")
        return VendorCommand(
            type=frame["type"],
            event_id=event_id if isinstance(event_id, str) else "",
            frame=frame,
        )

    def _note_tools(self, command: Any) -> None:
        tools = getattr(command.session, "tools", UNSET)
        if not isinstance(tools, Unset):
            self.tools = to_mapping(tools)


def event_ids(prefix: str) -> Iterator[str]:
    """
    Ids that no other session gives out.
    """
    token = secrets.token_hex(5)
    return (f"{prefix}_{token}_{number}" for number in itertools.count(1))


def with_event_id(command: Any, event_id: str) -> Any:
    """
    A copy with an id; checking the fields again would cost and find nothing.
    """
    copy = object.__new__(type(command))
    copy.__dict__.update(command.__dict__, event_id=event_id)
    return copy
