"""A WebSocket over a real socket, in clear text and over TLS, read by a loop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Callable, Optional

import pytest

from realtime_sync.deadline import Deadline
from realtime_sync.errors import (
    ConnectionClosedOK,
    ConnectionLost,
    RemoteProtocolError,
    WaitTimeout,
)
from realtime_sync.transport import websocket
from realtime_sync.transport.loop import Loop
from realtime_sync.transport.websocket import (
    Address,
    WebSocketTransport,
    open_websocket,
)
from tests.certificates import tls_pair
from tests.rawserver import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Gone,
    Peer,
    RawServer,
    server_frame,
)
from tests.stress.sequenced_server import wait_until
from tests.strike import Strike

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
        transport = open_websocket(address, Deadline(LONG), loop=self.loop)
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


def post(reception: Reception, payload: bytes) -> None:
    """Send a message as an inline handler does: what needs no waiting."""
    entry = reception.transport.prepare(payload)
    reception.transport.enqueue(entry)
    reception.transport.flush_now(entry)


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
    with pytest.raises(WaitTimeout):
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
    with pytest.raises(WaitTimeout):
        reception.transport.flush(entry, Deadline(0.05))
    stalled.set()
    assert b"pinged" == reception.take()
    pinged.set()
    send(reception, b"{}")

    assert done.wait(LONG)
    assert len(pongs) < 50
    assert b"4999" == pongs[-1]


def test_text_and_binary_messages_are_received_alike(wires: Wires) -> None:
    """Some servers send their JSON in binary frames."""

    def script(peer: Peer) -> None:
        peer.frame(b'{"a": 1}', TEXT)
        peer.frame(b'{"b": 2}', BINARY)
        peer.rest()

    reception = wires.open(script).begin()

    assert [b'{"a": 1}', b'{"b": 2}'] == [reception.take(), reception.take()]


def test_a_large_message_is_received_whole(wires: Wires) -> None:
    """Fifteen megabytes in one frame."""
    payload = os.urandom(MEGABYTE) * 15

    def script(peer: Peer) -> None:
        peer.frame(payload, BINARY)
        peer.rest()

    assert payload == wires.open(script).begin().take()


def test_pings_are_answered(wires: Wires) -> None:
    """With the same payload, and in order with the messages."""
    pongs: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        peer.frame(b"are you there", PING)
        pongs.append(peer.read())
        peer.frame(b"", PING)
        pongs.append(peer.read())
        peer.frame(b"done")
        peer.rest()

    assert b"done" == wires.open(script).begin().take()
    assert [(PONG, b"are you there"), (PONG, b"")] == pongs


def test_hearing_anything_counts_as_a_sign_of_life(wires: Wires) -> None:
    """Also a part of a message, or a pong."""
    go = threading.Event()

    def script(peer: Peer) -> None:
        go.wait(LONG)
        peer.raw(server_frame(b"hello")[:3])
        peer.rest()

    transport = wires.open(script).begin().transport
    before = transport.heard_at
    go.set()
    wait_until(lambda: before < transport.heard_at, "a later look")


# -- sending -----------------------------------------------------------------


def test_what_is_sent_arrives_masked_and_whole(wires: Wires) -> None:
    """One text message per command, whatever its size."""
    got: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        got.extend(peer.read() for _ in range(3))
        peer.frame(b"thanks")
        peer.rest()

    reception = wires.open(script).begin()
    payloads = [b"{}", b"x" * 70_000, os.urandom(MEGABYTE)]
    for payload in payloads:
        send(reception, payload)

    assert b"thanks" == reception.take()
    assert [(TEXT, payload) for payload in payloads] == got


def test_pings_are_answered_while_a_large_message_is_stalled(wires: Wires) -> None:
    """
    Thirty megabytes wait for a slow server; its ping does not.

    The pong goes out between two frames of the message, as soon as the server
    reads again, and the message arrives whole.
    """
    payload = os.urandom(MEGABYTE) * 30
    stalled, pinged = threading.Event(), threading.Event()
    seen: list[tuple[int, int]] = []
    parts: list[bytes] = []

    def script(peer: Peer) -> None:
        stalled.wait(LONG)
        peer.frame(b"hurry", PING)
        peer.frame(b"a message behind the ping")
        pinged.wait(LONG)
        while sum(map(len, parts)) < len(payload):
            opcode, part, _ = peer.read_frame()
            if opcode == PONG:
                seen.append((len(parts), len(part)))
            else:
                parts.append(part)
        peer.frame(b"all of it")
        peer.rest()

    reception = wires.open(script).begin()
    sender = threading.Thread(target=send, args=(reception, payload))
    sender.start()
    wait_until(lambda: reception.transport.unsent(), "a message that waits")
    stalled.set()
    message = reception.take()
    pinged.set()
    sender.join(LONG)

    assert b"all of it" == reception.take()
    assert b"a message behind the ping" == message
    assert payload == b"".join(parts)
    assert 1 == len(seen)
    assert seen[0][0] < len(parts) // 2


def test_posting_never_waits(wires: Wires) -> None:
    """Also when the server takes nothing; it is written when it does."""
    go = threading.Event()
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        go.wait(LONG)
        while len(got) < 600:
            got.append(peer.read()[1])
        peer.close(1000)
        peer.rest()

    reception = wires.open(script).begin()
    for number in range(600):
        post(reception, b"%d:" % number + b"x" * 20_000)
    left = reception.transport.unsent()
    go.set()

    assert reception.over.wait(LONG)
    assert left > 0
    assert [b"%d" % number for number in range(600)] == [m.split(b":")[0] for m in got]


def test_a_ping_that_the_kernel_does_not_take_goes_out_by_itself(wires: Wires) -> None:
    """The server is silent and may be waiting for it: nothing else wakes the loop."""
    go, pinged = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        go.wait(LONG)
        while peer.read_frame()[0] != PING:
            pass
        pinged.set()
        peer.rest()

    reception = wires.open(script).begin()
    post(reception, bytes(20 * MEGABYTE))
    reception.transport.ping()
    go.set()

    assert pinged.wait(LONG)


# -- the end -----------------------------------------------------------------


def test_our_close_is_answered_with_its_code(wires: Wires) -> None:
    """The handshake of RFC 6455: our frame, the server's answer, the end."""
    told: list[bytes] = []
    reception = wires.open(lambda peer: told.append(peer.answer_close())).begin()
    reception.transport.begin_close(1000, "bye")

    assert reception.over.wait(LONG)
    wait_until(lambda: told, "the end")
    assert (1000, "bye", None) == reception.end
    assert [b"\x03\xe8bye"] == told


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 3000, 4000])
def test_the_servers_close_is_echoed_and_told(wires: Wires, code: int) -> None:
    """With its code and reason."""
    answer: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        peer.close(code, "because")
        answer.append(peer.read())

    reception = wires.open(script).begin()

    assert reception.over.wait(LONG)
    assert (code, "because", None) == reception.end
    wait_until(lambda: answer, "the answer")
    assert [(CLOSE, code.to_bytes(2, "big"))] == answer


