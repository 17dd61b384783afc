"""
A server in a process of its own, that streams and pings at its own pace.

In a process of its own, so that it does not share an interpreter with the client
whose latencies are measured. ``python -m tests.stress.flood SECONDS PINGS`` prints
its port, serves one client and prints what it saw.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from tests.rawserver import CLOSE, GREETING, PING, PONG, Gone, Peer, RawServer

ROOT = Path(__file__).parents[2]
EVERY = 0.005
"""Seconds between deltas; every tenth is followed by ``speech_started``."""


def stream(peer: Peer, seconds: float, pings: float, told: dict[str, int]) -> None:
    """Deltas with numbers, ``speech_started`` with the time, pings."""
    peer.upgrade()
    pause = threading.Event()
    peer.say(GREETING)
    assert "session.update" == peer.hear()["type"]
    listener = threading.Thread(target=listen, args=(peer, told))
    listener.start()
    begun, next_ping, number = monotonic(), monotonic(), 0
    while monotonic() - begun < seconds:
        peer.say({"type": "response.output_text.delta", "delta": str(number)})
        if number % 10 == 9:
            sent = {"type": "input_audio_buffer.speech_started", "item_id": "i"}
            peer.say({**sent, "event_id": repr(monotonic())})
        if monotonic() >= next_ping:
            next_ping += pings
            told["pings"] += 1
            peer.frame(b"alive?", PING)
        number += 1
        pause.wait(EVERY)
    told["deltas"] = number
    peer.say({"type": "response.output_text.done", "text": ""})
    listener.join(60)


def listen(peer: Peer, told: dict[str, int]) -> None:
    """Count pongs until the client closes."""
    try:
        while True:
            opcode, payload = peer.read()
            told["pongs"] += opcode == PONG
            if opcode == CLOSE:
                peer.frame(payload, CLOSE)
                return
    except Gone:
        return


class Flood:
    """
    The server, seen from the client's process.

    Attributes:
        url: what to connect to.
    """

    def __init__(self, seconds: float, pings: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.stress.flood", str(seconds), str(pings)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._out = self._process.stdout
        self.url = f"ws://127.0.0.1:{int(self._out.readline())}/v1"

    def told(self) -> dict[str, Any]:
        """What it saw, when it is over."""
        found: dict[str, Any] = json.loads(self._out.readline())
        self._process.wait(30)
        return found

    def stop(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait(30)
        self._out.close()


@contextmanager
def flooding(seconds: float, pings: float) -> Iterator[Flood]:
    """A flood, for a ``with`` statement."""
    flood = Flood(seconds, pings)
    try:
        yield flood
    finally:
        flood.stop()


def main(seconds: float, pings: float) -> None:
    """Serve one client."""
    told, over = {"pings": 0, "pongs": 0, "deltas": 0}, threading.Event()

    def run(peer: Peer) -> None:
        try:
            stream(peer, seconds, pings, told)
        finally:
            over.set()

    with RawServer(run) as server:
        print(server.port, flush=True)
        over.wait()
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]))
