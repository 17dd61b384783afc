"""Spans and figures of live sessions, and their entries in a ledger."""

from __future__ import annotations

import sys
from base64 import b64encode
from types import SimpleNamespace
from typing import Any, Callable

import pytest
from opentelemetry.sdk.trace import SpanProcessor

from realtime_sync.deadline import Flag
from realtime_sync.session.live import LiveSession, Task
from realtime_sync.telemetry import Ledger
from realtime_sync.telemetry.live_work import MOST_OPEN
from tests.session.live.live_session import (
    SESSION,
    LiveServer,
    closed,
    delegated,
    live_session,
)
from tests.session.live.test_renewal import lost
from tests.telemetry.exported import Exported

LONG = 10.0


def backend(kind: str, response: str = "resp_1", **more: Any) -> dict[str, Any]:
    """The backend says something of the work ``item_1``."""
    inner: dict[str, Any] = {"type": f"response.{kind}", **more}
    if kind in ("created", "completed", "failed"):
        inner["response"] = {"id": response, "model": "gpt-5.5", **more}
    return {"type": "response.event", "delegation_id": "item_1", "event": inner}


def used(taken: int, given: int) -> dict[str, Any]:
    """What a response took."""
    return {"usage": {"input_tokens": taken, "output_tokens": given}}


def two_rounds(server: LiveServer) -> None:
    """The backend calls a function, and answers with what that gave."""
    call = {"type": "function_call", "call_id": "call_1", "name": "f"}
    server.feed(
        delegated("item_1", "responses", response_id="resp_1"),
        backend("created"),
        backend("output_item.done", item={**call, "arguments": "{}"}),
        backend("completed", **used(30, 5)),
        backend("created", "resp_2"),
        backend("output_text.delta", delta="It rains."),
        backend("completed", "resp_2", **used(40, 9)),
    )


def answering(session: LiveSession, function: Callable[[Task], Any]) -> Flag:
    """Let a function answer; the flag is set when it has an outcome."""
    over = Flag()
    session.delegate(function)
    session.on("delegation.finished", lambda event: over.set(), inline=True)
    return over


def test_session_is_a_span_and_what_it_hands_on_another(exported: Exported) -> None:
    """With the names of the conventions, one inside of the other."""
    with exported.tracers.get_tracer("service").start_as_current_span("request"):
        with live_session() as (session, server):
            exported.telemetry.watch(session, server="wss://voice.example/v1")
            two_rounds(server)
    work, span, outer = exported.spans

    assert ("chat gpt-live-1", "CLIENT") == (span.name, span.kind.name)
    assert outer.context.span_id == span.parent.span_id
    assert "live_u0_1" == span.attributes["gen_ai.conversation.id"]
    assert "gpt-live-1" == span.attributes["gen_ai.request.model"]
    assert "speech" == span.attributes["gen_ai.output.type"]
    assert ("close_requested",) == span.attributes["gen_ai.response.finish_reasons"]
    assert 70 == span.attributes["gen_ai.usage.input_tokens"]
    assert "voice.example" == span.attributes["server.address"]
    assert "error.type" not in span.attributes
    assert ("invoke_agent responses", span.context.span_id) == (
        work.name,
        work.parent.span_id,
    )
    assert "gpt-5.5" == work.attributes["gen_ai.request.model"]
    assert "resp_2" == work.attributes["gen_ai.response.id"]
    assert ("answered",) == work.attributes["gen_ai.response.finish_reasons"]
    assert (70, 14) == (
        work.attributes["gen_ai.usage.input_tokens"],
        work.attributes["gen_ai.usage.output_tokens"],
    )


