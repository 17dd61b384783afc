"""Expectations and streams of events."""

from __future__ import annotations

import gc
import threading
from types import SimpleNamespace
from typing import Any, Optional

import pytest

from realtime_sync import UNSET, Router, Snapshot, connect, events
from realtime_sync.deadline import Deadline
from realtime_sync.dispatch.notices import ConnectionOpened
from realtime_sync.dispatch.streams import (
    EventStream,
    Expectation,
    wait_changed_in_stream,
)
from realtime_sync.dispatch.watches import WatchList, WatchWaiting
from realtime_sync.errors import (
    ConfigurationError,
    ConnectionClosedOK,
    ConnectionLost,
    DispatchOverflow,
    WaitTimeout,
)
from realtime_sync.testing import MemoryTransport
from tests.scripted_session import GA, event

LONG = 5.0


def plain(ready: threading.Event, deadline: Deadline) -> bool:
    """Wait as in thread mode."""
    return ready.wait(deadline.remaining())


class Listening:
    """Makes expectations and streams on one list of watches."""

    def __init__(self) -> None:
        self.watches = WatchList()
        self.waiting = WatchWaiting(plain, 0.05)

    def expect(
        self, what: Any, where: Any = None, *, unknown: bool = False
    ) -> Expectation:
        """As `Session.expect`."""
        return Expectation(
            what, where, unknown=unknown, watches=self.watches, waiting=self.waiting
        )

    def events(
        self,
        what: Any,
        where: Any = None,
        *,
        timeout: Optional[float] = 0.05,
        limit: int = 100,
    ) -> EventStream:
        """As `Session.events`."""
        return EventStream(
            what,
            where,
            unknown=False,
            timeout=timeout,
            watches=self.watches,
            waiting=self.waiting,
            limit=limit,
        )

    def hear(self, *types: str) -> None:
        """Let events come; numbered ids."""
        for number, kind in enumerate(types):
            self.watches.offer(event(kind, event_id=str(number)))


@pytest.fixture
def listening() -> Listening:
    """An empty list."""
    return Listening()


# -- expectations ------------------------------------------------------------


def test_an_expectation_is_registered_before_the_action(listening: Listening) -> None:
    """What comes of the action at once is not missed."""
    with listening.expect("session.updated") as got:
        listening.hear("error", "session.updated", "session.updated")

    assert "1" == got.result().event_id
    assert "1" == got.result().event_id


@pytest.mark.parametrize(
    "what",
    [
        "response.audio.delta",
        "response.output_audio.delta",
        "response.*",
        "response.audio.*",
        "*",
        events.ResponseAudioDelta,
        events.ServerEvent,
    ],
)
def test_whatever_on_takes_can_be_expected(listening: Listening, what: Any) -> None:
    """Either spelling, patterns, classes."""
    got = listening.expect(what)
    listening.hear("response.output_audio.delta")

    assert "response.output_audio.delta" == got.result().type


def test_the_predicate_runs_in_the_waiting_thread(listening: Listening) -> None:
    """Never on the reader."""
    threads = []

    def where(event: Any) -> bool:
        threads.append(threading.get_ident())
        return bool(event.event_id == "2")

    got = listening.expect("error", where)
    reader = threading.Thread(target=listening.hear, args=("error",) * 4)
    reader.start()
    reader.join()

    assert "2" == got.result().event_id
    assert {threading.get_ident()} == set(threads)


def test_unknown_events_are_expected_by_name_or_class(listening: Listening) -> None:
    """Their names need ``unknown=True``."""
    with pytest.raises(ConfigurationError):
        listening.expect("vendor.thing")
    by_name = listening.expect("vendor.thing", unknown=True)
    by_class = listening.expect(events.UnknownEvent)
    known = listening.expect(events.ResponseDone)
    listening.hear("vendor.thing")

    assert "vendor.thing" == by_name.result().type
    assert "vendor.thing" == by_class.result().type
    with pytest.raises(WaitTimeout):
        known.result()


def test_a_frame_that_is_no_event_is_expected_as_everything(
    listening: Listening,
) -> None:
    """It has no name of its own."""
    everything, prefix = listening.expect("*"), listening.expect("response.*")
    listening.watches.offer(GA.decode(b"not JSON"))

    assert isinstance(everything.result(), events.UnknownEvent)
    with pytest.raises(WaitTimeout):
        prefix.result()


def test_notices_are_expected_by_prefix_only(listening: Listening) -> None:
    """``"*"`` is for what the server says."""
    everything, notices = listening.expect("*"), listening.expect("connection.*")
    listening.watches.offer(ConnectionOpened())

    assert isinstance(notices.result(), ConnectionOpened)
    with pytest.raises(WaitTimeout):
        everything.result()


@pytest.mark.parametrize("what", ["client.*", "client.response.create"])
def test_what_is_sent_is_not_waited_for(listening: Listening, what: str) -> None:
    """Only handlers are told of it; a wait would time out without a word."""
    with pytest.raises(ConfigurationError, match="on()"):
        listening.expect(what)
    with pytest.raises(ConfigurationError, match="on()"):
        listening.events(what)


def test_an_expectation_fails_with_the_connection(listening: Listening) -> None:
    """At once, with the reason; also one that is made later."""
    before = listening.expect("error")
    listening.watches.finish(ConnectionLost("gone", code=1006))
    after = listening.expect("error")

    for got in (before, after):
        with pytest.raises(ConnectionLost, match="gone"):
            got.result(None)


def test_an_event_that_came_before_the_end_is_given_out(listening: Listening) -> None:
    """The connection broke later; the event is there."""
    got = listening.expect("error")
    listening.hear("error")
    listening.watches.finish(ConnectionLost("gone"))

    assert "error" == got.result().type


