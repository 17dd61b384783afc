"""The live session: a conversation with a model that hears and speaks at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from threading import RLock, Thread
from typing import TYPE_CHECKING, Any, Optional, TypeVar, Union, overload
from weakref import WeakMethod

from ...connection.command_handle import CommandHandle, CommandOfHandle
from ...deadline import Deadline
from ...dispatch.router import Router
from ...errors import ConfigurationError, ConnectionClosed, LocalProtocolError
from ...protocol.fields import to_audio
from ...protocol.live import events
from ...protocol.live.counterparts import IN_LIVE
from ...protocol.live.limits import FIXTURE_BYTES
from ...state.latency import FLOOR, peak
from ...state.live.snapshot import LiveSnapshot
from ...transport.endpoint import Endpoint
from ...transport.logs import area_logger
from ...types import UNSET, Timeout
from ..base import BaseSession
from ..options import SessionOptions
from ..other_protocol import Elsewhere, missing_in_other_protocol
from ..resources import image_url_for_resource
from .backend import BackendOfSession
from .close_report import LiveCloseReport
from .config import (
    LiveConfig,
    format_in_config,
    kind_of_delegation_in_config,
    merged_config,
    start_command_of_config,
    start_config_fields,
    update_config_fields,
)
from .delegations import Answering, Delegations, decision_handler
from .handles import FixtureHandle, TextHandle
from .idle_audio import PIECE, IdleAudio
from .input_audio import InputAudio
from .quiet import QuietWait
from .renewal import LiveRenewal, revised_after_renewal
from .task import TaskFunction
from .text_chunks import text_chunks

if TYPE_CHECKING:
    from ...protocol.events import ClientEvent
    from ..by_name import LiveEvents, LiveExpect, LiveWaitFor

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")
TF = TypeVar("TF", bound=TaskFunction)

logger = area_logger("realtime_sync.session")

_CLOSING_SHARE = 0.7
_TONES = frozenset("0123456789ABCD*#")


class LiveSession(BaseSession[LiveSnapshot]):
    """
    A session of GPT-Live, for programs without an event loop.

    Made by `connect` with a model such as ``"gpt-live-1"``. The model hears and
    speaks at the same time; there are no turns, no items and no responses. Any
    thread may call any method; methods that wait raise `WouldDeadlock` in an inline
    handler.

    Attributes:
        input_audio: commands on the user's audio.
        handler_context: what handlers run in a copy of; None for no context.
    """

    if TYPE_CHECKING:
        # By name a checker knows the class; what runs is the base's.
        expect: LiveExpect  # type: ignore[assignment]
        wait_for: LiveWaitFor  # type: ignore[assignment]
        events: LiveEvents  # type: ignore[assignment]

    def __init__(
        self,
        endpoint: Endpoint,
        model: Optional[str] = None,
        *,
        options: Optional[SessionOptions] = None,
        router: Optional[Router] = None,
    ) -> None:
        options = options or SessionOptions(session_type="live")
        super().__init__(endpoint, model, options=options, router=router)
        parts = self._parts
        self._idle = IdleAudio() if options.idle_audio and self._is_primary() else None
        self.input_audio = InputAudio(parts.sender, self._format, self._idle)
        self._quiet = QuietWait(parts.watches, parts.waiting)
        self._backend = BackendOfSession(parts.sender, parts.watches)
        parts.sender.revise = partial(_revised_by_live_session, self._backend)
        self._delegations = Delegations(
            self, parts.watches, parts.waiting.wait, parts.dispatcher.wake
        )
        # Guards `_closer`: one thread closes a session that a handler has closed.
        self._close_lock = RLock()
        self._closer: Optional[Thread] = None
        # The loop reaches both, and must not hold the session.
        parts.housekeep = _while_live_session_is_held(self._keep_clock, None)
        self._started_with: dict[str, Any] = {}
        if parts.reconnector is not None:
            parts.reconnector.renew = LiveRenewal(
                self._lifecycle,
                parts.codec,
                _while_live_session_is_held(self._start_fields, {}),
            )
        # What is wrong with the configuration is told where the session is made; that
        # there is no model where it is opened, for what is replayed has none.
        if options.config is not None:
            self._first()

    if not TYPE_CHECKING:  # A checker is to find what is not there.

        def __getattr__(self, name: str) -> Any:
            if name in _RESOURCES:
                return Elsewhere(name, IN_LIVE)
            raise missing_in_other_protocol(self, name, IN_LIVE)

    # -- life ----------------------------------------------------------------

    def open(self) -> LiveSession:
        """
        Connect; returns when the session has started.

        Sends `session.start` and waits for `session.started` within
        ``connect_timeout``. With ``call_id`` it attaches to a session that there is.

        Raises:
            ConnectFailed: the server refused or cannot be reached; its subclass
                says why.
            WaitTimeout: it stayed silent.
            ConfigurationError: the URL, the key or the configuration will not do.
            TypeError: the configuration has no such field.
        """
        self._use_context()
        deadline = Deadline(self._parts.options.connect_timeout)
        self._lifecycle.open(deadline, first=self._first())
        if self._idle is not None:
            self._idle.start()
        return self

    def close(self, *, drain: bool = True) -> LiveCloseReport:
        """
        End the session within ``close_timeout``. Idempotent; from any thread.

        Sends `session.close` and waits for `session.closed`, which makes the
        seconds that are billed final; work that runs in the service may finish
        meanwhile. In a handler it returns an incomplete report at once; the final
        one is `close_report`.

        Args:
            drain: deliver what is queued, and let the service finish; False breaks
                off, and the end stays unconfirmed.
        """
        parts = self._parts
        held = self._idle is not None and self._idle.held_here()
        held = held or self._backend.held_here()
        if held or parts.on_own_thread() or self._lifecycle.held_here():
            self._close_elsewhere(drain)
            return self.close_report
        deadline = Deadline(parts.options.close_timeout)
        if drain and self.is_open and self._is_primary():
            self._ask_for_end(deadline)
        if self._idle is not None:
            self._idle.stop()
        connection = self._lifecycle.close(drain=drain, within=deadline)
        return LiveCloseReport.of(self.snapshot, connection)

    def _close_elsewhere(self, drain: bool) -> None:
        """What the end of the session waits for cannot wait for it."""
        with self._close_lock:
            if self._closer is not None:
                return
            self._closer = Thread(
                target=lambda: self.close(drain=drain),
                name=f"realtime-sync {self.name} closer",
                daemon=True,
            )
        try:
            self._closer.start()
        except RuntimeError as exc:  # The system gives no more threads.
            # Without asking the service for the end, for which one has to wait.
            logger.warning("! %s: closing has no thread: %s", self.name, exc)
            self._lifecycle.close(drain=drain)

    def _ask_for_end(self, deadline: Deadline) -> None:
        waiting = self._parts.waiting
        patience = (deadline.remaining() or 0.0) * _CLOSING_SHARE
        with self.expect("session.closed") as closed:
            try:
                self.send(events.SessionClose())
                closed.result(patience)
            except (ConnectionClosed, LocalProtocolError, TimeoutError):
                pass  # The report says that the end is not confirmed.
            finally:
                closed.cancel()
        if self.snapshot.state == "closed":
            # The server closes the socket now, which is more proper than we doing it.
            limit = Deadline(_SERVER_CLOSES).limited(deadline.remaining())
            waiting.wait(self._lifecycle.over, limit)

    @property
    def close_report(self) -> LiveCloseReport:
        """How the session ended, as far as it has."""
        return LiveCloseReport.of(self.snapshot, self._lifecycle.report_now())

    @property
    def is_attached(self) -> bool:
        """Whether it is attached to another (``call_id=``), and sends no audio."""
        return not self._is_primary()

    def _is_primary(self) -> bool:
        """Whether this connection carries the audio; else it looks on from aside."""
        return self._parts.options.call_id is None

    def _first(self) -> Any:
        parts = self._parts
        if not self._is_primary():
            return events.SessionUpdate(session={})
        model = parts.model or parts.endpoint.query.get("model")
        fork = parts.options.fork_of is not None
        fields = start_config_fields(parts.options.config, model, fork=fork)
        if self._tools is not None:
            fields = self._tools.declared_in(fields)
        self._started_with = fields
        return start_command_of_config(parts.codec, fields)

    def _start_fields(self) -> dict[str, Any]:
        return self._started_with

    def _keep_clock(self) -> Optional[float]:
        """Send silence where audio is missing. Reader thread or loop."""
        idle, parts = self._idle, self._parts
        if idle is None:
            return None
        if self.is_open and parts.sender.held is None and idle.take():
            # Another thread may close the session meanwhile, and needs no silence.
            with suppress(ConnectionClosed):
                self.input_audio.send_silence(PIECE)
        left = idle.wait()
        return PIECE if left is None else min(left, PIECE)

    # -- speaking ------------------------------------------------------------

    def say(self, text: str, *, delegation_id: Optional[str] = None) -> TextHandle:
        """
        Have the model say something, in its own words.

        Args:
            text: sent in parts if it is longer than the service takes.
            delegation_id: the client delegation that it answers.

        Returns:
            Acknowledged by `session.commentary.appended`.
        """
        return self._append(events.CommentaryAppend, text, delegation_id)

    def note(self, text: str, *, delegation_id: Optional[str] = None) -> TextHandle:
        """
        Tell the model something that it does not have to say. It is not secret.

        Args:
            text: sent in parts if it is longer than the service takes.
            delegation_id: the client delegation that it belongs to.

        Returns:
            Acknowledged by `session.thinking.appended`.
        """
        return self._append(events.ThinkingAppend, text, delegation_id)

    def instruct(self, text: str, *, delegation_id: Optional[str] = None) -> TextHandle:
        """
        Add a rule that holds for the rest of the session; may cut speech off.

        Args:
            text: sent in parts if it is longer than the service takes.
            delegation_id: the client delegation that it belongs to.

        Returns:
            Acknowledged by `session.instructions.appended`.
        """
        return self._append(events.InstructionsAppend, text, delegation_id)

    def _append(
        self,
        make: Callable[..., ClientEvent],
        text: str,
        delegation_id: Optional[str],
    ) -> TextHandle:
        handles = [
            self.send(make(content=piece, delegation_id=delegation_id))
            for piece in text_chunks(text)
        ]
        return TextHandle(tuple(handles), self._parts.waiting)

    def update(self, **fields: Any) -> CommandHandle:
        """
        Change the delegation's settings, or the triggers; nothing else can change.

        Args:
            **fields: ``delegation`` of the same type as before, ``triggers``.

        Returns:
            Acknowledged by `session.updated`, which holds the whole configuration.

        Raises:
            ConfigurationError: that cannot be changed; the message says what to do.
            TypeError: a value does not fit.
        """
        given = update_config_fields(fields)
        delegation, known = given.get("delegation"), self.config
        if delegation is not None and known is not None:
            before, after = kind_of_delegation_in_config(known), delegation.get("type")
            if after not in (before, None):
                raise ConfigurationError(
                    f"the delegation of a session stays {before!r}; open another "
                    f"session for {after!r}"
                )
        command = {"type": "session.update", "session": given}
        handle = self.send(self._parts.codec.command(command, strict=True))
        self._started_with = merged_config(self._started_with, given)
        return handle

    def play_fixture(self, audio: object) -> FixtureHandle:
        """
        Play a recording to the user in the place of the model's speech.

        The model stops, hears nothing, and goes on when it was played.

        Args:
            audio: 24 kHz PCM16, bytes or an array; 30 seconds at most.

        Raises:
            LocalProtocolError: it is longer, half a sample or nothing.
        """
        data = to_audio(audio)
        if not 0 < len(data) <= FIXTURE_BYTES or len(data) % 2:
            raise LocalProtocolError(
                f"a fixture is up to 30 s of 24 kHz PCM16, not {len(data)} bytes"
            )
        sent: list[str] = []

        def is_ours(event: events.OutputAudioFixturePlayed) -> bool:
            named = event.client_event_id
            return not isinstance(named, str) or named in sent

        end: Any = self.expect(events.OutputAudioFixturePlayed, where=is_ours)
        try:
            command = self.send(events.OutputAudioFixturePlay(audio=data))
        except BaseException:
            end.cancel()
            raise
        sent.append(command.event_id)
        return FixtureHandle(command, end, self._parts.waiting)

    def send_dtmf(self, keys: str) -> tuple[CommandHandle, ...]:
        """
        Press keys of a telephone; on the sideband of a SIP call only.

        Args:
            keys: of ``0-9 A-D * #``, in order.

        Returns:
            A handle for each key, acknowledged by `transport.dtmf.sent`.

        Raises:
            LocalProtocolError: there is no such key, or this is no sideband.
        """
        wrong = [key for key in keys if key not in _TONES]
        if wrong or not keys:
            raise LocalProtocolError(f"keys are 0-9, A-D, * and #, not {keys!r}")
        if self._is_primary():
            raise LocalProtocolError(
                "keys are pressed over the sideband of a SIP call: connect(call_id=...)"
            )
        return tuple(self.send(events.TransportDtmfSend(event=key)) for key in keys)

    # -- delegations -----------------------------------------------------------

    @overload
    def delegate(self, function: TF, /) -> TF: ...

    @overload
    def delegate(
        self,
        function: None = None,
        /,
        *,
        timeout: float = ...,
        parallel: int = ...,
        settle: float = ...,
        on_stale: str = ...,
        on_error: Optional[str] = ...,
        on_timeout: Optional[str] = ...,
    ) -> Callable[[TF], TF]: ...

    def delegate(
        self, function: Optional[TaskFunction] = None, /, **options: Any
    ) -> object:
        """
        Answer client delegations with a function; a decorator.

        It runs in a thread of its own and may block while the conversation goes on.
        The text that it returns is said; None is nothing. It is called once for each
        delegation.

        Args:
            function: is called with the `Task`.
            **options: see `Answering`: ``timeout`` 60 s, ``parallel`` 1, ``settle``
                (seconds without a word of the user before it is called),
                ``on_stale``, ``on_error``, ``on_timeout``.

        Raises:
            ConfigurationError: the session does not delegate to the program, another
                function answers already, or an option is wrong.
            TypeError: it is a coroutine function, or cannot take the task.
        """
        if function is None:
            return lambda decorated: self.delegate(decorated, **options)
        self._check_delegation("client", "offer functions with session.tool(...)")
        self._delegations.answer_with(Answering(function=function, **options))
        return function

    @property
    def answering(self) -> Optional[Answering]:
        """How a function answers client delegations; None while none does."""
        return self._delegations.answering

    def decision(
        self, question: Optional[str] = None
    ) -> Callable[[Callable[[Any], object]], Callable[[Any], object]]:
        """
        Call a function with what was decided; a decorator.

        Args:
            question: its name: the function gets the answer to it. None: it gets
                all answers of a decision, in the order of the questions.

        Raises:
            TypeError: it is no plain function of one argument.
        """

        def register(function: Callable[[Any], object]) -> Callable[[Any], object]:
            self.on(
                "decision.event",
                decision_handler(function, question, self._questions),
            )
            return function

        return register

    def _questions(self) -> tuple[Optional[str], ...]:
        decisions = getattr(getattr(self.config, "delegation", None), "decisions", None)
        questions = getattr(decisions, "questions", None) or ()
        return tuple(getattr(each, "name", None) for each in questions)

    @property
    def tools(self) -> Any:
        """The functions on offer, a `realtime_sync.tools.LiveToolSet`."""
        if self._tools is None:
            from ...tools import LiveToolSet

            self._tools = LiveToolSet(self, self._backend)
        return self._tools

    def check_tools(self) -> None:
        """
        Raises:
            ConfigurationError: nothing in this session calls functions.
        """
        self._check_delegation(
            "responses",
            "pass LiveConfig(delegation=live.Responses(model=...)), or answer with "
            "session.delegate(...)",
        )

    def _check_delegation(self, wanted: str, way: str) -> None:
        config = self.config
        if config is None:
            if not self._is_primary() or self._parts.options.fork_of:
                return  # It has that of a session which nobody has told us of.
            given = self._parts.options.config
            config = given.wire() if isinstance(given, LiveConfig) else given
        kind = kind_of_delegation_in_config(config)
        if kind != wanted:
            raise ConfigurationError(f"this session delegates to {kind!r}: {way}")

    def ask_backend(
        self, text: str, *, image: Union[str, bytes, None] = None
    ) -> CommandHandle:
        """
        Give the backend a message and let it work; the voice says what comes of it.

        Held back while a call is open. For sessions with Responses delegation.

        Args:
            text: what it is to do.
            image: PNG or JPEG bytes, or a ``data:`` or ``https:`` URL.

        Returns:
            Never acknowledged; `CommandHandle.raise_if_rejected` tells of a refusal.

        Raises:
            ConfigurationError: the session has no such backend.
            TypeError: it is no text.
        """
        self._check_delegation("responses", "say it with session.note(...)")
        if not isinstance(text, str):
            raise TypeError(f"expected text, not {type(text).__name__}")
        content: list[dict[str, Any]] = [{"type": "input_text", "text": text}]
        if image is not None:
            content.append(
                {"type": "input_image", "image_url": image_url_for_resource(image)}
            )
        item = {"type": "message", "role": "user", "content": content}
        return self._backend.give(item)

    def send(self, event: Union[ClientEvent, Mapping[str, Any]]) -> CommandHandle:
        """
        Send a command of GPT-Live, or a mapping of one.

        Threads and errors are those of `Session.send`.
        """
        handle = super().send(event)
        if handle.command.type.startswith("response."):
            self._backend.told(handle.command)
        return handle

    # -- listening and waiting -------------------------------------------------

    def output_audio(
        self, *, skip_silence: bool = False, timeout: Timeout = UNSET
    ) -> Iterator[bytes]:
        """
        The model's audio from now on, for a ``for`` loop.

        Args:
            skip_silence: leave out pieces in which nothing is louder than a faint
                tick. The service sends audio all the time, silence as well.
            timeout: seconds to wait for each piece; by default the session's.
        """
        stream = self.events(events.OutputAudioDelta, timeout=timeout)
        name, _ = self._format()

        def heard() -> Iterator[bytes]:
            with stream:
                for event in stream:
                    piece = event.delta
                    if not piece:
                        continue  # What came there is no audio.
                    if not skip_silence or peak(piece, name) >= FLOOR:
                        yield piece

        return heard()

    def wait_quiet(self, seconds: float = 2.0, *, timeout: Timeout = UNSET) -> None:
        """
        Wait until neither side has spoken for a while and nothing more is to be said.

        From any thread but the loop. An open delegation is waited for, and a text
        that has not been taken up.

        Args:
            seconds: how long nobody speaks.
            timeout: seconds for all of it; by default the session's.

        Raises:
            ConnectionClosed: the connection ended first.
            WaitTimeout: they talk on.
        """
        self._quiet.wait(
            seconds,
            lambda: self.has_more_to_say,
            self._parts.waiting.deadline(timeout),
        )

    @property
    def has_more_to_say(self) -> bool:
        """Whether work is open, or a text to be spoken has not been taken up."""
        waiting = (each.command.type for each in self._parts.pending.handles())
        return self._has_open_work() or events.CommentaryAppend.type in waiting

    @property
    def is_at_work(self) -> bool:
        """
        Whether functions of the program work: on calls of the backend, or on
        delegations. Work of the service's own does not count.
        """
        calls = self._tools is not None and self._backend.open_calls
        return bool(calls or self._delegations.open)

    def _has_open_work(self) -> bool:
        return any(
            each.state == "open" and not self._delegations.is_settled(each.id)
            for each in self.snapshot.delegations.values()
        )

    def wait_said(
        self, text: str, *, speaker: str = "assistant", timeout: Timeout = UNSET
    ) -> LiveSnapshot:
        """
        Wait until something has been said; return at once if it was said before.

        From any thread but the loop.

        Args:
            text: part of what is said; case does not count.
            speaker: ``"assistant"`` or ``"user"``.
            timeout: seconds; by default the session's.

        Raises:
            ConnectionClosed: the connection ended first.
            WaitTimeout: it has not been said.
            TypeError: it is no text.
            ValueError: there is no such speaker.
        """
        if not isinstance(text, str):
            raise TypeError(f"expected text, not {type(text).__name__}")
        if speaker not in ("assistant", "user"):
            raise ValueError(f"speaker must be assistant or user, not {speaker!r}")
        wanted = text.lower()
        deadline = self._parts.waiting.deadline(timeout)
        snapshot = self.snapshot
        while wanted not in getattr(snapshot, speaker).text.lower():
            snapshot = self.wait_changed(snapshot.version, timeout=deadline.remaining())
        return snapshot

    # -- looking -------------------------------------------------------------

    @property
    def id(self) -> Optional[str]:
        """The server's id of the session, or None."""
        return self.snapshot.id

    def _format(self) -> tuple[str, int]:
        return format_in_config(self.config)


_SERVER_CLOSES = 1.0
_RESOURCES = frozenset(
    {"conversation", "input_audio_buffer", "output_audio_buffer", "response"}
)


def _revised_by_live_session(
    backend: BackendOfSession, command: CommandOfHandle, snapshot: LiveSnapshot
) -> Optional[CommandOfHandle]:
    return (
        None if backend.is_void(command) else revised_after_renewal(command, snapshot)
    )


def _while_live_session_is_held(
    method: Callable[[], T], otherwise: T
) -> Callable[[], T]:
    """A method that does not hold its object; what it gives without that."""
    weak = WeakMethod(method)

    def call() -> T:
        found = weak()
        return otherwise if found is None else found()

    return call
