"""Threads that dial: a bound, an order, and tasks that are claimed once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from realtime_sync.deadline import Deadline
from realtime_sync.session.dialers import Dialers

_LONG = 10.0


def never(seconds: float, run: Callable[[], None]) -> None:
    """There is always a thread, so nothing is to be done later."""
    raise AssertionError("nothing was to be done later")


@pytest.fixture
def dialers() -> Iterator[Dialers]:
    """Two of them, which have ended after the test."""
    dialers = Dialers(2, "test", never)
    yield dialers
    dialers.stop()
    assert dialers.join(Deadline(_LONG))


def test_no_more_dial_at_once_than_the_bound(dialers: Dialers) -> None:
    """Five hundred lost connections are not five hundred threads."""
    go, begun, done = threading.Event(), threading.Semaphore(0), threading.Semaphore(0)

    def dial() -> None:
        begun.release()
        go.wait(_LONG)
        done.release()

    for _ in range(20):
        dialers.submit(dial)
    assert begun.acquire(timeout=_LONG)
    assert begun.acquire(timeout=_LONG)

    assert 2 == dialers.size
    assert 18 == dialers.waiting
    go.set()
    for _ in range(20):
        assert done.acquire(timeout=_LONG)


def test_tasks_begin_in_the_order_they_came() -> None:
    """Who was lost first is dialled first."""
    dialers, order = Dialers(1, "test", never), []
    for number in range(50):
        dialers.submit(lambda number=number: order.append(number))  # type: ignore[misc]
    dialers.stop()

    assert dialers.join(Deadline(_LONG))
    assert list(range(50)) == order


def test_claimed_task_is_not_run(dialers: Dialers) -> None:
    """A session that is closed while it waits in line is closed at once."""
    go, begun, done = threading.Event(), threading.Semaphore(0), threading.Event()
    ran: list[int] = []

    def block() -> None:
        begun.release()
        go.wait(_LONG)

    for _ in range(2):
        dialers.submit(block)
        assert begun.acquire(timeout=_LONG)
    task = dialers.submit(lambda: ran.append(1))
    assert task.claim()
    assert not task.claim()
    dialers.submit(done.set)
    go.set()

    assert done.wait(_LONG)
    assert [] == ran


@pytest.mark.parametrize("error", [ValueError(), SystemExit()])
def test_task_that_raises_is_logged_and_the_next_one_is_run(
    dialers: Dialers, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """`sys.exit` in a hook does not take the thread from the other sessions."""
    done = threading.Event()

    def fail() -> None:
        raise error

    dialers.submit(fail)
    dialers.submit(fail)
    dialers.submit(done.set)

    assert done.wait(_LONG)
    assert "what was to be dialled failed" in caplog.text


@pytest.mark.parametrize("idle", [0.0, 0.01])
def test_idle_threads_end_and_others_start(idle: float) -> None:
    """Nobody dials for hours: no thread waits for hours."""
    dialers = Dialers(2, "test", never, idle=idle)
    mine: list[threading.Thread] = []
    done = threading.Event()
    dialers.submit(lambda: (mine.append(threading.current_thread()), done.set()))
    assert done.wait(_LONG)
    mine[0].join(_LONG)

    assert 0 == dialers.size
    done.clear()
    dialers.submit(done.set)
    assert done.wait(_LONG)
    dialers.stop()
    assert dialers.join(Deadline(_LONG))


def test_what_finds_no_thread_is_done_when_there_is_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each task once; and that the system gives none is said once."""
    later: list[Callable[[], None]] = []
    dialers = Dialers(2, "test", lambda seconds, run: later.append(run))
    done: list[int] = []

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        dialers.submit(lambda: done.append(1))
        dialers.submit(lambda: done.append(2))
        later.pop()()
        waiting = dialers.waiting
    while later:
        later.pop()()
    dialers.stop()

    assert dialers.join(Deadline(_LONG))
    assert 2 == waiting
    assert [1, 2] == done
    assert 1 == caplog.text.count("no thread to dial")