def test_a_body_that_raises_expects_nothing_more(listening: Listening) -> None:
    """The action failed; what it would have brought is not awaited."""
    with pytest.raises(ZeroDivisionError):
        with listening.expect("error"):
            1 / 0
    listening.hear("error")

    assert () == listening.watches._watches


def test_a_found_expectation_is_no_longer_registered(listening: Listening) -> None:
    """A thousand waits leave nothing behind."""
    for _ in range(1000):
        got = listening.expect("error")
        listening.hear("error")
        got.result()
    listening.hear("error")

    assert () == listening.watches._watches


def test_an_expectation_that_is_dropped_is_forgotten(listening: Listening) -> None:
    """Nobody asked for its result."""
    listening.expect("error")
    gc.collect()
    listening.hear("error")

    assert () == listening.watches._watches


def test_an_expectation_keeps_one_event_or_a_bounded_number(
    listening: Listening,
) -> None:
    """Never a whole session's worth."""
    one = listening.expect("error")
    some = listening.expect("error", lambda event: False)
    for _ in range(11_000):
        listening.hear("error")

    assert 1 == len(one._mailbox.events)
    with pytest.raises(DispatchOverflow):
        some.result()


def test_two_threads_may_wait_for_one_expectation(listening: Listening) -> None:
    """Both get the event."""
    got = listening.expect("error")
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(got.result(LONG)), daemon=True)
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    listening.hear("error")
    for thread in threads:
        thread.join(LONG)

    assert 2 == len(results)
    assert results[0] is results[1]


# -- streams -----------------------------------------------------------------


def test_a_stream_gives_events_from_its_making_on(listening: Listening) -> None:
    """In order, and those only that were asked for."""
    listening.hear("error")
    stream = listening.events("response.*")
    listening.hear("response.created", "error", "response.done")
    got = [next(stream).type for _ in range(2)]

    assert ["response.created", "response.done"] == got


def test_a_stream_ends_with_a_clean_close(listening: Listening) -> None:
    """As a ``for`` loop expects; and stays ended."""
    stream = listening.events("*")
    listening.hear("error")
    listening.watches.finish(ConnectionClosedOK("closed", code=1000))

    assert ["error"] == [event.type for event in stream]
    assert [] == list(stream)


def test_a_stream_raises_when_the_connection_is_lost(listening: Listening) -> None:
    """Behind what had come; a loop that just ended would hide the loss."""
    stream = listening.events("*")
    listening.hear("error")
    listening.watches.finish(ConnectionLost("gone"))

    assert "error" == next(stream).type
    for _ in range(2):
        with pytest.raises(ConnectionLost):
            next(stream)


def test_the_timeout_of_a_stream_is_for_each_event(listening: Listening) -> None:
    """It can go on after one."""
    stream = listening.events("error")
    with pytest.raises(WaitTimeout, match="error"):
        next(stream)
    listening.hear("error")

    assert "error" == next(stream).type


def test_a_stream_that_is_not_read_fails_instead_of_growing(
    listening: Listening,
) -> None:
    """With the library's own error."""
    stream = listening.events("error", limit=3)
    listening.hear(*("error",) * 5)

    assert 3 == len([next(stream) for _ in range(3)])
    with pytest.raises(DispatchOverflow, match="more than 3"):
        next(stream)


def test_a_closed_stream_ends_and_is_forgotten(listening: Listening) -> None:
    """Closing twice is harmless; what had come is still given out."""
    with listening.events("error") as stream:
        listening.hear("error")
    stream.close()
    listening.hear("error")

    assert 1 == len(list(stream))
    assert () == listening.watches._watches


def test_a_stream_that_is_collected_is_forgotten(listening: Listening) -> None:
    """A ``break`` out of the loop is the usual end."""
    for _ in range(10):
        stream = listening.events("error")
        listening.hear("error")
        for _event in stream:
            break
    del stream
    gc.collect()
    listening.hear("error")

    assert () == listening.watches._watches


def test_a_stream_in_a_cycle_is_collected_without_a_deadlock(
    listening: Listening,
) -> None:
    """The collector may strike while the list of watches is locked."""
    stream = listening.events("error")
    stream.cycle = stream  # type: ignore[attr-defined]
    del stream
    with listening.watches._lock:
        gc.collect()
    listening.hear("error")

    assert () == listening.watches._watches


def test_waiting_for_a_change_in_vain_names_what_the_server_complained_of() -> None:
    """It came while the snapshot was waited for, and the remedy with it."""
    watches = WatchList()

    def refused(ready: threading.Event, deadline: Deadline) -> bool:
        watches.offer(event("error", error={"message": "no such thing"}))
        return False

    waiting = WatchWaiting(refused, 0.05, lambda said: f"Mind {said!r}.")
    watches.add(waiting.watch)
    mirror = SimpleNamespace(snapshot=Snapshot())
    with pytest.raises(WaitTimeout, match="no such thing.*Mind 'no such") as caught:
        wait_changed_in_stream(mirror, 0, UNSET, watches=watches, waiting=waiting)

    assert 1 == len(caught.value.errors)


def test_a_predicate_that_is_none_is_refused_where_it_is_given() -> None:
    """Not by the thread that waits, when the first event has come."""
    session = connect(
        "m", transport=MemoryTransport(), dispatch="inline", router=Router()
    )
    for wait in (session.expect, session.wait_for, session.events):
        with pytest.raises(TypeError, match="where must be callable, not 5"):
            wait("response.done", where=5)  # type: ignore[operator]