def test_tokens_and_times_of_a_backend_are_figures(exported: Exported) -> None:
    """The tokens by kind, and the time until its first word."""
    with live_session() as (session, server):
        exported.telemetry.watch(session)
        two_rounds(server)
    metrics = exported.metrics
    tokens = {
        point.attributes["gen_ai.token.type"]: point.sum
        for point in metrics["gen_ai.client.token.usage"]
    }
    operations = {
        point.attributes["gen_ai.operation.name"]
        for point in metrics["gen_ai.client.operation.duration"]
    }
    [first] = metrics["gen_ai.client.operation.time_to_first_chunk"]

    assert {"input": 70, "output": 14} == tokens
    assert {"chat", "invoke_agent"} == operations
    assert (1, "gpt-5.5") == (first.count, first.attributes["gen_ai.request.model"])


def test_seconds_of_both_directions_are_counted(exported: Exported) -> None:
    """As they are billed, and as audio; what is told again is not counted again."""
    sound = b64encode(bytes(48_000)).decode()
    with live_session(idle_audio=None) as (session, server):
        exported.telemetry.watch(session)
        session.input_audio.append(bytes(96_000))
        server.feed({"type": "session.output_audio.delta", "delta": sound})
        for seconds in (14.0, 14.0, 16.0):
            usage = {"seconds": seconds}
            server.feed({"type": "session.usage.updated", "usage": usage})
    [span] = exported.spans
    counted = {
        point.attributes["realtime_sync.live.kind"]: point.value
        for point in exported.metrics["realtime_sync.live.seconds"]
    }

    assert {"billed": 18.0, "input_audio": 2.0, "output_audio": 1.0} == counted
    assert {
        f"realtime_sync.live.{name}_seconds": value for name, value in counted.items()
    }.items() <= span.attributes.items()


@pytest.mark.parametrize("answer, outcome", [("B12", "answered"), (None, "nothing")])
def test_function_that_answers_ends_the_span(
    exported: Exported, answer: str | None, outcome: str
) -> None:
    """Not what it says meanwhile: it is still at work then."""

    def work(task: Task) -> str | None:
        task.say("Still looking.").acknowledged(LONG)
        return answer

    with live_session(dispatch="thread") as (session, server):
        exported.telemetry.watch(session)
        over = answering(session, work)
        server.feed(delegated("item_1"))
        assert over.wait(LONG)
        session.flush(LONG)
    span = exported.spans[0]

    assert (outcome,) == span.attributes["gen_ai.response.finish_reasons"]
    assert "item_1" == span.attributes["realtime_sync.live.delegation_id"]
    assert "error.type" not in span.attributes


def test_function_that_fails_is_an_error(exported: Exported) -> None:
    """Of its delegation, not of the session."""

    def work(task: Task) -> str:
        raise ValueError("no such gate")

    with live_session(dispatch="thread") as (session, server):
        exported.telemetry.watch(session)
        over = answering(session, work)
        server.feed(delegated("item_1"))
        assert over.wait(LONG)
    work_span, span = exported.spans

    assert "failed" == work_span.attributes["error.type"]
    assert "error.type" not in span.attributes


def test_answer_by_hand_ends_the_span(exported: Exported) -> None:
    """When the model has taken it up; no function answers."""
    with live_session() as (session, server):
        exported.telemetry.watch(session)
        server.feed(delegated("item_1"), delegated("item_2"))
        session.say("B12", delegation_id="item_1")
        [span] = exported.spans

        assert "item_1" == span.attributes["realtime_sync.live.delegation_id"]
    assert ["answered", "abandoned"] == [
        each.attributes["gen_ai.response.finish_reasons"][0]
        for each in exported.spans[:2]
    ]


def test_decision_ends_the_span(exported: Exported) -> None:
    """It is what was handed on."""
    with live_session() as (session, server):
        exported.telemetry.watch(session)
        server.feed(delegated("item_1", "decisions"))
        server.feed({"type": "decision.event", "delegation_id": "item_1"})
        [span] = exported.spans

    assert "invoke_agent decisions" == span.name


