"""The session: what programs hold, listen to, speak through and wait on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable, Optional

from ..connection.close_codes import check_close
from ..connection.command_handle import CommandHandle
from ..deadline import Deadline
from ..dispatch.router import Router
from ..errors import CommandRejected, WaitTimeout
from ..protocol.live.counterparts import IN_REALTIME
from ..state.restore import RestorePlan, RestoreReport, Unconfirmed
from ..state.snapshot import Snapshot
from ..transport.endpoint import Endpoint
from ..types import UNSET, OnTimeout, Timeout
from .ask import Asker
from .base import BaseSession
from .close_report import CloseReport
from .configuration import (
    config_fields,
    session_update,
    with_transcription_model,
)
from .opening import opening_refused_for_dialect
from .options import SessionOptions
from .other_protocol import missing_in_other_protocol
from .reply import Reply
from .resources import (
    Conversation,
    InputAudioBuffer,
    OutputAudioBuffer,
    Responses,
)
from .restorer import LONGEST, Restorer

if TYPE_CHECKING:
    from .ask import Question
    from .by_name import Events, Expect, WaitFor


class Session(BaseSession[Snapshot]):
    """
    A conversation with a realtime model, for programs without an event loop.

    Made by `connect` or `RealtimeClient.session`. Any thread may call any
    method; methods that wait raise `WouldDeadlock` in an inline handler.

    Attributes:
        input_audio_buffer: commands on the user's audio.
        output_audio_buffer: commands on the server's playback (calls only).
        conversation: items, and commands on them.
        response: commands on responses.
    """

    if TYPE_CHECKING:
        # By name a checker knows the class; what runs is the base's.
        expect: Expect  # type: ignore[assignment]
        wait_for: WaitFor  # type: ignore[assignment]
        events: Events  # type: ignore[assignment]

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
        super().__init__(endpoint, model, options=options, router=router)
        parts = self._parts
        sender = parts.sender
        self.input_audio_buffer = InputAudioBuffer(sender)
        self.output_audio_buffer = OutputAudioBuffer(sender)
        self.conversation = Conversation(sender, self)
        self.response = Responses(
            sender,
            self,
            watches=parts.watches,
            waiting=parts.waiting,
            idle_timeout=parts.options.response_idle_timeout,
        )
        self._asker = Asker(
            self.conversation,
            self.response,
            waiting=parts.waiting,
            check_process=self._lifecycle.check_process,
            on_reader=parts.on_reader,
            call=parts.pending.call,
            config=lambda: self.config,
            tools=lambda: self._tools,
        )
        # What is wrong with the configuration is told where the session is made.
        if fields := self._with_model(self._first_fields()):
            session_update(parts.codec, parts.session_type, fields)

    if not TYPE_CHECKING:  # A checker is to find what is not there.

        def __getattr__(self, name: str) -> Any:
            raise missing_in_other_protocol(self, name, IN_REALTIME)

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
        self._use_context()
        deadline = Deadline(options.connect_timeout)
        self._lifecycle.open(deadline)
        try:
            fields = self._first_fields()
            configured = bool(fields)
            fields = self._with_model(fields)
            with self._parts.pending.call():
                handle = self.update(**fields) if fields else None
                if handle is not None and options.wait_config:
                    _await_configured_session(handle, deadline, patient=configured)
            if self._history is not None:
                self._begin_with(self._history, deadline)
        except CommandRejected as exc:
            self.close(drain=False)
            mismatch = opening_refused_for_dialect(exc, self.dialect)
            if mismatch is None:
                raise
            raise mismatch from exc
        except BaseException:
            self.close(drain=False)
            raise
        return self

    def _first_fields(self) -> Mapping[str, Any]:
        """What the session is to be configured with when it is open."""
        given = self._parts.options.config
        return config_fields({} if given is None else given, self._tools)

    def _with_model(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same, with the model where there is no other place for it."""
        parts = self._parts
        if parts.options.session_type == "transcription":
            return with_transcription_model(fields, parts.model)
        return fields

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
        an incomplete report at once, and so it does in a signal handler that has
        interrupted a command or a registration at a step that the end waits for; the
        final one is `close_report`.

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

    def rotate_after(self, busy: Callable[[], bool]) -> Callable[[], None]:
        """
        Let a planned rotation of the connection wait while something goes on.

        A player does: what it plays is still the conversation's. It is waited for
        until ten seconds before the session's time is up.

        Args:
            busy: says whether it goes on; called on the loop, so it must be quick.

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
                bytes, an item, or a list of these. What is said in a sound is in
                the transcript if the session transcribes, see `Snapshot.transcript`.
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
        return self._asker.ask(
            question,
            timeout=timeout,
            max_tool_rounds=max_tool_rounds,
            check=check,
            on_timeout=on_timeout,
            **response,
        )

    # -- looking -------------------------------------------------------------

    @property
    def id(self) -> Optional[str]:
        """The server's id of the session, or None."""
        return self.snapshot.session_id

    @property
    def history_report(self) -> Optional[RestoreReport]:
        """
        What became of the ``history`` that the session began with, or None.

        The same report that reconnecting gives: what was put in, what differs, what
        could not be put in, and why.
        """
        return self._history_report

    @property
    def tools(self) -> Any:
        """The functions on offer, a `realtime_sync.tools.ToolSet`."""
        if self._tools is None:
            from ..tools import ToolSet

            self._tools = ToolSet(self, self._tool_host())
        return self._tools


def _await_configured_session(
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
