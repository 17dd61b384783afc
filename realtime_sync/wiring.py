"""
How the parts of a session are joined, and its life: open, send, close.

`Session` is what users see; this is what it stands on.
"""

from __future__ import annotations

import contextvars
import itertools
import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any, Optional, TypeVar

from attrs import frozen

from . import lifetime
from .closing import CloseReport
from .connection import Connection
from .deadline import Deadline
from .dispatcher import Dispatcher
from .endpoint import Endpoint
from .errors import ConnectionClosedOK, ForkedSession, LocalProtocolError
from .event_names import names_of
from .handles import CommandHandle, PendingCommands
from .notices import (
    NOTICE_PREFIXES,
    ConnectionDropped,
    ConnectionEnded,
    ConnectionOpened,
    Notice,
)
from .opening import Greeting, dial
from .options import SessionOptions
from .protocol import events
from .protocol.codec import Codec
from .protocol.dialects import named
from .router import Router
from .signals import UNKNOWN_MARK, SignalBoard
from .state.snapshot import Snapshot
from .types import UNSET, Unset
from .waiters import Waiting, WatchList

logger = logging.getLogger("realtime_sync.session")

H = TypeVar("H", bound=CommandHandle)

_AUDIO_DELTA = "response.output_audio.delta"


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


class Wiring:
    """
    The parts of one session.

    Args:
        session: sender of the signals.
        endpoint: where to connect.
        model: what to ask the endpoint for.
        options: how to behave.
        routers: whose handlers apply.
    """

    def __init__(
        self,
        session: Any,
        endpoint: Endpoint,
        model: Optional[str],
        options: SessionOptions,
        routers: tuple[Router, ...],
    ) -> None:
        self.endpoint, self.model, self.options = endpoint, model, options
        self.dialect = options.dialect or endpoint.dialect
        self.name = options.name or f"session-{next(_numbers)}"
        self.codec = Codec(named(self.dialect), session_type=options.session_type)
        self.watches = WatchList()
        self.pending = PendingCommands()
        self.watches.add(self.pending.watch)
        self.board = SignalBoard(session, names_of, NOTICE_PREFIXES)
        self.dispatcher = Dispatcher(
            session,
            self.board,
            mode=options.dispatch,
            name=self.name,
            limit=options.queue_limit,
            limit_bytes=options.queue_bytes,
            on_reader=self.on_reader,
            is_stale=self._is_stale if options.drop_stale_audio else None,
        )
        self.waiting = Waiting(self.dispatcher.wait, options.timeout)
        self.connection: Optional[Connection] = None
        self.forked = False
        self.report = CloseReport()
        self._routers = routers
        self._event_ids = _event_ids()
        # Guards the one-time transitions: opened, ended.
        self._lock = threading.Lock()
        self._opened = False
        self._ended = threading.Event()
        self._stale: set[str] = set()
        # Each is called with every frame; replaced as a whole, never changed.
        self.taps: tuple[Callable[[str, Any], None], ...] = ()

    # -- opening -------------------------------------------------------------

    def open(self) -> None:
        """
        Connect, start the threads, wait for the greeting, configure.

        Raises:
            ConnectFailed: see `opening.Greeting`.
            LocalProtocolError: it was opened before.
        """
        self.check_process()
        with self._lock:
            if self._opened:
                raise LocalProtocolError("a session can be opened once")
            self._opened = True
        deadline = Deadline(self.options.connect_timeout)
        try:
            transport = dial(
                self.endpoint, self.model, self.options, self.dialect, deadline
            )
        except BaseException:
            self._opened = False
            raise
        for router in self._routers:
            router._attach(self.board)
        self.dispatcher.start()
        lifetime.register(self)
        self.connection = self._new_connection(Snapshot())
        greeting = Greeting(self.watches, self.waiting)
        try:
            self.connection.start(transport)
            self.emit(ConnectionOpened())
            if self.options.wait_created:
                greeting.wait(deadline)
        except BaseException:
            self.close(drain=False)
            raise
        finally:
            greeting.cancel()

    def _new_connection(self, snapshot: Snapshot) -> Connection:
        return Connection(
            name=self.name,
            codec=self.codec,
            watches=self.watches,
            snapshot=snapshot,
            deliver=self._deliver,
            ended=self._connection_ended,
            ping_interval=self.options.ping_interval,
        )

    # -- receiving, on the reader --------------------------------------------

    def _deliver(self, event: Any, snapshot: Snapshot, size: int) -> None:
        if self.taps:
            self._tap("in", event.raw)
        key = event.type
        if type(event) is events.UnknownEvent:
            key = UNKNOWN_MARK + key
        elif self.options.drop_stale_audio:
            self._note_stale(event, snapshot)
        self.dispatcher.submit(event, snapshot, size, self.board.route(key), key)

    def emit(self, notice: Any, key: Optional[str] = None) -> None:
        """Deliver something of our own making to whoever asked for it."""
        key = key or notice.type
        if isinstance(notice, Notice):
            self.watches.offer(notice)
        route = self.board.route(key)
        if route.inline or route.queued:
            self.dispatcher.post(notice, self.snapshot, route, key)

    def _tap(self, direction: str, frame: Any) -> None:
        for tap in self.taps:
            try:
                tap(direction, frame)
            except Exception:
                logger.exception("! %s: recording failed and is given up", self.name)
                self.taps = tuple(each for each in self.taps if each is not tap)

    def _note_stale(self, event: Any, snapshot: Snapshot) -> None:
        if event.type == "input_audio_buffer.speech_started":
            active = snapshot.active_response
            if active is not None:
                self._stale.add(active.id)
        elif event.type == "response.done":
            response_id = getattr(event.response, "id", None)
            if getattr(event.response, "status", None) == "cancelled" and response_id:
                self._stale.add(response_id)

    def _is_stale(self, event: Any) -> bool:
        return event.type == _AUDIO_DELTA and event.response_id in self._stale

    def _connection_ended(self, connection: Connection) -> None:
        error = connection.error
        assert error is not None
        if not isinstance(error, ConnectionClosedOK):
            self.emit(
                ConnectionDropped(error=error, code=error.code, reason=error.reason)
            )
        self._finish(error)

    def _finish(self, error: Any) -> None:
        clean = isinstance(error, ConnectionClosedOK)
        self.emit(
            ConnectionEnded(
                code=error.code, reason=error.reason, error=None if clean else error
            )
        )
        active = self.snapshot.active_response
        self.report = CloseReport(
            code=error.code,
            reason=error.reason,
            active_response_id=None if active is None else active.id,
            unsent=self.connection.unsent() if self.connection else 0,
            undelivered=self.dispatcher.depth,
            error=None if clean else error,
        )
        self._tap("", None)
        for router in self._routers:
            router._detach(self.board)
        self.dispatcher.stop()
        lifetime.forget(self)
        self._ended.set()

    # -- sending -------------------------------------------------------------

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
            LocalProtocolError: the session is not open.
        """
        self.check_process()
        if isinstance(command, Mapping):
            command = self.codec.command(command)
        if isinstance(command, Mapping):
            return self._send_vendor(command)
        if isinstance(command.event_id, Unset):
            command = _with_event_id(command, next(self._event_ids))
        handle = (make or self._handle)(command)
        self.pending.register(handle)
        try:
            self.write(command)
        except BaseException:
            self.pending.withdraw(handle)
            raise
        return handle

    def write(self, command: Any) -> None:
        """Encode and write a command without expecting an answer."""
        connection = self.connection
        if connection is None:
            raise LocalProtocolError("the session is not open yet; call open()")
        payload = self.codec.encode(command)
        if self.taps:
            self._tap("out", self.codec.unstructure(command))
        connection.send(payload, self.waiting.deadline(UNSET))
        self.emit(command, f"client.{command.type}")

    def append_command(self, *, audio: bytes) -> Any:
        """The command that appends audio in this kind of session."""
        if self.options.session_type == "translation":
            return events.TranslationInputAudioBufferAppend(audio=audio)
        return events.InputAudioBufferAppend(audio=audio)

    def note_command(self, command: Any) -> None:
        """Let the mirror know what was asked for, as far as order needs it."""
        if self.connection is not None:
            self.connection.note(command)

    def _handle(self, command: Any) -> CommandHandle:
        return CommandHandle(command, self.waiting)

    def _send_vendor(self, frame: Mapping[str, Any]) -> CommandHandle:
        if not isinstance(frame.get("type"), str):
            raise LocalProtocolError("an event needs a type")
        event_id = frame.get("event_id")
        command = VendorCommand(
            type=frame["type"],
            event_id=event_id if isinstance(event_id, str) else "",
            frame=frame,
        )
        connection = self.connection
        if connection is None:
            raise LocalProtocolError("the session is not open yet; call open()")
        connection.send(self.codec.encode(frame), self.waiting.deadline(UNSET))
        return CommandHandle(command, self.waiting)

    # -- closing -------------------------------------------------------------

    def close(self, *, drain: bool, code: int = 1000, reason: str = "") -> CloseReport:
        """
        End the session within ``close_timeout``; see `Session.close`.
        """
        if self.forked or self.connection is None:
            return self.report
        total = self.options.close_timeout
        deadline = Deadline(total)
        # Half of the time for the server's answer, the rest for handlers.
        self.connection.begin_close(code, reason, Deadline(total / 2))
        if not drain:
            self.dispatcher.discard()
        if self.on_reader() or self.dispatcher.on_dispatcher():
            return self.report
        if not self.dispatcher.wait(self._ended, Deadline(total * 0.6)):
            self.connection.abort()
            self._ended.wait(deadline.remaining())
        drained = self.dispatcher.drained(deadline)
        ended = self.connection.join(deadline)
        return self._final_report(drained and ended)

    def _final_report(self, complete: bool) -> CloseReport:
        from attrs import evolve

        self.report = evolve(
            self.report,
            complete=complete and self._ended.is_set(),
            undelivered=self.dispatcher.depth + self.dispatcher.discarded_at_close,
        )
        return self.report

    def close_report(self) -> CloseReport:
        """The report as things stand now."""
        if self._ended.is_set() and not self.report.complete:
            return self._final_report(self.dispatcher.finished)
        return self.report

    def pump(self, timeout: Optional[float]) -> int:
        """See `Session.pump`."""
        if self.dispatcher.mode != "manual":
            raise LocalProtocolError('pump() is for sessions with dispatch="manual"')
        return self.dispatcher.pump(Deadline(timeout))

    def run_forever(self) -> None:
        """See `Session.run_forever`."""
        while not self.dispatcher.finished:
            if self.dispatcher.mode == "manual":
                self.dispatcher.pump(Deadline(None))
            else:
                self.dispatcher.wait(self._ended, Deadline(None))
                self.dispatcher.drained(Deadline(None))
        if self.report.error is not None:
            raise self.report.error

    # -- looking -------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """The mirror as it is now."""
        return Snapshot() if self.connection is None else self.connection.snapshot

    @property
    def ended(self) -> threading.Event:
        """Set when the session is over."""
        return self._ended

    def on_reader(self) -> bool:
        """Whether the calling thread is the reader."""
        return self.connection is not None and self.connection.on_reader()

    def check_process(self) -> None:
        """
        Raises:
            ForkedSession: the process is a forked child of the one that opened it.
        """
        if self.forked:
            raise ForkedSession(
                f"{self.name} was opened before the fork; open another session here"
            )


_numbers = itertools.count(1)


def _event_ids() -> Any:
    prefix = secrets.token_hex(5)
    return (f"event_{prefix}_{number}" for number in itertools.count(1))


def _with_event_id(command: Any, event_id: str) -> Any:
    """A copy with an id; checking the fields again would cost and find nothing."""
    copy = object.__new__(type(command))
    copy.__dict__.update(command.__dict__, event_id=event_id)
    return copy


def handler_context(context: Any) -> Optional[contextvars.Context]:
    """
    The context for a session's deliveries, captured now; None to run without.
    """
    if isinstance(context, Unset):
        return contextvars.copy_context()
    return context  # type: ignore[no-any-return]
