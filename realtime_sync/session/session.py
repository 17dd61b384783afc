"""The session: what programs hold, listen to, speak through and wait on."""

from __future__ import annotations

import contextvars
import os
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Mapping,
    Optional,
    TypeVar,
    Union,
    overload,
)

from ..connection.close_codes import check_close
from ..connection.command_handle import CommandHandle
from ..deadline import Deadline
from ..dispatch.names import resolve
from ..dispatch.notices import NOTICE_CLASSES
from ..dispatch.router import Router, default_router
from ..dispatch.signals import EventSignal
from ..dispatch.streams import EventStream, Expectation, wait_changed
from ..dispatch.subscription import Subscription
from ..errors import CommandRejected, LocalProtocolError, WaitTimeout
from ..recording.recorder import MOST_WAITING_BYTES, Recording
from ..state.restore import RestorePlan, RestoreReport, Unconfirmed
from ..state.snapshot import Snapshot
from ..transport.endpoint import Endpoint
from ..types import UNSET, Event, EventKey, OnTimeout, Timeout, Unset
from .ask import Asking
from .close_report import CloseReport
from .configuration import (
    config_fields,
    session_update,
    with_transcription_model,
)
from .lifecycle import Lifecycle
from .opening import refused_for_dialect
from .options import SessionOptions
from .parts import Parts
from .reply import Reply
from .resources import (
    Conversation,
    InputAudioBuffer,
    OutputAudioBuffer,
    Responses,
)
from .restorer import LONGEST, Restorer
from .stats import SessionStats
from .tool_host import ToolHost

if TYPE_CHECKING:
    from ..protocol.events import ClientEvent
    from .ask import Question

F = TypeVar("F", bound=Callable[..., object])


