"""A WebSocket that a loop reads: what is pushed, what is written, how it ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Any, Callable, Optional

import pytest

from realtime_sync.deadline import Deadline
from realtime_sync.errors import RemoteProtocolError
from realtime_sync.transport.loop import Loop
from realtime_sync.transport.websocket import Address, WebSocketTransport, connect
from tests.certificates import tls_pair
from tests.rawserver import CLOSE, PING, PONG, Peer, RawServer, server_frame

LONG = 5.0
MEGABYTE = 1 << 20


class Reception:
    """What a transport pushed, for a test that takes it."""

    def __init__(self, transport: WebSocketTransport) -> None:
        self.transport = transport
        self.on_message: Optional[Callable[[bytes], None]] = None
        self._messages: SimpleQueue[bytes] = SimpleQueue()
        self.over = threading.Event()
        self.end: tuple[int, str, Any] = (0, "", None)
        self.threads: set[int] = set()

    def begin(self) -> Reception:
        """Let the transport push here."""
        self.transport.begin(self.receive, self.ended)
        return self

    def receive(self, data: bytes) -> None:
        self.threads.add(threading.get_ident())
        if self.on_message is not None:
            self.on_message(data)
        self._messages.put(data)

    def ended(self, code: int, reason: str, cause: Any) -> None:
        self.end = code, reason, cause
        self.transport.close()
        self.over.set()

    def take(self) -> bytes:
        """The next message."""
        try:
            return self._messages.get(timeout=LONG)
        except Empty:
            raise AssertionError("nothing was pushed") from None


class Wires:
    """Opens transports of one loop to scripts, and cleans up after the test."""

    def __init__(self, secure: bool) -> None:
        self.secure = secure
        self.loop = Loop("loop of a test")
        self.loop.start()
        self._servers: list[RawServer] = []
        self._open: list[WebSocketTransport] = []

    def open(
        self, script: Callable[[Peer], None], *, max_frame_size: int = 64 * MEGABYTE
    ) -> Reception:
        """A transport whose server does the handshake and follows the script."""

        def upgraded(peer: Peer) -> None:
            peer.upgrade()
            script(peer)

        tls, trust = tls_pair() if self.secure else (None, None)
        server = RawServer(upgraded, tls=tls, receive_buffer=1 << 16)
        self._servers.append(server)
        address = Address(
            url=f"{server.url}/realtime",
            headers={},
            ssl_context=trust,
            max_frame_size=max_frame_size,
        )
        transport = connect(address, Deadline(LONG), loop=self.loop)
        self._open.append(transport)
        return Reception(transport)

    def clean_up(self) -> None:
        """Close everything; failures of scripts are failures of the test."""
        done = threading.Event()
        self.loop.call(lambda: [transport.close() for transport in self._open])
        self.loop.call(done.set)
        assert done.wait(LONG)
        self.loop.stop()
        assert self.loop.join(Deadline(LONG))
        for server in self._servers:
            server.stop()

        assert [] == [failure for s in self._servers for failure in s.failures]
        assert [-1] * len(self._open) == [each.fileno() for each in self._open]


@pytest.fixture(params=["ws", "wss"])
def wires(request: Any) -> Iterator[Wires]:
    """Transports in clear text, then over TLS."""
    made = Wires(request.param == "wss")
    yield made
    made.clean_up()


def send(reception: Reception, payload: bytes) -> None:
    """Send a message as a thread of the program does."""
    entry = reception.transport.prepare(payload)
    reception.transport.enqueue(entry)
    reception.transport.flush(entry, Deadline(LONG))


def test_messages_are_pushed_in_order_by_one_thread(wires: Wires) -> None:
    """Many in one read, one in many reads: each once, and whole."""
    large = os.urandom(MEGABYTE) * 5

    def script(peer: Peer) -> None:
        peer.raw(b"".join(server_frame(b"%d" % number) for number in range(300)))
        peer.frame(large)
        peer.frame(b"last")
        peer.rest()

    reception = wires.open(script).begin()

    assert [b"%d" % n for n in range(300)] == [reception.take() for _ in range(300)]
    assert large == reception.take()
    assert b"last" == reception.take()
    assert 1 == len(reception.threads)
    assert threading.get_ident() not in reception.threads


def test_large_message_does_not_hold_up_another_connection(wires: Wires) -> None:
    """Every socket has one read per turn."""
    part, go = threading.Event(), threading.Event()

    def slow(peer: Peer) -> None:
        frame = server_frame(bytes(MEGABYTE))
        peer.raw(frame[: MEGABYTE // 2])
        part.set()
        go.wait(LONG)
        peer.raw(frame[MEGABYTE // 2 :])
        peer.rest()

    def quick(peer: Peer) -> None:
        part.wait(LONG)
        peer.frame(b"me first")
        peer.rest()

    one, other = wires.open(slow).begin(), wires.open(quick).begin()

    assert b"me first" == other.take()
    go.set()
    assert bytes(MEGABYTE) == one.take()


def test_close_frame_of_the_server_is_answered_and_told(wires: Wires) -> None:
    """Its code and its words come with the end."""
    answers: list[tuple[int, bytes]] = []
    answered = threading.Event()

    def script(peer: Peer) -> None:
        peer.close(1001, "going away")
        answers.append(peer.read())
        answered.set()

    reception = wires.open(script).begin()

    assert reception.over.wait(LONG)
    assert (1001, "going away", None) == reception.end
    assert answered.wait(LONG)
    assert [CLOSE] == [opcode for opcode, _ in answers]


def test_end_without_a_close_frame_is_told_as_such(wires: Wires) -> None:
    """A cut is seen at once, not at the next ping."""
    reception = wires.open(lambda peer: peer.sock.close()).begin()

    assert reception.over.wait(LONG)
    assert 1006 == reception.end[0]


def test_abort_from_another_thread_ends_it(wires: Wires) -> None:
    """The loop notices; it alone closes the socket."""
    reception = wires.open(Peer.rest).begin()
    reception.transport.abort()

    assert reception.over.wait(LONG)
    assert 1006 == reception.end[0]


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(2)])
def test_what_receiving_raises_ends_this_connection_alone(
    wires: Wires, error: BaseException
) -> None:
    """The other one on the same loop goes on."""
    go = threading.Event()

    def script(peer: Peer) -> None:
        peer.frame(b"one")
        go.wait(LONG)
        peer.frame(b"two")
        peer.rest()

    def fail(data: bytes) -> None:
        raise error

    bad, good = wires.open(script), wires.open(script).begin()
    bad.on_message = fail
    bad.begin()

    assert b"one" == good.take()
    assert bad.over.wait(LONG)
    assert error is bad.end[2]
    go.set()
    assert b"two" == good.take()


def test_message_over_the_limit_ends_it_as_a_protocol_error(wires: Wires) -> None:
    """The cause says so; nobody else on the loop is concerned."""

    def script(peer: Peer) -> None:
        peer.raw(server_frame(bytes(2000))[:100])
        peer.rest()

    reception = wires.open(script, max_frame_size=1000).begin()

    assert reception.over.wait(LONG)
    assert isinstance(reception.end[2], RemoteProtocolError)


def test_messages_of_many_threads_arrive_whole_while_the_loop_reads(
    wires: Wires,
) -> None:
    """Over TLS the main thread leaves the writing to the loop."""
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        for number in range(250):
            got.append(peer.read()[1])
            peer.frame(b"%d" % number)
        peer.frame(b"all")
        peer.rest()

    reception = wires.open(script).begin()

    def many(name: int) -> None:
        for number in range(50):
            send(reception, b"%d:%d:" % (name, number) + b"x" * 2000)

    threads = [threading.Thread(target=many, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    many(4)
    for thread in threads:
        thread.join(LONG)
    for _ in range(250):
        reception.take()

    assert b"all" == reception.take()
    for name in range(5):
        mine = [message for message in got if message.startswith(b"%d:" % name)]
        assert [b"%d:%d:" % (name, n) + b"x" * 2000 for n in range(50)] == mine


def test_loop_goes_on_with_what_a_sender_left(wires: Wires) -> None:
    """Out of time in the middle of a message: the rest goes out by itself."""
    go = threading.Event()
    got: list[int] = []

    def script(peer: Peer) -> None:
        go.wait(LONG)
        got.append(len(peer.read()[1]))
        peer.frame(b"thanks")
        peer.rest()

    reception = wires.open(script).begin()
    entry = reception.transport.prepare(bytes(30 * MEGABYTE))
    reception.transport.enqueue(entry)
    with pytest.raises(TimeoutError):
        reception.transport.flush(entry, Deadline(0.05))
    go.set()

    assert b"thanks" == reception.take()
    assert [30 * MEGABYTE] == got


def test_what_the_loop_itself_sends_is_written_without_waiting(wires: Wires) -> None:
    """An inline handler sends more than the kernel takes, and the loop goes on."""
    got: list[int] = []

    def script(peer: Peer) -> None:
        peer.frame(b"go")
        got.append(len(peer.read()[1]))
        peer.frame(b"thanks")
        peer.rest()

    reception = wires.open(script)

    def answer(data: bytes) -> None:
        if data == b"go":
            entry = reception.transport.prepare(bytes(20 * MEGABYTE))
            reception.transport.enqueue(entry)
            reception.transport.flush_now(entry)

    reception.on_message = answer
    reception.begin()

    assert b"go" == reception.take()
    assert b"thanks" == reception.take()
    assert [20 * MEGABYTE] == got


def test_one_pong_answers_for_all_pings_that_nobody_reads_an_answer_to(
    wires: Wires,
) -> None:
    """The latest one; a server that pings and never reads makes nothing grow."""
    pongs: list[bytes] = []
    stalled, pinged, done = threading.Event(), threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        stalled.wait(LONG)
        peer.raw(b"".join(server_frame(b"%d" % n, PING) for n in range(5000)))
        peer.frame(b"pinged")
        pinged.wait(LONG)
        payload = b""
        while payload != b"{}":
            opcode, payload, _ = peer.read_frame()
            if opcode == PONG:
                pongs.append(payload)
        done.set()
        peer.rest()

    reception = wires.open(script).begin()
    entry = reception.transport.prepare(bytes(20 * MEGABYTE))
    reception.transport.enqueue(entry)
    with pytest.raises(TimeoutError):
        reception.transport.flush(entry, Deadline(0.05))
    stalled.set()
    assert b"pinged" == reception.take()
    pinged.set()
    send(reception, b"{}")

    assert done.wait(LONG)
    assert len(pongs) < 50
    assert b"4999" == pongs[-1]
