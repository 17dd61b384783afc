"""
The life of a session: opened, moved to other connections, closed.

`LIFE` is the whole of it as a table: the state after each step. A step that has no
row in a state does not happen there.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum, auto
from functools import partial
from threading import Event, RLock, Thread, current_thread, get_ident, main_thread
from time import monotonic
from typing import Final, Optional, Protocol
from weakref import finalize

from attrs import evolve

from ..connection import wire_log
from ..connection.connection import Connection
from ..deadline import Cancellation, Deadline, Flag, held_here
from ..dispatch.notices import (
    ConnectionDropped,
    ConnectionEnded,
    ConnectionOpened,
    Notice,
)
from ..dispatch.subscription import SubscriptionContextual
from ..dispatch.watches import WatchList
from ..errors import (
    ConnectionClosed,
    ConnectionClosedOK,
    ConnectionLost,
    ForkedSession,
    LocalProtocolError,
)
from ..protocol.dialects.server_quirks import server_quirks_of
from ..protocol.events import ClientEvent, ServerEvent
from ..state.snapshot import Snapshot
from ..transport.base import Transport
from ..transport.credentials import vendor_of_credentials
from ..transport.logs import area_logger
from . import process_hooks
from .close_report import CloseReport
from .dialers import DialerTask
from .opening import GREETINGS, OpeningGreeting, open_transport
from .options import SessionOptions
from .own_threads import OwnThreads, SessionThreads
from .parts import Parts
from .reconnector import Reconnector

logger = area_logger("realtime_sync.session")

_SLOW_HANDLER = 5.0


class State(Enum):
    """Where a session is in its life."""

    NEW = auto()
    OPENING = auto()
    OPEN = auto()
    CLOSING = auto()
    CLOSED = auto()
    FORKED = auto()


class LifecycleStep(Enum):
    """What moves a session from one state to another."""

    OPEN = auto()
    FAIL = auto()
    CONNECT = auto()
    REPLACE = auto()
    CLOSE = auto()
    END = auto()
    FORK = auto()


LIFE: Final[Mapping[State, Mapping[LifecycleStep, State]]] = {
    State.NEW: {
        LifecycleStep.OPEN: State.OPENING,
        LifecycleStep.CLOSE: State.NEW,
        LifecycleStep.FORK: State.FORKED,
    },
    State.OPENING: {
        LifecycleStep.FAIL: State.NEW,
        LifecycleStep.CONNECT: State.OPEN,
        LifecycleStep.CLOSE: State.CLOSING,
        LifecycleStep.FORK: State.FORKED,
    },
    State.OPEN: {
        LifecycleStep.REPLACE: State.OPEN,
        LifecycleStep.CLOSE: State.CLOSING,
        LifecycleStep.END: State.CLOSED,
        LifecycleStep.FORK: State.FORKED,
    },
    State.CLOSING: {
        LifecycleStep.FAIL: State.NEW,
        LifecycleStep.CONNECT: State.CLOSING,
        LifecycleStep.REPLACE: State.CLOSING,
        LifecycleStep.CLOSE: State.CLOSING,
        LifecycleStep.END: State.CLOSED,
        LifecycleStep.FORK: State.FORKED,
    },
    State.CLOSED: {LifecycleStep.CLOSE: State.CLOSED, LifecycleStep.FORK: State.FORKED},
    State.FORKED: {},
}
"""
The state after each step.