class Session:
    """
    A conversation with a realtime model, for programs without an event loop.

    Made by `connect` or `RealtimeClient.session`. Any thread may call any
    method; methods that wait raise `WouldDeadlock` in an inline handler.

    Attributes:
        input_audio_buffer: commands on the user's audio.
        output_audio_buffer: commands on the server's playback (calls only).
        conversation: items, and commands on them.
        response: commands on responses.
        handler_context: what handlers run in a copy of; None for no context.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: Optional[str] = None,
        *,
        options: Optional[SessionOptions] = None,
        router: Optional[Router] = None,
        history: Optional[RestorePlan] = None,
    ) -> None:
        self._history = history
        self._history_report: Optional[RestoreReport] = None
        options = options or SessionOptions()
        self._own = Router("session", keeps_context=options.context is UNSET)
        self.handler_context: Optional[contextvars.Context] = None
        routers = (default_router if router is None else router, self._own)
        self._parts = parts = Parts(
            session=self,
            endpoint=endpoint,
            model=model,
            options=options,
            routers=routers,
        )
        self._lifecycle = Lifecycle(parts)
        sender = parts.sender
        self.input_audio_buffer = InputAudioBuffer(sender)
        self.output_audio_buffer = OutputAudioBuffer(sender)
        self.conversation = Conversation(sender, parts)
        self.response = Responses(
            sender,
            parts,
            watches=parts.watches,
            waiting=parts.waiting,
            idle_timeout=options.response_idle_timeout,
        )
        self._asking = Asking(
            self.conversation,
            self.response,
            waiting=parts.waiting,
            check_process=self._lifecycle.check_process,
            on_reader=parts.on_reader,
            call=parts.pending.call,
            config=lambda: self.config,
            tools=lambda: self._tools,
        )
        self._tools: Any = None
        self.on = self._own.on
        self.once = self._own.once
        self.off = self._own.off

    def __repr__(self) -> str:
        state = "open" if self.is_open else ("closed" if self.closed else "not open")
        return f"<Session {self.name!r} {self.id or ''} {state}>".replace("  ", " ")

    def __enter__(self) -> Session:
        if self._parts.connection is None:
            self.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # -- life ----------------------------------------------------------------

    def open(self) -> Session:
        """
        Connect; returns when the session can be used.

        Waits for `session.created` and, if there is a configuration, for the
        `session.updated` that answers it, within ``connect_timeout``.

        Raises:
            ConnectFailed: the server refused or cannot be reached; its subclass
                says why.
            CommandRejected: the server refused the configuration.
            WaitTimeout: it stayed silent.
            ConfigurationError: the URL or the key will not do.
        """
        options = self._parts.options
        self.handler_context = _handler_context(options.context)
        deadline = Deadline(options.connect_timeout)
        self._lifecycle.open(deadline)
        fields = config_fields(options.config or {}, self._tools)
        configured = bool(fields)
        if options.session_type == "transcription":
            fields = with_transcription_model(fields, self._parts.model)
        try:
            with self._parts.pending.call():
                handle = self.update(**fields) if fields else None
                if handle is not None and options.wait_config:
                    _await_configured(handle, deadline, patient=configured)
            if self._history is not None:
                self._begin_with(self._history, deadline)
        except CommandRejected as exc:
            self.close(drain=False)
            mismatch = refused_for_dialect(exc, self.dialect)
            if mismatch is None:
                raise
            raise mismatch from exc
        except BaseException:
            self.close(drain=False)
            raise
        return self

    def _begin_with(self, history: RestorePlan, deadline: Deadline) -> None:
        """Put a saved conversation in; its answers are waited for a short time."""
        restorer = Restorer(self.send, deadline.limited(LONGEST))
        self._history_report = report = restorer.create(history)
        if self._parts.reconnector is not None:
            # What the server says nothing of goes to the next connection as well.
            self._parts.reconnector.left = Unconfirmed(
                items=history.items,
                ids=frozenset(report.unconfirmed),
                names=restorer.names,
            )

    def close(
        self, *, drain: bool = True, code: int = 1000, reason: str = ""
    ) -> CloseReport:
        """
        End the session within ``close_timeout``. Idempotent; from any thread.

        Handlers see what is queued before it returns. In a handler it returns
        an incomplete report at once; the final one is `close_report`.

        Args:
            drain: deliver what is queued; False drops it, counted in the report.
            code: WebSocket close code.
            reason: at most 123 bytes.

        Raises:
            ConfigurationError: the code may not be sent; nothing was done.
        """
        check_close(code, reason)
        return self._lifecycle.close(drain=drain, code=code, reason=reason)

    @property
    def close_report(self) -> CloseReport:
        """How the session ended, as far as it has."""
        return self._lifecycle.report_now()

    @property
    def is_open(self) -> bool:
        """Whether commands can be sent."""
        connection = self._parts.connection
        return connection is not None and connection.is_open

    @property
    def closed(self) -> bool:
        """Whether the session is over."""
        return self._lifecycle.over.is_set()

    @property
    def name(self) -> str:
        """The name in thread names and logs."""
        return self._parts.name

    @property
    def dialect(self) -> str:
        """The dialect that is spoken, such as ``"ga"`` or ``"beta"``."""
        return self._parts.dialect

    # -- listening -----------------------------------------------------------

    def handlers(self) -> tuple[Subscription, ...]:
        """The subscriptions that apply to this session, in order."""
        found = [sub for router in self._parts.routers for sub in router.handlers()]
        return tuple(sorted(found, key=lambda sub: sub.stamp))

    def add(self, instance: object) -> tuple[Subscription, ...]:
        """Register the methods that `on` marked in the instance's class."""
        return self._own.add(instance)

    def signal(self, event: Union[type, str], *, unknown: bool = False) -> EventSignal:
        """
        The blinker signal of an event or pattern.

        A receiver connected to it is called as
        ``receiver(session, event=event, ctx=ctx)``.
        """
        return self._parts.board.signal(resolve(event, unknown=unknown)[0])

    # -- speaking ------------------------------------------------------------

    def update(self, **fields: Any) -> CommandHandle:
        """
        Change the configuration.

        Args:
            **fields: configuration fields in either spelling; None sends
                ``null`` (``turn_detection=None`` switches detection off).

        Returns:
            Acknowledged by `session.updated`, which holds the whole
            configuration in force.

        Raises:
            TypeError: there is no such field.
        """
        parts = self._parts
        return self.send(session_update(parts.codec, parts.session_type, fields))

    def send(self, event: Union[ClientEvent, Mapping[str, Any]]) -> CommandHandle:
        """Send a client event, or a mapping; a vendor's own events as mappings."""
        self._lifecycle.check_process()
        return self._parts.sender.send(event)

    def notify(self, name: str, **fields: Any) -> None:
        """
        Deliver a notice of the library, for what is attached to a session.

        Args:
            name: one of the names that are asked for by prefix,
                ``"player.failed"``.
            fields: its attributes.

        Raises:
            KeyError: there is no such notice.
        """
        self._lifecycle.emit(NOTICE_CLASSES[name](**fields))

    def rotate_after(self, busy: Callable[[], bool]) -> Callable[[], None]:
        """
        Let a planned rotation of the connection wait while something goes on.

        A player does: what it plays is still the conversation's. It is waited for
        until ten seconds before the session's time is up.

        Args:
            busy: says whether it goes on; called on the reader, so it must be quick.

        Returns:
            What undoes it.
        """
        reconnector = self._parts.reconnector
        return (lambda: None) if reconnector is None else reconnector.wait_while(busy)

    def ask(
        self,
        question: Question,
        *,
        timeout: Timeout = UNSET,
        max_tool_rounds: int = 8,
        check: bool = True,
        on_timeout: OnTimeout = "cancel",
        **response: Any,
    ) -> Reply:
        """
        Ask and wait for the answer.

        Concurrent questions take turns within their deadlines; with
        ``conversation="none"`` they run in parallel and leave no trace.

        Args:
            question: text, `Audio`, the path of a sound file (`pathlib.Path`), PCM
                bytes, an item, or a list of these.
            timeout: seconds for the whole exchange; by default the session's.
            max_tool_rounds: how often tool calls are followed up.
            check: raise unless the response was completed.
            on_timeout: ``"cancel"`` has a response that came in time no more
                cancelled, ``"leave"`` lets it run.
            **response: any field of `response.create`.

        Raises:
            ResponseError: it failed, was cancelled or cut off.
            CommandRejected: the server refused a command of the exchange.
            ConnectionClosed: the connection ended first.
            WaitTimeout: no answer in time; `partial` is what had arrived.
        """
        return self._asking.ask(
            question,
            timeout=timeout,
            max_tool_rounds=max_tool_rounds,
            check=check,
            on_timeout=on_timeout,
            **response,
        )

    # -- waiting -------------------------------------------------------------

    def expect(
        self,
        event: EventKey[Event],
        *,
        where: Optional[Callable[[Event], Any]] = None,
        unknown: bool = False,
    ) -> Expectation[Event]:
        """Expect an event from now on, before the action that brings it about."""
        return Expectation(
            event,
            where,
            unknown=unknown,
            watches=self._parts.watches,
            waiting=self._parts.waiting,
        )

    def wait_for(
        self,
        event: EventKey[Event],
        *,
        where: Optional[Callable[[Event], Any]] = None,
        timeout: Timeout = UNSET,
        unknown: bool = False,
    ) -> Event:
        """Wait for the next event of a kind; see `Expectation.result`."""
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
        Events from now on, for a ``for`` loop.

        Args:
            event: what `on` takes.
            where: only those for which it is true.
            timeout: seconds to wait for each; by default the session's, None
                for as long as the connection lives.
            unknown: allow a name that the protocol does not have.
        """
        return EventStream(
            event,
            where,
            unknown=unknown,
            timeout=timeout,
            watches=self._parts.watches,
            waiting=self._parts.waiting,
        )

    def flush(self, timeout: Timeout = UNSET) -> None:
        """
        Wait until handlers have seen everything received so far.

        Raises:
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
        """
        self._lifecycle.check_process()
        dispatcher = self._parts.dispatcher
        if dispatcher.mode != "manual":
            raise LocalProtocolError('pump() is for sessions with dispatch="manual"')
        return dispatcher.pump(Deadline(timeout))

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

    # -- looking -------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """The conversation as the server has confirmed it; immutable."""
        return self._parts.snapshot

    @property
    def config(self) -> Any:
        """The configuration in force, as the server said it; or None."""
        return self.snapshot.session

    @property
    def id(self) -> Optional[str]:
        """The server's id of the session, or None."""
        return self.snapshot.session_id

    @property
    def stats(self) -> SessionStats:
        """Counts and depths as of now."""
        return SessionStats.of(self._parts.connection, self._parts.dispatcher)

    @property
    def history_report(self) -> Optional[RestoreReport]:
        """
        What became of the ``history`` that the session began with, or None.

        The same report that reconnecting gives: what was put in, what differs, what
        could not be put in, and why.
        """
        return self._history_report

    def wait_changed(self, version: int, *, timeout: Timeout = UNSET) -> Snapshot:
        """
        Wait until the snapshot is newer than a version.

        Raises:
            ConnectionClosed: the connection ended first.
            WaitTimeout: nothing changed in time.
        """
        return wait_changed(
            self,
            version,
            timeout,
            watches=self._parts.watches,
            waiting=self._parts.waiting,
        )

    def record(
        self,
        path: Union[str, os.PathLike[str]],
        *,
        audio: bool = True,
        notices: bool = True,
        limit: int = MOST_WAITING_BYTES,
    ) -> Recording:
        """
        Record both directions to a file of JSON lines; secrets never.

        Args:
            path: is overwritten.
            audio: False leaves the sound out.
            notices: False leaves out what the library reports as well.
            limit: bytes that may wait for the disk.
        """
        if self.closed:
            raise LocalProtocolError("the session is over; there is nothing to record")
        return Recording(self._parts, path, audio=audio, notices=notices, limit=limit)

    @overload
    def tool(self, function: F, /, **options: Any) -> F: ...

    @overload
    def tool(self, function: None = None, /, **options: Any) -> Callable[[F], F]: ...

    def tool(
        self, function: Optional[Callable[..., object]] = None, /, **options: Any
    ) -> object:
        """
        Offer a function to the model; a decorator that returns it unchanged.

        Args:
            function: its name, docstring and signature become the schema.
            **options: see `realtime_sync.tools.ToolSet.add`.
        """
        if function is None:
            return lambda decorated: self.tool(decorated, **options)
        self.tools.add(function, **options)
        return function

    @property
    def tools(self) -> Any:
        """The functions on offer, a `realtime_sync.tools.ToolSet`."""
        if self._tools is None:
            from ..tools import ToolSet

            parts = self._parts
            host = ToolHost(
                parts.sender,
                parts.dispatcher,
                parts.waiting,
                reconnects=parts.reconnector is not None,
            )
            self._tools = ToolSet(self, host)
        return self._tools


def _await_configured(
    handle: CommandHandle, deadline: Deadline, *, patient: bool
) -> None:
    """
    Wait until the first configuration is acknowledged, or refused.

    Args:
        handle: of the `session.update`.
        deadline: for opening the session.
        patient: False when it holds the model alone: there are servers that take
            that from the URL and acknowledge nothing, and a refusal comes soon.
    """
    try:
        limit = deadline if patient else deadline.limited(_REFUSED_SOON)
        handle.acknowledged(limit.remaining())
    except WaitTimeout:
        if patient:
            raise


_REFUSED_SOON = 1.0
"""Seconds."""


def _handler_context(
    context: Union[contextvars.Context, None, Unset],
) -> Optional[contextvars.Context]:
    """The context for a session's deliveries, captured now; None for none."""
    return contextvars.copy_context() if isinstance(context, Unset) else context