def test_session_that_takes_the_place_of_another_is_a_span_of_its_own(
    exported: Exported,
) -> None:
    """The lost one is an error, and what it had handed on as well."""
    with live_session() as (session, server):
        exported.telemetry.watch(session)
        server.feed({"type": "session.usage.updated", "usage": {"seconds": 14.0}})
        server.feed(delegated("item_1"))
        again = {**SESSION, "id": "live_u0_2"}
        server.feed({"type": "session.started", "session": again})
        server.feed({"type": "session.started", "session": again})
    work, lost, span = exported.spans

    assert "abandoned" == work.attributes["error.type"]
    assert "connection_lost" == lost.attributes["error.type"]
    assert 14.0 == lost.attributes["realtime_sync.live.billed_seconds"]
    assert "live_u0_2" == span.attributes["gen_ai.conversation.id"]
    assert 18.0 == span.attributes["realtime_sync.live.billed_seconds"]


def test_loss_ends_the_span_of_a_session_and_another_begins(
    exported: Exported,
) -> None:
    """The start of the next one is told to nobody but the library."""
    ledger = Ledger()
    with lost() as (session, server):
        exported.telemetry.watch(session)
        ledger.watch(session)
        for name in ("item_1", "item_2"):
            server.feed(delegated(name))
            server.transport.cut(1006)
        assert 2 == ledger.count
    told = [
        (
            span.name.split()[0],
            span.attributes["gen_ai.conversation.id"],
            span.attributes.get("error.type"),
        )
        for span in exported.spans
    ]

    assert [
        ("invoke_agent", "live_1", "abandoned"),
        ("chat", "live_1", "connection_lost"),
        ("invoke_agent", "live_2", "abandoned"),
        ("chat", "live_2", "connection_lost"),
        ("chat", "live_3", None),
    ] == told


class AtBeginning(SpanProcessor):
    """Does something while a span begins, and counts what is open."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.open = 0
        self._act = act

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """As a processor of the program, in the thread that begins the span."""
        self.open += 1
        self._act()

    def on_end(self, span: Any) -> None:
        """It is over."""
        self.open -= 1


@pytest.mark.parametrize("drain", [True, False])
def test_session_that_ends_while_its_span_begins_leaves_none_open(
    exported: Exported, drain: bool
) -> None:
    """As when one thread watches a session, and another closes it."""
    failed: list[Any] = []
    with live_session() as (session, _):
        session.on("handler.failed", failed.append)
        spans = AtBeginning(lambda: session.close(drain=drain))
        exported.tracers.add_span_processor(spans)
        exported.telemetry.watch(session)

    assert [] == failed
    assert 0 == spans.open
    assert 1 == len(exported.spans)


def test_session_is_begun_once_though_it_is_told_while_its_span_begins(
    exported: Exported,
) -> None:
    """Who watches and who delivers may both see the beginning."""
    again = {"type": "session.started", "session": SESSION}
    with live_session() as (session, server):
        spans = AtBeginning(lambda: server.feed(again))
        exported.tracers.add_span_processor(spans)
        exported.telemetry.watch(session)

        assert 1 == spans.open
    assert 1 == len(exported.spans)


def test_two_that_watch_from_two_cells_of_a_notebook_both_do(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell that is run again replaces its handlers, and nobody else's."""
    shell = SimpleNamespace(execution_count=1)
    fake: Any = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", fake)
    ledger = Ledger()
    with live_session() as (session, server):
        for watch in (ledger.watch, exported.telemetry.watch, ledger.watch):
            shell.execution_count += 1
            watch(session)
        two_rounds(server)

    assert (1, 84, 18.0) == (ledger.count, ledger.tokens.total, ledger.tokens.seconds)
    assert ["invoke_agent responses", "chat gpt-live-1"] == [
        span.name for span in exported.spans
    ]


@pytest.mark.parametrize("reason", ["expired", "content"])
def test_bad_end_is_an_error(exported: Exported, reason: str) -> None:
    """By the reason that the service gives."""
    with live_session() as (session, server):
        exported.telemetry.watch(session)
        server.feed(closed(reason=reason))
    [span] = exported.spans

    assert reason == span.attributes["error.type"]


