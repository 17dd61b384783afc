"""REST answers that never end, or are larger than anybody wants."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Callable
from typing import Optional

import pytest

from realtime_sync import Endpoint
from realtime_sync.errors import RestError
from realtime_sync.rest import response_limits
from realtime_sync.rest.http import Rest
from realtime_sync.session.options import SessionOptions
from tests.rawserver import Peer, RawServer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BODY = b'{"value": "ek_1"}'


def packed(coding: str, body: bytes) -> bytes:
    """An answer whose body is in a coding."""
    return (
        HEAD
        + f"Content-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


def dripping(start: bytes, drop: bytes) -> Callable[[Peer], None]:
    """A server that sends a beginning, and then the same few bytes until we go."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw(start)
        tick = threading.Event()
        while True:
            peer.raw(drop)
            tick.wait(0.02)

    return script


def saying(answer: bytes) -> Callable[[Peer], None]:
    """A server that answers every request of a connection alike."""

    def script(peer: Peer) -> None:
        while True:
            peer.read_head()
            peer.raw(answer)

    return script


def ask(
    script: Callable[[Peer], None],
    *,
    timeout: float = 30.0,
    proxied: bool = False,
    times: int = 1,
    heads: Optional[list[str]] = None,
) -> bytes:
    """Have a script answer requests, directly or as a proxy; the last one's body."""
    with RawServer(script) as server:
        base = server.url.replace("ws://", "http://")
        far = "https://upstream.invalid/v1" if proxied else f"{base}/v1"
        rest = Rest(
            Endpoint.at(far, api_key="key-1"),
            SessionOptions(proxy=base if proxied else None),
            max_retries=0,
        )
        try:
            for _ in range(times):
                answer = rest.request("POST", "/x", repeatable=True, timeout=timeout)
        finally:
            rest.close()
            if heads is not None:
                heads.extend(server.heads)
        return answer.body


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (HEAD + b"X-Long: ", b"a"),
        (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
        (HEAD + b"Connection: close\r\n\r\n", b" "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"a"),
    ],
    ids=[
        "status line",
        "interim answers",
        "header",
        "body of a length",
        "body without an end",
        "chunks",
        "size of a chunk",
        "trailer",
    ],
)
def test_answer_that_trickles_ends_with_the_timeout(start: bytes, drop: bytes) -> None:
    """Each byte comes in time, the answer never: the timeout is for the whole call."""
    with pytest.raises(RestError, match="no answer"):
        ask(dripping(start, drop), timeout=0.3)


def test_proxy_that_trickles_ends_with_the_timeout() -> None:
    """Its answer to CONNECT is a part of the call."""
    start = b"HTTP/1.1 200 Connection established\r\nX: "

    with pytest.raises(RestError, match="no answer|cannot connect"):
        ask(dripping(start, b"a"), timeout=0.3, proxied=True)


@pytest.mark.parametrize(
    ("coding", "pack"),
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)],
)
def test_packed_answers_are_unpacked(
    coding: str, pack: Callable[[bytes], bytes]
) -> None:
    """Nobody asked for it, but what is small is read all the same."""
    assert BODY == ask(saying(packed(coding, pack(BODY))))


def test_no_answer_is_asked_to_be_packed() -> None:
    """A server that listens cannot make a bomb."""
    heads: list[str] = []
    ask(saying(packed("identity", BODY)), heads=heads)

    assert "Accept-Encoding: identity" in heads[0]


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_answers_that_unpack_to_too_much_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    pack: Callable[[bytes], bytes],
) -> None:
    """What is beyond the limit is never unpacked."""
    monkeypatch.setattr(response_limits, "LARGEST_ANSWER", 5_000)
    bomb = pack(b" " * 1_000_000)
    assert len(bomb) < 5_000

    with pytest.raises(RestError, match="larger than 5000 bytes") as caught:
        ask(saying(packed("gzip", bomb)))
    assert (200, False) == (caught.value.status, caught.value.retryable)


@pytest.mark.parametrize("length", [b"Content-Length: 9000\r\n", b""])
def test_large_answers_are_refused(
    monkeypatch: pytest.MonkeyPatch, length: bytes
) -> None:
    """With a length or without."""
    monkeypatch.setattr(response_limits, "LARGEST_ANSWER", 5_000)

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw(HEAD + length + b"Connection: close\r\n\r\n" + b" " * 9_000)
        peer.drop()

    with pytest.raises(RestError, match="larger than 5000 bytes"):
        ask(script)


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "zstd"])
def test_answers_packed_in_other_ways_are_refused(coding: str) -> None:
    """They were not asked for."""
    with pytest.raises(RestError, match="not asked for"):
        ask(saying(packed(coding, BODY)))


def test_answers_that_do_not_unpack_are_refused() -> None:
    """The header says gzip, the bytes do not."""
    with pytest.raises(RestError, match="cannot be unpacked"):
        ask(saying(packed("gzip", BODY)))


def test_connection_is_used_again_after_an_answer() -> None:
    """Reading a body to its end gives the connection back."""
    accepted = len(BODY)
    answer = HEAD + f"Content-Length: {accepted}\r\n\r\n".encode() + BODY
    peers: list[Peer] = []
    heads: list[str] = []

    def script(peer: Peer) -> None:
        peers.append(peer)
        saying(answer)(peer)

    assert BODY == ask(script, times=3, heads=heads)
    assert (1, 3) == (len(peers), len(heads))
