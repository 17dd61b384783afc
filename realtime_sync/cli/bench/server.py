"""
The server of the benchmarks: ``python -m realtime_sync.cli.bench.server``.

Prints its port, then does what the model's name asks for: ``text-20000-200``
is a stream of so many text deltas, after a warm-up of so many. It sends what
has been encoded before, so that it is never what is measured.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import threading
import time
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ...state.latency import percentile
from . import scripts
from .wire import accept_upgrade, client_commands, read_http_head

_CHUNK = 1 << 16
_LATEST = 20.0
"""Seconds after the first session in which all the others must be ready."""


class BenchPacer:
    """
    Sends stamped events to several connections at an even rate.

    Args:
        sessions: how many connections to wait for.
        rate: events per second for each of them.
        events: how many each of them gets.
        kind: type of the event.
    """

    def __init__(self, sessions: int, rate: int, events: int, kind: str) -> None:
        self._over = threading.Event()
        self._complete = threading.Event()
        self._sessions, self._rate, self._events = sessions, rate, events
        self._frame, self._at = scripts.scripted_stamped_frame(kind)
        # Guards `_socks`, to which each connection adds its own.
        self._lock = threading.Lock()
        self._socks: list[Any] = []

    def join(self, sock: socket.socket) -> None:
        """Take part, and wait for the end."""
        with self._lock:
            self._socks.append(sock)
            first = len(self._socks) == 1
            if len(self._socks) == self._sessions:
                self._complete.set()
        if first:
            # Some may have been lost before they could ask to begin.
            self._complete.wait(_LATEST)
            try:
                self._run()
            finally:
                self._over.set()
        self._over.wait()

    def _run(self) -> None:
        socks = list(self._socks)
        self._send_all(scripts.scripted_burst("text").opening)
        head, tail = self._frame[: self._at], self._frame[self._at :]
        tail = tail[len(scripts.STAMP) :]
        pace = self._rate * len(socks)
        behind: list[float] = []
        start = time.monotonic() + 0.5
        for number in range(self._events * len(socks)):
            late = time.monotonic() - start - number / pace
            if late < 0:
                time.sleep(-late)
            behind.append(max(0.0, late))
            stamp = b"%017.6f" % time.monotonic()
            with suppress(OSError):  # That one has gone; the others go on.
                socks[number % len(socks)].sendall(head + stamp + tail)
        self._send_all(scripts.scripted_closing(percentile(behind, 99)))

    def _send_all(self, data: bytes) -> None:
        for sock in self._socks:
            with suppress(OSError):
                sock.sendall(data)


class BenchServer:
    """
    Listens on loopback, with a thread for each connection.

    Args:
        certificate: file with a key and its certificates, for TLS; or None.
    """

    def __init__(self, certificate: str | None = None) -> None:
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        # Guards `_pacers`.
        self._lock = threading.Lock()
        self._pacers: dict[str, BenchPacer] = {}

    def run(self) -> None:
        """Serve until the process is ended."""
        while True:
            sock, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with plain:
                if self._tls is None:
                    self._talk(plain)
                    return
                with self._tls.wrap_socket(plain, server_side=True) as sock:
                    self._talk(sock)
        except (OSError, ValueError):
            pass  # The client has gone.

    def _talk(self, sock: socket.socket) -> None:
        head = read_http_head(sock)
        if b"/live/sessions" in head:
            sock.sendall(accept_upgrade(head))
            _serve_live_streams(sock)
            return
        query = parse_qs(urlsplit(head.split(b" ")[1].decode()).query)
        name = query["model"][0]
        kind, *numbers = name.split("-")
        sock.sendall(accept_upgrade(head))
        sock.sendall(scripts.GREETING)
        if kind == "drain":
            _drain_client(sock)
        elif kind in ("paced", "speech"):
            self._pace(sock, name, *map(int, numbers))
        elif kind == "answers":
            for _ in client_commands(sock):
                sock.sendall(scripts.CLEARED)
        elif kind == "turns":
            _serve_turns(sock)
        else:
            _serve_bursts(sock, kind, *map(int, numbers))

    def _pace(
        self,
        sock: socket.socket,
        name: str,
        run: int,
        sessions: int,
        rate: int,
        events: int,
    ) -> None:
        alone = "input_audio_buffer.speech_started"
        kind = alone if name.startswith("speech") else "response.output_text.delta"
        with self._lock:
            if name not in self._pacers:
                self._pacers[name] = BenchPacer(sessions, rate, events, kind)
            pacer = self._pacers[name]
        wanted = client_commands(sock)
        if next(wanted, None) is None:
            return  # It only wanted to know what a connection takes.
        pacer.join(sock)
        for _ in wanted:
            pass


def _serve_bursts(sock: socket.socket, kind: str, events: int, warm: int) -> None:
    burst = scripts.scripted_burst(kind)
    at_once = max(1, _CHUNK // len(burst.delta))
    many = burst.delta * at_once
    left = [events, warm]
    for number, _ in enumerate(client_commands(sock)):
        name = b"%06d" % number
        count = left.pop() if left else 0
        sock.sendall(burst.opening.replace(b"000000", name))
        delta = burst.delta if kind == "big" else burst.delta.replace(b"000000", name)
        many = delta * at_once
        while count:
            step = min(at_once, count)
            sock.sendall(many if step == at_once else delta * step)
            count -= step
        sock.sendall(burst.closing.replace(b"000000", name))


def _serve_live_streams(sock: socket.socket) -> None:
    """A live session: each time that it is muted, a stream, which unmutes."""
    wanted = client_commands(sock)
    name = json.loads(next(wanted, b"{}"))["session"]["model"]
    kind, *numbers = name.split("-")
    frames = scripts.scripted_live_frames(kind.replace("_", " "))
    left = list(map(int, numbers))
    sock.sendall(scripts.LIVE_STARTED)
    for _ in wanted:
        count = left.pop() if left else 0
        for start in range(0, count, len(frames) * 8):
            some = frames * 8
            sock.sendall(b"".join(some[: count - start]))
        sock.sendall(scripts.LIVE_MUTED)


def _drain_client(sock: socket.socket) -> None:
    """Read on until the client closes, without looking at what it says."""
    while chunk := sock.recv(_CHUNK):
        # A close frame at the end, or masked audio that looks like one.
        sock.settimeout(0.1 if chunk[-8:-6] == b"\x88\x82" else None)


def _serve_turns(sock: socket.socket) -> None:
    turn = scripts.scripted_turn()
    number = 0
    for command in client_commands(sock):
        if b"input_audio_buffer.commit" in command:
            number += 1
            sock.sendall(turn.replace(b"000000", b"%06d" % number))


def serve_benchmarks() -> None:
    """Print the port and serve."""
    server = BenchServer(*sys.argv[1:])
    print(server.port, flush=True)
    server.run()


if __name__ == "__main__":
    serve_benchmarks()
