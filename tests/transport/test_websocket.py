"""A WebSocket over a real socket, in clear text and over TLS."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from time import monotonic
from typing import Any, Callable

import pytest

from realtime_sync.deadline import Deadline
from realtime_sync.errors import (
    ConnectionClosedOK,
    ConnectionLost,
    RemoteProtocolError,
    WaitTimeout,
)
from realtime_sync.transport.base import Disconnected
from realtime_sync.transport.websocket import (
    Address,
    WebSocketTransport,
    connect,
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

LONG = 5.0
MEGABYTE = 1 << 20


def send_text(
    transport: WebSocketTransport, payload: bytes, deadline: Deadline
) -> None:
    """Queue a message and return when the kernel has it."""
    entry = transport.prepare(payload)
    transport.enqueue(entry)
    transport.flush(entry, deadline)


def post_text(transport: WebSocketTransport, payload: bytes) -> None:
    """Queue a message and write what needs no waiting, as the reader does."""
    entry = transport.prepare(payload)
    transport.enqueue(entry)
    transport.flush_now(entry)


def next_message(transport: WebSocketTransport) -> bytes:
    """The next message; a sender may wake the reader for what another has queued."""
    until = monotonic() + LONG
    message = None
    while message is None and monotonic() < until:
        message = transport.recv(until - monotonic())
    assert message is not None
    return message


class Wire:
    """Opens transports to scripts and cleans up after the test."""

    def __init__(self, secure: bool) -> None:
        self.secure = secure
        self._servers: list[RawServer] = []
        self._transports: list[WebSocketTransport] = []

    def open(
        self, script: Callable[[Peer], None], *, max_frame_size: int = 64 * MEGABYTE
    ) -> WebSocketTransport:
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
        transport = connect(address, Deadline(LONG))
        self._transports.append(transport)
        return transport

    def clean_up(self) -> None:
        """Close everything; failures of scripts are failures of the test."""
        for transport in self._transports:
            transport.close()
        for server in self._servers:
            server.stop()

        assert [] == [failure for s in self._servers for failure in s.failures]


@pytest.fixture(params=["ws", "wss"])
def wire(request: Any) -> Iterator[Wire]:
    """Transports in clear text, then over TLS."""
    made = Wire(request.param == "wss")
    yield made
    made.clean_up()


def ended(transport: WebSocketTransport) -> Disconnected:
    """Read up to the end; how it ended."""
    with pytest.raises(Disconnected) as caught:
        while True:
            transport.recv(LONG)
    return caught.value


def reading(transport: WebSocketTransport) -> threading.Thread:
    """A reader thread that reads to the end of the connection."""

    def run() -> None:
        try:
            while True:
                transport.recv(None)
        except Disconnected:
            pass

    thread = threading.Thread(target=run)
    thread.start()
    return thread


# -- receiving ---------------------------------------------------------------


def test_text_and_binary_messages_are_received_alike(wire: Wire) -> None:
    """Some servers send their JSON in binary frames."""

    def script(peer: Peer) -> None:
        peer.frame(b'{"a": 1}', TEXT)
        peer.frame(b'{"b": 2}', BINARY)
        peer.rest()

    transport = wire.open(script)

    assert b'{"a": 1}' == transport.recv(LONG)
    assert b'{"b": 2}' == transport.recv(LONG)


def test_messages_that_came_in_one_read_are_given_out_one_by_one(wire: Wire) -> None:
    """None of them waits for more bytes from the network."""

    def script(peer: Peer) -> None:
        peer.raw(b"".join(server_frame(b"%d" % number) for number in range(300)))
        peer.rest()

    transport = wire.open(script)

    assert [b"%d" % number for number in range(300)] == [
        transport.recv(LONG) for _ in range(300)
    ]


def test_a_large_message_is_received_whole(wire: Wire) -> None:
    """Fifteen megabytes in one frame."""
    payload = os.urandom(MEGABYTE) * 15

    def script(peer: Peer) -> None:
        peer.frame(payload, BINARY)
        peer.rest()

    assert payload == wire.open(script).recv(LONG)


def test_receiving_ends_with_none_at_the_timeout(wire: Wire) -> None:
    """Nothing came; the connection lives."""
    transport = wire.open(Peer.rest)
    started = monotonic()

    assert transport.recv(0.05) is None
    assert 0.04 <= monotonic() - started < 1.0


def test_wake_ends_a_wait_from_another_thread(wire: Wire) -> None:
    """The reader looks up when somebody has something to tell."""
    transport = wire.open(Peer.rest)
    timer = threading.Timer(0.02, transport.wake)
    timer.start()

    assert transport.recv(None) is None
    timer.join()


def test_waking_a_reader_that_does_not_read_never_blocks(wire: Wire) -> None:
    """An inline handler that sends a thousand commands wakes its own thread."""
    transport = wire.open(Peer.rest)
    for _ in range(5_000):
        transport.wake()

    assert transport.recv(0.05) is None
    assert transport.recv(0.01) is None


def test_pings_are_answered_while_receiving(wire: Wire) -> None:
    """With the same payload, and in order with the messages."""
    pongs: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        peer.frame(b"are you there", PING)
        pongs.append(peer.read())
        peer.frame(b"", PING)
        pongs.append(peer.read())
        peer.frame(b"done")
        peer.rest()

    assert b"done" == wire.open(script).recv(LONG)
    assert [(PONG, b"are you there"), (PONG, b"")] == pongs


def test_a_message_over_the_limit_is_a_protocol_error(wire: Wire) -> None:
    """Before it has been collected."""

    def script(peer: Peer) -> None:
        peer.raw(server_frame(bytes(2000))[:100])
        peer.rest()

    with pytest.raises(RemoteProtocolError, match="max_frame_size"):
        wire.open(script, max_frame_size=1000).recv(LONG)


def test_hearing_anything_counts_as_a_sign_of_life(wire: Wire) -> None:
    """Also a part of a message, or a pong."""
    go = threading.Event()

    def script(peer: Peer) -> None:
        go.wait(LONG)
        peer.raw(server_frame(b"hello")[:3])
        peer.rest()

    transport = wire.open(script)
    before = transport.heard_at
    go.set()

    assert transport.recv(0.2) is None
    assert before < transport.heard_at


# -- sending -----------------------------------------------------------------


def test_what_is_sent_arrives_masked_and_whole(wire: Wire) -> None:
    """One text message per command, whatever its size."""
    got: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        got.extend(peer.read() for _ in range(3))
        peer.frame(b"thanks")

    transport = wire.open(script)
    payloads = [b"{}", b"x" * 70_000, os.urandom(MEGABYTE)]
    for payload in payloads:
        send_text(transport, payload, Deadline(LONG))

    assert b"thanks" == transport.recv(LONG)
    assert [(TEXT, payload) for payload in payloads] == got


def test_messages_of_many_threads_arrive_whole(wire: Wire) -> None:
    """While the reader reads: on TLS both use one object."""
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        for number in range(400):
            got.append(peer.read()[1])
            peer.frame(b"%d" % number)
        peer.close(1000)
        peer.rest()

    transport = wire.open(script)
    reader = reading(transport)

    def send(name: int) -> None:
        for number in range(100):
            send_text(
                transport, b"%d:%d:" % (name, number) + b"x" * 2000, Deadline(LONG)
            )

    threads = [threading.Thread(target=send, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in [*threads, reader]:
        thread.join(LONG)
    order = [[m for m in got if m.startswith(b"%d:" % name)] for name in range(4)]

    assert 400 == len(got)
    assert all(
        [b"%d:%d:" % (name, n) + b"x" * 2000 for n in range(100)] == order[name]
        for name in range(4)
    )


def test_pings_are_answered_while_a_large_message_is_stalled(wire: Wire) -> None:
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

    transport = wire.open(script)
    sender = threading.Thread(
        target=send_text, args=(transport, payload, Deadline(LONG * 2)), daemon=True
    )
    sender.start()
    while transport.unsent() == 0 or not transport._outbox._lock.locked():
        pass
    stalled.set()
    message = transport.recv(LONG)
    pinged.set()
    sender.join(LONG)

    assert b"all of it" == transport.recv(LONG)
    assert b"a message behind the ping" == message
    assert payload == b"".join(parts)
    assert 1 == len(seen)
    assert seen[0][0] < len(parts) // 2


def test_a_message_that_timed_out_half_written_is_finished_by_the_reader(
    wire: Wire,
) -> None:
    """Nobody else may send again, and the stream must not stay torn."""
    payload = os.urandom(MEGABYTE) * 12
    go = threading.Event()
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        go.wait(LONG)
        got.append(peer.read()[1])
        peer.close(1000)
        peer.rest()

    transport = wire.open(script)
    reader = reading(transport)
    with pytest.raises(WaitTimeout):
        send_text(transport, payload, Deadline(0.1))
    go.set()
    reader.join(LONG)

    assert not reader.is_alive()
    assert [payload] == got


def test_posting_from_the_reader_never_waits(wire: Wire) -> None:
    """Also when the server takes nothing; it is written when it does."""
    go = threading.Event()
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        go.wait(LONG)
        while len(got) < 600:
            got.append(peer.read()[1])
        peer.close(1000)
        peer.rest()

    transport = wire.open(script)
    for number in range(600):
        post_text(transport, b"%d:" % number + b"x" * 20_000)
    left = transport.unsent()
    go.set()
    reader = reading(transport)
    reader.join(LONG)

    assert left > 0
    assert [b"%d" % number for number in range(600)] == [m.split(b":")[0] for m in got]


# -- the end -----------------------------------------------------------------


def test_our_close_is_answered_with_its_code(wire: Wire) -> None:
    """The handshake of RFC 6455: our frame, the server's answer, the end."""
    told: list[bytes] = []
    transport = wire.open(lambda peer: told.append(peer.answer_close()))
    transport.begin_close(1000, "bye")
    end = ended(transport)

    while not told:
        pass

    assert (1000, "bye") == (end.code, end.reason)
    assert [b"\x03\xe8bye"] == told


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 3000, 4000])
def test_the_servers_close_is_echoed_and_told(wire: Wire, code: int) -> None:
    """With its code and reason."""
    answer: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        peer.close(code, "because")
        answer.append(peer.read())

    transport = wire.open(script)
    end = ended(transport)
    transport.close()

    assert (code, "because") == (end.code, end.reason)
    while not answer:
        pass
    assert [(CLOSE, code.to_bytes(2, "big"))] == answer