def test_the_end_of_the_stream_comes_behind_what_was_said(wires: Wires) -> None:
    """What a relay does when its upstream dies."""
    reception = wires.open(lambda peer: peer.frame(b"last words")).begin()

    assert b"last words" == reception.take()
    assert reception.over.wait(LONG)
    assert 1006 == reception.end[0]


def test_the_end_within_a_frame_is_1006(wires: Wires) -> None:
    """Half a message is no message."""
    half = wires.open(lambda peer: peer.raw(server_frame(b"half")[:4])).begin()

    assert half.over.wait(LONG)
    assert 1006 == half.end[0]


def test_abort_ends_the_wait_of_a_sender(wires: Wires) -> None:
    """At once, whatever the server does; the socket is closed when it has left."""
    reception = wires.open(Peer.hold).begin()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            send(reception, bytes(20 * MEGABYTE))
        except Exception as exc:
            failures.append(exc)

    sender = threading.Thread(target=run)
    sender.start()
    wait_until(lambda: reception.transport.unsent(), "a message that waits")
    started = monotonic()
    reception.transport.abort()
    sender.join(LONG)

    assert reception.over.wait(LONG)
    assert monotonic() - started < LONG / 2
    assert [ConnectionLost] == [type(failure) for failure in failures]
    wait_until(lambda: reception.transport.released, "the release")


@pytest.mark.timeout(60)
def test_a_signal_handler_breaks_off_what_its_thread_breaks_off(wires: Wires) -> None:
    """At every place of it; the loop closes the socket when both have left."""
    place = 0
    while True:
        place += 1
        reception = wires.open(Peer.rest).begin()
        strike = Strike(place, (websocket.__file__,), reception.transport.abort)
        with strike:
            reception.transport.abort()
        assert not reception.transport.held_here()
        assert reception.over.wait(LONG), strike.where
        if strike.where is None:
            break

    assert place > 3


