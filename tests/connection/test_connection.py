"""One connection: decode, reduce, resolve, hand on, and the order of the end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Optional

import pytest
from attrs import evolve

from realtime_sync.connection import connection as module
from realtime_sync.connection.connection import Connection
from realtime_sync.connection.taps import Taps
from realtime_sync.deadline import Deadline
from realtime_sync.dispatch.watches import Watch, WatchList
from realtime_sync.errors import (
    ConnectionClosed,
    ConnectionClosedOK,
    ConnectionLost,
    DispatchOverflow,
    LocalProtocolError,
    RemoteProtocolError,
    SessionExpired,
)
from realtime_sync.protocol import events, jsontext
from realtime_sync.protocol.codec import Codec
from realtime_sync.state.mirrors import REALTIME
from realtime_sync.state.snapshot import Snapshot
from realtime_sync.transport.base import OutboxEntry
from realtime_sync.transport.loop import LoopTimer

LONG = 30.0


class HandLoop:
    """A loop whose time a test makes pass; everything happens in the test's thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self._timers: list[LoopTimer] = []
        monkeypatch.setattr(module, "monotonic", lambda: self.now)

    def on_loop(self) -> bool:
        """The test's thread is it."""
        return True

    def call(self, run: Callable[[], None]) -> None:
        """At once."""
        run()

    def call_later(self, delay: float, run: Callable[[], None]) -> LoopTimer:
        """When the test has let so much time pass."""
        self._timers.append(LoopTimer(self.now + delay, run))
        return self._timers[-1]

    def call_until(self, run: Callable[[], bool]) -> None:
        """Again after a second, until it is done."""
        if not run():
            self.call_later(1.0, lambda: self.call_until(run))

    def pass_until(self, when: float) -> None:
        """Let time pass, and everything happen that is due."""
        while due := [timer for timer in self._timers if timer.when <= when]:
            first = min(due, key=lambda timer: timer.when)
            self._timers.remove(first)
            self.now = max(self.now, first.when)
            first.run()
        self.now = when


class Wire:
    """A transport over which nothing comes but what a test brings."""

    heard_at = 0.0
    released = True

    def __init__(self, log: list[str], loop: Optional[HandLoop]) -> None:
        self.loop = loop
        self.log = log

    def begin(self, receive: Any, ended: Any) -> None:
        """The test pushes."""
        self.receive, self.ended = receive, ended

    def prepare(self, payload: bytes) -> OutboxEntry:
        """A message of one frame."""
        return OutboxEntry([payload])

    def enqueue(self, entry: OutboxEntry) -> None:
        """It has its place."""
        self.log.append("enqueue")

    def flush(self, entry: OutboxEntry, deadline: Deadline) -> None:
        """A caller waits until it is written."""
        self.log.append("flush")

    def held_here(self) -> bool:
        """Never: nothing is written."""
        return False

    def flush_now(self, entry: OutboxEntry) -> None:
        """The loop does not wait."""
        self.log.append("flush now")

    def ping(self) -> None:
        """Somebody asks whether the server lives."""
        self.log.append("ping" if self.loop is None else f"ping at {self.loop.now:g}")

    def begin_close(self, code: int, reason: str) -> None:
        """The close frame is on its way."""
        self.log.append(f"close frame {code}")

    def abort(self) -> None:
        """Broken off."""
        self.log.append("abort")

    def close(self) -> None:
        """Released."""
        self.log.append("socket closed")


class Scene:
    """A connection, what it is told and what it tells."""

    def __init__(
        self, loop: Optional[HandLoop] = None, *, ping: Optional[float] = None
    ) -> None:
        self.log: list[str] = []
        self.handed: list[tuple[Any, Snapshot, int]] = []
        self.wire = Wire(self.log, loop)
        self.watches = WatchList()
        self.taps = Taps()
        self.failed: list[Any] = []
        self.connection = Connection(
            name="test",
            codec=Codec(),
            watches=self.watches,
            snapshot=Snapshot(),
            deliver=self.deliver,
            ended=self.ended,
            housekeep=lambda: None,
            ping_interval=ping,
            taps=self.taps,
        )
        self.watches.add(Watch(None, self.accept, self.end))

    def start(self) -> Connection:
        """The connection, with its transport."""
        transport: Any = self.wire
        self.connection.start(transport)
        return self.connection

    def deliver(self, event: Any, snapshot: Snapshot, size: int) -> None:
        """The last step of a frame."""
        self.log.append("handed on")
        self.handed.append((event, snapshot, size))

    def accept(self, event: Any) -> None:
        """The mirror is that of this very event when waits are resolved."""
        assert not self.handed or event is not self.handed[-1][0]
        self.log.append(f"resolved at version {self.connection.snapshot.version}")

    def end(self, error: Optional[BaseException]) -> None:
        """A wait fails: by now nothing can be sent, and the socket is there."""
        self.failed.append(error)
        with pytest.raises(ConnectionClosed):
            self.connection.check_open()
        over = self.connection.over.is_set()
        self.log.append(f"wait failed, over {over}, open {self.connection.is_open}")

    def ended(self, connection: Connection) -> None:
        """The very last that a connection does."""
        self.log.append(f"ended, over {connection.over.is_set()}")


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> HandLoop:
    """One on which it is zero o'clock."""
    return HandLoop(monkeypatch)


