"""Strands and who runs them: order, one at a time, growth, shrinking, notice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from realtime_sync.deadline import Deadline
from realtime_sync.dispatch import workers as module
from realtime_sync.dispatch.strand import Strand
from realtime_sync.dispatch.workers import Workers, WorkersPlace
from realtime_sync.errors import WouldDeadlock
from realtime_sync.transport import log_writer
from realtime_sync.transport.loop import Loop
from tests.stress.sequenced_server import wait_until

_LONG = 10.0


@pytest.fixture
def make(loop: Loop) -> Iterator[Callable[[int], Workers]]:
    """Makes workers, whose threads have ended after the test."""
    made: list[Workers] = []

    def workers(limit: int) -> Workers:
        made.append(Workers(limit, "test", loop.call_later))
        return made[-1]

    yield workers
    for each in made:
        each.stop()
        assert each.join(Deadline(_LONG))


def strand(
    workers: Workers, run: Callable[[Any], Any], told: Any = None
) -> WorkersPlace:
    """A strand in line that calls `run`, and `told` when it is kept waiting."""
    return WorkersPlace(workers, Strand(run), told or (lambda limit: None))


def blocked(
    workers: Workers, number: int
) -> tuple[threading.Event, list[WorkersPlace]]:
    """So many strands whose handlers wait for the event, all of them begun."""
    go, begun = threading.Event(), threading.Semaphore(0)

    def wait(item: Any) -> None:
        begun.release()
        go.wait(_LONG)

    strands = [strand(workers, wait) for _ in range(number)]
    for each in strands:
        each.put(1)
    for _ in range(number):
        assert begun.acquire(timeout=_LONG)
    return go, strands


def test_items_run_in_order_and_never_two_of_one_strand_at_once(
    make: Callable[[int], Workers],
) -> None:
    """Many threads put, several workers run, and each strand keeps its order."""
    workers = make(4)
    seen: list[list[tuple[int, int]]] = [[] for _ in range(20)]
    inside = [threading.Lock() for _ in range(20)]
    crossed: list[int] = []
    left = threading.Semaphore(0)

    def take(index: int, item: tuple[int, int]) -> None:
        if not inside[index].acquire(blocking=False):
            crossed.append(index)
        seen[index].append(item)
        inside[index].release()
        left.release()

    strands = [
        strand(workers, lambda item, index=index: take(index, item))
        for index in range(20)
    ]

    def put(source: int) -> None:
        for number in range(200):
            for each in strands:
                each.put((source, number))

    threads = [threading.Thread(target=put, args=(source,)) for source in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_LONG)
    for _ in range(3 * 200 * 20):
        assert left.acquire(timeout=_LONG)

    assert [] == crossed
    for items in seen:
        for source in range(3):
            mine = [number for origin, number in items if origin == source]
            assert list(range(200)) == mine


def test_one_worker_is_enough_while_it_comes_back(
    make: Callable[[int], Workers],
) -> None:
    """Threads that take turns at the interpreter are slower than one of them."""
    workers = make(8)
    done = threading.Event()
    strands = [strand(workers, lambda item: None) for _ in range(50)]
    last = strand(workers, lambda item: done.set())
    for _ in range(20):
        for each in strands:
            each.put(0)
    last.put(0)

    assert done.wait(_LONG)
    assert workers.size <= 2


def test_handler_that_blocks_holds_up_its_own_strand_only(
    make: Callable[[int], Workers],
) -> None:
    """The pool grows to make up for those that do not come back."""
    workers = make(8)
    go, strands = blocked(workers, 6)
    strands[0].put(2)
    done = threading.Event()
    strand(workers, lambda item: done.set()).put(0)

    assert done.wait(_LONG)
    assert 1 <= workers.size <= 8
    go.set()


def test_pool_never_grows_beyond_its_bound_and_says_so(
    make: Callable[[int], Workers],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sessions that wait are told, once, with the bound to raise."""
    monkeypatch.setattr(module, "_NOTICE_AFTER", 0.02)
    workers = make(2)
    go, _ = blocked(workers, 2)
    told = threading.Event()
    limits: list[int] = []
    done = threading.Event()
    waiting = strand(
        workers, lambda item: done.set(), lambda n: (limits.append(n), told.set())
    )
    waiting.put(0)

    assert told.wait(_LONG)
    assert 2 == workers.size
    assert [2] == limits
    assert not done.is_set()
    log_writer.flush_log_writers(Deadline(_LONG))
    assert "all 2 workers are in handlers" in caplog.text
    go.set()
    assert done.wait(_LONG)


