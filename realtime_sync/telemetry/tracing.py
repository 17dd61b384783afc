"""OpenTelemetry: a span for each session and each answer, and their metrics."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Optional, Union, cast

from .instruments import Instruments, Operation, server_attributes_of_instruments
from .live_tracing import LiveTracing
from .tokens import Tokens

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from .. import Context, Session, Subscription, live
    from ..dispatch.event_names import EventName
    from ..dispatch.notices import ConnectionEnded
    from ..protocol import events
    from .calls import AnySession

OPERATION = "chat"
"""``gen_ai.operation.name`` of an answer: the conventions have none of its own."""

Delta = Union[
    "events.ResponseTextDelta",
    "events.ResponseAudioTranscriptDelta",
    "events.ResponseAudioDelta",
]
"""The first of these is the first output of an answer."""


class OpenTelemetry:
    """
    Makes spans and metrics with the names of the GenAI semantic conventions.

    A span ``chat {model}`` for each response, a child of whatever span was current
    when the session was watched, and the metrics
    ``gen_ai.client.operation.duration``, ``gen_ai.client.token.usage`` and
    ``gen_ai.client.operation.time_to_first_chunk``. A session of GPT-Live is a span
    itself, with a span ``invoke_agent`` for each delegation, and the metric
    ``realtime_sync.live.seconds``. What was said is in none of them.
    Needs the extra ``telemetry``; without an SDK that is
    configured, everything goes nowhere.

    Args:
        system: ``gen_ai.provider.name``.
        tracer_provider, meter_provider: by default the global ones.

    Raises:
        ConfigurationError: opentelemetry-api is not installed.
    """

    def __init__(
        self,
        *,
        system: str = "openai",
        tracer_provider: Optional[TracerProvider] = None,
        meter_provider: Optional[MeterProvider] = None,
    ) -> None:
        self._instruments = Instruments(system, tracer_provider, meter_provider)

    def watch(
        self, session: AnySession, *, server: str = ""
    ) -> tuple[Subscription, ...]:
        """
        Make spans and metrics of a session's answers.

        Args:
            session: of either protocol, open or not.
            server: URL of the server, for ``server.address`` and ``server.port``.

        Returns:
            Subscriptions; cancel them to stop. Spans that are open then are not ended,
            and so not exported.
        """
        told = server_attributes_of_instruments(server)
        if session.session_type == "live":
            watched = cast("live.LiveSession", session)
            return LiveTracing(self._instruments, watched, told).subscribe()
        other = cast("Session", session)
        return _TracingFollower(self._instruments, other, told).subscribe()


class _TracingFollower:
    """Follows one session; its handlers run in the dispatcher thread."""

    def __init__(
        self, instruments: Instruments, session: Session, server: dict[str, Any]
    ) -> None:
        self._instruments = instruments
        self._session = session
        self._parent = instruments.current()
        self._server = server
        # Guards the answers under way: a closing session ends what is left.
        self._lock = Lock()
        self._answers: dict[object, Operation] = {}

    def subscribe(self) -> tuple[Subscription, ...]:
        """Register the handlers."""
        on = self._session.on
        firsts: tuple[EventName, ...] = (
            "response.output_text.delta",
            "response.output_audio_transcript.delta",
            "response.output_audio.delta",
        )
        return (
            on("response.created", lambda event, ctx: self._created(event, ctx)),
            *(on(name, lambda event: self._output(event)) for name in firsts),
            on("response.done", lambda event: self._done(event)),
            on("connection.closed", lambda event: self._closed(event)),
        )

    def _created(self, event: events.ResponseCreated, ctx: Context) -> None:
        if not event.response:
            return
        model = getattr(self._session.config, "model", None) or ""
        operation = self._instruments.begin(
            OPERATION,
            model,
            {**self._server, **({"gen_ai.request.model": model} if model else {})},
            parent=self._parent,
            more={
                "gen_ai.conversation.id": ctx.snapshot.conversation_id
                or self._session.id
                or "",
                "gen_ai.response.id": event.response.id or "",
            },
        )
        with self._lock:
            self._answers[event.response.id] = operation

    def _output(self, event: Delta) -> None:
        with self._lock:
            answer = self._answers.get(event.response_id)
        if answer is not None:
            self._instruments.output(answer)

    def _done(self, event: events.ResponseDone) -> None:
        response = event.response
        if not response:
            return
        with self._lock:
            answer = self._answers.pop(response.id, None)
        if answer is None:
            return
        tokens = Tokens.of(response.usage or None)
        status = str(response.status)
        answer.span.set_attribute("gen_ai.response.finish_reasons", (status,))
        for name, count in _traced_token_counts(tokens).items():
            answer.span.set_attribute(f"gen_ai.usage.{name}", count)
        error = (
            None
            if status in ("completed", "cancelled")
            else _traced_reason(event) or status
        )
        self._instruments.end(answer, error)
        self._instruments.count(answer, tokens)

    def _closed(self, event: ConnectionEnded) -> None:
        with self._lock:
            left, self._answers = list(self._answers.values()), {}
        for answer in left:
            self._instruments.end(answer, "connection_closed")


def _traced_token_counts(tokens: Tokens) -> dict[str, int]:
    """Token counts by the names of span attributes; text and audio apart."""
    return {
        "input_tokens": tokens.input,
        "output_tokens": tokens.output,
        "cache_read.input_tokens": tokens.cached,
    }


def _traced_reason(event: events.ResponseDone) -> str:
    details = getattr(event.response, "status_details", None) or None
    error = getattr(details, "error", None) or None
    for found in (
        getattr(error, "code", None),
        getattr(error, "type", None),
        getattr(details, "reason", None),
    ):
        if isinstance(found, str) and found:
            return found
    return ""