def test_the_end_of_the_stream_without_a_close_frame_is_1006(wire: Wire) -> None:
    """What a relay does when its upstream dies."""
    transport = wire.open(lambda peer: peer.frame(b"last words"))

    assert b"last words" == transport.recv(LONG)
    assert 1006 == ended(transport).code


def test_the_end_within_a_frame_is_1006(wire: Wire) -> None:
    """Half a message is no message."""
    transport = wire.open(lambda peer: peer.raw(server_frame(b"half")[:4]))

    assert 1006 == ended(transport).code


def test_abort_wakes_the_reader_and_the_senders(wire: Wire) -> None:
    """At once, whatever the server does."""
    transport = wire.open(Peer.hold)
    reader = reading(transport)
    failures: list[BaseException] = []

    def send() -> None:
        try:
            send_text(transport, bytes(20 * MEGABYTE), Deadline(LONG))
        except Exception as exc:
            failures.append(exc)

    sender = threading.Thread(target=send)
    sender.start()
    while not transport._outbox._lock.locked():
        pass
    started = monotonic()
    transport.abort()
    reader.join(LONG)
    sender.join(LONG)

    assert monotonic() - started < 1.0
    assert [ConnectionLost] == [type(failure) for failure in failures]


def test_nothing_is_sent_after_the_close(wire: Wire) -> None:
    """Neither by us nor by somebody who was a moment late."""
    frames: list[int] = []

    def script(peer: Peer) -> None:
        try:
            while True:
                frames.append(peer.read()[0])
        except Gone:
            pass

    transport = wire.open(script)
    send_text(transport, b"in time", Deadline(LONG))
    transport.begin_close(1000, "")
    transport.begin_close(1000, "again")
    with pytest.raises(ConnectionClosedOK):
        send_text(transport, b"late", Deadline(LONG))
    post_text(transport, b"late as well")
    transport.ping()
    transport.close()
    while len(frames) < 2:
        pass

    assert [TEXT, CLOSE] == frames


