"""
How the parts of a session are joined, and its life: open, send, close.

`Session` is what users see; this is what it stands on.
"""

from __future__ import annotations

import contextvars
import itertools
import logging
import threading
from typing import Any, Optional

from ..connection import wire_log
from ..connection.connection import Connection
from ..connection.pending import PendingCommands
from ..connection.sender import Sender
from ..connection.taps import Taps
from ..deadline import Deadline
from ..dispatch.dispatcher import Dispatcher
from ..dispatch.names import lacked_by, names_of
from ..dispatch.notices import (
    NOTICE_PREFIXES,
    ConnectionOpened,
    Notice,
    TurnFinished,
)
from ..dispatch.router import Router
from ..dispatch.signals import UNKNOWN_MARK, SignalBoard
from ..dispatch.stale_audio import StaleAudio
from ..dispatch.watches import Waiting, WatchList
from ..errors import (
    ConnectionClosedOK,
    ConnectionLost,
    ForkedSession,
    LocalProtocolError,
)
from ..protocol import events
from ..protocol.codec import Codec
from ..protocol.dialects import named
from ..protocol.dialects.server_quirks import habits_of
from ..state.snapshot import Snapshot
from ..transport.credentials import vendor_of
from ..transport.endpoint import Endpoint
from ..transport.logs import area_logger
from ..types import Unset
from . import process_hooks
from .close_report import CloseReport
from .ending import Ending
from .opening import Greeting, dial
from .options import SessionOptions
from .reconnector import Reconnector, lost_notice
from .turn_timing import TurnClock

