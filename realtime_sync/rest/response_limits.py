"""
Answers within a deadline and a size, whatever a server sends and how slowly.

The timeouts of `requests` are for one read each, so an answer that trickles could take
for ever, and a compressed one could fill the memory.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPResponse
from socket import socket
from threading import local
from typing import Any, Optional, Protocol

from ..deadline import Deadline

LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes of an answer's body, decompressed."""

LONGEST_SILENCE = 60.0
"""Seconds without a byte that are waited for where a request has no deadline."""


class _Reading(local):
    """The deadline of the request that this thread is busy with."""

    deadline: Deadline = Deadline(None)


_reading = _Reading()


class TooLarge(Exception):
    """An answer that is larger than what is read, or packed in an unknown way."""


@contextmanager
def limit_reading_until(deadline: Deadline) -> Iterator[None]:
    """Let whatever this thread reads within the block end by a deadline."""
    before, _reading.deadline = _reading.deadline, deadline
    try:
        yield
    finally:
        _reading.deadline = before


class _LimitedStream(io.RawIOBase):
    """The bytes of a socket; each read waits for what is left of the deadline."""

    def __init__(self, sock: socket) -> None:
        self._socket = sock
        # Holds the socket open until the body is read, as http.client's own does.
        self._stream = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> Optional[int]:  # type: ignore[override]
        """Read what is there, within the deadline."""
        left = _reading.deadline.limited(LONGEST_SILENCE).remaining()
        if not left:
            raise TimeoutError("the answer did not end in time")
        self._socket.settimeout(left)
        return self._stream.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket."""
        self._stream.close()
        super().close()


class TimedResponse(HTTPResponse):
    """An answer whose status line, headers and body share one deadline."""

    def __init__(
        self,
        sock: socket,
        debuglevel: int = 0,
        method: Optional[str] = None,
        url: Optional[str] = None,
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp.close()
        self.fp = io.BufferedReader(_LimitedStream(sock))


class Pools(Protocol):
    """What makes the connections of one kind; of urllib3."""

    pool_classes_by_scheme: dict[str, Any]


class LimitedBody(Protocol):
    """An answer whose body was not read yet; of urllib3."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    def read(self, amt: int, decode_content: bool) -> bytes: ...

    def close(self) -> None: ...

    def release_conn(self) -> None: ...


def limit_answers(pools: Pools) -> None:
    """Give each kind of connection that is made an answer with a deadline."""
    pools.pool_classes_by_scheme = {
        scheme: type("TimedPool", (pool,), {"ConnectionCls": _limited_pool(pool)})
        for scheme, pool in pools.pool_classes_by_scheme.items()
    }


def _limited_pool(pool: type[Any]) -> type:
    connection = pool.ConnectionCls
    return type("TimedConnection", (connection,), {"response_class": TimedResponse})


def read_limited_body(raw: LimitedBody) -> bytes:
    """
    Read an answer's body, and let go of the connection.

    Raises:
        TooLarge: the body exceeds `LARGEST_ANSWER`, packed or unpacked, or is packed
            by something other than gzip and deflate.
        urllib3.exceptions.HTTPError: it broke off, or took too long.
    """
    try:
        body = raw.read(LARGEST_ANSWER + 1, decode_content=False)
        coding = raw.headers.get("content-encoding", "identity").strip().lower()
        if coding in ("gzip", "x-gzip", "deflate"):
            try:
                # 32: by its first bytes, gzip or zlib.
                body = zlib.decompressobj(32 + zlib.MAX_WBITS).decompress(
                    body, LARGEST_ANSWER + 1
                )
            except zlib.error as exc:
                raise TooLarge(f"the answer cannot be unpacked: {exc}") from None
        elif coding not in ("", "identity"):
            raise TooLarge("the answer is packed in a way that was not asked for")
        if len(body) > LARGEST_ANSWER:
            raise TooLarge(f"the answer is larger than {LARGEST_ANSWER} bytes")
        return body
    finally:
        # What was read to its end has gone back to the pool by then; a connection
        # with something left in it must not serve another request.
        raw.close()
        raw.release_conn()
