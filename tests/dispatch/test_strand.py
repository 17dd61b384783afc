"""A strand: order, one thread at a time, shares, nesting; and a worker of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from realtime_sync.deadline import Deadline
from realtime_sync.dispatch.strand import (
    Strand,
    StrandWorker,
    call_strand,
    run_strand_at_once,
)
from tests.stress.test_interrupts import interrupted_at

_LONG = 10.0


def test_items_of_many_threads_run_in_the_order_of_each() -> None:
    """Whoever puts, none is lost and none is twice."""
    seen: list[tuple[int, int]] = []
    strand: Strand[tuple[int, int]] = Strand(seen.append)
    threads = [
        threading.Thread(target=lambda n=name: [strand.put((n, i)) for i in range(500)])
        for name in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_LONG)
    strand.run_share()

    assert strand.empty
    for name in range(4):
        assert [(name, i) for i in range(500)] == [it for it in seen if it[0] == name]


def test_a_share_is_bounded_and_the_rest_stays() -> None:
    """So a strand that always has work holds up no other."""
    seen: list[int] = []
    strand: Strand[int] = Strand(seen.append)
    for number in range(5):
        strand.put(number)
    strand.run_share(3)
    first = list(seen)
    empty = strand.empty
    strand.run_share(3)

    assert [0, 1, 2] == first
    assert not empty
    assert [0, 1, 2, 3, 4] == seen


def test_a_strand_of_functions_calls_them_in_turn() -> None:
    """One that raises is over, and the next is still there."""
    seen: list[str] = []
    strand = call_strand()
    strand.put(lambda: seen.append("first"))
    strand.put(lambda: {}["missing"])
    strand.put(lambda: seen.append("last"))
    with pytest.raises(KeyError, match="missing"):
        strand.run_share()
    before = list(seen)
    strand.run_share()

    assert ["first"] == before
    assert ["first", "last"] == seen


def test_nothing_to_run_ends_at_the_timeout() -> None:
    """At once where none is given."""
    strand: Strand[int] = Strand(lambda item: None)
    strand.run_share()
    strand.run_share(timeout=0.01)

    assert strand.runner is None


def test_an_item_that_comes_ends_the_wait_for_the_first() -> None:
    """Which may be without an end; behind it nothing is waited for."""
    seen: list[int] = []
    strand: Strand[int] = Strand(seen.append)
    runner = threading.Thread(target=strand.run_share, kwargs={"timeout": None})
    runner.start()
    strand.put(1)
    runner.join(_LONG)

    assert not runner.is_alive()
    assert [1] == seen


def test_within_an_item_others_are_run_by_the_same_thread() -> None:
    """A handler that waits in manual mode pumps; it is still the one that runs."""
    seen: list[Any] = []

    def run(item: int) -> None:
        seen.append(item)
        if item == 0:
            strand.run_share()
        seen.append((item, strand.runner))

    strand: Strand[int] = Strand(run)
    for number in range(3):
        strand.put(number)
    strand.run_share()
    me = threading.get_ident()

    assert [0, 1, (1, me), 2, (2, me), (0, me)] == seen
    assert strand.runner is None


def test_what_an_item_raises_goes_to_who_runs_it_and_costs_no_other() -> None:
    """A Ctrl-C while a user's thread pumps is the user's."""
    seen: list[int] = []

    def run(item: int) -> None:
        if item == 1:
            raise KeyboardInterrupt
        seen.append(item)

    strand: Strand[int] = Strand(run)
    for number in range(3):
        strand.put(number)
    with pytest.raises(KeyboardInterrupt):
        strand.run_share()
    runner = strand.runner
    strand.run_share()

    assert runner is None
    assert [0, 2] == seen


def test_a_worker_runs_everything_up_to_the_end_and_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also what was put behind the end, and whatever an item raises."""
    seen: list[int] = []
    over, go = threading.Event(), threading.Event()

    def run(item: int) -> None:
        go.wait(_LONG)
        if item == 1:
            raise SystemExit
        if item == 3:
            over.set()
        seen.append(item)

    strand: Strand[int] = Strand(run)
    worker = StrandWorker(strand, over.is_set, "worker of a test")
    worker.start(run_strand_at_once)
    for number in range(6):
        worker.put(number)
    alive = not worker.join(Deadline(0))
    with caplog.at_level(logging.ERROR):
        go.set()

        assert worker.join(Deadline(_LONG))
    assert alive
    assert [0, 2, 3, 4, 5] == seen
    assert "outside of its handlers" in caplog.text


def test_a_worker_does_not_wait_for_itself() -> None:
    """A handler may close its session."""
    answers: list[bool] = []
    over = threading.Event()

    def run(item: StrandWorker[Any]) -> None:
        answers.append(item.join(Deadline(None)))
        over.set()

    strand: Strand[StrandWorker[Any]] = Strand(run)
    worker = StrandWorker(strand, over.is_set, "worker of a test")
    worker.start(run_strand_at_once)
    worker.put(worker)

    assert worker.join(Deadline(_LONG))
    assert [False] == answers


def test_what_is_put_in_a_turn_wakes_the_worker_once_at_its_end() -> None:
    """Awake before that, it would only be in the loop's way."""
    seen: list[int] = []
    over = threading.Event()
    ends: list[Callable[[], None]] = []

    def run(item: int) -> None:
        seen.append(item)
        if item == 3:
            over.set()

    worker = StrandWorker(Strand(run), over.is_set, "worker of a test")
    worker.start(ends.append)
    for number in (1, 2, 3):
        worker.put_in_turn(number)
    before = list(seen)
    ends.pop()()

    assert worker.join(Deadline(_LONG))
    assert [] == before
    assert [] == ends
    assert [1, 2, 3] == seen


def test_an_interrupt_at_any_line_leaves_no_worker_asleep() -> None:
    """Where the main thread pushes: the next item wakes it all the same."""
    number, struck = 1, True
    while struck:
        ran, over = threading.Event(), threading.Event()
        taken: list[int] = []

        def take(
            item: int, taken: list[int] = taken, ran: threading.Event = ran
        ) -> None:
            taken.append(item)
            if item == 2:
                ran.set()

        worker = StrandWorker(Strand(take), over.is_set, "worker of a test")
        worker.start(run_strand_at_once)
        struck = interrupted_at(number, partial(worker.put_in_turn, 1))
        worker.put_in_turn(2)
        assert ran.wait(_LONG), f"line {number}"
        over.set()
        worker.put(0)
        assert worker.join(Deadline(_LONG))
        number += 1

    assert number > 5
    assert [1, 2] == taken[:2]
