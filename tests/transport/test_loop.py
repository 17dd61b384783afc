"""One thread for many sockets: turns, timers, wakes, and what one may not do to all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Optional

import pytest

from realtime_sync.deadline import Deadline
from realtime_sync.transport import log_writer
from realtime_sync.transport import loop as loops
from realtime_sync.transport.loop import READ, WRITE, Loop

_LONG = 10.0


class Line:
    """A channel that reads one byte a turn and calls back with it."""

    def __init__(self, sock: socket.socket, heard: Callable[[bytes], object]) -> None:
        self.sock = sock
        self.sock.setblocking(False)
        self.heard = heard
        self.error: Optional[BaseException] = None
        self.over = threading.Event()

    def fileno(self) -> int:
        return self.sock.fileno()

    def ready(self) -> None:
        self.heard(self.sock.recv(1))

    def failed(self, exc: BaseException) -> None:
        self.error = exc
        self.over.set()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets."""
    near, far = socket.socketpair()
    yield near, far
    near.close()
    far.close()


class Pairs:
    """Pairs of sockets, of which one end is served."""

    def __init__(self, number: int) -> None:
        self.both = [socket.socketpair() for _ in range(number)]

    def begin(self, loop: Loop, heard: Callable[[bytes], object]) -> None:
        """Serve all of them in one turn, where a byte waits in each."""
        for _, far in self.both:
            far.send(b"x")
        lines = [Line(near, heard) for near, _ in self.both]
        on(loop, lambda: [loop.add(each) for each in lines])
        on(loop, lambda: None)  # The turn in which they were ready is over now.
        on(loop, lambda: [loop.remove(each) for each in lines])

    def close(self) -> None:
        for near, far in self.both:
            near.close()
            far.close()


@pytest.fixture
def pairs() -> Iterator[Callable[[int], Pairs]]:
    """Makes pairs of sockets, which are closed after the test."""
    made: list[Pairs] = []

    def make(number: int) -> Pairs:
        made.append(Pairs(number))
        return made[-1]

    yield make
    for each in made:
        each.close()


def on(loop: Loop, run: Callable[[], object]) -> None:
    """Run something on the loop and wait for it."""
    done = threading.Event()
    failure: list[BaseException] = []

    def step() -> None:
        try:
            run()
        except BaseException as exc:
            failure.append(exc)
        done.set()

    loop.call(step)
    assert done.wait(_LONG)
    if failure:
        raise failure[0]


def test_bytes_are_read_on_the_loop(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    """A socket that becomes readable is served by the loop's thread."""
    heard = threading.Event()
    seen: list[tuple[bytes, bool]] = []
    line = Line(
        pair[0], lambda data: (seen.append((data, loop.on_loop())), heard.set())
    )
    on(loop, lambda: loop.add(line))
    pair[1].send(b"x")

    assert heard.wait(_LONG)
    assert [(b"x", True)] == seen
    assert not loop.on_loop()
    on(loop, lambda: loop.remove(line))


def test_sockets_take_turns_whatever_one_of_them_has(loop: Loop) -> None:
    """A flood on one socket does not hold up another: one share each per turn."""
    pairs = [socket.socketpair() for _ in range(2)]
    order: list[str] = []
    full = threading.Event()

    def note(name: str) -> None:
        order.append(name)
        if len(order) == 8:
            full.set()

    flood = Line(pairs[0][0], lambda data: note("flood"))
    other = Line(pairs[1][0], lambda data: note("other"))

    def begin() -> None:
        pairs[0][1].send(b"x" * 6)
        pairs[1][1].send(b"yy")
        loop.add(flood)
        loop.add(other)

    on(loop, begin)
    assert full.wait(_LONG)
    on(loop, lambda: (loop.remove(flood), loop.remove(other)))
    for near, far in pairs:
        near.close()
        far.close()

    assert ["flood"] * 4 == order[4:]
    assert ["flood", "flood", "other", "other"] == sorted(order[:4])


def test_what_is_left_decrypted_is_read_without_the_sockets_word(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    """TLS may hold a record that the kernel no longer reports."""
    turns: list[bytes] = []
    done = threading.Event()

    class Holding(Line):
        def ready(self) -> None:
            turns.append(self.sock.recv(1) if not turns else b"held")
            if len(turns) < 3:
                loop.again(self)
            else:
                done.set()

    line = Holding(pair[0], lambda data: None)
    on(loop, lambda: loop.add(line))
    pair[1].send(b"x")

    assert done.wait(_LONG)
    on(loop, lambda: loop.remove(line))
    assert [b"x", b"held", b"held"] == turns


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(1)])
def test_what_one_connection_raises_ends_that_one_only(
    loop: Loop, error: BaseException
) -> None:
    """The others go on being served, even after `sys.exit`."""
    pairs = [socket.socketpair() for _ in range(2)]
    heard = threading.Event()

    def fail(data: bytes) -> None:
        raise error

    bad = Line(pairs[0][0], fail)
    good = Line(pairs[1][0], lambda data: heard.set())
    on(loop, lambda: (loop.add(bad), loop.add(good)))
    pairs[0][1].send(b"x")
    assert bad.over.wait(_LONG)
    pairs[1][1].send(b"x")

    assert heard.wait(_LONG)
    assert error is bad.error
    on(loop, lambda: loop.remove(good))
    for near, far in pairs:
        near.close()
        far.close()


