"""A command on its way: open check, place, expected answer, loss, interrupt."""

from __future__ import annotations

import threading
from threading import Event
from typing import Any, Optional

import pytest

from realtime_sync.connection.connection import Connection
from realtime_sync.connection.held_commands import HeldCommands
from realtime_sync.connection.pending import PendingCommands
from realtime_sync.connection.sender import Sender
from realtime_sync.deadline import Deadline, held_here
from realtime_sync.dispatch.watches import WatchList, WatchWaiting
from realtime_sync.errors import (
    CommandRejected,
    ConnectionClosed,
    ConnectionLost,
    LocalProtocolError,
)
from realtime_sync.protocol import events, jsontext
from realtime_sync.protocol.codec import Codec
from realtime_sync.state.snapshot import Snapshot
from realtime_sync.transport.base import OutboxEntry
from realtime_sync.types import UNSET


class Wire:
    """A transport that keeps what it is given and breaks where it is told to."""

    loop = None
    released = True
    heard_at = 0.0

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.failure: Optional[BaseException] = None
        self.begun = False
        self.locked: list[bool] = []
        self.order: Any = None
        self.aborted = False

    def begin(self, receive: Any, ended: Any) -> None:
        """Nothing comes by itself."""
        self.ended = ended

    def prepare(self, payload: bytes) -> OutboxEntry:
        """A message of one frame."""
        return OutboxEntry([payload])

    def enqueue(self, entry: OutboxEntry) -> None:
        """Remember whether the place was given under the lock of the order."""
        self.locked.append(held_here(self.order))

    def flush(self, entry: OutboxEntry, deadline: Deadline) -> None:
        """Write all of it, or begin it and break."""
        self.locked.append(held_here(self.order))
        if self.failure is not None:
            if self.begun:
                entry.fate[None] = True
            raise self.failure
        entry.write(len)
        self.sent.append(jsontext.loads(entry.frames[0]))

    flush_now = flush

    def begin_close(self, code: int, reason: str) -> None:
        """The close frame is on its way."""

    def abort(self) -> None:
        """Broken off."""
        self.aborted = True

    def close(self) -> None:
        """Released."""


class Told:
    """Keeps what it is told of."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.unheard: set[str] = set()

    def sent(self, command: Any, key: str) -> None:
        """A command was handed over."""
        self.keys.append(key)


class Desk:
    """A sender, what it expects, and a connection for it."""

    def __init__(self) -> None:
        self.pending = PendingCommands()
        self.watches = WatchList()
        self.watches.add(self.pending.watch)
        self.waiting = WatchWaiting(lambda ready, deadline: ready.is_set(), 0.05)
        self.told = Told()
        self.sender = Sender(
            name="test",
            codec=Codec(),
            pending=self.pending,
            waiting=self.waiting,
            session_type="realtime",
            publisher=self.told,
            on_reader=lambda: False,
        )

    def connect(self) -> tuple[Connection, Wire]:
        """A connection that the sender may use."""
        wire = Wire()
        wire.order = self.pending.order
        connection = Connection(
            name="test",
            codec=self.sender.codec,
            watches=self.watches,
            snapshot=Snapshot(),
            deliver=lambda event, snapshot, size: None,
            ended=lambda connection: None,
            housekeep=lambda: None,
            ping_interval=None,
        )
        transport: Any = wire
        connection.start(transport)
        return connection, wire


@pytest.fixture
def desk() -> Desk:
    """A sender without a connection."""
    return Desk()


def commit() -> events.InputAudioBufferCommit:
    """A command that is matched by its order."""
    return events.InputAudioBufferCommit()


def test_a_command_before_the_session_is_open_is_refused(desk: Desk) -> None:
    """And nothing is expected."""
    with pytest.raises(LocalProtocolError, match="not open yet"):
        desk.sender.send(commit())

    assert not desk.pending.any


def test_a_command_gets_an_id_and_is_expected(desk: Desk) -> None:
    """What goes out carries the id under which an error would come back."""
    desk.sender.connection, wire = desk.connect()
    handle = desk.sender.send(commit())

    assert [handle.event_id] == [frame["event_id"] for frame in wire.sent]
    assert (handle,) == desk.pending.handles()
    assert ["client.input_audio_buffer.commit"] == desk.told.keys


def test_an_append_carries_an_id_and_expects_nothing(desk: Desk) -> None:
    """Each its own: the error that names one is not another's."""
    desk.sender.connection, wire = desk.connect()
    for _ in range(2):
        desk.sender.write(desk.sender.append_command(audio=b"\0\0"))

    assert 2 == len({frame["event_id"] for frame in wire.sent})
    assert not desk.pending.any


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "vendor.thing", "x": [1]},
        {"type": "input_text.delta", "event_id": None},
        {"type": "session.avatar.connect", "event_id": ""},
        {"event_id": UNSET, "type": "input_audio.turn.end"},
        {"type": "input_audio_buffer.commit"},
    ],
    ids=lambda frame: frame["type"],
)
def test_a_mapping_gets_an_id_as_well(desk: Desk, frame: dict[str, Any]) -> None:
    """A vendor's own, too: an error could name none of them otherwise."""
    desk.sender.connection, wire = desk.connect()
    before = dict(frame)
    first, second = desk.sender.send(frame), desk.sender.send(frame)

    given = [{**before, "event_id": each.event_id} for each in (first, second)]
    assert given == wire.sent
    assert first.event_id and first.event_id != second.event_id
    assert before == frame


