"""
The parts of one session, made and joined.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Optional

from attrs import define, field

from ..connection.connection import Connection
from ..connection.pending import PendingCommands
from ..connection.sender import Sender
from ..connection.taps import Taps
from ..dispatch.dispatcher import Dispatcher
from ..dispatch.names import names_lacked_by, names_of
from ..dispatch.notices import NOTICE_PREFIXES
from ..dispatch.router import Router
from ..dispatch.signals import SignalBoard
from ..dispatch.stale_audio import StaleAudio
from ..dispatch.subscription import SubscriptionContextual
from ..dispatch.watches import WatchList, WatchWaiting
from ..protocol.ack_tables import acks_of
from ..protocol.codec import Codec
from ..protocol.dialects import dialect_named
from ..state.mirrors import Mirror, mirror_of
from ..state.snapshot import Snapshot
from ..transport.endpoint import Endpoint
from .opening import dialect_remedy
from .options import SessionOptions
from .publisher import SessionPublisher
from .reconnector import Reconnector

_numbers = itertools.count(1)


@define(kw_only=True, eq=False)
class Parts:
    """
    The parts of one session; they live as long as it does, but for `connection`.

    Attributes:
        session: gives the sender of the signals, None when the program has let go of
            it. The loop and the workers reach all of this: were it held here, it
            would never go.
        endpoint: where to connect.
        model: what to ask the endpoint for.
        options: how to behave.
        routers: whose handlers apply.
        name: of the session, in thread names and logs.
        dialect: that is spoken.
        codec: decodes and encodes.
        mirror: what becomes of the snapshot.
        watches: who waits for events.
        taps: who is shown every message.
        pending: commands that wait for their answers.
        board: who has registered a handler.
        dispatcher: calls handlers.
        waiting: how threads wait.
        publisher: tells handlers and those that wait.
        sender: sends commands.
        housekeep: what else is done on the loop now and then; returns after how
            many seconds it wants to be called again, or None.
        connection: the one in use, replaced by `Lifecycle`; None before the first.
        reconnector: replaces it; None where a loss ends the session.
    """

    session: Callable[[], Optional[SubscriptionContextual]]
    endpoint: Endpoint
    model: Optional[str]
    options: SessionOptions
    routers: tuple[Router, ...]
    connection: Optional[Connection] = field(default=None, init=False)
    reconnector: Optional[Reconnector] = field(default=None, init=False)
    housekeep: Callable[[], Optional[float]] = field(default=lambda: None, init=False)
    name: str = field(init=False)
    dialect: str = field(init=False)
    codec: Codec = field(init=False)
    mirror: Mirror = field(init=False)
    watches: WatchList = field(init=False, factory=WatchList)
    taps: Taps = field(init=False, factory=Taps)
    pending: PendingCommands = field(init=False)
    board: SignalBoard = field(init=False)
    dispatcher: Dispatcher = field(init=False)
    waiting: WatchWaiting = field(init=False)
    publisher: SessionPublisher = field(init=False)
    sender: Sender = field(init=False)

    def __attrs_post_init__(self) -> None:
        options = self.options
        self.name = options.name or f"session-{next(_numbers)}"
        self.dialect = options.dialect or self.endpoint.dialect
        dialect = dialect_named(self.dialect)
        self.codec = Codec(dialect, session_type=options.session_type)
        self.mirror = mirror_of(options.session_type)
        remedy = partial(dialect_remedy, self.dialect)
        self.pending = PendingCommands(
            acks_of(options.session_type), learned=self._learned, remedy=remedy
        )
        self.watches.add(self.pending.watch)
        stale = StaleAudio() if options.drop_stale_audio else None
        self.board = SignalBoard(
            self.session,
            names_of,
            NOTICE_PREFIXES,
            names_lacked_by(dialect, options.session_type),
        )
        self.dispatcher = Dispatcher(
            self.session,
            self.board,
            mode=options.dispatch,
            name=self.name,
            limit=options.queue_limit,
            limit_bytes=options.queue_bytes,
            on_reader=self.on_reader,
            call_behind=self._call_behind,
            offer=self.watches.offer,
            is_stale=None if stale is None else stale.is_of_interrupted,
            workers=None if options.threads is None else options.threads.workers,
            around=None if options.threads is None else options.threads.around,
        )
        self.waiting = WatchWaiting(self.dispatcher.wait, options.timeout, remedy)
        self.watches.add(self.waiting.watch)
        self.publisher = SessionPublisher(
            self.board,
            self.dispatcher,
            self.watches,
            stale,
            lambda: self.snapshot,
            has_turns=options.session_type != "live",
        )
        self.sender = Sender(
            name=self.name,
            codec=self.codec,
            pending=self.pending,
            waiting=self.waiting,
            session_type=options.session_type,
            publisher=self.publisher,
            on_reader=self.on_reader,
        )

    @property
    def snapshot(self) -> Snapshot:
        """The mirror as it is now."""
        if self.connection is None:
            empty: Snapshot = self.mirror.empty()
            return empty
        return self.connection.snapshot

    @property
    def session_type(self) -> str:
        """The kind of session, such as ``"realtime"``."""
        return self.options.session_type

    @property
    def connected(self) -> bool:
        """Whether there is, or was, a connection."""
        return self.connection is not None

    @property
    def connection_number(self) -> int:
        """Which connection is in use, from 1; 1 as well before there is one."""
        return 1 if self.connection is None else self.connection.number

    def _learned(self, habit: str) -> None:
        """The server was caught at a habit; called on the loop."""
        if self.connection is not None:
            self.connection.learn(habit)

    def _call_behind(self, run: Callable[[], None]) -> None:
        """Call once what is being received now has been handed over."""
        if self.connection is None:
            run()
        else:
            self.connection.call_behind(run)

    def on_reader(self) -> bool:
        """Whether the calling thread is the loop, or replaces the connection."""
        if self.reconnector is not None and self.reconnector.here:
            return True
        threads = self.options.threads
        if threads is not None and threads.loop.on_loop():
            return True
        return self.connection is not None and self.connection.on_reader()

    def on_own_thread(self) -> bool:
        """Whether the calling thread is one that the end of the session waits for."""
        return self.on_reader() or self.dispatcher.on_dispatcher()