def test_sending_on_a_closed_transport_raises(wire: Wire) -> None:
    """And waking or aborting it is harmless."""
    transport = wire.open(Peer.rest)
    transport.close()
    transport.wake()
    transport.abort()
    with pytest.raises(ConnectionLost):
        send_text(transport, b"late", Deadline(LONG))


def test_interrupts_never_tear_the_stream(wire: Wire) -> None:
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

    transport = wire.open(script)
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
                send_text(transport, payload, Deadline(LONG))
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
        send_text(transport, b"<end>", Deadline(LONG))
        finished.wait(LONG)

    assert not lost or wire.secure
    assert set(got) <= {*payloads, b"<end>"}
    assert lost or set(sent) <= set(got)
    assert len(got) == len(set(got))


@pytest.mark.parametrize("count", [60, pytest.param(600, marks=pytest.mark.deep)])
def test_first_reads_and_writes_of_short_connections_race(count: int) -> None:
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
            transport = connect(address, Deadline(LONG))
            senders = [
                threading.Thread(
                    target=send_text, args=(transport, b"hi", Deadline(LONG))
                )
                for _ in range(3)
            ]
            for sender in senders:
                sender.start()
            heard = [next_message(transport) for _ in range(3)]
            for sender in senders:
                sender.join(LONG)
            transport.begin_close(1000, "")
            end = ended(transport)
            transport.close()

            assert [b"0", b"1", b"2"] == heard
            assert 1000 == end.code

    assert [b"hi"] * 3 * count == got