def test_while_it_breaks_off_a_thread_is_what_the_end_waits_for(wires: Wires) -> None:
    """Its signal handler is told so, and does not wait for the end."""
    held: list[bool] = []
    place = 0
    while True:
        place += 1
        transport = wires.open(Peer.rest).begin().transport

        def look(transport: WebSocketTransport = transport) -> None:
            held.append(transport.held_here())

        strike = Strike(place, (websocket.__file__,), look)
        with strike:
            transport.abort()
        if strike.where is None:
            break

    # Within the shutting down of the socket it is, before and after that it is not.
    assert {True, False} == set(held)


def test_nothing_is_sent_after_the_close(wires: Wires) -> None:
    """Neither by us nor by somebody who was a moment late."""
    frames: list[int] = []
    gone = threading.Event()

    def script(peer: Peer) -> None:
        try:
            while True:
                frames.append(peer.read()[0])
        except Gone:
            gone.set()

    reception = wires.open(script).begin()
    send(reception, b"in time")
    reception.transport.begin_close(1000, "")
    reception.transport.begin_close(1000, "again")
    with pytest.raises(ConnectionClosedOK):
        send(reception, b"late")
    post(reception, b"late as well")
    reception.transport.ping()
    reception.transport.abort()

    assert reception.over.wait(LONG)
    assert gone.wait(LONG)
    assert [TEXT, CLOSE] == frames


def test_sending_on_a_closed_transport_raises(wires: Wires) -> None:
    """And aborting it is harmless."""
    reception = wires.open(Peer.rest).begin()
    reception.transport.abort()
    assert reception.over.wait(LONG)
    reception.transport.abort()
    with pytest.raises(ConnectionLost):
        send(reception, b"late")


def test_interrupts_never_tear_the_stream(wires: Wires) -> None:
    """
    Ctrl-C in the middle of sends, for real: a signal every millisecond or so.

    What arrives is whole. Over TLS an interrupt may strike where nobody can
    know what was written; then the connection is given up.
    """
    got: list[bytes] = []
    finished = threading.Event()

    def script(peer: Peer) -> None:
        try:
            while True:
                got.append(peer.read()[1])
                if got[-1].startswith(b"<end"):
                    break
        finally:
            finished.set()

    reception = wires.open(script).begin()
    stop = threading.Event()

    def strike() -> None:
        while not stop.wait(0.0007):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    striker = threading.Thread(target=strike)
    sent, interrupts = [], 0
    payloads = [b"<%d>" % n + b"x" * (n * 997 % 50_000) for n in range(150)]
    lost = False
    try:
        striker.start()
        for payload in payloads:
            try:
                send(reception, payload)
                sent.append(payload)
            except KeyboardInterrupt:
                interrupts += 1
            except ConnectionLost:
                lost = True
                break
    except KeyboardInterrupt:
        pass
    while True:
        try:
            stop.set()
            striker.join()
            break
        except KeyboardInterrupt:
            continue
    if not lost:
        send(reception, b"<end>")
        finished.wait(LONG)

    assert not lost or wires.secure
    assert set(got) <= {*payloads, b"<end>"}
    assert lost or set(sent) <= set(got)
    assert len(got) == len(set(got))


@pytest.mark.parametrize("count", [60, pytest.param(600, marks=pytest.mark.deep)])
def test_first_reads_and_writes_of_short_connections_race(
    loop: Loop, count: int
) -> None:
    """
    Over TLS, where both use one object; the first bytes cross.

    A failure here is a torn record or a connection that breaks off.
    """
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.upgrade()
        for number in range(3):
            peer.frame(b"%d" % number)
            got.append(peer.read()[1])
        peer.answer_close()

    tls, trust = tls_pair()
    with RawServer(script, tls=tls) as server:
        address = Address(url=f"{server.url}/v1", headers={}, ssl_context=trust)
        for _ in range(count):
            reception = Reception(
                open_websocket(address, Deadline(LONG), loop=loop)
            ).begin()
            senders = [
                threading.Thread(target=send, args=(reception, b"hi")) for _ in range(3)
            ]
            for sender in senders:
                sender.start()
            heard = [reception.take() for _ in range(3)]
            for sender in senders:
                sender.join(LONG)
            reception.transport.begin_close(1000, "")

            assert reception.over.wait(LONG)
            assert [b"0", b"1", b"2"] == heard
            assert 1000 == reception.end[0]

    assert [b"hi"] * 3 * count == got
