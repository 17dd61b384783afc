"""
A server in a process of its own that sends events at an even rate to all who connect.

``python event_server.py RATE``: prints its port, then a line for each session when it
begins and when it ends: the model's name, which is unique for each call in these tests,
and how many events it was sent.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit

from realtime_sync.cli.bench import scripts
from realtime_sync.cli.bench.wire import accept_upgrade, client_commands, read_http_head

BATCH = 0.005
"""Seconds between two rounds of the pacer."""


class Pacer:
    """Sends deltas to those who are there, one after the other, at the rate of each."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        # Guards the connections and the counts.
        self._lock = threading.Lock()
        self._sent: dict[socket.socket, int] = {}
        self._burst = scripts.scripted_burst("text")
        self._pause = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, sock: socket.socket) -> None:
        """Send it events from now on."""
        sock.sendall(self._burst.opening)
        with self._lock:
            self._sent[sock] = 0

    def remove(self, sock: socket.socket) -> int:
        """Send it none any more; how many there were."""
        with self._lock:
            return self._sent.pop(sock, 0)

    def _run(self) -> None:
        owed = 0.0
        place = 0
        last = time.monotonic()
        while True:
            self._pause.wait(BATCH)
            now = time.monotonic()
            with self._lock:
                socks = list(self._sent)
                owed += (now - last) * self._rate * len(socks)
                last = now
                # After a pause of this process nobody is flooded with what is missing.
                owed = min(owed, 1000.0)
                while owed >= 1 and socks:
                    place = (place + 1) % len(socks)
                    try:
                        socks[place].sendall(self._burst.delta)
                    except OSError:
                        pass  # Its own thread notices that.
                    self._sent[socks[place]] += 1
                    owed -= 1


def tell(line: str) -> None:
    """Say a line in one piece, as other threads do too."""
    os.write(1, f"{line}\n".encode())


def talk(sock: socket.socket, pacer: Pacer) -> None:
    """One session, from handshake to close."""
    head = read_http_head(sock)
    query = parse_qs(urlsplit(head.split(b" ")[1].decode()).query)
    name = query["model"][0]
    sock.sendall(accept_upgrade(head))
    sock.sendall(scripts.GREETING)
    tell(f"begun {name}")
    clean = "lost"
    pacer.add(sock)
    try:
        for _ in client_commands(sock):
            pass
        clean = "clean"
    except OSError:
        pass
    tell(f"ended {name} {pacer.remove(sock)} {clean}")


def main() -> None:
    """Serve until the process is ended."""
    pacer = Pacer(float(sys.argv[1]))
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(f"port {listener.getsockname()[1]}", flush=True)
    threading.stack_size(256 << 10)
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=talk, args=(sock, pacer), daemon=True).start()


if __name__ == "__main__":
    main()
