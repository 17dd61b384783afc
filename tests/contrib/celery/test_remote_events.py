"""Events of a call in another process: refused, numbered, missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Optional

import pytest
from celery import Celery
from kombu.messaging import Producer

from realtime_sync import RealtimeClient, Session
from realtime_sync.contrib.celery import (
    Call,
    CallLost,
    CallOver,
    CommandFailed,
    FleetError,
    Limits,
    NoAnswer,
    Order,
    RemoteEvents,
)
from realtime_sync.contrib.celery.publisher import (
    CallEventPublisher,
    publisher_exchange,
)
from realtime_sync.errors import ConfigurationError, LocalProtocolError
from realtime_sync.testing import MemoryTransport
from tests.strike import WITH_THREADING, Strike

SPACE = "realtime-sync.calls"
WAIT = 20.0


@pytest.fixture
def app() -> Iterator[Celery]:
    """An application whose broker is this process."""
    found = Celery("events", broker="memory://", set_as_current=False)
    found.conf.broker_transport_options = {"polling_interval": 0.02}
    yield found
    found.close()


class Subscribed:
    """A call whose worker is the test."""

    id = "one"

    def __init__(self, answer: Callable[[str, str, bool], bool]) -> None:
        self.subscription = ""
        self._answer = answer

    def subscribe(self, subscription: str, pattern: str, again: bool) -> bool:
        """Keep the id; the test says what comes of it."""
        self.subscription = subscription
        return self._answer(subscription, pattern, again)

    def unsubscribe(self, subscription: str) -> None:
        """There is nothing to end."""


def refusing(refusal: BaseException) -> Subscribed:
    """A call that cannot be subscribed to."""

    def refuse(subscription: str, pattern: str, again: bool) -> bool:
        raise refusal

    return Subscribed(refuse)


@pytest.mark.parametrize(
    "refusal",
    [
        CallOver("it has ended"),
        CallLost("its worker is gone"),
        CommandFailed("no such pattern"),
        NoAnswer("too late"),
        KeyboardInterrupt(),
    ],
    ids=lambda refusal: type(refusal).__name__,
)
def test_subscription_that_is_refused_leaves_no_connection(
    refusal: BaseException, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was opened for it is closed, however it is refused."""
    opened: list[Any] = []
    connect = app.connection_for_read

    def remembered() -> Any:
        opened.append(connect())
        return opened[-1]

    monkeypatch.setattr(app, "connection_for_read", remembered)
    events = RemoteEvents(refusing(refusal), app, SPACE, pattern="*", timeout=1.0)
    with pytest.raises(type(refusal)) as raised, events:
        raise AssertionError("it was not refused")

    assert refusal is raised.value
    assert opened
    assert not any(connection.connected for connection in opened)


@contextmanager
def reading(
    app: Celery, call: Optional[Subscribed] = None
) -> Iterator[tuple[RemoteEvents, Callable[..., None]]]:
    """A reader, and what sends it a message."""
    found = call or Subscribed(lambda *arguments: True)
    events = RemoteEvents(found, app, SPACE, pattern="*", timeout=WAIT)
    with events, app.connection_for_write() as connection:
        producer = Producer(connection.channel(), serializer="json")

        def send(number: int, dropped: int = 0, **what: Any) -> None:
            body = what or {"event": {"number": number}}
            exchange = publisher_exchange(SPACE, found.subscription)
            producer.publish(
                {**body, "number": number, "dropped": dropped}, exchange=exchange
            )

        yield events, send


@pytest.mark.parametrize(
    ("sent", "came", "dropped", "missed"),
    [
        ([(1, 0), (2, 0)], [1, 2], 0, 0),
        # What the broker did not keep, at the begin and in the middle.
        ([(3, 0), (4, 0), (7, 0)], [3, 4, 7], 0, 4),
        # What the worker left out is none of that.
        ([(1, 0), (5, 3)], [1, 5], 3, 0),
        ([(1, 0), (9, 3)], [1, 9], 3, 4),
        # What a sender sent again that did not know.
        ([(1, 0), (1, 0), (2, 0), (1, 0)], [1, 2], 0, 0),
        ([], [], 0, 0),
    ],
)
@pytest.mark.parametrize("late", [0, 2])
def test_what_does_not_come_is_counted(
    app: Celery,
    sent: list[tuple[int, int]],
    came: list[int],
    dropped: int,
    missed: int,
    late: int,
) -> None:
    """By the numbers that the worker gives; the end tells what was missed last."""
    with reading(app) as (events, send):
        for number, left_out in sent:
            send(number, left_out)
        last = max((number for number, _ in sent), default=0)
        send(last + late, dropped, over=True)
        found = [event["number"] for event in events]

    assert came == found
    assert (dropped, missed + late) == (events.dropped, events.missed)