FAIL: there is no connection, and another attempt may be made; it may after a CLOSE
of what was never open, too, which ends what had begun all the same. CONNECT: the first
connection is there. REPLACE: another one has taken its place. END: the last one has
ended; whoever is told so next finds the session closed.
"""


class JoinedInLifecycle(Protocol):
    """Something with threads that a close waits for."""

    def join(self, deadline: Deadline) -> bool:
        """Wait for them; False at the deadline."""


class Lifecycle:
    """
    The life of one session.

    Args:
        parts: of the session.

    Attributes:
        asked: cancelled by `close`: nobody is to connect any more.
        over: set when the session has ended.
        opened, ended: when it was connected and when it ended, in seconds of a clock
            that never goes back; None before.
        report: how, as far as it has.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        # Guards `_state`: a session is opened once, and a close that meets a new
        # connection is seen by one of the two.
        # Re-entrant, because a signal handler may close what its thread is closing.
        self._lock = RLock()
        self._state = State.NEW
        self._close_frame = (1000, "")
        # What replaces a lost connection, while it waits for a dialer; and what the
        # session ends with if it is closed before.
        self._replacing: Optional[tuple[DialerTask, ConnectionClosed]] = None
        # Made by `open`: what it found wanting may be opened once more, on others.
        self._own: Optional[OwnThreads] = None
        self._threads: Optional[SessionThreads] = parts.options.threads
        # Tells when the program has let go of the session.
        self._finalizer: Optional[finalize[[], SubscriptionContextual]] = None
        # The thread that opens it, until the loop serves the connection. The end waits
        # for that, so this thread cannot wait for the end, in a signal handler.
        self._opener: Optional[int] = None
        self.asked = Cancellation()
        self.over: Event = Flag()
        self.opened: Optional[float] = None
        self.ended: Optional[float] = None
        self.report = CloseReport()
        options = parts.options
        if options.reconnect is not None:
            parts.reconnector = Reconnector(
                self,
                options.reconnect,
                self.asked,
                name=parts.name,
                options=options,
                codec=parts.codec,
                pending=parts.pending,
                sender=parts.sender,
            )

    @property
    def state(self) -> State:
        """Where the session is."""
        return self._state

    @property
    def session(self) -> Optional[SubscriptionContextual]:
        """Whose life it is; None when the program has let go of it."""
        return self._parts.session()

    def seconds(self) -> float:
        """How long the session is, or was, open."""
        if self.opened is None:
            return 0.0
        return (monotonic() if self.ended is None else self.ended) - self.opened

    def _step(self, step: LifecycleStep) -> Optional[State]:
        """Take a step; returns the state after it, None if there is none."""
        with self._lock:
            after = LIFE[self._state].get(step)
            if after is not None:
                self._state = after
            return after

    # -- opening -------------------------------------------------------------

    def open(self, deadline: Deadline, *, first: Optional[ClientEvent] = None) -> None:
        """
        Connect, start the threads, wait for the greeting.

        Args:
            deadline: for all of it.
            first: a command that the server waits for before it greets.

        Raises:
            ConnectFailed: see `opening.OpeningGreeting`.
            LocalProtocolError: it was opened before.
        """
        self.check_process()
        if self._step(LifecycleStep.OPEN) is None:
            raise LocalProtocolError("a session can be opened once")
        self._opener = get_ident()
        threads = self._begin_threads()
        try:
            threads.add(self)
            transport = self.dial(self._parts.options, deadline)
        except BaseException:
            self._opener = None
            self._step(LifecycleStep.FAIL)
            threads.discard(self)
            if self._own is not None:
                # Not by the deadline of the attempt, which may be why it has failed.
                self._own.join(Deadline(self._parts.options.close_timeout))
            raise
        started: Optional[Connection] = None
        try:
            connection = self._connect()
            # Before the first message, which may be the end.
            self._step(LifecycleStep.CONNECT)
            parts = self._parts
            greeting = OpeningGreeting(
                parts.watches,
                parts.waiting,
                GREETINGS[parts.session_type],
                refusable=first is not None and parts.options.call_id is None,
            )
            try:
                connection.start(transport)
                started, self._opener = connection, None
                if self._state is State.CLOSING:
                    # `close` has seen no connection, or one that had not begun.
                    self._begin_close(connection)
                self._parts.publisher.emit(ConnectionOpened())
                if first is not None:
                    parts.sender.send(first)
                if self._parts.options.wait_created:
                    greeting.wait(deadline)
            finally:
                greeting.cancel()
        except BaseException:
            if started is None:
                # An interrupt on the way. Who ends a connection is the loop, and what
                # it does not serve stays open: so it goes to the end of the way first.
                with suppress(RuntimeError):  # Once more there is no worker.
                    self._connect()
                started = self._parts.connection
                assert started is not None
                self._step(LifecycleStep.CONNECT)
                started.start(transport)
            self._opener = None
            # Nobody is to wait for the answer of a server that has refused.
            started.begin_close(1000, "", Deadline(0))
            self.close(drain=False)
            raise

    def _begin_threads(self) -> SessionThreads:
        shared = self._parts.options.threads
        if shared is not None:
            return shared
        self._own = self._threads = OwnThreads(self._parts.name)
        return self._own

    def _connect(self) -> Connection:
        """
        The first connection, with handlers in place before its first event.

        Each step may be taken once more, after an interrupt.
        """
        parts = self._parts
        vendor = vendor_of_credentials(parts.endpoint.url)
        habits = server_quirks_of(vendor.name if vendor else None)
        for router in parts.routers:
            router.attach(parts.board)
        session = parts.session()
        if session is not None and self._finalizer is None:
            self._finalizer = finalize(session, self._dropped)
            self._finalizer.atexit = False  # That is for `process_hooks`.
        if wire_log.logger.isEnabledFor(logging.DEBUG):
            parts.taps.add(wire_log.WireLog(parts.name))
        self.opened = monotonic()
        process_hooks.register_for_hooks(self)
        beginning = parts.mirror.empty()
        if isinstance(beginning, Snapshot):
            beginning = evolve(beginning, habits=habits)
        connection = self.new_connection(beginning)
        connection.take_over(parts.watches, parts.publisher.deliver, self._ended)
        parts.connection = parts.sender.connection = connection
        # Last: where the system gives no thread, there is a connection to be ended.
        if self._threads is None:
            parts.dispatcher.start()  # A transport of tests pushes.
        else:
            parts.dispatcher.start(self._threads.loop.at_turn_end)
        return connection

    def dial(self, options: SessionOptions, deadline: Deadline) -> Transport:
        """A transport to the session's endpoint; see `opening.open_transport`."""
        parts, threads = self._parts, self._threads
        assert threads is not None
        if options.transport is None:
            threads.loop.start()
        return open_transport(
            parts.endpoint,
            parts.model,
            options,
            parts.dialect,
            deadline,
            self.asked,
            loop=threads.loop,
        )

    def submit(self, run: Callable[[], None]) -> DialerTask:
        """Have something done where waiting is allowed."""
        assert self._threads is not None
        return self._threads.dialers.submit(run)

    def new_connection(self, snapshot: Snapshot) -> Connection:
        """A connection that serves nobody until it takes over."""
        parts = self._parts
        return Connection(
            name=parts.name,
            codec=parts.codec,
            watches=WatchList(),
            snapshot=snapshot,
            deliver=_to_nobody,
            ended=_end_outside_of_lifecycle,
            housekeep=self._housekeep,
            ping_interval=parts.options.ping_interval,
            taps=parts.taps,
            mirror=parts.mirror,
        )

    # -- replacing a connection ----------------------------------------------

    def switch_to(self, connection: Connection) -> bool:
        """
        Let a restored connection take the place of the old one.

        Returns:
            False when it has ended meanwhile; then nothing is changed.
        """
        parts, old = self._parts, self._parts.connection
        # Before the first event that handlers get from it.
        parts.taps.switched(connection.number)
        if not connection.take_over(
            parts.watches, parts.publisher.deliver, self._ended
        ):
            parts.taps.switched(0 if old is None else old.number)
            return False
        parts.connection = connection
        if old is not None:
            # From here on its end is no longer the session's.
            old.take_over(WatchList(), _to_nobody, _end_outside_of_lifecycle)
        if self._step(LifecycleStep.REPLACE) is State.CLOSING:
            # The session was closed just now; `close` may have seen the old one.
            self._begin_close(connection)
        return True

    def emit(self, notice: Notice) -> None:
        """Publish a notice."""
        self._parts.publisher.emit(notice)

    @property
    def connection(self) -> Optional[Connection]:
        """The connection that is in use."""
        return self._parts.connection

    @property
    def snapshot(self) -> Snapshot:
        """The mirror as it is now."""
        return self._parts.snapshot

    # -- on the loop ---------------------------------------------------------

    def _housekeep(self) -> Optional[float]:
        parts = self._parts
        parts.dispatcher.watch_handler(_SLOW_HANDLER)
        wanted = parts.housekeep()
        if parts.reconnector is None or parts.connection is None:
            return wanted
        rotation = parts.reconnector.consider_rotation(parts.connection)
        return min((w for w in (wanted, rotation) if w is not None), default=None)

    def _ended(self, connection: Connection) -> None:
        """A connection is over. On the loop, or where a test's transport pushes."""
        reconnector = self._parts.reconnector
        if reconnector is None or reconnector.idle or reconnector.here:
            self._guarded(lambda: self._replace_or_finish(connection))
        else:
            self._guarded(
                lambda: self._where_waiting_is_allowed(
                    lambda: self._replace_or_finish(connection)
                )
            )

    def _where_waiting_is_allowed(
        self, step: Callable[[], None]
    ) -> Optional[DialerTask]:
        """Elsewhere if this is the loop, which waits for nobody; else here."""
        if self._threads is not None and self._threads.loop.on_loop():
            return self.submit(lambda: self._guarded(step))
        self._guarded(step)
        return None

    def _guarded(self, step: Callable[[], object]) -> None:
        """
        Take a step at whose end the session has a connection or is over.

        A hook or a function for the key may raise anything, `SystemExit` as well:
        in a thread of ours nobody would hear of it, and every wait would last.
        """
        try:
            step()
        except BaseException as exc:
            logger.exception("! %s: the end of the connection failed", self._parts.name)
            failure = ConnectionLost(f"the session failed: {exc!r}", code=1006)
            failure.__cause__ = exc
            self._finish(failure)
            if isinstance(exc, KeyboardInterrupt) and current_thread() is main_thread():
                raise  # A transport without a socket: it was meant for the program.

    def _replace_or_finish(self, connection: Connection) -> None:
        parts, reconnector = self._parts, self._parts.reconnector
        if reconnector is not None:
            reconnector.settle()
        error = connection.error
        if connection is not parts.connection or error is None:
            return  # A rotation was faster.
        if not isinstance(error, ConnectionClosedOK):
            retrying = reconnector is not None and reconnector.should_try(connection)
            if reconnector is not None and retrying:
                # Before anybody is told: what a handler of the loss sends is held.
                reconnector.hold_commands(reconnector.policy.keep_audio)
            lost = ConnectionDropped(
                error=error, code=error.code, reason=error.reason, retrying=retrying
            )
            self.emit(lost)
            if reconnector is not None and retrying:
                self._begin_replacing(reconnector, connection, error)
                return
        self._finish(error)

    def _begin_replacing(
        self, reconnector: Reconnector, connection: Connection, error: ConnectionClosed
    ) -> None:
        task = self._where_waiting_is_allowed(
            lambda: self._replace(reconnector, connection, error)
        )
        if task is None:
            return
        self._replacing = task, error
        if self.asked.requested:
            self._withdraw_replacing()  # `close` has not seen it.

    def _replace(
        self, reconnector: Reconnector, connection: Connection, error: ConnectionClosed
    ) -> None:
        failure = reconnector.replace(connection, error)
        if failure is None:
            return
        if failure is not error:
            error.__cause__ = failure
        self._finish(error)

    def _withdraw_replacing(self) -> None:
        """End a session at once whose turn to be dialled has not come. Any thread."""
        replacing, self._replacing = self._replacing, None
        if replacing is not None and replacing[0].claim():
            self._finish(replacing[1])

    def _finish(self, error: ConnectionClosed) -> None:
        """
        Everything ends: waits, held commands, handlers behind what is queued.

        Called once, for the last connection.
        """
        parts = self._parts
        connection, sender = parts.connection, parts.sender
        overflow = None if connection is None else connection.overflow
        failure = None if isinstance(error, ConnectionClosedOK) else overflow or error
        held, sender.held = sender.held, None
        unsent_commands = () if held is None else tuple(held.end())
        parts.pending.release_all_held()
        # Senders that wait for what becomes of the connection learn it now.
        sender.verdict.set()
        active = getattr(parts.snapshot, "active_response", None)
        self.report = CloseReport(
            code=error.code,
            reason=error.reason,
            active_response_id=None if active is None else active.id,
            unsent=0 if connection is None else connection.unsent(),
            unsent_commands=unsent_commands,
            undelivered=parts.dispatcher.depth,
            error=failure,
        )
        # Whoever is told of the end finds the session closed, and how it ended.
        self._step(LifecycleStep.END)
        notice = ConnectionEnded(code=error.code, reason=error.reason, error=failure)
        parts.watches.offer(notice)  # Before nobody can wait for it any more.
        parts.watches.finish(overflow or error)
        self.emit(notice)
        parts.taps.end(error.code, error.reason)
        for router in parts.routers:
            router.detach(parts.board)
        parts.dispatcher.stop()
        self.ended = monotonic()
        process_hooks.forget_in_hooks(self)
        if self._finalizer is not None:
            self._finalizer.detach()
        if self._threads is not None:
            self._threads.discard(self)
        # Last: whoever waits for it finds everything done.
        self.over.set()

    # -- closing -------------------------------------------------------------

    def close(
        self,
        *,
        drain: bool,
        code: int = 1000,
        reason: str = "",
        within: Optional[Deadline] = None,
    ) -> CloseReport:
        """
        End the session; see `Session.close`.

        Args:
            drain: deliver what is queued.
            code: WebSocket close code.
            reason: at most 123 bytes.
            within: what is left of ``close_timeout``; all of it by default.
        """
        if drain and not self.over.is_set() and not self._parts.on_own_thread():
            self._parts.dispatcher.check_free()
        after = self._step(LifecycleStep.CLOSE)
        if after is None:
            return self.report
        parts = self._parts
        deadline = within or Deadline(parts.options.close_timeout)
        if after is State.NEW:
            self._end_unopened(deadline)
            return self.report
        total = deadline.remaining() or 0.0
        if not self.asked.requested:
            self._close_frame = (code, reason)
        self.asked.cancel()
        connection, dispatcher = parts.connection, parts.dispatcher
        dispatcher.keep_session()
        if connection is None:
            parts.taps.end(None, "")  # It was being opened, which fails now.
            return self.report
        self._begin_close(connection)
        self._withdraw_replacing()
        if drain:
            dispatcher.discard_after(deadline)
        else:
            dispatcher.discard()
        if parts.on_own_thread() or self.held_here():
            return self.report  # It would wait for itself.
        if not dispatcher.wait(self.over, Deadline(total * 0.6)):
            self.break_off()
            self.over.wait(deadline.remaining())
        complete = dispatcher.drained(deadline)
        for joined in self._joined():
            complete &= joined.join(deadline)
        return self._final_report(complete)

    def _end_unopened(self, deadline: Deadline) -> None:
        """End what has begun without a connection: recordings."""
        parts = self._parts
        parts.taps.end(None, "")
        if not parts.taps.held_here():
            parts.taps.join(deadline)

    def held_here(self) -> bool:
        """
        Whether the calling thread is inside of something that the end waits for, as a
        main thread is whose signal handler calls.
        """
        parts = self._parts
        return (
            self._opener == get_ident()
            or held_here(self._lock)
            or any(
                part.held_here()
                for part in (
                    parts.pending,
                    parts.watches,
                    parts.dispatcher,
                    parts.connection,
                    parts.taps,
                    *parts.routers,
                )
                if part is not None
            )
        )

    def leave(self, deadline: Deadline) -> None:
        """Ask for the end without waiting for it: the process is about to go."""
        self._step(LifecycleStep.CLOSE)
        self.asked.cancel()
        connection = self._parts.connection
        if connection is not None:
            connection.begin_close(*self._close_frame, deadline)
        self._parts.dispatcher.discard_after(deadline)
        self._withdraw_replacing()

    def _dropped(self) -> None:
        """The program has let go of the session without closing it. Any thread."""
        # The collector comes in any thread and under any lock, so nothing is done
        # here that takes one.
        if self._threads is None or self._state is State.FORKED:
            return
        connection = self._parts.connection
        if connection is not None and not connection.has_loop:
            # Nobody is there to do it: a transport without a loop has no thread either.
            name = f"realtime-sync {self._parts.name} end"
            with suppress(RuntimeError):  # The interpreter ends, and all with it.
                Thread(target=self._end_dropped, name=name, daemon=True).start()
        else:
            self._threads.loop.call(self._end_dropped)

    def _end_dropped(self) -> None:
        """End a session that nobody holds any more. On the loop, if it has one."""
        if self.over.is_set():
            return
        parts = self._parts
        logger.warning("! %s was dropped without close(); it ends now", parts.name)
        try:
            # What shows warnings is the program's, and the loop waits for nobody.
            self.submit(partial(_warn_of_dropped, parts.name))
        finally:
            parts.dispatcher.discard()
            self.leave(Deadline(parts.options.close_timeout / 2))

    def report_now(self) -> CloseReport:
        """The report as things stand."""
        if self.over.is_set() and not self.report.complete:
            return self._final_report(self._parts.dispatcher.finished)
        return self.report

    def _begin_close(self, connection: Connection) -> None:
        """Send the close frame on a connection: half of the time is the server's."""
        patience = Deadline(self._parts.options.close_timeout / 2)
        connection.begin_close(*self._close_frame, patience)

    def _joined(self) -> tuple[JoinedInLifecycle, ...]:
        parts = self._parts
        joined: tuple[Optional[JoinedInLifecycle], ...] = (
            parts.connection,
            parts.taps,
            parts.reconnector,
            self._own,  # After the reconnector, which may be on one of them.
        )
        return tuple(each for each in joined if each is not None)

    def break_off(self) -> None:
        """Cut the connection, so that the end comes at once."""
        connection = self._parts.connection
        if connection is not None:
            connection.abort()

    def _final_report(self, complete: bool) -> CloseReport:
        dispatcher = self._parts.dispatcher
        self.report = evolve(
            self.report,
            complete=complete and self.over.is_set(),
            undelivered=dispatcher.depth + dispatcher.discarded_at_close,
        )
        return self.report

    # -- forks ---------------------------------------------------------------

    def mark_forked(self) -> None:
        """
        In a forked child: the socket is the parent's, and the threads are not here.

        Whoever waits or is going to wait is told so. Locks are made anew, because
        a thread of the parent may have held one at the moment of the fork.
        """
        self._lock = RLock()
        self._step(LifecycleStep.FORK)
        self._parts.watches.mark_forked(self._forked_session())
        self._parts.waiting.wait = self._refuse_to_wait
        self._parts.sender.forked = self._forked_session()

    def check_process(self) -> None:
        """
        Raises:
            ForkedSession: the process is a forked child of the one that opened it.
        """
        if self._state is State.FORKED:
            raise self._forked_session()

    def check_opened(self) -> None:
        """
        Raises:
            ForkedSession: see `check_process`.
            LocalProtocolError: nobody has called `open`.
        """
        self.check_process()
        if self._state is State.NEW:
            raise LocalProtocolError("the session is not open yet; call open()")

    def _refuse_to_wait(self, event: Event, deadline: Deadline) -> bool:
        raise self._forked_session()

    def _forked_session(self) -> ForkedSession:
        return ForkedSession(
            f"{self._parts.name} was opened before the fork; open another session here"
        )


def _to_nobody(event: ServerEvent, snapshot: Snapshot, size: int) -> None:
    """What a connection under construction receives is seen by its own waits."""


def _warn_of_dropped(name: str) -> None:
    with suppress(ResourceWarning):  # Made an error, it has nobody to go to.
        warnings.warn(f"{name} was dropped without close()", ResourceWarning)


def _end_outside_of_lifecycle(connection: Connection) -> None:
    """The end of a connection that is not, or no longer, the session's."""