def test_removed_socket_is_not_served_in_the_same_turn(loop: Loop) -> None:
    """The number of a closed socket is given to the next one that is opened."""
    pairs = [socket.socketpair() for _ in range(2)]
    seen: list[str] = []
    lines: list[Line] = []

    def take(name: str, other: int) -> None:
        seen.append(name)
        loop.remove(lines[other])

    lines.append(Line(pairs[0][0], lambda data: take("first", 1)))
    lines.append(Line(pairs[1][0], lambda data: take("second", 0)))

    def begin() -> None:
        for (_, far), line in zip(pairs, lines):
            far.send(b"xx")
            loop.add(line)

    on(loop, begin)
    on(loop, lambda: None)
    on(loop, lambda: None)
    on(loop, lambda: [loop.remove(line) for line in lines])
    for near, far in pairs:
        near.close()
        far.close()

    assert 1 == len(set(seen))


def test_removing_twice_and_what_was_never_added_is_harmless(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    """An end may be noticed from two sides."""
    line = Line(pair[0], lambda data: None)
    on(loop, lambda: loop.remove(line))
    on(loop, lambda: (loop.add(line), loop.remove(line), loop.remove(line)))


def test_closed_socket_cannot_be_added(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    """The one who adds it is told; the loop goes on."""
    line = Line(pair[0], lambda data: None)
    pair[0].close()

    with pytest.raises(OSError, match="cannot be waited for"):
        on(loop, lambda: loop.add(line))
    on(loop, lambda: None)


def test_timers_run_in_order_of_time_and_cancelled_ones_do_not(loop: Loop) -> None:
    """Due times decide, not the order in which they were asked for."""
    order: list[str] = []
    done = threading.Event()
    loop.call_later(0.03, lambda: (order.append("late"), done.set()))
    loop.call_later(0.02, lambda: order.append("cancelled")).cancel()
    loop.call_later(0.01, lambda: order.append("early"))

    assert done.wait(_LONG)
    assert ["early", "late"] == order


def test_calls_of_one_thread_run_in_their_order(loop: Loop) -> None:
    """A thousand calls, one order, one wake or many."""
    order: list[int] = []
    for number in range(1000):
        loop.call(lambda number=number: order.append(number))  # type: ignore[misc]
    on(loop, lambda: None)

    assert list(range(1000)) == order


def test_call_that_raises_is_logged_and_the_next_one_runs(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    """Timers and calls are isolated as sockets are."""

    def fail() -> None:
        raise SystemExit(3)

    loop.call(fail)
    loop.call_later(0.0, fail)
    on(loop, lambda: None)
    done = threading.Event()
    loop.call_later(0.01, done.set)

    assert done.wait(_LONG)
    log_writer.flush_log_writers(Deadline(_LONG))
    assert "a call on the loop failed" in caplog.text


def test_change_waits_for_room_to_write(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    """What is left unwritten is written when the kernel takes bytes again."""
    writable = threading.Event()

    class Writing(Line):
        def ready(self) -> None:
            writable.set()
            loop.change(self, READ)

    line = Writing(pair[0], lambda data: None)
    on(loop, lambda: loop.add(line))
    on(loop, lambda: loop.change(line, READ | WRITE))

    assert writable.wait(_LONG)
    on(loop, lambda: loop.remove(line))


def test_end_of_the_loop_fails_what_it_still_serves(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Nobody is left waiting for a socket that nobody reads."""
    loop = Loop("loop that ends")
    loop.start()
    line = Line(pair[0], lambda data: None)
    on(loop, lambda: loop.add(line))
    loop.stop()

    assert loop.join(Deadline(_LONG))
    assert isinstance(line.error, OSError)
    with pytest.raises(RuntimeError, match="stopped"):
        loop.start()
    loop.call(lambda: None)


def test_stop_runs_what_was_asked_for_before() -> None:
    """What closes the last sockets is called before the thread ends."""
    loop = Loop("loop with work left")
    done: list[str] = []
    loop.call(lambda: loop.call(lambda: done.append("second")))
    loop.start()
    loop.stop()

    assert loop.join(Deadline(_LONG))
    assert ["second"] == done


def test_loop_that_was_never_started_ends_without_a_thread() -> None:
    """`Threads` that nobody used leave nothing behind."""
    loop = Loop("idle")
    loop.stop()

    assert loop.join(Deadline(0))


def test_delays_are_those_of_the_turns(loop: Loop) -> None:
    """The figures that `Threads.stats` shows come from here."""
    on(loop, lambda: None)
    on(loop, lambda: None)

    delays = loop.delays()
    assert delays == sorted(delays)
    assert delays and delays[0] >= 0.0


def test_the_end_of_a_turn_comes_behind_all_its_sockets(
    loop: Loop, pairs: Callable[[int], Pairs]
) -> None:
    """What a turn has brought is told once it is all there."""
    order: list[str] = []

    def heard(data: bytes) -> None:
        order.append("read")
        loop.at_turn_end(lambda: order.append("told"))

    pairs(3).begin(loop, heard)

    assert ["read"] * 3 + ["told"] * 3 == order


def test_another_thread_is_in_no_turn(loop: Loop) -> None:
    """So what it wants at the end of one is done at once, and by itself."""
    where: list[int] = []
    loop.at_turn_end(lambda: where.append(threading.get_ident()))

    assert [threading.get_ident()] == where


@pytest.mark.parametrize(
    ("number", "paused"), [(1, False), (2, False), (4, True), (9, True)]
)
def test_the_loop_lets_more_gather_only_where_many_sockets_are_ready(
    loop: Loop,
    pairs: Callable[[int], Pairs],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    paused: bool,
) -> None:
    """One event alone is not kept waiting."""
    pauses: list[float] = []
    monkeypatch.setattr(loops, "sleep", pauses.append)
    heard: list[bytes] = []
    pairs(number).begin(loop, heard.append)

    assert [b"x"] * number == heard
    assert ([0.001] if paused else []) == pauses