def test_reader_whom_nobody_has_counted_for_is_told(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He is not given events as if there had been no others."""
    call = Subscribed(lambda subscription, pattern, again: not again)
    monkeypatch.setattr("realtime_sync.contrib.celery.events.LEASE", 0.0)
    with reading(app, call) as (events, send):
        send(1)
        with pytest.raises(FleetError, match="how many events of call one"):
            for _ in range(3):
                next(events)
        with pytest.raises(StopIteration):
            next(events)


def test_end_that_does_not_come_is_told(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is over, and what it sent last is not there."""

    def answer(subscription: str, pattern: str, again: bool) -> bool:
        if again:
            raise CallOver("it has ended")
        return True

    monkeypatch.setattr("realtime_sync.contrib.celery.events.LEASE", 0.0)
    monkeypatch.setattr("realtime_sync.contrib.celery.events.LAST", 0.1)
    with reading(app, Subscribed(answer)) as (events, send):
        send(1)
        first = next(events)
        with pytest.raises(FleetError, match="the last of its events did not come"):
            next(events)
        send(2)
        rest = list(events)

    assert ({"number": 1}, []) == (first, rest)


@contextmanager
def called() -> Iterator[tuple[Call, MemoryTransport]]:
    """A call whose session is open, with a server that the test speaks for."""
    transport = MemoryTransport()
    client = RealtimeClient(base_url="http://127.0.0.1:9/v1", api_key="sk-example")
    session: Session = client.connect("m", transport=transport, dispatch="inline")
    call = Call("one", Order(), Limits(), client, "w", "w 1")
    with session:
        call.opened(session, None)
        yield call, transport


@pytest.mark.timeout(60)
def test_a_signal_handler_hangs_up_wherever_the_end_of_a_call_is_waited_for() -> None:
    """As one of a worker that has the functions of calls in its main thread."""
    place = 0
    while True:
        place += 1
        with called() as (call, _):
            strike = Strike(place, WITH_THREADING, call.hang_up)
            with strike:
                call.wait(0.0)
            call.hang_up()
        assert call.over.is_set(), strike.where
        if strike.where is None:
            break

    assert place > 3


def say(transport: MemoryTransport, count: int) -> None:
    """Events of a kind that nobody else sends."""
    for _ in range(count):
        transport.feed({"type": "vendor.event", "event_id": "e"})


def test_worker_numbers_what_it_sends_and_what_it_leaves_out(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader who reads nothing for a while finds out how many there were."""
    publisher = CallEventPublisher(app, SPACE)
    with called() as (call, transport):
        worker = Subscribed(
            lambda subscription, pattern, again: publisher.subscribe(
                call, subscription, pattern, again
            )
        )
        events = RemoteEvents(worker, app, SPACE, pattern="vendor.event", timeout=WAIT)
        with events:
            say(transport, 2)
            first = [next(events), next(events)]
            with monkeypatch.context() as patch:
                # Nobody has read for longer than that.
                patch.setattr("realtime_sync.contrib.celery.publisher.LEASE", -1.0)
                publisher.subscribe(call, worker.subscription, "vendor.event", True)
                say(transport, 3)
            publisher.subscribe(call, worker.subscription, "vendor.event", True)
            say(transport, 1)
            then = next(events)
            counted = events.dropped, events.missed
            with monkeypatch.context() as patch:
                patch.setattr("realtime_sync.contrib.celery.publisher.MOST_WAITING", 0)
                say(transport, 4)
            publisher.ended(call)
            rest = list(events)
        publisher.close(WAIT)

    assert ["vendor.event"] * 3 == [event["type"] for event in [*first, then]]
    assert (3, 0) == counted
    assert ([], 7, 0) == (rest, events.dropped, events.missed)


def test_worker_has_room_for_so_many_readers_and_forgets_none_of_them(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is refused; one whom it does not know is told so."""
    monkeypatch.setattr("realtime_sync.contrib.celery.publisher.MOST_SUBSCRIBED", 2)
    publisher = CallEventPublisher(app, SPACE)
    with called() as (call, _):
        known = [publisher.subscribe(call, each, "*") for each in ("a", "b", "a")]
        with pytest.raises(ConfigurationError, match="2 read the events"):
            publisher.subscribe(call, "c", "*")
        unknown = publisher.subscribe(call, "c", "*", again=True)
        publisher.unsubscribe("a")
        early = Call("early", Order(), Limits(), call.client, "w", "w 2")
        with pytest.raises(LocalProtocolError, match="not open yet"):
            publisher.subscribe(early, "c", "*")
        freed = publisher.subscribe(call, "c", "*")
        publisher.ended(call)
        publisher.close(WAIT)

    assert [True] * 3 == known
    assert (False, True) == (unknown, freed)