def test_where_workers_are_known_to_be_stuck_another_is_called_at_once() -> None:
    """Not at the next look: that is many times what a quick handler takes."""
    calls: list[Callable[[], None]] = []
    looks: list[Callable[[], None]] = []

    def later(seconds: float, run: Callable[[], None]) -> None:
        (looks if seconds else calls).append(run)

    def line_up(place: WorkersPlace) -> None:
        # From the main thread the loop would do that, a moment later.
        place.put(0)
        while calls:
            calls.pop()()

    workers = Workers(4, "test", later)
    go, begun, done = (threading.Semaphore(0) for _ in range(3))
    blocks = strand(workers, lambda item: (begun.release(), go.acquire()))
    quick = strand(workers, lambda item: done.release())

    for _ in range(2):
        line_up(blocks)
        assert begun.acquire(timeout=_LONG)
        line_up(quick)
        assert 1 == len(looks)
        looks.pop()()
        assert done.acquire(timeout=_LONG)
        looks.pop()()
        for _ in range(3):
            wait_until(lambda: workers.busy == 1, "a worker at rest")
            line_up(quick)
            assert done.acquire(timeout=_LONG)
            assert [] == looks
        go.release()
        # Nobody is stuck any more, and who is at work is not passed by.
        wait_until(lambda: workers.busy == 0, "all at rest")
    most = workers.size
    workers.stop()

    assert workers.join(Deadline(_LONG))
    assert 2 == most


