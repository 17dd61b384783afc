"""What every session has, whatever protocol it speaks: a life, handlers, waits."""

from __future__ import annotations

import contextvars
import os
from collections.abc import Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Generic,
    Optional,
    TypeVar,
    Union,
    cast,
    overload,
)
from weakref import ref

from ..connection.command_handle import CommandHandle
from ..deadline import Deadline, check_seconds
from ..dispatch.names import CLIENT_PREFIX, name_of_other_protocol, resolve_name
from ..dispatch.notices import NOTICE_CLASSES
from ..dispatch.router import Router, default_router
from ..dispatch.signals import EventSignal
from ..dispatch.streams import EventStream, Expectation, wait_changed_in_stream
from ..dispatch.subscription import Subscription, SubscriptionContextual
from ..errors import LocalProtocolError, WaitTimeout, WrongProtocol
from ..recording.recorder import MOST_WAITING_BYTES, Recording
from ..transport.endpoint import Endpoint
from ..types import UNSET, Event, EventKey, Timeout, Unset
from .lifecycle import Lifecycle, State
from .options import SessionOptions
from .parts import Parts
from .stats import SessionStats
from .threads import Threads
from .tool_host import SessionToolHost

if TYPE_CHECKING:
    from ..protocol.events import ClientEvent
    from .options import OpenTransport

F = TypeVar("F", bound=Callable[..., object])
Self = TypeVar("Self", bound="BaseSession[Any]")
SnapshotT = TypeVar("SnapshotT")
"""What is known of the session, in its protocol."""


