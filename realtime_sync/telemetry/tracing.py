"""OpenTelemetry: a span for each session and each answer, and their metrics."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Any, Optional, Union
from urllib.parse import urlsplit

from attrs import define

from ..errors import ConfigurationError, install_command
from .tokens import Tokens

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, Meter, MeterProvider
    from opentelemetry.trace import Span, TracerProvider

    from .. import Context, Session, Subscription
    from ..dispatch.event_names import EventName
    from ..dispatch.notices import ConnectionEnded
    from ..protocol import events

OPERATION = "chat"
"""``gen_ai.operation.name`` of an answer: the conventions have none of its own."""

BUCKETS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4)
TOKEN_BUCKETS = tuple(4**power for power in range(14))


@define
class _Answer:
    span: Span
    began: float
    first: Optional[float] = None


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
    ``gen_ai.client.operation.time_to_first_chunk``. What was said is in neither.
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
        try:
            from opentelemetry import context, metrics, trace
        except ImportError as exc:
            raise ConfigurationError(
                "opentelemetry-api is needed to make spans and metrics; install it "
                f"with {install_command('telemetry')}"
            ) from exc
        self._context, self._trace = context, trace
        self._system = system
        self._tracer = trace.get_tracer(
            "realtime_sync", tracer_provider=tracer_provider
        )
        meter = metrics.get_meter("realtime_sync", meter_provider=meter_provider)
        self._duration = _histogram(
            meter, "gen_ai.client.operation.duration", "s", "Duration of an answer"
        )
        self._first = _histogram(
            meter,
            "gen_ai.client.operation.time_to_first_chunk",
            "s",
            "Time until the first text or audio of an answer",
        )
        self._usage = _histogram(
            meter, "gen_ai.client.token.usage", "{token}", "Tokens of an answer"
        )

    def watch(self, session: Session, *, server: str = "") -> tuple[Subscription, ...]:
        """
        Make spans and metrics of a session's answers.

        Args:
            session: open or not.
            server: URL of the server, for ``server.address`` and ``server.port``.

        Returns:
            Subscriptions; cancel them to stop.
        """
        follower = _Follower(self, session, _server(server))
        return follower.subscribe()


class _Follower:
    """Follows one session; its handlers run in the dispatcher thread."""

    def __init__(
        self, telemetry: OpenTelemetry, session: Session, server: dict[str, Any]
    ) -> None:
        self._made_by = telemetry
        self._session = session
        self._parent = telemetry._context.get_current()
        self._server = server
        # Guards the answers under way: a closing session ends what is left.
        self._lock = Lock()
        self._answers: dict[object, _Answer] = {}

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

    def _attributes(self) -> dict[str, Any]:
        model = getattr(self._session.config, "model", None) or ""
        attributes = {
            "gen_ai.operation.name": OPERATION,
            "gen_ai.provider.name": self._made_by._system,
            **self._server,
        }
        if model:
            attributes["gen_ai.request.model"] = model
        return attributes

    def _created(self, event: events.ResponseCreated, ctx: Context) -> None:
        if not event.response:
            return
        attributes = self._attributes()
        model = attributes.get("gen_ai.request.model", "")
        span = self._made_by._tracer.start_span(
            f"{OPERATION} {model}".strip(),
            context=self._parent,
            kind=self._made_by._trace.SpanKind.CLIENT,
            attributes={
                **attributes,
                "gen_ai.conversation.id": ctx.snapshot.conversation_id
                or self._session.id
                or "",
                "gen_ai.response.id": event.response.id or "",
            },
        )
        with self._lock:
            self._answers[event.response.id] = _Answer(span, time.monotonic())

    def _output(self, event: Delta) -> None:
        with self._lock:
            answer = self._answers.get(event.response_id)
        if answer is not None and answer.first is None:
            answer.first = time.monotonic()
            attributes = self._attributes()
            self._made_by._first.record(answer.first - answer.began, attributes)

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
        for name, count in _counts(tokens).items():
            answer.span.set_attribute(f"gen_ai.usage.{name}", count)
        error = (
            None if status in ("completed", "cancelled") else _reason(event) or status
        )
        self._finish(answer, error)
        for kind, count in (("input", tokens.input), ("output", tokens.output)):
            self._made_by._usage.record(
                count, {**self._attributes(), "gen_ai.token.type": kind}
            )

    def _closed(self, event: ConnectionEnded) -> None:
        with self._lock:
            left, self._answers = list(self._answers.values()), {}
        for answer in left:
            self._finish(answer, "connection_closed")

    def _finish(self, answer: _Answer, error: Optional[str]) -> None:
        attributes = self._attributes()
        if error is not None:
            attributes["error.type"] = error
            answer.span.set_attribute("error.type", error)
            code = self._made_by._trace.StatusCode.ERROR
            answer.span.set_status(self._made_by._trace.Status(code, error))
        answer.span.end()
        took = time.monotonic() - answer.began
        self._made_by._duration.record(took, attributes)


def _histogram(meter: Meter, name: str, unit: str, about: str) -> Histogram:
    buckets = TOKEN_BUCKETS if unit == "{token}" else BUCKETS
    return meter.create_histogram(
        name,
        unit=unit,
        description=about,
        explicit_bucket_boundaries_advisory=buckets,
    )


def _counts(tokens: Tokens) -> dict[str, int]:
    """Token counts by the names of span attributes; text and audio apart."""
    return {
        "input_tokens": tokens.input,
        "output_tokens": tokens.output,
        "cache_read.input_tokens": tokens.cached,
    }


def _reason(event: events.ResponseDone) -> str:
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


def _server(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if not parts.hostname:
        return {}
    default = 443 if parts.scheme in ("https", "wss") else 80
    return {
        "server.address": parts.hostname,
        "server.port": parts.port or default,
    }