def test_idle_workers_end(
    make: Callable[[int], Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night without calls needs no threads."""
    monkeypatch.setattr(module, "_IDLE", 0.01)
    workers = make(4)
    go, _ = blocked(workers, 4)
    threads = [t for t in threading.enumerate() if t.name.startswith("test worker")]
    go.set()
    for thread in threads:
        thread.join(_LONG)

    assert 4 == len(threads)
    assert 0 == workers.size
    done = threading.Event()
    strand(workers, lambda item: done.set()).put(0)
    assert done.wait(_LONG)


def test_strand_that_always_has_work_goes_back_behind_the_others(
    make: Callable[[int], Workers],
) -> None:
    """One worker, two strands: the second does not wait for all of the first."""
    workers = make(1)
    order: list[str] = []
    done = threading.Event()
    go, _ = blocked(workers, 1)
    busy = strand(workers, lambda item: order.append("busy"))
    other = strand(workers, lambda item: order.append("other"))
    for _ in range(1000):
        busy.put(0)
    other.put(0)
    strand(workers, lambda item: done.set()).put(0)
    # What the main thread puts is lined up by the loop, a moment later.
    wait_until(lambda: workers.waiting == 3, "the strands in line")
    go.set()

    assert done.wait(_LONG)
    assert order.index("other") <= 64


def test_delivery_that_raises_does_not_stop_the_strand(
    make: Callable[[int], Workers], caplog: pytest.LogCaptureFixture
) -> None:
    """Even `sys.exit` in a place where no handler was meant to run."""
    workers = make(1)
    done = threading.Event()

    def take(item: int) -> None:
        if item == 0:
            raise SystemExit(1)
        done.set()

    each = strand(workers, take)
    each.put(0)
    each.put(1)

    assert done.wait(_LONG)
    assert "failed outside of its handlers" in caplog.text


def test_worker_that_would_wait_for_a_worker_that_cannot_come_is_told(
    make: Callable[[int], Workers],
) -> None:
    """Two handlers that wait for a third strand would both run out of time."""
    workers = make(1)
    found: list[object] = []
    done = threading.Event()

    def take(item: int) -> None:
        try:
            workers.check_free()
        except WouldDeadlock as exc:
            found.append(exc)
        done.set()

    strand(workers, take).put(0)

    assert done.wait(_LONG)
    assert 1 == len(found)
    assert "Threads(workers=...)" in str(found[0])
    workers.check_free()  # Whoever is no worker may wait.


def test_worker_may_wait_while_another_one_can_come(
    make: Callable[[int], Workers],
) -> None:
    """With room in the pool a handler may wait for another session's handler."""
    workers = make(2)
    reached, done = threading.Event(), threading.Event()
    found: list[bool] = []
    other = strand(workers, lambda item: reached.set())

    def take(item: int) -> None:
        workers.check_free()
        other.put(0)
        found.append(reached.wait(_LONG))
        done.set()

    strand(workers, take).put(0)

    assert done.wait(_LONG)
    assert [True] == found


def test_stop_lets_the_line_be_worked_off_first(
    make: Callable[[int], Workers],
) -> None:
    """What was delivered before the end is delivered."""
    workers = make(1)
    go, _ = blocked(workers, 1)
    done = threading.Event()
    strand(workers, lambda item: done.set()).put(0)
    wait_until(lambda: workers.waiting, "the strand in line")
    workers.stop()
    go.set()

    assert workers.join(Deadline(_LONG))
    assert done.is_set()


def test_a_strand_is_run_once_the_system_gives_a_thread(
    make: Callable[[int], Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing more is put in it: nobody else would call for a worker."""
    refused, start = [], threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if "test worker" in thread.name and len(refused) < 3:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    done = threading.Event()
    strand(make(2), lambda item: done.set()).put(0)

    assert done.wait(_LONG)
    assert 3 == len(refused)


def test_one_worker_is_called_for_all_that_a_turn_has_brought(loop: Loop) -> None:
    """At its end: before, it would only be in the loop's way."""
    seen: list[int] = []
    ends: list[Callable[[], None]] = []
    workers = Workers(2, "test", loop.call_later, at_turn_end=ends.append)
    for number in range(3):
        # Not in the main thread, where an interrupt may strike: the loop lines it up.
        put = partial(strand(workers, seen.append).put, number)
        loop.call(put)
    wait_until(lambda: workers.waiting == 3, "all of them stand in line")
    before, called = list(seen), len(ends)
    ends.pop()()
    wait_until(lambda: len(seen) == 3, "all of them have run")
    workers.stop()

    assert workers.join(Deadline(_LONG))
    assert [] == before
    assert 1 == called
    assert {0, 1, 2} == set(seen)


def test_who_lined_up_in_one_turn_with_a_strand_that_blocks_is_run(loop: Loop) -> None:
    """The one who is called for both takes the first and does not come back."""
    ends: list[Callable[[], None]] = []
    workers = Workers(2, "test", loop.call_later, at_turn_end=ends.append)
    go, ran = threading.Event(), threading.Event()
    # Not in the main thread, where an interrupt may strike: the loop lines it up.
    loop.call(partial(strand(workers, lambda item: go.wait(_LONG)).put, 1))
    loop.call(partial(strand(workers, lambda item: ran.set()).put, 1))
    wait_until(lambda: workers.waiting == 2, "both stand in line")
    ends.pop()()
    both = ran.wait(_LONG)
    go.set()
    workers.stop()

    assert both
    assert workers.join(Deadline(_LONG))


def test_threads_that_the_system_refuses_are_not_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They would be waited for: nobody else is called while one is at work."""
    looks: list[Callable[[], None]] = []
    lined_up: list[Callable[[], None]] = []

    def later(seconds: float, run: Callable[[], None]) -> None:
        (looks if seconds else lined_up).append(run)

    def line_up(*places: WorkersPlace) -> None:
        for each in places:
            each.put(0)
        while lined_up:
            lined_up.pop()()

    workers = Workers(6, "test", later)
    go, begun, done = (threading.Semaphore(0) for _ in range(3))
    blocks = [
        strand(workers, lambda item: (begun.release(), go.acquire())) for _ in range(4)
    ]
    line_up(blocks[0])
    assert begun.acquire(timeout=_LONG)
    line_up(blocks[1])
    looks.pop()()
    assert begun.acquire(timeout=_LONG)
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if "test worker" in thread.name:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    line_up(*blocks[2:])
    # Two are stuck and two strands wait, so two more are called for.
    for _ in range(2):
        looks.pop()()
    monkeypatch.setattr(threading.Thread, "start", start)

    assert 2 == workers.busy
    looks.pop()()
    for _ in blocks[2:]:
        assert begun.acquire(timeout=_LONG)
    assert 4 == workers.busy
    for _ in blocks:
        go.release()
    wait_until(lambda: workers.busy == 0, "all at rest")
    line_up(strand(workers, lambda item: done.release()))
    assert done.acquire(timeout=_LONG)
    workers.stop()
    assert workers.join(Deadline(_LONG))


def test_whoever_fails_when_he_is_told_does_not_end_the_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others are told as well, and what waits goes on being looked at."""
    monkeypatch.setattr(module, "_NOTICE_AFTER", 0.0)
    looks: list[Callable[[], None]] = []
    lined_up: list[Callable[[], None]] = []

    def later(seconds: float, run: Callable[[], None]) -> None:
        (looks if seconds else lined_up).append(run)

    def fail(limit: int) -> None:
        raise RuntimeError("can't start new thread")

    workers = Workers(1, "test", later)
    go, begun, told = threading.Event(), threading.Event(), []
    strand(workers, lambda item: (begun.set(), go.wait(_LONG))).put(0)
    lined_up.pop()()
    assert begun.wait(_LONG)
    strand(workers, lambda item: None, fail).put(0)
    strand(workers, lambda item: None, told.append).put(0)
    while lined_up:
        lined_up.pop(0)()
    for _ in range(2):
        looks.pop()()
    go.set()
    workers.stop()

    assert workers.join(Deadline(_LONG))
    assert [1] == told
    assert 1 == len(looks)
