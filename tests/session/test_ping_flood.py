"""A server that pings and never reads makes nothing grow."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from realtime_sync import Router, connect
from tests.rawserver import PING, PONG, Gone, Peer, RawServer, server_frame

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
        try:
            while True:
                opcode, payload, _ = peer.read_frame()
                if opcode == PONG:
                    self.pongs.append(int(payload))
        except Gone:
            pass


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
