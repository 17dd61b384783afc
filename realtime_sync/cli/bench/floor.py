"""
What nobody can do without: a socket, JSON, base64, and a call.

Frames are cut in the shortest way that works for what the server sends. There
is no thread, no check and no state.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

from ...types import JsonObject
from .job import BenchJob, Figures, JobCpuMeter
from .scripts import PCM_20_MS
from .wire import masked_peer_frame, read_http_head, upgrade_request

_CHUNK = 1 << 16
_COMMIT = masked_peer_frame(b'{"type":"input_audio_buffer.commit"}')


def _floor_codecs(plain: bool) -> tuple[Callable[[Any], Any], Any]:
    if not plain:
        try:
            import orjson
            import pybase64

            return orjson.loads, pybase64
        except ImportError:
            pass
    import base64

    return json.loads, base64


def _connect_bare_socket(job: BenchJob) -> Any:
    sock: socket.socket = socket.create_connection(("127.0.0.1", job.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    context = job.tls()
    if context is not None:
        sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
    sock.sendall(upgrade_request(f"/v1/realtime?model={job.model}"))
    read_http_head(sock)
    return sock


def floor_stream(job: BenchJob) -> Figures:
    """A stream of deltas of one kind to one function, after a warm-up."""
    loads, codec = _floor_codecs(job.plain)
    meter, heard = JobCpuMeter(), 0

    def taken(event: object) -> None:
        nonlocal heard
        heard += 1

    def decoded(event: JsonObject) -> None:
        nonlocal heard
        heard += 1
        codec.b64decode(event["delta"])

    handler = decoded if job.kind in ("audio", "big") else taken
    with _connect_bare_socket(job) as sock:
        for _ in range(2):
            heard = 0
            meter.start()
            sock.sendall(_COMMIT)
            _read_bare_frames(sock, loads, handler)
            meter.stop()
    assert heard == job.events, f"{heard} of {job.events} came"
    return meter.per(heard, "ms" if job.kind == "big" else "us")


def _read_bare_frames(
    sock: socket.socket, loads: Callable[[Any], Any], handler: Callable[[Any], None]
) -> None:
    data, at = b"", 0
    while True:
        pieces, have = [data[at:]], len(data) - at
        while True:
            pieces.append(sock.recv(_CHUNK))
            have += len(pieces[-1])
            if have >= _wanted_pieces_of_floor(pieces):
                break
        data, at = b"".join(pieces), 0
        while len(data) - at >= 10:
            size, start = data[at + 1], at + 2
            if size == 126:
                size, start = data[start] << 8 | data[start + 1], start + 2
            elif size == 127:
                size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            if start + size > len(data):
                break
            event = loads(data[start : start + size])
            at = start + size
            kind = event["type"]
            if kind.endswith(".delta"):
                handler(event)
            elif kind == "response.done":
                return


def _wanted_pieces_of_floor(pieces: list[bytes]) -> int:
    # A big frame is joined when it is there, not each time that a piece comes.
    first = pieces[0] if len(pieces[0]) >= 10 else pieces[0] + pieces[1]
    if len(first) >= 10 and first[1] == 127:
        return int.from_bytes(first[2:10], "big") + 10
    return 0


def floor_append(job: BenchJob) -> Figures:
    """Sending 20 ms of audio."""
    _, codec = _floor_codecs(job.plain)
    meter = JobCpuMeter()
    with _connect_bare_socket(job) as sock:
        meter.start()
        for _ in range(job.events):
            audio = codec.b64encode(PCM_20_MS)
            text = b'{"type":"input_audio_buffer.append","audio":"%b"}' % audio
            sock.sendall(masked_peer_frame(text))
        meter.stop()
    return meter.per(job.events)


MEASUREMENTS = {"stream": floor_stream, "append": floor_append}
