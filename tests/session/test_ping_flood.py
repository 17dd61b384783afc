"""A server that pings and never reads makes nothing grow."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from realtime_sync import Router, connect
from tests.rawserver import PING, PONG, Peer, RawServer, server_frame

pytestmark = [pytest.mark.usefixtures("arrangement"), pytest.mark.shared]

LONG = 20.0
PINGS = 30_000


def numbered(first: int, last: int) -> bytes:
    """Pings, each with its number."""
    return b"".join(
        server_frame(b"%0120d" % number, PING) for number in range(first, last)
    )


class Flood:
    """Pings without reading, then says one event, and reads when it may."""

    def __init__(self, between: Callable[[Peer], None]) -> None:
        self.read = threading.Event()
        self.pongs: list[int] = []
        self._between = between

    def __call__(self, peer: Peer) -> None:
        peer.greet()
        for first in range(0, PINGS, 1000):
            peer.raw(numbered(first, first + 1000))
            self._between(peer)
        peer.say({"type": "error", "error": {"message": "over"}})
        assert self.read.wait(LONG)
        while True:
            opcode, payload, _ = peer.read_frame()
            if opcode == PONG:
                self.pongs.append(int(payload))


@pytest.mark.parametrize(
    "between",
    [
        lambda peer: None,
        lambda peer: peer.say({"type": "rate_limits.updated", "rate_limits": []}),
        lambda peer: peer.frame(b"", PONG),
    ],
    ids=["pings alone", "events between", "pongs between"],
)
def test_one_pong_is_kept_the_latest(between: Any) -> None:
    """The others are answered for by it (RFC 6455, 5.5.3)."""
    flood, over = Flood(between), threading.Event()
    with RawServer(flood, receive_buffer=1 << 12) as server:
        session = connect("m", base_url=server.url, router=Router(), close_timeout=5.0)
        session.on("error", lambda event: over.set(), inline=True)
        tracemalloc.start()
        assert over.wait(LONG)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        flood.read.set()
        session.close()

    assert PINGS - 1 == flood.pongs[-1]
    assert len(flood.pongs) < PINGS
    assert sorted(flood.pongs) == flood.pongs
    assert most < 3 << 20  # All of them would be more than twice that.


def test_a_flood_on_one_session_holds_up_no_other() -> None:
    """Each has its share of every turn of a loop that they have in common."""
    answered, pinged = threading.Event(), threading.Event()

    def loud(peer: Peer) -> None:
        peer.greet()
        while not answered.is_set():
            peer.raw(numbered(0, 1000))
            pinged.set()
        peer.answer_close()

    def quiet(peer: Peer) -> None:
        peer.greet()
        peer.hear_until("input_audio_buffer.clear")
        peer.say({"type": "input_audio_buffer.cleared", "event_id": "e"})
        peer.answer_close()

    with RawServer(loud) as flooding, RawServer(quiet) as server:
        flooded = connect("m", base_url=flooding.url, router=Router())
        with connect("m", base_url=server.url, router=Router()) as session:
            assert pinged.wait(LONG)
            try:
                session.input_audio_buffer.clear().acknowledged(LONG)
            finally:
                answered.set()
        flooded.close()
