"""
The way of a command: an id, an expected answer, the codec, the socket.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Optional, Protocol, TypeVar, Union

from attrs import frozen

from ..deadline import Deadline, Flag
from ..dispatch.watches import WatchWaiting, copy_of_watched_error
from ..errors import (
    ConnectionClosed,
    ConnectionLost,
    ForkedSession,
    LocalProtocolError,
    WaitTimeout,
)
from ..protocol import events
from ..protocol.ack_tables import acks_of
from ..protocol.codec import Codec, to_mapping
from ..protocol.registry import event_class
from ..state.mirrors import mirror_of
from ..transport.base import OutboxEntry
from ..transport.logs import area_logger
from ..types import UNSET, Unset
from .command_handle import CommandHandle, CommandOfHandle
from .connection import Connection
from .held_commands import HeldCommands
from .pending import PendingCommands

logger = area_logger("realtime_sync.session")

APPENDS = {
    "translation": "session.input_audio_buffer.append",
    "live": "session.input_audio.append",
}
"""Kind of session -> the command that appends audio, where it is not the usual."""

C = TypeVar("C", bound="Union[events.ClientEvent, VendorCommand]")
H = TypeVar("H", bound=CommandHandle)


@frozen(kw_only=True, slots=False)
class VendorCommand:
    """
    A command that the protocol does not have, sent as it is but for its id.

    Attributes:
        type: its type.
        event_id: its id, empty in a replay of one that was sent without.
        frame: what is sent.
    """

    type: str
    event_id: str
    frame: Mapping[str, Any]


class SenderPublisher(Protocol):
    """
    Tells others of commands.

    Attributes:
        unheard: types of those that nobody wants to be told of now; `sent` may be
            left out for them.
    """

    unheard: set[str]

    def sent(self, command: CommandOfHandle, key: str) -> None:
        """Tell of a command that was handed over, under its key. Any thread."""


class Sender:
    """
    Sends the commands of one session; any thread.

    Args:
        name: of the session, for logs.
        codec: encodes.
        pending: where answers are expected.
        waiting: gives deadlines.
        session_type: decides which command appends audio, how answers are found, and
            which commands the mirror is told of, because the server may not name
            what they ask for again. The mirror of the connection over which one
            goes: a command that was held goes to another than the one that there
            was when it was given.
        publisher: is told of each command that was handed over.
        on_reader: tells whether the calling thread must not wait.

    Attributes:
        connection: where commands go; replaced on reconnecting.
        held: holds commands while there is no connection.
        tools: the tools that were last sent, or None.
        revise: what becomes of a command that was held, given the mirror of the
            connection over which it goes; None is not sent.
        verdict: set while it is decided what becomes of a lost connection.
        forked: what is raised in a forked child, where the socket is the parent's.
    """

    def __init__(
        self,
        *,
        name: str,
        codec: Codec,
        pending: PendingCommands,
        waiting: WatchWaiting,
        session_type: str,
        publisher: SenderPublisher,
        on_reader: Callable[[], bool],
    ) -> None:
        self.connection: Optional[Connection] = None
        self.held: Optional[HeldCommands] = None
        self.tools: Any = None
        self.revise: Callable[[CommandOfHandle, Any], Optional[CommandOfHandle]] = (
            _as_sender_has_it
        )
        self.verdict = Flag()
        self.forked: Optional[ForkedSession] = None
        self.codec = codec
        self._name = name
        self._pending = pending
        self._waiting = waiting
        name = APPENDS.get(session_type, "input_audio_buffer.append")
        append = event_class(name, session_type=session_type, direction="client")
        self._append: events.ClientEvent = append(audio=b"")
        self._publisher = publisher
        self._noted = mirror_of(session_type).noted
        self.on_reader = on_reader
        self._ids = sender_event_ids("event")
        self._make_handle = partial(
            CommandHandle, waiting=waiting, acks=acks_of(session_type)
        )

    def send(
        self,
        command: Union[CommandOfHandle, Mapping[str, Any]],
        make: Optional[Callable[[CommandOfHandle], H]] = None,
    ) -> CommandHandle:
        """
        Give a command an id, expect its answer, encode it, write it.

        Args:
            command: a client event, or a mapping.
            make: makes the handle.

        Raises:
            ConnectionClosed: the connection is over.
            ForkedSession: the process is a child of the one that opened it.
            LocalProtocolError: the session is not open, the mapping is no event, its
                ``event_id`` is no text, or a command of the same ``event_id`` waits
                for its answer.
            TypeError: it is neither a client event nor a mapping.
        """
        if isinstance(command, Mapping):
            given = command.get("event_id")
            if not (given is None or given is UNSET or isinstance(given, str)):
                # Ours would take its place, and the program look for its own.
                raise LocalProtocolError(f"an event_id is text: {given!r}")
            command = self.from_mapping(command)
        elif not isinstance(command, events.ClientEvent):
            raise TypeError(f"send() takes a client event or a mapping: {command!r}")
        if command.event_id is UNSET or not command.event_id:
            command = command_with_event_id_to_send(command, next(self._ids))
        else:
            self._pending.check_id(command.event_id)
        handle = self.write(command, make=make or self._make_handle)
        assert handle is not None
        return handle

    def append_command(self, *, audio: bytes) -> events.ClientEvent:
        """
        The command that appends audio in this kind of session, with an id: an
        error that names it is not taken for that of the commit which waits.
        """
        # A copy of one whose fields were checked: fifty of them go out a second.
        command = object.__new__(type(self._append))
        command.__dict__.update(
            self._append.__dict__, audio=audio, event_id=next(self._ids)
        )
        return command

    def send_held(self, connection: Connection) -> None:
        """
        Use a new connection, and send over it what was held meanwhile.

        What it does not take any more stays held, for the one after it.
        """
        # Before what was held is taken: a sender that finds nothing held any more
        # must find this connection. Cleared here, because the next loss is judged
        # anew and its senders must wait again.
        self.connection = connection
        self.verdict.clear()
        held = self.held
        while held is not None:
            taken = held.take()
            if not taken:
                # `take` has closed it in the same step, so that nobody adds to what
                # is forgotten here; he is refused and uses the connection.
                self.held = held = None
            elif not self._send_all(taken, connection, held):
                return

    def _send_all(
        self, taken: list[CommandOfHandle], connection: Connection, held: HeldCommands
    ) -> bool:
        for place, given in enumerate(taken):
            command = self.revise(given, connection.snapshot)
            if command is None:
                logger.info("= %s: %s is left out", self._name, given.type)
                gone = ConnectionLost("what it is about was lost", code=1006)
                self._pending.release_held(str(given.event_id), gone)
                continue
            frame: Any = getattr(command, "frame", command)
            payload = self.codec.encode(frame)
            try:
                if command.type in self._noted:
                    connection.note(command)
                connection.send(payload, Deadline(self._waiting.timeout))
                if isinstance(command.event_id, str):
                    lost = connection.error if connection.lost else None
                    self._pending.release_held(command.event_id, lost)
            except (ConnectionClosed, WaitTimeout) as exc:
                logger.warning("! %s: held commands wait again: %s", self._name, exc)
                held.put_back(taken[place:])
                if isinstance(exc, WaitTimeout):
                    connection.abort()  # Its loss brings the next connection.
                return False
        return True

    def write(
        self,
        command: Union[events.ClientEvent, VendorCommand],
        *,
        make: Optional[Callable[[CommandOfHandle], CommandHandle]] = None,
    ) -> Optional[CommandHandle]:
        """
        Encode and write a command.

        Args:
            command: what is sent.
            make: makes the handle of its answer; without it none is expected.

        Returns:
            The handle, or None.
        """
        if self.forked is not None:
            raise copy_of_watched_error(self.forked)
        if self.connection is None:
            raise LocalProtocolError("the session is not open yet; call open()")
        if command.type == "session.update":
            self._note_tools(command)
        payload = self.codec.encode(
            command.frame if isinstance(command, VendorCommand) else command
        )
        handle = make(command) if make else None
        # A handle for each try: that of the last one may have failed with its
        # connection, and the outcome that came first counts.
        while not self._offer(
            command, payload, handle, Deadline(self._waiting.timeout)
        ):
            handle = make(command) if make else None
        if command.type not in self._publisher.unheard:
            self._publisher.sent(command, f"client.{command.type}")
        return handle

    def _offer(
        self,
        command: CommandOfHandle,
        payload: bytes,
        handle: Optional[CommandHandle],
        deadline: Deadline,
    ) -> bool:
        """
        Send or hold a command once, within one deadline.

        Returns:
            False when the connection was lost meanwhile and another will come:
            the server cannot have got the command, so it goes to that one.
        """
        self._await_verdict(deadline)
        # Read once: when there is a connection again another thread takes it away.
        held = self.held
        if held is not None and self._hold(held, command, handle):
            return True
        # Only now: commands are held no more when there is another connection.
        connection = self.connection
        assert connection is not None
        entry: Optional[OutboxEntry] = None
        try:
            # Made before it is queued: were it known only by what `enqueue` gives
            # back, an interrupt in between would leave a command on its way that
            # nobody withdraws, and whose answer goes to the next of its kind.
            entry = connection.prepare(payload)
            if command.type in self._noted:
                connection.note(command)
            if handle is None:
                connection.enqueue(entry)  # Nothing is matched by its order.
            else:
                with self._pending.order:  # What is matched by order is expected in it.
                    # Here, too: what is expected of a connection that has ended
                    # meanwhile would not be failed with the rest.
                    connection.check_open()
                    connection.enqueue(entry)
                    oldest = self._pending.expect(handle)
                # Outside of the lock: it wakes a thread, which may send at once.
                if oldest is not None:
                    self._pending.give_up(oldest)
            connection.flush(entry, deadline)
        except BaseException as exc:
            # An interrupt, too: the caller never gets the handle, and whoever writes
            # next would send a command that nobody knows of.
            if self._goes_again(connection, entry, handle, exc):
                return False
            raise
        return True

    def _goes_again(
        self,
        connection: Connection,
        entry: Optional[OutboxEntry],
        handle: Optional[CommandHandle],
        exc: BaseException,
    ) -> bool:
        """
        Withdraw what was not sent; tells whether it may go to another connection.
        """
        over = isinstance(exc, ConnectionClosed)
        begun = entry is not None and not entry.withdraw()
        if handle is not None and (over or not begun):
            self._pending.cancel(handle)  # Else its answer is to come.
        if over and self.connection is not connection:
            return True  # Replaced while this thread was at it.
        return isinstance(exc, ConnectionLost) and self._is_replaced(connection)

    def _hold(
        self,
        held: HeldCommands,
        command: CommandOfHandle,
        handle: Optional[CommandHandle],
    ) -> bool:
        oldest: Optional[CommandHandle] = None
        with self._pending.order:
            # Held and expected in one step, as others are sent and expected in one:
            # they are sent in this order, and answered in it.
            taken = held.hold(command)
            if taken and handle is not None:
                oldest = self._pending.expect(handle, held=True)
        if oldest is not None:
            self._pending.give_up(oldest)
        return taken

    def _is_replaced(self, connection: Connection) -> bool:
        """Wait until it is known what becomes of a lost connection."""
        if self.on_reader():
            return False  # It brings the verdict, and would wait for itself.
        deadline = Deadline(self._waiting.timeout)
        connection.over.wait(deadline.remaining())
        self._await_verdict(deadline)
        return self.held is not None or self.connection is not connection

    def _await_verdict(self, deadline: Deadline) -> None:
        """
        A connection that has just been lost may be about to be replaced; the
        moment until that is known is waited out rather than raised.
        """
        connection = self.connection
        if connection is None or not connection.lost or self.held is not None:
            return
        if not self.on_reader():
            self.verdict.wait(deadline.remaining())

    def from_mapping(
        self, frame: Mapping[str, Any]
    ) -> Union[events.ClientEvent, VendorCommand]:
        """
        The command that a mapping stands for.

        Raises:
            LocalProtocolError: it is no event.
        """
        command = self.codec.command(frame)
        if not isinstance(command, Mapping):
            return command
        if not isinstance(frame.get("type"), str) or not frame["type"]:
            raise LocalProtocolError("an event needs a type")
        event_id = frame.get("event_id")
        return VendorCommand(
            type=frame["type"],
            event_id=event_id if isinstance(event_id, str) else "",
            frame=frame,
        )

    def _note_tools(self, command: object) -> None:
        tools = getattr(getattr(command, "session", None), "tools", UNSET)
        if not isinstance(tools, Unset):
            self.tools = to_mapping(tools)


def _as_sender_has_it(command: CommandOfHandle, snapshot: object) -> CommandOfHandle:
    return command


def sender_event_ids(prefix: str) -> Iterator[str]:
    """
    Ids that no other session gives out. Any thread may ask for the next one.
    """
    # Not a generator, which two threads must not run at once.
    return map(f"{prefix}_{secrets.token_hex(5)}_{{}}".format, itertools.count(1))


def command_with_event_id_to_send(command: C, event_id: str) -> C:
    """
    A copy with an id; checking the fields again would cost and find nothing.
    """
    copy = object.__new__(type(command))
    copy.__dict__.update(command.__dict__, event_id=event_id)
    if isinstance(command, VendorCommand):
        copy.__dict__["frame"] = {**command.frame, "event_id": event_id}
    return copy