@pytest.fixture
def scene() -> Scene:
    """One in the thread of the test, without a loop."""
    return Scene()


def frame(**fields: Any) -> bytes:
    """One message of the server."""
    return jsontext.dumps(fields)


DELTA = frame(type="response.output_text.delta", delta="a", item_id="i")
END = ["wait failed, over False, open False", "socket closed", "ended, over True"]


def test_a_frame_is_decoded_reduced_resolved_and_handed_on(scene: Scene) -> None:
    """In this order, all in the call that brings it."""
    connection = scene.start()
    connection.receive(frame(type="session.created", session={"id": "s"}))

    assert ["resolved at version 1", "handed on"] == scene.log
    [(event, snapshot, size)] = scene.handed
    assert isinstance(event, events.SessionCreated)
    assert connection.snapshot is snapshot
    assert connection.bytes_received == size
    assert 1 == connection.events_received


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"[]", b'{"type": 5}', b'{"type": "vendor"}', b"nul"]
)
def test_whatever_comes_reaches_the_handlers(scene: Scene, data: bytes) -> None:
    """And is counted under its type, but told only once."""
    connection = scene.start()
    connection.receive(data)
    connection.receive(data)

    assert [events.UnknownEvent] * 2 == [type(each[0]) for each in scene.handed]
    assert [2] == list(connection.unknown.values())


