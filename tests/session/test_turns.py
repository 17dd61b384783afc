"""Turns on shared threads: when, how often, and what happens when there are none."""

from __future__ import annotations

import os
import threading
from time import monotonic

import pytest

from realtime_sync import Threads
from tests.stress.test_interrupts import interrupted_at

LONG = 10.0


class Called:
    """Counts calls, and how it was turned out."""

    def __init__(self) -> None:
        self.calls = threading.Semaphore(0)
        self.at: list[float] = []
        self.turned_out = threading.Semaphore(0)

    def __call__(self) -> None:
        """Be called."""
        self.at.append(monotonic())
        self.calls.release()


def test_turns_come_when_they_are_due_and_one_at_a_time(threads: Threads) -> None:
    """What is asked for twice, or later than something else, is one turn."""
    done = threading.Event()
    at: list[float] = []

    def run() -> None:
        at.append(monotonic())
        if len(at) < 100:
            for seconds in (0.001, 0.0, 0.0, 0.02):
                turns.ask(seconds)
        elif len(at) == 100:
            turns.ask(0.02)
            turns.ask(0.5)
        else:
            done.set()

    turns = threads.turns(run, done.set)
    begun = monotonic()
    turns.ask(0.02)

    assert done.wait(LONG)
    assert 101 == len(at)
    assert at[0] - begun >= 0.02
    assert at[100] - at[99] >= 0.02


def test_an_earlier_time_takes_the_place_of_a_later_one(threads: Threads) -> None:
    """An interruption does not wait for the end of a pause."""
    called = Called()
    turns = threads.turns(called, called.turned_out.release)
    turns.ask(3600.0)
    turns.ask(0.001)

    assert called.calls.acquire(timeout=LONG)


@pytest.mark.parametrize("seconds", [0.0, 0.001])
def test_an_interrupt_at_any_line_leaves_nobody_without_turns(
    threads: Threads, seconds: float
) -> None:
    """A turn that is noted and not brought would stand in the way of all others."""
    number = 1
    while True:
        called = Called()
        turns = threads.turns(called, called.turned_out.release)
        struck = interrupted_at(number, lambda: turns.ask(seconds))
        turns.ask(0.0)
        assert called.calls.acquire(timeout=LONG), f"line {number}"
        turns.end()
        if not struck:
            break
        number += 1

    assert number > 3


def test_closing_turns_everybody_out_once_and_whoever_comes_later(
    threads: Threads,
) -> None:
    """So nobody waits for a turn that never comes."""
    called, late = Called(), Called()
    turns = threads.turns(called, called.turned_out.release)
    turns.ask(3600.0)
    ended = threads.turns(late, late.turned_out.release)
    ended.end()
    threads.close()

    assert called.turned_out.acquire(blocking=False)
    assert not called.turned_out.acquire(blocking=False)
    assert not late.turned_out.acquire(blocking=False)
    threads.turns(late, late.turned_out.release)
    assert late.turned_out.acquire(blocking=False)
    turns.ask(0.0)
    assert called.turned_out.acquire(blocking=False)
    assert [] == called.at


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_has_no_turns(threads: Threads) -> None:
    """The threads are not there; a player of the child has one of its own."""
    called = Called()
    turns = threads.turns(called, called.turned_out.release)
    pid = os.fork()
    if pid == 0:
        mine = Called()
        threads.turns(mine, mine.turned_out.release)
        os._exit(7 if mine.turned_out.acquire(blocking=False) else 1)
    _, status = os.waitpid(pid, 0)
    turns.ask(0.0)

    assert 7 == os.waitstatus_to_exitcode(status)
    assert called.calls.acquire(timeout=LONG)
