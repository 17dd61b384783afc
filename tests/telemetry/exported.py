"""What the exporters of OpenTelemetry have got."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from realtime_sync.telemetry import OpenTelemetry


class Exported:
    """What was exported."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.telemetry = OpenTelemetry(
            tracer_provider=self.tracers, meter_provider=self.meters
        )

    @property
    def spans(self) -> list[Any]:
        """Ended spans."""
        return list(self._spans.get_finished_spans())

    @property
    def metrics(self) -> dict[str, list[Any]]:
        """Data points by the name of the metric."""
        found = self._reader.get_metrics_data()
        return {
            metric.name: list(metric.data.data_points)
            for resource in (found.resource_metrics if found else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }
