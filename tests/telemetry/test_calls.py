"""The calls of a process: rows, sums, and what they cost nobody who does not look."""

from __future__ import annotations

import gc
import threading
from typing import Any
from weakref import ref

import pytest

from realtime_sync import ReconnectPolicy, Session, connect, open_sessions
from realtime_sync.server import Server
from realtime_sync.telemetry import CallRow, ProcessCalls, Totals, activity
from realtime_sync.testing import MemoryTransport, frames
from tests.clock import Clock
from tests.session.live.live_session import delegated, live_session, said

pytestmark = pytest.mark.usefixtures("no_other_sessions")

MODEL = "gpt-realtime-2.1"


def handlers_in(session: Any) -> int:
    """How many handlers a session has of its own."""
    return len(session.handlers())


def of(calls: ProcessCalls, name: str) -> CallRow:
    """The row of a session."""
    return next(row for row in calls.rows() if row.name == name)


def in_memory(name: str, **options: Any) -> tuple[Session, MemoryTransport]:
    """A session without a socket, which answers nothing by itself."""
    transport = MemoryTransport(on_send=frames.acknowledged)
    options = {"dispatch": "inline", "timeout": 0.2, "name": name, **options}
    return connect(transport=transport, **options), transport


def test_open_sessions_are_those_of_both_protocols_oldest_first() -> None:
    """And not one more once they are closed."""
    before = open_sessions()
    first, _ = in_memory("first")
    with live_session() as (live, _):
        both = open_sessions()
    first.close()

    assert [first, live] == [each for each in both if each not in before]
    assert first not in open_sessions() and live not in open_sessions()


def test_row_tells_who_how_long_how_fast_and_how_much(server: Server) -> None:
    """After one question."""
    calls = ProcessCalls()
    with connect(MODEL, base_url=server.url, name="shop") as session:
        before = of(calls, "shop")
        session.ask("Two lamps please", timeout=10)
        session.flush()
        row = of(calls, "shop")
        usage = session.snapshot.usage
    calls.close()

    assert ("waiting", 0, None) == (before.state, before.turns, before.p50_ms)
    assert (MODEL, "realtime", "waiting") == (row.model, row.protocol, row.state)
    assert 1 == row.turns and row.p50_ms is not None and row.p50_ms == row.p95_ms
    assert (usage.input_tokens, usage.output_tokens) == (
        row.input_tokens,
        row.output_tokens,
    )
    assert 0 < before.seconds < row.seconds < 60
    assert row.events > 10 and 0 == row.errors == row.queued
    assert "assistant: " in row.last_line and "lamps" in row.last_line


def test_row_of_a_live_session_has_seconds_and_the_tokens_of_its_backend() -> None:
    """It has no turns, and its pieces of speech are joined."""
    calls = ProcessCalls()
    with live_session() as (session, server):
        server.feed({"type": "session.usage.updated", "usage": {"seconds": 12.5}})
        server.feed(said("user", "Hello ", 0), said("assistant", "Good ", 300))
        server.feed(said("assistant", "day", 500), delegated("work_1"))
        done = {"id": "r", "model": "m", "usage": {"input_tokens": 7}}
        inner = {"type": "response.completed", "response": done}
        told = {"type": "response.event", "delegation_id": "work_1", "event": inner}
        server.feed(told)
        row = of(calls, session.name)
    ended = of(calls, session.name)

    assert ("live", "active", "gpt-live-1") == (row.protocol, row.state, row.model)
    assert (12.5, 7, 0) == (row.billed_seconds, row.input_tokens, row.turns)
    assert "assistant: Good day" == row.last_line
    assert "ended" == ended.state and 18.0 == ended.billed_seconds
    assert [("user", "Hello"), ("assistant", "Good day")] == calls.transcript(ended.id)


def test_seconds_of_a_live_session_never_go_down() -> None:
    """The one that takes its place is counted from zero, and both are billed."""
    calls = ProcessCalls()
    seen = []
    with live_session() as (session, server):
        for name, seconds in (("live_1", 12.5), ("live_2", 3.0)):
            server.feed({"type": "session.started", "session": {"id": name}})
            seen.append(of(calls, session.name).billed_seconds)
            usage = {"seconds": seconds}
            server.feed({"type": "session.usage.updated", "usage": usage})
            seen.append(of(calls, session.name).billed_seconds)

    assert [0, 12.5, 12.5, 15.5] == seen


def test_state_follows_what_happens() -> None:
    """In the words that a person would use."""
    session, transport = in_memory("states")
    calls = ProcessCalls(sessions=lambda: (session,))
    seen = [of(calls, "states").state]
    speech = {"item_id": "i1", "audio_start_ms": 10}
    transport.feed({"type": "input_audio_buffer.speech_started", **speech})
    seen.append(of(calls, "states").state)
    transport.feed({"type": "input_audio_buffer.committed", "item_id": "i1"})
    created, *rest = frames.answer("Hi", response_id="resp_1")({})
    transport.feed(created)
    seen.append(of(calls, "states").state)
    for frame in rest[:-1]:
        transport.feed(frame)
    seen.append(activity(session.snapshot))
    transport.feed(rest[-1])
    seen.append(of(calls, "states").state)
    session.close()
    seen.append(of(calls, "states").state)

    assert ["waiting", "listening", "thinking", "answering", "waiting"] == seen[:5]
    assert "ended" == seen[5]


