"""Waiting for sockets."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync.deadline import Deadline, acquire_timeout
from realtime_sync.transport.poller import READ, WRITE, PollerWaker, poll_sockets

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=["poll", "select"])
def pair(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pair]:
    """Two connected sockets, on systems with ``poll`` and without."""
    if request.param == "select":
        monkeypatch.delattr(select, "poll", raising=False)
    near, far = socket.socketpair()
    near.setblocking(False)
    yield near, far
    near.close()
    far.close()


def test_a_socket_with_bytes_is_readable(pair: Pair) -> None:
    """And one without is not, at the deadline."""
    near, far = pair
    before = poll_sockets([(near, READ)], Deadline(0.01))
    far.send(b"x")

    assert [] == before
    assert [near] == poll_sockets([(near, READ)], Deadline(5))


def test_a_socket_with_room_is_writable(pair: Pair) -> None:
    """Also when it is asked for both."""
    near, _ = pair

    assert [near] == poll_sockets([(near, READ | WRITE)], Deadline(5))


def test_a_full_socket_is_not_writable(pair: Pair) -> None:
    """Until the other end reads."""
    near, far = pair
    try:
        while True:
            near.send(bytes(1 << 16))
    except BlockingIOError:
        pass
    before = poll_sockets([(near, WRITE)], Deadline(0.01))
    while not poll_sockets([(near, WRITE)], Deadline(0)):
        far.recv(1 << 20)

    assert [] == before


def test_the_end_of_the_other_side_is_noticed(pair: Pair) -> None:
    """It counts as ready."""
    near, far = pair
    far.close()

    assert [near] == poll_sockets([(near, READ)], Deadline(5))


def test_several_sockets_are_waited_for_at_once(pair: Pair) -> None:
    """Those that are ready come back."""
    near, far = pair
    far.send(b"x")

    assert [near] == poll_sockets([(near, READ), (far, READ)], Deadline(5))


def test_no_deadline_waits_until_something_happens(pair: Pair) -> None:
    """It was there already."""
    near, far = pair
    far.send(b"x")

    assert [near] == poll_sockets([(near, READ)], Deadline(None))


def test_a_deadline_in_the_far_future_is_understood(pair: Pair) -> None:
    """A million years are more than any of the calls below takes."""
    near, far = pair
    far.send(b"x")
    ages = Deadline(3e13)

    assert [near] == poll_sockets([(near, READ)], ages)
    assert acquire_timeout(ages) > 1e6
    assert -1 == acquire_timeout(Deadline(None))


def test_a_waker_is_ready_until_it_is_drained() -> None:
    """However often it was asked to wake."""
    waker = PollerWaker()
    for _ in range(3):
        waker.wake()
    ready = poll_sockets([(waker, READ)], Deadline(5))
    waker.drain()

    assert [waker] == ready
    assert [] == poll_sockets([(waker, READ)], Deadline(0))
    waker.close()


def test_a_full_waker_does_not_wait() -> None:
    """Nobody has drained it; it wakes all the same."""
    waker = PollerWaker()
    waker._near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    for _ in range(10_000):
        waker.wake()

    assert [waker] == poll_sockets([(waker, READ)], Deadline(5))
    waker.close()


def test_a_waker_is_not_closed_under_who_wakes() -> None:
    """The number of a closed socket is another's, and the byte would go there."""
    waker = PollerWaker()
    near, told = waker._near, []
    waking, go_on = threading.Event(), threading.Event()

    class Slow:
        """A socket on which a thread is interrupted."""

        def send(self, data: bytes) -> int:
            waking.set()
            go_on.wait(5)
            told.append("sent")
            return near.send(data)

        def close(self) -> None:
            told.append("closed")
            near.close()

    slow: Any = Slow()
    waker._near = slow
    threads = [threading.Thread(target=each) for each in (waker.wake, waker.close)]
    threads[0].start()
    waking.wait(5)
    threads[1].start()
    threads[1].join(0.05)
    go_on.set()
    for thread in threads:
        thread.join(5)
    waker.wake()

    assert ["sent", "closed"] == told