def test_a_mirror_that_fails_costs_no_event(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The snapshot stays as it was."""

    def broken(snapshot: Any, event: Any) -> Any:
        raise ZeroDivisionError

    connection = scene.start()
    monkeypatch.setattr(connection, "_mirror", evolve(REALTIME, reduce=broken))
    before = connection.snapshot
    connection.receive(DELTA)

    assert before is connection.snapshot is scene.handed[0][1]
    assert "the mirror failed" in caplog.text


def test_an_observer_that_raises_is_taken_off(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """In either direction; the reader and the sender go on."""

    class Bad:
        def received(self, *told: Any) -> None:
            raise ZeroDivisionError

        def sent(self, *told: Any) -> None:
            raise ZeroDivisionError

    connection = scene.start()
    bad: Any = Bad()
    scene.taps.add(bad)
    connection.receive(DELTA)
    assert not scene.taps.on
    scene.taps.add(bad)
    connection.send(b"{}", Deadline(LONG))

    assert not scene.taps.on
    assert 1 == len(scene.handed)
    assert "enqueue flush" == " ".join(scene.log[-2:])
    assert 2 == caplog.text.count("is taken off")


def test_the_reader_does_not_wait_for_what_it_sends(scene: Scene) -> None:
    """It would wait for a server that waits for the reader."""
    connection = scene.start()

    def answer(event: Any, snapshot: Snapshot, size: int) -> None:
        connection.send(b"{}", Deadline(LONG))

    connection.take_over(scene.watches, answer, scene.ended)
    connection.receive(DELTA)
    connection.send(b"{}", Deadline(LONG))

    assert ["enqueue", "flush now", "enqueue", "flush"] == scene.log[1:]


@pytest.mark.parametrize("looped", [True, False])
@pytest.mark.parametrize(
    "code, expected",
    [(1006, ConnectionLost), (1000, ConnectionClosedOK), (1011, ConnectionLost)],
)
def test_the_end_goes_in_one_order(
    loop: HandLoop, looped: bool, code: int, expected: Any
) -> None:
    """No more commands, waits fail, socket closed, over, and then the session."""
    scene = Scene(loop if looped else None)
    scene.start()
    scene.wire.ended(code, "bye", None)

    assert END == scene.log
    assert [expected] == [type(each) for each in scene.failed]
    assert expected is type(scene.connection.error)
    assert scene.connection.lost


def test_the_end_is_told_when_the_socket_is_closed(loop: HandLoop) -> None:
    """A sender may still be in it, and the loop does not wait for him."""
    scene = Scene(loop)
    scene.start()
    scene.wire.released = False
    scene.wire.ended(1006, "", None)
    loop.pass_until(5)
    before = list(scene.log)
    scene.wire.released = True
    loop.pass_until(10)

    assert END[:2] == before
    assert END == scene.log


def test_the_end_is_that_of_a_session_whose_time_was_up(scene: Scene) -> None:
    """What the server said before counts, not its code alone."""
    connection = scene.start()
    connection.receive(frame(type="error", error={"code": "session_expired"}))
    connection.disconnected(1001, "")

    assert [SessionExpired] == [type(each) for each in scene.failed]


def test_who_takes_over_too_late_is_told(scene: Scene) -> None:
    """The end was told to those before him."""
    connection = scene.start()
    connection.disconnected(1006, "")

    assert not connection.take_over(WatchList(), scene.deliver, scene.ended)
    assert END == scene.log


@pytest.mark.parametrize(
    "cause, code",
    [(DispatchOverflow("full"), 1000), (RemoteProtocolError("odd frame"), 1009)],
)
def test_a_close_frame_goes_before_an_end_of_our_own_making(
    cause: Exception, code: int
) -> None:
    """The queue is full, or the server broke the protocol."""
    scene = Scene()
    connection = scene.start()
    scene.wire.ended(1006, str(cause), cause)

    assert [f"close frame {code}", *END] == scene.log
    assert cause in (scene.failed[0], scene.failed[0].__cause__)
    assert isinstance(connection.error, ConnectionLost)
    assert cause is connection.error.__cause__


def test_what_receiving_raised_is_visible(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """It should never run, and it must end all the same."""
    scene.start()
    with caplog.at_level(logging.ERROR):
        scene.wire.ended(1006, "bad", ZeroDivisionError("bad"))

    assert END == scene.log
    assert "receiving failed" in caplog.text


def test_two_quiet_intervals_mean_lost(loop: HandLoop) -> None:
    """The first one brings a ping; any byte begins anew."""
    scene = Scene(loop, ping=10)
    scene.start()
    loop.pass_until(12)
    scene.wire.heard_at = 12
    loop.pass_until(31.9)
    before = list(scene.log)
    loop.pass_until(100)

    assert ["ping at 10", "ping at 22"] == before
    assert [*before, *END] == scene.log
    assert "no answer to a ping" in str(scene.failed[0])


def test_bytes_at_the_last_moment_are_a_sign_of_life(loop: HandLoop) -> None:
    """Whatever they are: an answer to the ping is not waited for in particular."""
    scene = Scene(loop, ping=10)
    scene.start()
    for number in range(100):
        loop.pass_until(18.0 * (number + 1))
        scene.wire.heard_at = loop.now

    assert {"ping"} == {line.split(" ")[0] for line in scene.log}
    assert scene.connection.is_open


def test_without_an_interval_silence_is_no_loss(loop: HandLoop) -> None:
    """Some servers answer no ping."""
    scene = Scene(loop)
    scene.start()
    loop.pass_until(1e4)

    assert [] == scene.log
    assert scene.connection.is_open


def test_what_keeping_house_raises_ends_this_connection_alone(
    loop: HandLoop, caplog: pytest.LogCaptureFixture
) -> None:
    """It should never run; the loop goes on for the others."""
    scene, other = Scene(loop, ping=10), Scene(loop, ping=10)

    def bad() -> None:
        raise ZeroDivisionError("bad")

    scene.connection._housekeep = bad
    with caplog.at_level(logging.ERROR):
        scene.start()
    other.start()
    loop.pass_until(11)

    assert END == scene.log
    assert ["ping at 10"] == other.log
    assert "receiving failed" in caplog.text


def test_a_close_is_bounded_under_a_stream_that_never_ends(loop: HandLoop) -> None:
    """The server talks on instead of answering the close frame."""
    scene = Scene(loop, ping=10)
    connection = scene.start()
    assert connection.begin_close(1000, "", Deadline(0))
    assert not connection.begin_close(1000, "", Deadline(LONG))

    assert ["close frame 1000", *END] == scene.log
    assert isinstance(connection.error, ConnectionClosedOK)
    assert not connection.lost


def test_no_ping_goes_behind_a_close_frame(loop: HandLoop) -> None:
    """The server owes an answer to the close, and nothing else."""
    scene = Scene(loop, ping=10)
    scene.start().begin_close(1000, "", Deadline(None))
    loop.pass_until(100)

    assert ["close frame 1000"] == scene.log


def test_nothing_is_sent_before_it_starts_or_after_it_closes(scene: Scene) -> None:
    """Each says what it is."""
    with pytest.raises(LocalProtocolError, match="not open yet"):
        scene.connection.send(b"{}", Deadline(LONG))
    connection = scene.start()
    connection.begin_close(1000, "", Deadline(LONG))
    with pytest.raises(ConnectionClosedOK):
        connection.send(b"{}", Deadline(LONG))

    assert ["close frame 1000"] == scene.log


def test_a_sender_that_notices_first_stops_the_others(scene: Scene) -> None:
    """The reader is shaken, so that it notices as well."""
    connection = scene.start()

    def flush(entry: OutboxEntry, deadline: Deadline) -> None:
        raise ConnectionLost("broken pipe")

    scene.wire.flush = flush  # type: ignore[method-assign]
    with pytest.raises(ConnectionLost, match="broken pipe"):
        connection.send(b"{}", Deadline(LONG))
    with pytest.raises(ConnectionLost, match="is breaking"):
        connection.send(b"{}", Deadline(LONG))

    assert ["enqueue", "abort"] == scene.log
