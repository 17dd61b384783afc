"""Spans and metrics, as the exporters of OpenTelemetry get them."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from realtime_sync import connect
from realtime_sync.errors import ConfigurationError
from realtime_sync.server import Failure, Server, serve
from realtime_sync.telemetry import OpenTelemetry
from tests.telemetry.exported import Exported

MODEL = "gpt-realtime-2.1"


def test_answer_is_a_span_with_the_names_of_the_conventions(
    server: Server, exported: Exported
) -> None:
    """Model, provider, conversation, tokens, server; a child of the current span."""
    with exported.tracers.get_tracer("service").start_as_current_span("request"):
        session = connect(MODEL, base_url=server.url)
        exported.telemetry.watch(session, server=server.url)
    with session:
        session.ask("Hello", timeout=10)
    outer, span = exported.spans

    assert f"chat {MODEL}" == span.name
    assert "CLIENT" == span.kind.name
    assert outer.context.span_id == span.parent.span_id
    assert "chat" == span.attributes["gen_ai.operation.name"]
    assert "openai" == span.attributes["gen_ai.provider.name"]
    assert MODEL == span.attributes["gen_ai.request.model"]
    assert ("completed",) == span.attributes["gen_ai.response.finish_reasons"]
    assert span.attributes["gen_ai.response.id"].startswith("resp_")
    assert span.attributes["gen_ai.conversation.id"]
    assert span.attributes["gen_ai.usage.input_tokens"] > 0
    assert span.attributes["gen_ai.usage.output_tokens"] > 0
    assert "127.0.0.1" == span.attributes["server.address"]
    assert server.port == span.attributes["server.port"]


def test_answer_is_measured(server: Server, exported: Exported) -> None:
    """Duration, time to the first output, and tokens, each a histogram."""
    with connect(MODEL, base_url=server.url) as session:
        exported.telemetry.watch(session)
        session.ask("Hello", timeout=10)
        total = session.snapshot.usage
    metrics = exported.metrics
    tokens = {
        point.attributes["gen_ai.token.type"]: point.sum
        for point in metrics["gen_ai.client.token.usage"]
    }

    assert {"input": total.input_tokens, "output": total.output_tokens} == tokens
    for name in ("duration", "time_to_first_chunk"):
        (point,) = metrics[f"gen_ai.client.operation.{name}"]
        assert 1 == point.count
        assert 0 < point.sum < 10


def test_what_is_said_is_in_no_span(server: Server, exported: Exported) -> None:
    """Content is recorded by those who ask for it, elsewhere."""
    with connect(MODEL, base_url=server.url) as session:
        exported.telemetry.watch(session)
        session.ask("my secret diary", timeout=10)

    assert "diary" not in "".join(span.to_json() for span in exported.spans)


def test_failed_answer_is_an_error(exported: Exported) -> None:
    """The span has the error's code as its type."""

    def fails(*_: Any, **__: Any) -> Failure:
        return Failure("no luck", code="server_error")

    with serve(agent=fails) as server:
        with connect(MODEL, base_url=server.url) as session:
            exported.telemetry.watch(session)
            session.ask("Hello", timeout=10, check=False)
    (span,) = exported.spans

    assert "ERROR" == span.status.status_code.name
    assert "server_error" == span.attributes["error.type"]


def test_answer_that_is_cut_off_ends_its_span(exported: Exported) -> None:
    """A closed session leaves no span open."""
    answer = threading.Event()

    def waits(*_: Any, **__: Any) -> str:
        answer.wait(10)
        return "too late"

    with serve(agent=waits) as server:
        with connect(MODEL, base_url=server.url) as session:
            exported.telemetry.watch(session)
            with session.expect("response.created") as created:
                session.response.create()
            created.result(timeout=10)
        answer.set()
    (span,) = exported.spans

    assert "connection_closed" == span.attributes["error.type"]


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry is optional."""
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigurationError, match=r"pip install .*\[telemetry\]"):
        OpenTelemetry()
