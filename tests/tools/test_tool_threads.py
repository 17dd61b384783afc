"""Tools of sessions that share threads: called on shared ones, as many as may be."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, Optional

import pytest

from realtime_sync import Session, Threads, connect
from realtime_sync.errors import WouldDeadlock
from realtime_sync.testing import MemoryTransport, frames
from realtime_sync.tools import ToolCall

LONG = 10.0
OUTPUT = "function_call_output"


class Call:
    """
    A session whose model has called a tool.

    Attributes:
        outputs: of tools, decoded, as they were sent.
        asked: released when the next response is asked for.
    """

    def __init__(self, threads: Threads) -> None:
        self.outputs: list[Any] = []
        self.asked = threading.Semaphore(0)
        self._transport = MemoryTransport(on_send=self._sent)
        self.session: Session = connect(
            "m", transport=self._transport, threads=threads, timeout=LONG
        )

    def of(
        self,
        *tools: Callable[..., Any],
        x: int = 1,
        timeout: float = LONG,
        approve: Optional[Callable[[ToolCall], bool]] = None,
    ) -> None:
        """Offer the functions, and have the model call all of them."""
        for tool in tools:
            self.session.tool(timeout=timeout, approve=approve)(tool)
        calls = [(tool.__name__, {"x": x}) for tool in tools]
        self._transport.feed(*frames.answer(calls=calls)({}))

    def _sent(self, frame: dict[str, Any]) -> Any:
        if frame.get("item", {}).get("type") == OUTPUT:
            self.outputs.append(json.loads(frame["item"]["output"]))
        if frame["type"] == "response.create":
            self.asked.release()
            return frames.answer("Well.")(frame)
        return None


@pytest.fixture
def threads() -> Iterator[Threads]:
    """Shared threads of which two call tools; they have ended after the test."""
    with Threads(tools=2) as shared:
        yield shared
    assert shared.close()


def names() -> list[str]:
    """Of the threads that run for tools."""
    found = [thread.name for thread in threading.enumerate()]
    return [name for name in found if " tool" in name or " round" in name]


def test_more_calls_than_threads_are_answered_one_after_the_other(
    threads: Threads,
) -> None:
    """Six sessions with two calls each, on two threads and two that wait for them."""
    lock, now, most = threading.Lock(), [0], [0]
    used: set[str] = set()

    def look_up(x: int) -> int:
        """Look something up, which takes a while."""
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
            used.add(threading.current_thread().name)
        paused.wait(0.02)
        with lock:
            now[0] -= 1
        return 2 * x

    def triple(x: int) -> int:
        """Triple a number."""
        return 3 * x

    paused = threading.Event()
    calls = [Call(threads) for _ in range(6)]
    for number, call in enumerate(calls):
        call.of(look_up, triple, x=number)
    for call in calls:
        assert call.asked.acquire(timeout=LONG)
    running = names()

    assert [[2 * n, 3 * n] for n in range(6)] == [call.outputs for call in calls]
    assert 1 <= most[0] <= 2
    assert all(name.startswith("realtime-sync shared tool") for name in used)
    assert len(running) <= 4
    assert all(name.startswith("realtime-sync shared ") for name in running)


def test_a_tool_that_blocks_holds_up_its_own_session_only(threads: Threads) -> None:
    """While there is a thread for the others."""
    go, inside = threading.Event(), threading.Event()

    def block(x: int) -> int:
        """Wait for a web service that does not answer."""
        inside.set()
        assert go.wait(LONG)
        return x

    def double(x: int) -> int:
        """Double a number."""
        return 2 * x

    blocked, other = Call(threads), Call(threads)
    blocked.of(block)
    assert inside.wait(LONG)
    other.of(double, x=4)

    assert other.asked.acquire(timeout=LONG)
    assert [8] == other.outputs
    assert [] == blocked.outputs
    go.set()
    assert blocked.asked.acquire(timeout=LONG)


def test_a_call_that_finds_no_thread_in_its_time_is_answered(threads: Threads) -> None:
    """
    The model is told that there was no answer. Its function is not run, and whoever
    approves is not asked about what cannot be done any more.
    """
    go, inside = threading.Event(), threading.Semaphore(0)
    ran: list[int] = []
    asked: list[ToolCall] = []

    def block() -> None:
        inside.release()
        assert go.wait(LONG)

    def late(x: int) -> None:
        """Come too late."""
        ran.append(x)

    def approve(call: ToolCall) -> bool:
        asked.append(call)
        return True

    call = Call(threads)
    for _ in range(2):
        threads.run_tool(block)
    for _ in range(2):
        assert inside.acquire(timeout=LONG)
    call.of(late, timeout=0.01, approve=approve)

    assert call.asked.acquire(timeout=LONG)
    assert "did not answer within 0.01 seconds" in call.outputs[0]["error"]
    go.set()
    assert threads.close()
    assert [] == ran
    assert [] == asked


def test_a_tool_cannot_close_the_threads_that_call_it(threads: Threads) -> None:
    """It would wait for itself, and is told so."""

    def close_all(x: int) -> int:
        """Close everything."""
        with pytest.raises(WouldDeadlock):
            threads.close()
        return x

    call = Call(threads)
    call.of(close_all)

    assert call.asked.acquire(timeout=LONG)
    assert [1] == call.outputs
