"""Waiting for sockets."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from time import monotonic

import pytest

from realtime_sync.deadline import Deadline, acquire_timeout
from realtime_sync.polling import READ, WRITE, wait_for

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
    before = wait_for([(near, READ)], Deadline(0.01))
    far.send(b"x")

    assert [] == before
    assert [near] == wait_for([(near, READ)], Deadline(5))


def test_a_socket_with_room_is_writable(pair: Pair) -> None:
    """Also when it is asked for both."""
    near, _ = pair

    assert [near] == wait_for([(near, READ | WRITE)], Deadline(5))


def test_a_full_socket_is_not_writable(pair: Pair) -> None:
    """Until the other end reads."""
    near, far = pair
    try:
        while True:
            near.send(bytes(1 << 16))
    except BlockingIOError:
        pass
    before = wait_for([(near, WRITE)], Deadline(0.01))
    while not wait_for([(near, WRITE)], Deadline(0)):
        far.recv(1 << 20)

    assert [] == before


def test_the_end_of_the_other_side_is_noticed(pair: Pair) -> None:
    """It counts as ready."""
    near, far = pair
    far.close()

    assert [near] == wait_for([(near, READ)], Deadline(5))


def test_several_sockets_are_waited_for_at_once(pair: Pair) -> None:
    """Those that are ready come back."""
    near, far = pair
    far.send(b"x")

    assert [near] == wait_for([(near, READ), (far, READ)], Deadline(5))


def test_no_deadline_waits_until_something_happens(pair: Pair) -> None:
    """It was there already."""
    near, far = pair
    far.send(b"x")
    started = monotonic()

    assert [near] == wait_for([(near, READ)], Deadline(None))
    assert monotonic() - started < 1


def test_a_deadline_in_the_far_future_is_understood(pair: Pair) -> None:
    """A million years are more than any of the calls below takes."""
    near, far = pair
    far.send(b"x")
    ages = Deadline(3e13)

    assert [near] == wait_for([(near, READ)], ages)
    assert acquire_timeout(ages) > 1e6
    assert -1 == acquire_timeout(Deadline(None))