@pytest.mark.parametrize("kind", ["vendor.thing", "input_audio_buffer.commit"])
def test_the_id_of_a_mapping_is_its_own(desk: Desk, kind: str) -> None:
    """And is refused a second time, as long as an error may name it."""
    desk.sender.connection, wire = desk.connect()
    handle = desk.sender.send({"type": kind, "event_id": "mine"})
    with pytest.raises(LocalProtocolError, match="'mine' is not answered yet"):
        desk.sender.send({"type": kind, "event_id": "mine"})

    assert "mine" == handle.event_id
    assert [{"type": kind, "event_id": "mine"}] == wire.sent


@pytest.mark.parametrize("given", [5, 0, b"x", ["a"], False])
@pytest.mark.parametrize("kind", ["vendor.thing", "input_audio_buffer.commit"])
def test_an_id_that_is_no_text_is_refused(desk: Desk, kind: str, given: Any) -> None:
    """Another in its place would be a surprise."""
    desk.sender.connection, wire = desk.connect()
    with pytest.raises(LocalProtocolError, match="event_id is text"):
        desk.sender.send({"type": kind, "event_id": given})

    assert [] == wire.sent


def test_an_error_that_names_a_command_of_a_vendor_is_its_own(desk: Desk) -> None:
    """The commit that waits beside it has nothing to do with it."""
    desk.sender.connection, _ = desk.connect()
    waits = desk.sender.send(commit())
    handle = desk.sender.send({"type": "vendor.thing"})
    error = {"type": "invalid_request_error", "event_id": handle.event_id}
    desk.watches.offer(Codec().structure({"type": "error", "error": error}))

    with pytest.raises(CommandRejected) as caught:
        handle.raise_if_rejected()
    assert "vendor.thing" == caught.value.command.type
    assert not waits.done()


def test_what_nothing_acknowledges_is_not_waited_for(desk: Desk) -> None:
    """Else no moment would be quiet any more; and only the latest are kept."""
    desk.sender.connection, _ = desk.connect()
    handles = [desk.sender.send({"type": "vendor.thing"}) for _ in range(100)]

    assert not desk.pending.any
    assert tuple(handles[-64:]) == desk.pending.handles()
    assert not any(handle.done() for handle in handles)


def test_a_command_of_a_vendor_keeps_its_id_while_it_is_held(desk: Desk) -> None:
    """It goes over the next connection under the id that its handle has."""
    desk.sender.connection, old = desk.connect()
    desk.sender.held = HeldCommands(10, 0, desk.pending.order)
    handle = desk.sender.send({"type": "vendor.thing"})
    old.ended(1006, "gone")
    connection, wire = desk.connect()
    desk.sender.send_held(connection)

    assert [{"type": "vendor.thing", "event_id": handle.event_id}] == wire.sent
    assert not handle.done()


