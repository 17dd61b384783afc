"""Slots, mailboxes and the list of who waits for what."""

from __future__ import annotations

import gc
import threading
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_sync.deadline import Deadline
from realtime_sync.dispatch.watches import (
    Watch,
    WatchList,
    WatchMailbox,
    WatchSlot,
    WatchWaiting,
    copy_of_watched_error,
    weak_watch,
)
from realtime_sync.errors import CommandRejected, ConnectionLost, WaitTimeout
from realtime_sync.types import UNSET
from tests.scripted_session import event

LONG = 5.0
SHORT = 0.02


def plain(ready: threading.Event, deadline: Deadline) -> bool:
    """Wait as in thread mode."""
    return ready.wait(deadline.remaining())


def never(ready: threading.Event, deadline: Deadline) -> bool:
    """Fail: nobody should have to wait."""
    raise AssertionError("waited")


class Ear:
    """Owner of a weak watch."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log

    def accept(self, event: Any) -> None:
        """Note an event."""
        self.log.append(event.type)

    def end(self, error: Optional[BaseException]) -> None:
        """Note the end."""
        self.log.append(error)


# -- slots -------------------------------------------------------------------


def test_a_slot_gives_its_first_outcome() -> None:
    """Whatever comes later."""
    slot = WatchSlot()
    slot.resolve("first")
    slot.resolve("second")
    slot.fail(ValueError())

    assert slot.done
    assert "first" == slot.result(never, Deadline(0), "thing")


def test_a_slot_wakes_who_waits() -> None:
    """From another thread."""
    slot = WatchSlot()
    timer = threading.Timer(SHORT, slot.resolve, args=("now",))
    timer.start()

    assert "now" == slot.result(plain, Deadline(LONG), "thing")
    timer.join()


def test_a_slot_says_what_did_not_come_in_time() -> None:
    """The timeout names it."""
    with pytest.raises(WaitTimeout, match="no such thing in time"):
        WatchSlot().result(plain, Deadline(0), "such thing")


def test_every_waiter_gets_an_exception_of_its_own() -> None:
    """One object raised in many places would collect all their tracebacks."""
    slot = WatchSlot()
    slot.fail(ConnectionLost("gone", code=1006, reason="why"))
    caught = []
    for _ in range(3):
        with pytest.raises(ConnectionLost) as info:
            slot.result(never, Deadline(0), "thing")
        caught.append(info.value)

    assert 3 == len({id(error) for error in caught})
    assert {("gone", 1006, "why")} == {(str(e), e.code, e.reason) for e in caught}


def test_a_copy_of_an_exception_has_all_it_carries() -> None:
    """Attributes and cause."""
    error = CommandRejected("no", type="t", code="c", param="p", event_id="e")
    error.__cause__ = cause = OSError("below")
    copy = copy_of_watched_error(error)

    assert isinstance(copy, CommandRejected)
    assert ("no", "t", "c", "p", "e") == (
        str(copy),
        copy.type,
        copy.code,
        copy.param,
        copy.event_id,
    )
    assert cause is copy.__cause__


def test_an_exception_that_cannot_be_copied_is_raised_itself() -> None:
    """Better than another one."""

    class Odd(Exception):
        def __init__(self, one: int, two: int) -> None:
            super().__init__("odd")

    odd = Odd(1, 2)

    assert odd is copy_of_watched_error(odd)


# -- mailboxes ---------------------------------------------------------------


def test_a_mailbox_gives_events_in_order_then_its_end() -> None:
    """A proper end is the end of an iteration."""
    mailbox = WatchMailbox()
    for number in (1, 2):
        mailbox.put(number)
    mailbox.end(None)
    mailbox.put(3)

    assert [1, 2] == [mailbox.take(never, Deadline(0), "") for _ in range(2)]
    with pytest.raises(StopIteration):
        mailbox.take(never, Deadline(0), "")


def test_a_mailbox_gives_what_came_before_the_error() -> None:
    """Nothing that arrived is lost."""
    mailbox = WatchMailbox()
    mailbox.put(1)
    mailbox.end(ConnectionLost("gone"))
    mailbox.end(None)

    assert 1 == mailbox.take(never, Deadline(0), "")
    for _ in range(2):
        with pytest.raises(ConnectionLost):
            mailbox.take(never, Deadline(0), "")


def test_a_mailbox_over_its_limit_fails_behind_what_it_holds() -> None:
    """Instead of dropping or growing."""
    mailbox = WatchMailbox(limit=2)
    for number in range(5):
        mailbox.put(number)

    assert [0, 1] == [mailbox.take(never, Deadline(0), "") for _ in range(2)]
    with pytest.raises(OverflowError, match="more than 2"):
        mailbox.take(never, Deadline(0), "")


def test_a_mailbox_may_keep_the_first_event_only() -> None:
    """For a waiter that wants one."""
    mailbox = WatchMailbox()
    for number in range(3):
        mailbox.put_first(number)

    assert 0 == mailbox.take(never, Deadline(0), "")
    with pytest.raises(WaitTimeout):
        mailbox.take(plain, Deadline(0), "more")


def test_no_event_is_missed_between_looking_and_waiting() -> None:
    """Ten thousand events from another thread, each taken once, in order."""
    mailbox = WatchMailbox()

    def put() -> None:
        for number in range(10_000):
            mailbox.put(number)

    thread = threading.Thread(target=put)
    thread.start()
    got = [mailbox.take(plain, Deadline(LONG), "number") for _ in range(10_000)]
    thread.join()

    assert list(range(10_000)) == got


# -- the list ----------------------------------------------------------------


def test_events_go_to_who_asked_for_their_type_or_for_all() -> None:
    """By canonical type."""
    watches, log = WatchList(), []  # type: ignore[var-annotated]

    def note(name: str) -> Any:
        return lambda event: log.append((name, event.type))

    watches.add(Watch(frozenset({"error"}), note("error"), log.append))
    watches.add(Watch(None, note("all"), log.append))
    watches.offer(event("error"))
    watches.offer(event("response.done"))

    assert [("error", "error"), ("all", "error"), ("all", "response.done")] == log


TYPES = ("error", "response.created", "response.done")


@given(
    st.lists(st.none() | st.frozensets(st.sampled_from(TYPES)), max_size=8),
    st.sets(st.integers(0, 7)),
)
def test_each_event_goes_to_those_that_want_it_in_the_order_of_their_coming(
    wanted: list[Optional[frozenset[str]]], gone: set[int]
) -> None:
    """Whoever wants all stands among those that want some, wherever he came."""
    watches, log = WatchList(), list[int]()

    def noting(number: int) -> Any:
        return lambda event: log.append(number)

    each = [Watch(types, noting(n), log.append) for n, types in enumerate(wanted)]
    for watch in each:
        watches.add(watch)
    for number in gone:
        for watch in each[number : number + 1]:
            watches.remove(watch)
    for kind in TYPES:
        log.clear()
        watches.offer(event(kind))

        assert log == [
            number
            for number, types in enumerate(wanted)
            if number not in gone and (types is None or kind in types)
        ]
        assert bool(log) <= (watches.types is None or kind in watches.types)


def test_the_end_reaches_everyone_also_who_comes_later() -> None:
    """No wait begins on a session that is over."""
    watches, log = WatchList(), []  # type: ignore[var-annotated]
    watches.add(Watch(None, log.append, log.append))
    lost = ConnectionLost("gone")
    watches.finish(lost)
    watches.add(Watch(None, log.append, log.append))

    assert [lost, lost] == log


def test_permanent_watches_outlive_a_connection() -> None:
    """They end with the session."""
    watches, log = WatchList(), []  # type: ignore[var-annotated]
    watches.add(Watch(None, log.append, lambda error: log.append("ends")))
    watches.add(
        Watch(None, log.append, lambda error: log.append("stays"), permanent=True)
    )
    watches.finish(ConnectionLost("gone"), final=False)
    first = list(log)
    watches.finish(ConnectionLost("gone"))

    assert ["ends"] == first
    assert ["ends", "stays"] == log


def test_a_removed_watch_hears_nothing_more() -> None:
    """Removing it twice is harmless."""
    watches, log = WatchList(), []  # type: ignore[var-annotated]
    watch = Watch(None, log.append, log.append)
    watches.add(watch)
    watches.remove(watch)
    watches.remove(watch)
    watches.offer(event("error"))
    watches.finish(None)

    assert [] == log


def test_forgetting_takes_no_lock() -> None:
    """
    The garbage collector may run while the list is locked, in the same thread.

    A finalizer that waited for the lock would wait for ever.
    """
    watches, log = WatchList(), []  # type: ignore[var-annotated]
    watch = Watch(None, log.append, log.append)
    watches.add(watch)
    with watches._lock:
        watches.forget(watch)
    watches.offer(event("error"))

    assert [] == log
    assert () == watches._watches


def test_watches_that_are_forgotten_do_not_pile_up() -> None:
    """Also while no event comes that would sweep them out."""
    watches = WatchList()
    for _ in range(1000):
        watch = Watch(None, print, print)
        watches.add(watch)
        watches.forget(watch)

    assert len(watches._watches) <= 1
    assert len(watches._gone) <= 1


def test_a_weak_watch_goes_with_its_owner() -> None:
    """And does not keep it alive."""
    watches, log = WatchList(), []  # type: ignore[var-annotated]
    ear = Ear(log)
    watches.add(weak_watch(frozenset({"error"}), ear.accept, ear.end, watches))
    watches.offer(event("error"))
    del ear
    gc.collect()
    watches.offer(event("error"))
    watches.finish(None)

    assert ["error"] == log
    assert () == watches._watches


def test_registering_and_offering_race_without_loss() -> None:
    """A watch hears every event from its registration to its removal."""
    watches = WatchList()
    heard: list[Any] = []
    watches.add(Watch(frozenset({"error"}), heard.append, heard.append))
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            watch = Watch(frozenset({"error", "response.done"}), print, print)
            watch.accept = lambda event: None
            watches.add(watch)
            watches.remove(watch)

    threads = [threading.Thread(target=churn) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(2000):
        watches.offer(event("error"))
    stop.set()
    for thread in threads:
        thread.join()

    assert 2000 == len(heard)


# -- deadlines ---------------------------------------------------------------


def test_unset_stands_for_the_sessions_timeout() -> None:
    """None for no end, a number for itself."""
    waiting = WatchWaiting(plain, 30.0)

    assert 29 < (waiting.deadline(UNSET).remaining() or 0) <= 30
    assert waiting.deadline(None).remaining() is None
    assert (waiting.deadline(1.5).remaining() or 9) <= 1.5


def test_a_deadline_is_one_point_in_time() -> None:
    """Passing it down never makes it longer."""
    deadline = Deadline(0.0)

    assert deadline.passed
    assert 0.0 == deadline.remaining()
    assert deadline.limited(5).passed
    assert (Deadline(5).limited(1).remaining() or 9) <= 1
    assert Deadline(None).limited(None).remaining() is None
    assert not Deadline(None).passed


def test_the_types_wanted_are_those_of_the_watches() -> None:
    """So that an event that nobody waits for need not be offered."""
    watches = WatchList()
    one = Watch(frozenset({"error"}), lambda event: None, lambda error: None)
    every = Watch(None, lambda event: None, lambda error: None)
    none = watches.types
    watches.add(one)
    some = watches.types
    watches.add(every)
    all_of_them = watches.types
    watches.remove(every)

    assert frozenset() == none
    assert frozenset({"error"}) == some == watches.types
    assert all_of_them is None