logger = area_logger("realtime_sync.session")


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
        self.watches, self.taps = WatchList(), Taps()
        self.pending = PendingCommands()
        self.watches.add(self.pending.watch)
        self.board = SignalBoard(
            session, names_of, NOTICE_PREFIXES, lacked_by(named(self.dialect))
        )
        self._stale = StaleAudio()
        self._turns = TurnClock(self._turns_wanted)
        self.dispatcher = Dispatcher(
            session,
            self.board,
            mode=options.dispatch,
            name=self.name,
            limit=options.queue_limit,
            limit_bytes=options.queue_bytes,
            on_reader=self.on_reader,
            offer=self.watches.offer,
            is_stale=(
                self._stale.is_of_interrupted if options.drop_stale_audio else None
            ),
        )
        self.waiting = Waiting(self.dispatcher.wait, options.timeout)
        self.connection: Optional[Connection] = None
        self.forked = False
        self._routers = routers
        # Guards `_opened`: a session is opened once.
        self._lock = threading.Lock()
        self._opened = False
        self.ending = Ending(self)
        self.sender = Sender(
            name=self.name,
            codec=self.codec,
            pending=self.pending,
            waiting=self.waiting,
            session_type=options.session_type,
            sent=self._sent,
            on_reader=self.on_reader,
        )
        self._reconnector: Optional[Reconnector] = None
        if options.reconnect is not None:
            self._reconnector = Reconnector(self, options.reconnect, self.ending.asked)

    # -- opening -------------------------------------------------------------

    def open(self, deadline: Deadline) -> None:
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
        try:
            transport = dial(
                self.endpoint,
                self.model,
                self.options,
                self.dialect,
                deadline,
                self.ending.asked,
            )
        except BaseException:
            self._opened = False
            raise
        for router in self._routers:
            router.attach(self.board)
        self.dispatcher.start()
        if wire_log.logger.isEnabledFor(logging.DEBUG):
            self.taps.add(wire_log.WireLog(self.name))
        process_hooks.register(self)
        self.connection = self.new_connection(Snapshot(habits=self._habits()))
        self.connection.take_over(self.watches, self._deliver, self._connection_ended)
        self.sender.connection = self.connection
        greeting = Greeting(self.watches, self.waiting)
        try:
            self.connection.start(transport)
            self.emit(ConnectionOpened())
            if self.options.wait_created:
                greeting.wait(deadline)
        except BaseException:
            # Nobody is to wait for the answer of a server that has refused.
            self.connection.begin_close(1000, "", Deadline(0))
            self.close(drain=False)
            raise
        finally:
            greeting.cancel()

    def _habits(self) -> frozenset[str]:
        """What the server at the endpoint is known to mean otherwise."""
        vendor = vendor_of(self.endpoint.url)
        return habits_of(vendor.name if vendor else None)

    def new_connection(self, snapshot: Snapshot) -> Connection:
        """A connection that serves nobody until it adopts."""
        return Connection(
            name=self.name,
            codec=self.codec,
            watches=WatchList(),
            snapshot=snapshot,
            deliver=_to_nobody,
            ended=_of_no_interest,
            housekeep=self._housekeep,
            ping_interval=self.options.ping_interval,
            taps=self.taps,
        )

    # -- replacing a connection ----------------------------------------------

    def switch_to(self, connection: Connection) -> bool:
        """
        Let a restored connection take the place of the old one.

        Returns:
            False when it has ended meanwhile; then nothing is changed.
        """
        old = self.connection
        # Before the first event that handlers get from it.
        self.taps.switched(connection.number)
        if not connection.take_over(
            self.watches, self._deliver, self._connection_ended
        ):
            self.taps.switched(0 if old is None else old.number)
            return False
        self.connection = connection
        if old is not None:
            old.take_over(WatchList(), _to_nobody, _of_no_interest)
        if self.ending.asked.requested:
            # The session was closed just now; `close` may have seen the old one.
            self.ending.begin_close(connection)
        return True

    # -- receiving, on the reader --------------------------------------------

    def _deliver(self, event: Any, snapshot: Snapshot, size: int) -> None:
        key = event.type
        if type(event) is events.UnknownEvent:
            key = UNKNOWN_MARK + key
        elif self.options.drop_stale_audio:
            self._stale.note(event, snapshot)
        self.dispatcher.submit(event, snapshot, size, self.board.route(key), key)
        finished = self._turns.event(event)
        if finished is not None:
            self.emit(finished)

    def emit(self, notice: Any, key: Optional[str] = None) -> None:
        """Deliver something of our own making to whoever asked for it."""
        key = key or notice.type
        if isinstance(notice, Notice):
            self.watches.offer(notice)
        route = self.board.route(key)
        if route.inline or route.queued:
            self.dispatcher.post(notice, self.snapshot, route, key)

    def _sent(self, command: Any, key: str) -> None:
        self._turns.command(command)
        self.emit(command, key)

    def _turns_wanted(self) -> bool:
        name = TurnFinished.type
        return any(self.board.route(name)) or self.watches.wants(name)

    def _housekeep(self) -> Optional[float]:
        self.dispatcher.watch_handler(_SLOW_HANDLER)
        if self._reconnector is None or self.connection is None:
            return None
        return self._reconnector.consider_rotation(self.connection)

    def _connection_ended(self, connection: Connection) -> None:
        try:
            self._replace_or_finish(connection)
        except Exception as exc:  # Should never run: the session must still end.
            logger.exception("! %s: the end of the connection failed", self.name)
            failure = ConnectionLost(f"the session failed: {exc}", code=1006)
            self.ending.finish(failure)

    def _replace_or_finish(self, connection: Connection) -> None:
        reconnector = self._reconnector
        if reconnector is not None:
            reconnector.settle()
        error = connection.error
        if connection is not self.connection or error is None:
            return  # A rotation was faster.
        if not isinstance(error, ConnectionClosedOK):
            retrying = reconnector is not None and reconnector.should_try(connection)
            if reconnector is not None and retrying:
                reconnector.hold_commands(reconnector.policy.keep_audio)
            self.emit(lost_notice(error, retrying))
            if reconnector is not None and retrying:
                failure = reconnector.replace(connection, error)
                if failure is None:
                    return
                if failure is not error:
                    error.__cause__ = failure
        self.ending.finish(error)

    def detach_routers(self) -> None:
        """Handlers that are registered from now on are not this session's."""
        for router in self._routers:
            router.detach(self.board)

    def parts(self) -> tuple[Any, ...]:
        """What has threads that a close waits for; each has a `join`."""
        parts = (self.connection, self.taps, self._reconnector)
        return tuple(part for part in parts if part is not None)

    def close(self, *, drain: bool, code: int = 1000, reason: str = "") -> CloseReport:
        """See `Session.close`."""
        if self.forked or not self._opened:
            return self.ending.report
        return self.ending.close(drain=drain, code=code, reason=reason)

    def pump(self, timeout: Optional[float]) -> int:
        """See `Session.pump`."""
        self.check_process()
        if self.dispatcher.mode != "manual":
            raise LocalProtocolError('pump() is for sessions with dispatch="manual"')
        return self.dispatcher.pump(Deadline(timeout))

    def flush(self, deadline: Deadline) -> bool:
        """See `Session.flush`; False at the deadline."""
        self._check_opened()
        return self.dispatcher.flush(deadline)

    def run_forever(self) -> None:
        """See `Session.run_forever`."""
        self._check_opened()
        while not self.dispatcher.finished:
            if self.dispatcher.mode == "manual":
                self.dispatcher.pump(Deadline(None))
            else:
                self.dispatcher.wait(self.ended, Deadline(None))
                self.dispatcher.drained(Deadline(None))
        if self.ending.report.error is not None:
            raise self.ending.report.error

    @property
    def snapshot(self) -> Snapshot:
        """The mirror as it is now."""
        return Snapshot() if self.connection is None else self.connection.snapshot

    @property
    def ended(self) -> threading.Event:
        """Set when the session is over."""
        return self.ending.over

    def on_reader(self) -> bool:
        """Whether the calling thread is the reader, or replaces the connection."""
        if self._reconnector is not None and self._reconnector.here:
            return True
        return self.connection is not None and self.connection.on_reader()

    def disown(self) -> None:
        """
        In a forked child: the socket is the parent's, and the threads are not here.

        Whoever waits or is going to wait is told so. Locks are made anew, because
        a thread of the parent may have held one at the moment of the fork.
        """
        self.forked = True
        self.watches = WatchList()
        self.watches.finish(self._forked_session())
        self.waiting.wait = self._refuse_to_wait

    def check_process(self) -> None:
        """
        Raises:
            ForkedSession: the process is a forked child of the one that opened it.
        """
        if self.forked:
            raise self._forked_session()

    def _check_opened(self) -> None:
        self.check_process()
        if not self._opened:
            raise LocalProtocolError("the session is not open yet; call open()")

    def _refuse_to_wait(self, event: Any, deadline: Any) -> bool:
        raise self._forked_session()

    def _forked_session(self) -> ForkedSession:
        return ForkedSession(
            f"{self.name} was opened before the fork; open another session here"
        )


_numbers = itertools.count(1)
_SLOW_HANDLER = 5.0


def _to_nobody(event: Any, snapshot: Snapshot, size: int) -> None:
    """What a connection under construction receives is seen by its own waits."""


def _of_no_interest(connection: Connection) -> None:
    """The end of a connection that is not, or no longer, the session's."""


def handler_context(context: Any) -> Optional[contextvars.Context]:
    """
    The context for a session's deliveries, captured now; None to run without.
    """
    if isinstance(context, Unset):
        return contextvars.copy_context()
    return context  # type: ignore[no-any-return]