def test_session_that_nobody_ends_ends_its_span(exported: Exported) -> None:
    """An end that is not confirmed is an error."""
    with live_session() as (session, server):
        exported.telemetry.watch(session)
        session.close(drain=False)
    [span] = exported.spans

    assert "connection_closed" == span.attributes["error.type"]


def test_outcome_that_is_told_first_is_kept_for_its_delegation(
    exported: Exported,
) -> None:
    """A quick function may be done before its delegation is delivered."""
    told = {"delegation_id": "item_1", "outcome": "noted", "revision": 1}
    with live_session() as (session, server):
        exported.telemetry.watch(session)
        session.notify("delegation.finished", **told)
        server.feed(delegated("item_1"), delegated("item_1"))
        session.notify("delegation.finished", **told)
        [span] = exported.spans

        assert ("noted",) == span.attributes["gen_ai.response.finish_reasons"]
    assert 2 == len(exported.spans)


def test_delegations_that_nobody_answers_are_followed_up_to_a_bound(
    exported: Exported,
) -> None:
    """The oldest of more end as abandoned; none is counted twice."""
    with live_session() as (session, server):
        exported.telemetry.watch(session)
        for number in range(MOST_OPEN + 2):
            server.feed(delegated(f"item_{number}"))
        ended = [
            span.attributes["realtime_sync.live.delegation_id"]
            for span in exported.spans
        ]

        assert ["item_0", "item_1"] == ended
    assert MOST_OPEN + 3 == len(exported.spans)


def test_what_was_said_is_in_no_span(exported: Exported) -> None:
    """Neither by the user, nor by the voice, nor by the backend."""
    with live_session() as (session, server):
        exported.telemetry.watch(session)
        two_rounds(server)
        session.say("my secret diary")

    everything = "".join(span.to_json() for span in exported.spans)
    assert "diary" not in everything and "rains" not in everything


def test_ledger_has_an_entry_for_each_delegation() -> None:
    """With its times and the tokens of its backend; the seconds are of the session."""
    ledger = Ledger()
    with live_session(name="till") as (session, server):
        ledger.watch(session)
        two_rounds(server)
        server.feed({"type": "session.usage.updated", "usage": {"seconds": 14.0}})
    [entry] = ledger.rows()

    assert ("till", "item_1", "resp_2", "answered") == (
        entry["session"],
        entry["item_id"],
        entry["response_id"],
        entry["status"],
    )
    assert 0 <= entry["created_ms"] <= entry["first_text_ms"] <= entry["done_ms"]
    assert (70, 14) == (entry["input_tokens"], entry["output_tokens"])
    assert (84, 18.0) == (ledger.tokens.total, ledger.tokens.seconds)


def test_ledger_that_looks_no_more_counts_no_more() -> None:
    """One subscription is for all that it is told."""
    ledger = Ledger()
    with live_session() as (session, server):
        watching = ledger.watch(session)
        server.feed({"type": "session.usage.updated", "usage": {"seconds": 14.0}})
        watching.cancel()
        two_rounds(server)

    assert (0, 0, 14.0) == (ledger.count, ledger.tokens.total, ledger.tokens.seconds)


def test_what_was_taken_before_is_of_no_delegation(exported: Exported) -> None:
    """A ledger, and spans, of a session that has worked for a while."""
    ledger = Ledger()
    with live_session() as (session, server):
        two_rounds(server)
        ledger.watch(session)
        exported.telemetry.watch(session)
        server.feed(
            backend("created", "resp_3"), backend("completed", "resp_3", **used(2, 1))
        )
    [entry] = ledger.rows()
    work = exported.spans[0].attributes

    assert (2, 1) == (entry["input_tokens"], entry["output_tokens"])
    assert 3 == ledger.tokens.total
    assert 2 == work["gen_ai.usage.input_tokens"]
