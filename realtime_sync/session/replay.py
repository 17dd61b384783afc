"""
A recorded session once more: handlers and mirror, without a server.

There is one thread, the caller's, and no socket. What the server said goes the way
that it went when it was recorded; what the program said is shown to the handlers
that asked for it, and is not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any, Optional, Union, cast

from ..connection.command_handle import CommandOfHandle
from ..connection.connection import Connection
from ..deadline import Deadline
from ..dispatch.notices import ConnectionDropped, ConnectionOpened, ConnectionRestored
from ..dispatch.router import Router
from ..errors import ConfigurationError, LocalProtocolError
from ..recording.mirror import unpacked_mirror
from ..recording.noted_commands import NotedCommands
from ..recording.reader import Recorded, RecordedLine, read_recording
from ..state.snapshot import Snapshot
from ..transport.base import OutboxEntry
from ..transport.endpoint import Endpoint
from ..types import RecordingSource, SessionType
from .options import SessionOptions
from .session import Session

if TYPE_CHECKING:
    from .live.session import LiveSession

_CLEAN = 1000


def replay(
    recording: RecordingSource,
    *,
    router: Optional[Router] = None,
    speed: float = 0.0,
    dialect: Optional[str] = None,
    session_type: Optional[SessionType] = None,
    stop: Optional[Event] = None,
) -> Snapshot:
    """
    Play a recording to handlers and to a mirror, in the calling thread.

    Handlers are called as in a session, in the recorded order. Their ``ctx.session``
    is a session without a server: commands that it is given go nowhere, and
    waiting on it raises `LocalProtocolError`, or `WouldDeadlock`.

    Args:
        recording: path of a file that `Session.record` wrote, or of JSON lines of
            another program, one event per line; or the lines themselves.
        router: whose handlers are called; by default those of the module-level
            `on`.
        speed: 1.0 is the pace of the recording, 2.0 twice as fast, 0 does not wait.
        dialect: of the recording, if it does not say.
        session_type: of the recording, if it does not say.
        stop: set it from another thread, or from a handler, to end early.

    Returns:
        The snapshot at the end, of a live session a `LiveSnapshot`. It equals the
        recorded session's.

    Raises:
        OSError: the file cannot be read.
        ConfigurationError: it is not a recording, or an argument is wrong.
    """
    if not speed >= 0:
        raise ConfigurationError(f"speed must be 0 or more, not {speed!r}")
    recorded = read_recording(recording)
    options = SessionOptions(
        dialect=dialect or recorded.dialect,
        session_type=session_type or cast(SessionType, recorded.session_type),
        dispatch="inline",
        transport=_ReplayTransport(),
        wait_created=False,
        ping_interval=None,
        name="replay",
    )
    kind: type[Union[Session, LiveSession]] = Session
    if options.session_type == "live":
        from .live.session import LiveSession as kind
    session = kind(Endpoint.at("ws://127.0.0.1"), options=options, router=router)
    return _Replay(session, recorded).run(_ReplayPace(speed, stop or Event()))


class _Replay:
    def __init__(
        self, session: Union[Session, LiveSession], recorded: Recorded
    ) -> None:
        self._session = session
        self._parts, self._lifecycle = session._parts, session._lifecycle
        self._recorded = recorded
        self._connections: dict[int, Connection] = {}
        self._current = recorded.connection
        self._told: NotedCommands[CommandOfHandle] = NotedCommands(
            self._parts.session_type
        )
        self._now = 0.0
        self._over = (_CLEAN, "")
        self._steps: Mapping[str, Callable[[RecordedLine], None]] = {
            "in": self._received,
            "out": self._sent,
            "note": self._noted,
        }

    def run(self, pace: _ReplayPace) -> Snapshot:
        parts = self._parts
        parts.waiting.wait = _refuse_to_wait_in_replay
        parts.pending.complains = False
        parts.publisher.use_clock(lambda: self._now)
        # Nobody is there to be greeted by, or to be sent a configuration.
        self._session._use_context()
        self._lifecycle.open(Deadline(None))
        assert parts.connection is not None
        self._connections[self._recorded.connection] = parts.connection
        try:
            for line in self._recorded:
                if not pace.reached(line.at):
                    break
                self._now = line.at
                step = self._steps.get(line.direction)
                if step is not None:
                    step(line)
        finally:
            parts.connection.disconnected(*self._over)
        return parts.snapshot

    def _connection(self, number: int) -> Connection:
        connection = self._connections.get(number)
        if connection is None:
            connection = self._lifecycle.new_connection(self._parts.mirror.empty())
            connection.start(_ReplayTransport())
            self._connections[number] = connection
        return connection

    def _received(self, line: RecordedLine) -> None:
        connection = self._connection(line.connection)
        for command in self._told.due(line):
            connection.note(command)
        connection.receive(line.data)

    def _sent(self, line: RecordedLine) -> None:
        frame = line.frame
        kind = frame.get("type") if isinstance(frame, Mapping) else None
        if not isinstance(kind, str) or not kind:
            return  # No command: it could not be sent today.
        command = self._parts.sender.from_mapping(frame)
        if command.type in self._parts.mirror.noted:
            self._told.sent(line, command)
        if line.connection == self._current:
            self._parts.publisher.sent(command, f"client.{command.type}")
        # Else it is of the library's own, to rebuild a conversation.

    def _noted(self, line: RecordedLine) -> None:
        note = line.frame
        kind = note.get("type")
        if kind == "recording.snapshot":
            snapshot = unpacked_mirror(self._parts.mirror, line, self._recorded)
            self._connection(line.connection).snapshot = snapshot
            # Its mirror had heard of what was sent before.
            self._told.forget(line.connection)
        elif kind == "recording.switched":
            self._current = line.connection
            self._lifecycle.switch_to(self._connection(line.connection))
        elif kind == "recording.ended":
            connection = self._connection(self._current)
            for command in self._told.rest(self._current):
                connection.note(command)
            self._over = (note.get("code") or _CLEAN, note.get("reason") or "")
        else:
            self._repeat(note)

    def _repeat(self, note: Mapping[str, Any]) -> None:
        """Tell handlers of what happened to connections, ends excepted."""
        kind, attempt = note.get("type"), note.get("attempt", 0)
        if kind == "connection.opened" and attempt:
            self._lifecycle.emit(ConnectionOpened(attempt=attempt))
        elif kind == "connection.restored":
            self._lifecycle.emit(ConnectionRestored(attempt=attempt))
        elif kind == "connection.lost" and note.get("retrying"):
            error = ConnectionError(note.get("error"))
            code, reason = note.get("code"), note.get("reason", "")
            self._lifecycle.emit(
                ConnectionDropped(error=error, code=code, reason=reason, retrying=True)
            )


class _ReplayPace:
    """Waits until it is time, as fast as is wanted."""

    def __init__(self, speed: float, stop: Event) -> None:
        self._speed = speed
        self._stop = stop
        self._start = monotonic()

    def reached(self, at: float) -> bool:
        """Wait for a moment of the recording; False when it is to end."""
        if self._speed:
            left = at / self._speed - (monotonic() - self._start)
            if left > 0:
                return not self._stop.wait(left)
        return not self._stop.is_set()


class _ReplayTransport:
    """A transport that leads nowhere; what came is brought by the replay."""

    heard_at = 0.0
    loop = None
    released = True

    def begin(
        self,
        receive: Callable[[bytes], None],
        ended: Callable[[int, str, Optional[BaseException]], None],
    ) -> None:
        """Nothing comes by itself."""

    def prepare(self, payload: bytes) -> OutboxEntry:
        """Commands go nowhere."""
        return OutboxEntry([payload])

    def enqueue(self, entry: OutboxEntry) -> None:
        """Nothing waits."""

    def flush(self, entry: OutboxEntry, deadline: Deadline) -> None:
        """Commands go nowhere."""

    def held_here(self) -> bool:
        """Never: nothing is written."""
        return False

    def flush_now(self, entry: OutboxEntry) -> None:
        """Commands go nowhere."""

    def ping(self) -> None:
        """Nobody is there."""

    def begin_close(self, code: int, reason: str) -> None:
        """A handler may close the session: the recording goes on."""

    def abort(self) -> None:
        """There is nothing to break off."""

    def close(self) -> None:
        """There is nothing to release."""

    def unsent(self) -> int:
        """Nothing is kept."""
        return 0


def _refuse_to_wait_in_replay(event: Event, deadline: Deadline) -> bool:
    if not event.is_set():
        raise LocalProtocolError(
            "this session is a replay: there is no server to wait for"
        )
    return True
