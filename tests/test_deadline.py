"""A flag behaves as an event does, and neither an interrupt nor a signal harms it."""

from __future__ import annotations

import signal
import sys
import threading
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, Callable

import pytest

from realtime_sync import Session, Threads, audio, connect, deadline
from realtime_sync.deadline import (
    Deadline,
    Flag,
    Waiters,
    check_seconds,
    copied_when_taken,
    get_by_looks,
)
from realtime_sync.errors import ConfigurationError
from realtime_sync.testing import MemoryTransport

LONG = 10.0


def waiting(flag: Flag, count: int = 1) -> tuple[list[threading.Thread], list[bool]]:
    """Threads that sleep until a flag is set."""
    woken: list[bool] = []
    threads = [
        threading.Thread(target=lambda: woken.append(flag.wait(LONG)))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    while len(flag._waiters) < count:
        threading.Event().wait(0.001)
    return threads, woken


def test_a_flag_wakes_everybody_who_waits_for_it() -> None:
    """Once, however often it is set."""
    flag = Flag()
    threads, woken = waiting(flag, 20)
    flag.set()
    flag.set()
    for thread in threads:
        thread.join(LONG)

    assert [True] * 20 == woken
    assert flag.is_set() and flag.wait(0)
    assert [] == flag._waiters


def test_a_flag_that_is_not_set_is_waited_for_in_vain() -> None:
    """As long as was said; cleared, it is waited for again."""
    flag = Flag()
    before = flag.wait(0.01)
    flag.set()
    flag.clear()

    assert not before
    assert not flag.wait(0)
    assert "unset" in repr(flag)


def test_who_was_woken_is_told_so_though_it_is_cleared_at_once() -> None:
    """As with an event of the standard library."""
    flag = Flag()
    threads, woken = waiting(flag)
    flag.set()
    flag.clear()
    threads[0].join(LONG)

    assert [True] == woken


def struck(action: Callable[[], Any], place: int) -> bool:
    """Interrupt an action at one place; False if there are not as many."""
    left = [place]

    def strike(frame: FrameType, kind: str, argument: object) -> None:
        if kind in ("call", "c_return") and frame.f_code.co_filename == source:
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt

    source = deadline.__file__
    sys.setprofile(strike)
    try:
        action()
    except KeyboardInterrupt:
        pass
    finally:
        sys.setprofile(None)
    return left[0] <= 0


def test_an_interrupted_set_has_set_it_and_woken_everybody_or_neither() -> None:
    """No thread sleeps beside a flag that is set."""
    place = 1
    while True:
        flag = Flag()
        threads, woken = waiting(flag, 3)
        went_on = struck(flag.set, place)
        was_set = flag.is_set()
        if was_set:
            for thread in threads:
                thread.join(LONG)
            assert [True] * 3 == woken
        flag.set()
        for thread in threads:
            thread.join(LONG)
        if not went_on:
            break
        place += 1

    assert place > 1


def test_who_leaves_a_list_that_is_gone_through_passes_over_nobody() -> None:
    """As another thread may where the interpreter has no lock of its own."""
    waiters = [SimpleQueue[None]() for _ in range(3)]
    taken = copied_when_taken(waiters)
    waiters.append(SimpleQueue())
    everybody = list(waiters)
    found = [next(taken)]
    waiters.remove(found[0])

    assert everybody == [*found, *taken]


def test_an_interrupted_wait_leaves_the_flag_to_others() -> None:
    """They are woken; nothing is held."""
    place = 1
    while True:
        flag = Flag()
        went_on = struck(lambda: flag.wait(0.001), place)
        threads, woken = waiting(flag)
        flag.set()
        threads[0].join(LONG)
        assert [True] == woken
        if not went_on:
            break
        place += 1

    assert place > 3


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers of signals")
def test_the_handler_of_a_signal_may_set_what_is_being_set_or_waited_for() -> None:
    """Thousands of times, at whatever moment the signal comes."""
    flag = Flag()
    calls: list[int] = []

    def handler(number: int, frame: Any) -> None:
        calls.append(number)
        flag.set()

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    try:
        while len(calls) < 500:
            flag.clear()
            assert flag.wait(LONG)
            flag.set()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class LooksCounted(SimpleQueue[None]):
    """A queue that gets its item at a look, and knows how long each waits."""

    def __init__(self, item_at: int) -> None:
        self.looks: list[float | None] = []
        self._item_at = item_at

    def get(self, block: bool = True, timeout: float | None = None) -> None:
        self.looks.append(timeout)
        if len(self.looks) < self._item_at:
            raise Empty


def test_where_signals_end_no_wait_a_wait_without_end_is_many_short_ones() -> None:
    """On Windows Ctrl-C is seen between them."""
    queue = LooksCounted(4)
    get_by_looks(queue)

    assert 4 == len(queue.looks)
    assert all(look is not None and look <= 0.1 for look in queue.looks)


@pytest.mark.parametrize(("block", "timeout"), [(True, 0.0), (True, -1.0), (False, 9)])
def test_short_waits_end_when_the_whole_one_would(block: bool, timeout: float) -> None:
    """Once the time is up, or at once where nothing is waited for."""
    queue = LooksCounted(9)
    with pytest.raises(Empty):
        get_by_looks(queue, block, timeout)

    assert 1 == len(queue.looks)


@pytest.mark.parametrize(
    "rounds", [2_000, pytest.param(300_000, marks=pytest.mark.deep)]
)
def test_a_wait_whose_time_is_up_at_once_ends(rounds: int) -> None:
    """However late the thread gets the processor: a queue of Python's would hang."""
    flag, ended = Flag(), threading.Event()

    def wait() -> None:
        for _ in range(rounds):
            flag.wait(1e-9)
        ended.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()

    assert ended.wait(100)
    thread.join(10)


def test_waiters_are_woken_by_each_change_and_by_none_they_missed() -> None:
    """A thread that counts, and two that wait for their numbers."""
    waiters, counted = Waiters(), [0]
    found: list[bool] = []

    def wait(number: int) -> None:
        found.append(waiters.wait_for(lambda: counted[0] >= number, Deadline(10)))

    threads = [threading.Thread(target=wait, args=(n,)) for n in (500, 1000)]
    for thread in threads:
        thread.start()
    for _ in range(1000):
        counted[0] += 1
        waiters.wake()
    for thread in threads:
        thread.join(10)

    assert [True, True] == found


def test_who_waits_for_what_does_not_become_true_is_told_so() -> None:
    """And what is true already is not waited for."""
    waiters = Waiters()

    assert waiters.wait_for(lambda: True, Deadline(None))
    assert not waiters.wait_for(lambda: False, Deadline(0.001))


NO_TIMES = [float("nan"), -1, -0.001, float("-inf"), "5", True, [1], 10**400]


@pytest.mark.parametrize("value", NO_TIMES, ids=[f"{each!r:.9}" for each in NO_TIMES])
def test_what_is_no_time_is_refused_by_name(value: Any) -> None:
    """Compared with a clock, most of it is never over."""
    with pytest.raises(ConfigurationError, match="patience must be seconds"):
        check_seconds(value, "patience")


@pytest.mark.parametrize("value", [None, 0, 0.0, 2, 2.5, float("inf")])
def test_what_is_a_time_is_taken(value: Any) -> None:
    """None and infinity are no end at all."""
    assert value == check_seconds(value)


WAITS: dict[str, Callable[[Session, Any], object]] = {
    "wait_for": lambda s, t: s.wait_for("response.done", timeout=t),
    "expect": lambda s, t: s.expect("response.done").result(t),
    "events": lambda s, t: s.events("response.*", timeout=t),
    "ask": lambda s, t: s.ask("Hello", timeout=t),
    "ask apart": lambda s, t: s.ask("Hello", timeout=t, conversation="none"),
    "result": lambda s, t: s.response.create().result(timeout=t),
    "cancel": lambda s, t: s.response.create().cancel(t),
    "text_deltas": lambda s, t: next(s.response.create().text_deltas(t)),
    "audio_chunks": lambda s, t: next(s.response.create().audio_chunks(t)),
    "acknowledged": lambda s, t: s.input_audio_buffer.commit().acknowledged(t),
    "flush": lambda s, t: s.flush(t),
    "wait_changed": lambda s, t: s.wait_changed(0, timeout=t),
    "Threads.close": lambda s, t: Threads().close(t),
    "wait_idle": lambda s, t: audio.Player().wait_idle(t),
    "wait_heard": lambda s, t: audio.Player().wait_heard(t),
    "Player.close": lambda s, t: audio.Player().close(t),
}
"""Whatever takes a timeout -> how it is called."""


@pytest.mark.parametrize("wait", WAITS)
def test_every_wait_refuses_what_is_no_time(wait: str) -> None:
    """At the line that asks for it, and in the same words."""
    with connect("m", transport=MemoryTransport(), dispatch="inline") as session:
        for value in NO_TIMES:
            with pytest.raises(ConfigurationError, match="timeout must be seconds"):
                WAITS[wait](session, value)


def test_a_question_that_may_not_be_waited_for_is_not_asked() -> None:
    """Nothing was sent when the caller is told."""
    transport = MemoryTransport()
    with connect("m", transport=transport, dispatch="inline") as session:
        transport.take()
        with pytest.raises(ConfigurationError):
            session.ask("Hello", timeout=float("nan"))

        assert [] == transport.take()