def test_call_that_reconnects_is_said_to() -> None:
    """Its connection is gone, and it is not over."""
    policy = ReconnectPolicy(base=0.0, attempts=3)
    session, transport = in_memory("lost", reconnect=policy)
    calls = ProcessCalls(sessions=lambda: (session,))
    seen = [of(calls, "lost")]
    session.on("connection.lost", lambda event: seen.append(of(calls, "lost")))
    transport.cut(1006)
    seen.append(of(calls, "lost"))
    session.close()

    assert ["waiting", "reconnecting", "waiting"] == [row.state for row in seen]
    assert [0, 1, 1] == [row.errors for row in seen]


def test_errors_and_failed_handlers_are_counted_and_the_last_is_told() -> None:
    """A person looks there first."""
    session, transport = in_memory("trouble")
    calls = ProcessCalls()

    @session.on("response.created")
    def fail(event: Any) -> None:
        raise ValueError("no such table")

    calls.rows()
    transport.feed({"type": "error", "error": {"message": "Too long", "code": "x"}})
    first = of(calls, "trouble")
    transport.feed({"type": "response.created", "response": {"id": "r"}})
    second = of(calls, "trouble")
    session.close()

    assert (1, "Too long") == (first.errors, first.last_error)
    assert 2 == second.errors
    assert second.last_error.endswith("fail: no such table")


def test_hang_up_ends_the_call_that_was_meant() -> None:
    """And says so when there is none of that id."""
    one, _ = in_memory("one")
    two, _ = in_memory("two")
    calls = ProcessCalls()
    row = of(calls, "one")
    hung_up = calls.hang_up(row.id), calls.hang_up(row.id), calls.hang_up("nobody")
    closed = one.closed, two.closed
    two.close()

    assert (True, False, False) == hung_up
    assert (True, False) == closed
    assert () == calls.transcript("nobody")


def test_nothing_is_watched_when_nobody_has_looked_for_a_minute() -> None:
    """The next thing that happens takes the handlers out; a look puts them back."""
    clock = Clock()
    session, transport = in_memory("quiet")
    none = handlers_in(session)
    calls = ProcessCalls(sessions=lambda: (session,), clock=clock)
    unseen = handlers_in(session)
    calls.rows()
    watched = handlers_in(session)
    clock.now += 59
    transport.feed({"type": "error", "error": {"message": "one"}})
    still = handlers_in(session)
    clock.now += 2
    transport.feed({"type": "error", "error": {"message": "two"}})
    idle, left = calls.idle, handlers_in(session)
    transport.feed({"type": "error", "error": {"message": "three"}})
    row = of(calls, "quiet")
    again = handlers_in(session)
    session.close()

    assert none == unseen == left
    assert none < watched == still == again
    assert idle
    assert (2, "two") == (row.errors, row.last_error)  # Nobody was there for three.


def test_closed_watch_leaves_no_handler_behind() -> None:
    """In no session."""
    session, _ = in_memory("left")
    before = handlers_in(session)
    calls = ProcessCalls(sessions=lambda: (session,))
    calls.rows()
    calls.close()
    after = handlers_in(session)
    session.close()

    assert before == after


def test_session_that_the_program_lets_go_of_is_not_kept() -> None:
    """What watches it must not be why it stays."""
    calls = ProcessCalls()
    session, _ = in_memory("forgotten")
    calls.rows()
    gone = ref(session)
    del session
    gc.collect()

    assert gone() is None
    assert ["ended"] == [r.state for r in calls.rows() if r.name == "forgotten"]


def test_calls_that_have_ended_stay_for_a_while_and_no_longer() -> None:
    """The latest fifty."""
    calls = ProcessCalls()
    for number in range(55):
        session, _ = in_memory(f"call {number}")
        calls.rows()
        session.close()
    rows = calls.rows()

    assert [f"call {n}" for n in range(5, 55)] == [row.name for row in rows]
    assert 55 == calls.reading()[1].calls


def test_sums_never_go_down(server: Server) -> None:
    """Not when a call ends, not when its session is replaced by another."""
    calls, seen = ProcessCalls(), []
    for _ in range(3):
        with connect(MODEL, base_url=server.url) as session:
            calls.rows()
            session.ask("Hello", timeout=10)
            session.flush()
            seen.append(calls.reading()[1])
        seen.append(calls.reading()[1])
    calls.close()

    assert [1, 1, 2, 2, 3, 3] == [each.turns for each in seen]
    assert [1, 1, 2, 2, 3, 3] == [each.first_output[-1] for each in seen]
    tokens = [each.output_tokens for each in seen]
    assert sorted(tokens) == tokens and tokens[0] == tokens[1] < tokens[2]


def test_first_outputs_are_counted_up_to_each_bound() -> None:
    """As a histogram of Prometheus is: each bound counts all below it."""
    totals = Totals()
    for seconds in (0.1, 0.25, 0.9, 30.0):
        totals.add_first_output(seconds)

    assert [1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4] == totals.first_output
    assert 31.25 == totals.first_output_seconds


def test_looking_while_calls_come_and_go_breaks_nothing() -> None:
    """Three threads look, sessions open and close."""
    calls = ProcessCalls()
    over = threading.Event()
    failed: list[BaseException] = []

    def look() -> None:
        try:
            while not over.is_set():
                for row in calls.rows():
                    calls.transcript(row.id)
        except BaseException as exc:
            failed.append(exc)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(30):
        session, transport = in_memory(f"busy {number}")
        for frame in frames.answer("Hi", response_id="resp_1")({}):
            transport.feed(frame)
        session.close()
    over.set()
    for thread in threads:
        thread.join(10)

    assert [] == failed
    assert [] == [row for row in calls.rows() if row.state != "ended"]
