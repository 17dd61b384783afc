"""
The one answer to an HTTP request that counts, behind those that only say "wait".
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Any

LONGEST_ANSWER = 256 << 10
"""Bytes of the answer to the upgrade, with what precedes it and a refusal's body."""

MOST_INTERIM = 10
"""Interim answers that are read over before the one that counts."""

_INTERIM = re.compile(rb"HTTP/\d\.\d 1(?!01)\d\d\b")


class FinalAnswer:
    """
    A socket during the upgrade, from which interim answers (1xx) are read over.

    A server or a proxy may send any number of them before the answer that counts
    (RFC 9110, 15.2); the library takes the first for the last.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._head = b""
        self._found = False
        self._left = LONGEST_ANSWER

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def recv(self, size: int) -> bytes:
        """Bytes of the answer that counts; b"" at the end of the connection."""
        interim = 0
        while not self._found:
            # Nothing is read beyond a head: what follows is frames.
            line = _read_final_answer_line(self._take)
            if not _INTERIM.match(line):
                self._head, self._found = line, True
                break
            interim += 1
            if interim > MOST_INTERIM:
                raise ConnectionError(f"more than {MOST_INTERIM} interim answers")
            while line.strip():
                line = _read_final_answer_line(self._take)
        if self._head:
            taken, self._head = self._head[:size], self._head[size:]
            return taken
        return self._take(size)

    def line(self) -> bytes:
        """One line of it, with its end; shorter at the end of the connection."""
        return _read_final_answer_line(self.recv)

    def _take(self, size: int) -> bytes:
        taken = self._socket.recv(size)
        self._left -= len(taken)
        if self._left < 0:
            raise ConnectionError(f"an answer of more than {LONGEST_ANSWER} bytes")
        return taken


def _read_final_answer_line(take: Callable[[int], bytes]) -> bytes:
    # Byte by byte: what follows the head of an answer belongs to others.
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = take(1)
        if not byte:
            break
        line += byte
    return bytes(line)
