"""What OpenTelemetry is told with: spans of operations, and figures of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import urlsplit

from attrs import define

from ..errors import ConfigurationError, install_command
from .tokens import Tokens

if TYPE_CHECKING:
    from opentelemetry.context import Context as SpanContext
    from opentelemetry.metrics import Histogram, Meter, MeterProvider
    from opentelemetry.trace import Span, TracerProvider

BUCKETS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4)
TOKEN_BUCKETS = tuple(4**power for power in range(14))
PREFIX = "realtime_sync.live"
"""Of what the conventions have no name for: a session that is billed by time."""


@define(eq=False)
class Operation:
    """
    One answer, session or delegation, from its beginning to its end.

    Attributes:
        span: of it.
        attributes: of its figures.
        began: in seconds of the monotonic clock.
        first: when the first of its output came, None before.
    """

    span: Span
    attributes: dict[str, Any]
    began: float
    first: Optional[float] = None


class Instruments:
    """
    Starts spans and records figures; any thread.

    Args:
        system: ``gen_ai.provider.name``.
        tracer_provider, meter_provider: by default the global ones.

    Raises:
        ConfigurationError: opentelemetry-api is not installed.
    """

    def __init__(
        self,
        system: str,
        tracer_provider: Optional[TracerProvider],
        meter_provider: Optional[MeterProvider],
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
        self._duration = _instrument_histogram(
            meter, "gen_ai.client.operation.duration", "s", "Duration of an answer"
        )
        self._first = _instrument_histogram(
            meter,
            "gen_ai.client.operation.time_to_first_chunk",
            "s",
            "Time until the first text or audio of an answer",
        )
        self._usage = _instrument_histogram(
            meter, "gen_ai.client.token.usage", "{token}", "Tokens of an answer"
        )
        self._seconds = meter.create_counter(
            f"{PREFIX}.seconds", unit="s", description="Seconds of live sessions"
        )

    def current(self) -> SpanContext:
        """The context of the calling thread: its span is the parent of what begins."""
        return self._context.get_current()

    def inside(self, operation: Operation) -> SpanContext:
        """The context in which an operation is the parent of what begins."""
        return self._trace.set_span_in_context(operation.span)

    def begin(
        self,
        operation: str,
        subject: str,
        attributes: Mapping[str, Any],
        *,
        parent: SpanContext,
        more: Mapping[str, Any],
    ) -> Operation:
        """
        Start the span of an operation.

        Args:
            operation: ``gen_ai.operation.name``.
            subject: what follows it in the span's name; empty for nothing.
            attributes: of the span and of its figures.
            parent: context of the span that it belongs to.
            more: attributes of the span alone.
        """
        every = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": self._system,
            **attributes,
        }
        span = self._tracer.start_span(
            f"{operation} {subject}".strip(),
            context=parent,
            kind=self._trace.SpanKind.CLIENT,
            attributes={**every, **more},
        )
        return Operation(span, every, time.monotonic())

    def output(self, operation: Operation, at: Optional[float] = None) -> None:
        """
        Record that output has come, the first time.

        Args:
            operation: whose.
            at: when, in seconds of the monotonic clock; None for this moment.
        """
        if operation.first is None:
            operation.first = time.monotonic() if at is None else at
            took = max(0.0, operation.first - operation.began)
            self._first.record(took, operation.attributes)

    def count(self, operation: Operation, tokens: Tokens) -> None:
        """Record what an operation took."""
        for kind, count in (("input", tokens.input), ("output", tokens.output)):
            self._usage.record(
                count, {**operation.attributes, "gen_ai.token.type": kind}
            )

    def add_seconds(self, operation: Operation, kind: str, seconds: float) -> None:
        """Count seconds of a live session."""
        if seconds > 0:
            self._seconds.add(seconds, {**operation.attributes, f"{PREFIX}.kind": kind})

    def end(self, operation: Operation, error: Optional[str]) -> None:
        """End an operation, *error* being ``error.type`` if it has failed."""
        attributes = operation.attributes
        if error is not None:
            attributes = {**attributes, "error.type": error}
            operation.span.set_attribute("error.type", error)
            code = self._trace.StatusCode.ERROR
            operation.span.set_status(self._trace.Status(code, error))
        operation.span.end()
        self._duration.record(time.monotonic() - operation.began, attributes)


def _instrument_histogram(meter: Meter, name: str, unit: str, about: str) -> Histogram:
    buckets = TOKEN_BUCKETS if unit == "{token}" else BUCKETS
    return meter.create_histogram(
        name,
        unit=unit,
        description=about,
        explicit_bucket_boundaries_advisory=buckets,
    )


def server_attributes_of_instruments(url: str) -> dict[str, Any]:
    """``server.address`` and ``server.port`` of a URL; nothing without a host."""
    parts = urlsplit(url)
    if not parts.hostname:
        return {}
    default = 443 if parts.scheme in ("https", "wss") else 80
    return {
        "server.address": parts.hostname,
        "server.port": parts.port or default,
    }