class BaseSession(Generic[SnapshotT]):
    """
    A session of either protocol. Programs use `Session` or `LiveSession`.

    Attributes:
        handler_context: what handlers run in a copy of; None for no context.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: Optional[str] = None,
        *,
        options: Optional[SessionOptions] = None,
        router: Optional[Router] = None,
    ) -> None:
        options = options or SessionOptions()
        self._own = Router(
            "session",
            keeps_context=options.context is UNSET,
            session_type=options.session_type,
        )
        self.handler_context: Optional[contextvars.Context] = None
        routers = (default_router if router is None else router, self._own)
        self._parts = Parts(
            # A live one has a snapshot of its own.
            session=cast(Callable[[], Optional[SubscriptionContextual]], ref(self)),
            endpoint=endpoint,
            model=model,
            options=options,
            routers=routers,
        )
        self._lifecycle = Lifecycle(self._parts)
        self._tools: Any = None
        self._recording: Optional[Recording] = None
        self.on = self._own.on
        self.once = self._own.once
        self.off = self._own.off

    def __repr__(self) -> str:
        kind = type(self).__name__
        state = "open" if self.is_open else ("closed" if self.closed else "not open")
        return f"<{kind} {self.name!r} {self.id or ''} {state}>".replace("  ", " ")

    def __enter__(self: Self) -> Self:
        if self._parts.connection is None:
            self.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def open(self: Self) -> Self:
        """Connect, and return when the session can be used."""
        raise NotImplementedError

    def close(self) -> Any:
        """End the session within ``close_timeout``."""
        raise NotImplementedError

    @property
    def snapshot(self) -> SnapshotT:
        """The session as the server has confirmed it; immutable."""
        return cast(SnapshotT, self._parts.snapshot)

    @property
    def id(self) -> Optional[str]:
        """The server's id of the session, or None."""
        raise NotImplementedError

    # -- life ----------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether commands can be sent."""
        connection = self._parts.connection
        return connection is not None and connection.is_open

    @property
    def closed(self) -> bool:
        """Whether the session is over."""
        return self._lifecycle.state is State.CLOSED

    @property
    def name(self) -> str:
        """The name in thread names and logs."""
        return self._parts.name

    @property
    def session_type(self) -> str:
        """``"realtime"``, ``"transcription"``, ``"translation"`` or ``"live"``."""
        return self._parts.session_type

    @property
    def dialect(self) -> str:
        """The dialect that is spoken, such as ``"ga"`` or ``"beta"``."""
        return self._parts.dialect

    # -- listening -----------------------------------------------------------

    def handlers(self) -> tuple[Subscription, ...]:
        """Return the subscriptions that apply to this session, in order. Any thread."""
        found = [sub for router in self._parts.routers for sub in router.handlers()]
        return tuple(sorted(found, key=lambda sub: sub.stamp))

    def add(self, instance: object) -> tuple[Subscription, ...]:
        """
        Register the methods that `on` marked in the instance's class. Any thread.

        Args:
            instance: object whose bound methods become handlers of this session.

        Returns:
            The subscriptions, one for each mark.
        """
        return self._own.add(instance)

    def signal(self, event: Union[type, str], *, unknown: bool = False) -> EventSignal:
        """
        Return the blinker signal of an event or pattern. Any thread.

        A receiver connected to it is called as
        ``receiver(session, event=event, ctx=ctx)``, where handlers run.

        Args:
            event: what `on` takes.
            unknown: allow a name that the protocol does not have.

        Raises:
            ConfigurationError: no known event has that name.
        """
        return self._parts.board.signal(resolve_name(event, unknown=unknown)[0])

    # -- speaking ------------------------------------------------------------

    def send(self, event: Union[ClientEvent, Mapping[str, Any]]) -> CommandHandle:
        """
        Send a client event, or a mapping; a vendor's own commands as mappings.

        From any thread. Returns when the operating system has the bytes; while a
        lost connection is replaced, when the command is put aside for the new one.

        Args:
            event: gets an ``event_id`` if it has none.

        Returns:
            A handle, to be ignored or waited on.

        Raises:
            ConnectionClosed: the connection is over.
            LocalProtocolError: the session is not open yet, or its ``event_id``
                waits for an answer already.
            TypeError: a field does not fit.
            WaitTimeout: the server takes no bytes within the session's ``timeout``.
            WrongProtocol: the command is of the other protocol.
        """
        self._lifecycle.check_process()
        kind = event.get("type") if isinstance(event, Mapping) else event
        kind = kind if isinstance(kind, str) else getattr(kind, "type", None)
        live = self._parts.session_type == "live"
        if isinstance(kind, str):
            problem = name_of_other_protocol(CLIENT_PREFIX + kind, live)
            if problem is not None:
                raise WrongProtocol(problem)
        return self._parts.sender.send(event)

    def notify(self, name: str, **fields: Any) -> None:
        """
        Deliver a notice of the library, for objects that are attached to a session.

        From any thread.

        Args:
            name: of a notice, such as ``"player.failed"``.
            fields: its attributes.

        Raises:
            KeyError: there is no such notice.
        """
        self._lifecycle.emit(NOTICE_CLASSES[name](**fields))

    # -- waiting -------------------------------------------------------------

    def expect(
        self,
        event: EventKey[Event],
        *,
        where: Optional[Callable[[Event], Any]] = None,
        unknown: bool = False,
    ) -> Expectation[Event]:
        """
        Expect an event from now on, before the action that brings it about.

        From any thread; waits for nothing itself.

        Args:
            event: what `on` takes, except ``client.*``.
            where: only an event for which it is true; called in the thread that
                waits.
            unknown: allow a name that the protocol does not have.

        Returns:
            An expectation, which is a context manager; `Expectation.result` waits.

        Raises:
            ConfigurationError: no known event has that name.
        """
        self._check_event(event, unknown)
        return Expectation(
            event,
            where,
            unknown=unknown,
            watches=self._parts.watches,
            waiting=self._parts.waiting,
            session=self,
        )

    def wait_for(
        self,
        event: EventKey[Event],
        *,
        where: Optional[Callable[[Event], Any]] = None,
        timeout: Timeout = UNSET,
        unknown: bool = False,
    ) -> Event:
        """
        Wait for the next event of a kind, and return it.

        From any thread but the loop; wakes at once when the connection ends.

        Args:
            event: what `on` takes, except ``client.*``.
            where: only an event for which it is true; called in this thread.
            timeout: seconds; by default the session's, None for as long as the
                connection lives.
            unknown: allow a name that the protocol does not have.

        Raises:
            ConfigurationError: no known event has that name.
            ConnectionClosed: the connection ended first.
            WaitTimeout: it did not come in time.
            WouldDeadlock: called in an inline handler.
        """
        expectation = self.expect(event, where=where, unknown=unknown)
        try:
            return expectation.result(timeout)
        finally:
            expectation.cancel()

    def events(
        self,
        event: EventKey[Event] = "*",
        *,
        where: Optional[Callable[[Event], Any]] = None,
        timeout: Timeout = UNSET,
        unknown: bool = False,
    ) -> EventStream[Event]:
        """
        Return the events from now on, for a ``for`` loop.

        Args:
            event: what `on` takes, except ``client.*``.
            where: only those for which it is true; called in the thread that
                iterates.
            timeout: seconds to wait for each; by default the session's, None
                for as long as the connection lives.
            unknown: allow a name that the protocol does not have.

        Raises:
            ConfigurationError: no known event has that name.
        """
        self._check_event(event, unknown)
        return EventStream(
            event,
            where,
            unknown=unknown,
            timeout=timeout,
            watches=self._parts.watches,
            waiting=self._parts.waiting,
            session=self,
        )

    def flush(self, timeout: Timeout = UNSET) -> None:
        """
        Wait until handlers have seen everything received so far.

        From any thread but those that run handlers.

        Args:
            timeout: seconds; by default the session's.

        Raises:
            LocalProtocolError: the session was never opened.
            WaitTimeout: they have not, in time.
            WouldDeadlock: called in a handler.
        """
        deadline = self._parts.waiting.deadline(timeout)
        self._lifecycle.check_opened()
        if not self._parts.dispatcher.flush(deadline):
            raise WaitTimeout(
                f"{self._parts.dispatcher.depth} deliveries still wait for handlers"
            )

    def pump(self, timeout: Optional[float] = 0.0) -> int:
        """
        Call the handlers of what waits; for ``dispatch="manual"``.

        Args:
            timeout: seconds to wait for the first delivery.

        Returns:
            How many deliveries were handled.

        Raises:
            LocalProtocolError: the session has another ``dispatch``.
        """
        self._lifecycle.check_process()
        dispatcher = self._parts.dispatcher
        if dispatcher.mode != "manual":
            raise LocalProtocolError('pump() is for sessions with dispatch="manual"')
        return dispatcher.pump(Deadline(check_seconds(timeout)))

    def run_forever(self) -> None:
        """
        Block until the session is over, calling handlers in manual mode.

        Raises:
            ConnectionClosed: the connection was lost.
        """
        self._lifecycle.check_opened()
        dispatcher, lifecycle = self._parts.dispatcher, self._lifecycle
        while not dispatcher.finished:
            if dispatcher.mode == "manual":
                dispatcher.pump(Deadline(None))
            else:
                dispatcher.wait(lifecycle.over, Deadline(None))
                dispatcher.drained(Deadline(None))
        # The last delivery is made a moment before the session is over.
        dispatcher.wait(lifecycle.over, Deadline(None))
        if lifecycle.report.error is not None:
            raise lifecycle.report.error

    # -- tools ---------------------------------------------------------------

    @overload
    def tool(self, function: F, /, **options: Any) -> F: ...

    @overload
    def tool(self, function: None = None, /, **options: Any) -> Callable[[F], F]: ...

    def tool(
        self, function: Optional[Callable[..., object]] = None, /, **options: Any
    ) -> object:
        """
        Offer a function to the model; a decorator that returns it unchanged.

        In a session of GPT-Live the backend of Responses delegation calls it: the
        voice itself calls nothing.

        Args:
            function: its name, docstring and signature become the schema.
            **options: see `realtime_sync.tools.Tool`.

        Raises:
            ConfigurationError: a session of GPT-Live delegates to something else.
            ToolError: it cannot be described, or the name is taken by another.
        """
        if function is None:
            return lambda decorated: self.tool(decorated, **options)
        self.tools.add(function, **options)
        return function

    @property
    def tools(self) -> Any:
        """The functions on offer; see the class of the session."""
        raise NotImplementedError

    # -- looking -------------------------------------------------------------

    @property
    def config(self) -> Any:
        """The configuration in force, as the server said it; or None."""
        return self._parts.snapshot.session

    @property
    def stats(self) -> SessionStats:
        """Counts and depths as of now."""
        parts = self._parts
        seconds = self._lifecycle.seconds()
        return SessionStats.of(parts.connection, parts.dispatcher, seconds)

    @property
    def model(self) -> Optional[str]:
        """The model, as the server or else the program named it; or None."""
        told = getattr(self.config, "model", None)
        return told or self._parts.model

    def show(self) -> object:
        """
        Talk with the session in a notebook, as the last line of a cell.

        Microphone, loudspeaker and live transcript; needs the extra ``jupyter``.

        Returns:
            A `realtime_sync.jupyter.Talk`.
        """
        from ..jupyter import Talk

        return Talk(cast(Any, self))

    def wait_changed(self, version: int, *, timeout: Timeout = UNSET) -> SnapshotT:
        """
        Wait until the snapshot is newer than a version, and return it.

        From any thread but the loop; wakes at once when the connection ends.

        Args:
            version: `Snapshot.version` of the one that is known.
            timeout: seconds; by default the session's.

        Raises:
            ConnectionClosed: the connection ended first.
            WaitTimeout: nothing changed in time.
        """
        wait_changed_in_stream(
            self._parts,
            version,
            timeout,
            watches=self._parts.watches,
            waiting=self._parts.waiting,
        )
        return self.snapshot

    def record(
        self,
        path: Union[str, os.PathLike[str]],
        *,
        audio: bool = True,
        notices: bool = True,
        limit: int = MOST_WAITING_BYTES,
        mask: bool = False,
        clock: Optional[Callable[[], float]] = None,
    ) -> Recording:
        """
        Record both directions to a file of JSON lines, without secrets.

        From any thread. A thread of its own, or a shared one, writes the file.

        Args:
            path: what is there is replaced once there is something to record: it is
                left as it is where no connection comes about.
            audio: False leaves the sound out.
            notices: False leaves the notices of the library out.
            limit: bytes that may wait for the disk; beyond it the recording ends.
            mask: True leaves out what is said and dialled: the sound, and every word
                of people, models and tools, of which only the length is kept.
            clock: seconds that never go back, for a session whose time a test moves;
                finished turns, which the session times itself, are left out then.

        Returns:
            The recording, which is a context manager. It ends with the block, or with
            the session.

        Raises:
            LocalProtocolError: the session is over.
            OSError: the file cannot be written.
        """
        if self.closed:
            raise LocalProtocolError("the session is over; there is nothing to record")
        threads = self.threads
        self._recording = Recording(
            self._parts,
            path,
            audio=audio,
            notices=notices,
            limit=limit,
            mask=mask,
            later=None if threads is None else threads.writer(),
            clock=clock,
        )
        return self._recording

    @property
    def threads(self) -> Optional[Threads]:
        """The `Threads` that it shares with other sessions; None if it has its own."""
        return self._parts.options.threads

    @property
    def transport(self) -> OpenTransport:
        """The transport that it was given; None if it opens a socket itself."""
        given: OpenTransport = self._parts.options.transport
        return given

    @property
    def recording(self) -> Optional[Recording]:
        """The recording that was begun last, under way or finished; or None."""
        return self._recording

    def _check_event(self, event: EventKey[Event], unknown: bool) -> None:
        """Refuse, at the user's line, to wait for what never comes."""
        resolve_name(event, unknown=unknown, session_type=self._parts.session_type)

    def _use_context(self) -> None:
        """What handlers run in a copy of is what there is when a session opens."""
        given = self._parts.options.context
        self.handler_context = (
            contextvars.copy_context() if isinstance(given, Unset) else given
        )

    def _tool_host(self) -> SessionToolHost:
        parts = self._parts
        return SessionToolHost(
            parts.sender,
            parts.dispatcher,
            parts.waiting,
            reconnects=parts.reconnector is not None,
        )