def test_the_place_is_given_under_the_lock_and_the_writing_is_not(desk: Desk) -> None:
    """A stalled server holds up nobody who only wants to take a place."""
    desk.sender.connection, wire = desk.connect()
    desk.sender.send(commit())

    assert [True, False] == wire.locked


def test_a_command_for_a_connection_that_is_over_is_not_expected(desk: Desk) -> None:
    """Nobody would ever fail it."""
    desk.sender.connection, wire = desk.connect()
    desk.sender.verdict.set()
    wire.ended(1006, "gone")
    with pytest.raises(ConnectionClosed):
        desk.sender.send(commit())

    assert not desk.pending.any
    assert [] == wire.sent


@pytest.mark.parametrize("begun", [False, True])
def test_an_interrupted_command_is_expected_only_if_it_was_begun(
    desk: Desk, begun: bool
) -> None:
    """Begun, it is finished by the next sender, and its answer is to come."""
    desk.sender.connection, wire = desk.connect()
    wire.failure, wire.begun = KeyboardInterrupt(), begun
    with pytest.raises(KeyboardInterrupt):
        desk.sender.send(commit())

    assert begun is desk.pending.any
    assert [] == desk.told.keys


def test_a_command_that_was_not_written_goes_to_the_next_connection(
    desk: Desk,
) -> None:
    """The server cannot have got it; the handle is that of the second try."""
    desk.sender.connection, broken = desk.connect()
    second, wire = desk.connect()
    broken.failure = ConnectionLost("broke", code=1006)
    desk.sender.verdict.set()
    desk.sender.connection.over.set()

    def lose(entry: OutboxEntry, deadline: Deadline) -> None:
        desk.sender.connection = second
        raise ConnectionLost("broke", code=1006)

    broken.flush = lose  # type: ignore[method-assign]
    handle = desk.sender.send(commit())

    assert broken.aborted
    assert [handle.event_id] == [frame["event_id"] for frame in wire.sent]
    assert (handle,) == desk.pending.handles()


def test_a_lost_command_raises_when_no_connection_follows(desk: Desk) -> None:
    """Nothing stays expected of the dead one."""
    desk.sender.connection, wire = desk.connect()
    desk.sender.verdict.set()
    desk.sender.connection.over.set()
    wire.failure = ConnectionLost("broke", code=1006)
    with pytest.raises(ConnectionLost):
        desk.sender.send(commit())

    assert not desk.pending.any


def test_held_commands_wait_for_the_next_connection(desk: Desk) -> None:
    """They are expected at once, and not failed by the end of the old one."""
    desk.sender.connection, old = desk.connect()
    desk.sender.held = HeldCommands(10, 0, desk.pending.order)
    handle = desk.sender.send(commit())
    old.ended(1006, "gone")
    new, wire = desk.connect()
    held_back = list(wire.sent)
    desk.sender.send_held(new)

    assert [] == held_back
    assert [handle.event_id] == [frame["event_id"] for frame in wire.sent]
    assert not handle.done()
    assert desk.sender.held is None


def test_a_sender_waits_for_the_verdict_on_a_lost_connection(desk: Desk) -> None:
    """Lost and not yet replaced is neither raised nor sent into the dead one."""
    desk.sender.connection, old = desk.connect()
    desk.waiting.timeout = 5.0
    old.ended(1006, "gone")
    new, wire = desk.connect()
    waits, done = Event(), Event()
    wait = desk.sender.verdict.wait

    def waiting(timeout: Optional[float] = None) -> bool:
        waits.set()
        return wait(timeout)

    desk.sender.verdict.wait = waiting  # type: ignore[method-assign]

    def send() -> None:
        desk.sender.send(commit())
        done.set()

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    waited = waits.wait(5.0)
    early = done.is_set()
    desk.sender.connection = new
    desk.sender.verdict.set()
    thread.join(5.0)

    assert waited
    assert not early
    assert 1 == len(wire.sent)
