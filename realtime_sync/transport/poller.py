"""Waiting for sockets, with ``poll`` where there is one and ``select`` elsewhere."""

from __future__ import annotations

import select
import socket
from collections.abc import Sequence
from threading import RLock
from typing import Any, Final

from ..deadline import Deadline, held_here

READ: Final = 1
WRITE: Final = 4

_LONGEST_MS = (1 << 31) - 1


def poll_sockets(wanted: Sequence[tuple[Any, int]], deadline: Deadline) -> list[Any]:
    """
    Wait until one of several sockets is ready.

    Args:
        wanted: pairs of a socket and `READ`, `WRITE` or both.
        deadline: when to give up.

    Returns:
        The sockets that are ready, or broken; empty at the deadline.
    """
    # Looked up at each call: gevent replaces what the module holds.
    if not hasattr(select, "poll"):
        return _poll_by_select(wanted, deadline)
    poll = select.poll()
    by_fd = {}
    for sock, events in wanted:
        by_fd[sock.fileno()] = sock
        poll.register(
            sock,
            (select.POLLIN if events & READ else 0)
            | (select.POLLOUT if events & WRITE else 0),
        )
    remaining = deadline.remaining()
    ready = poll.poll(None if remaining is None else min(remaining * 1000, _LONGEST_MS))
    return [by_fd[fd] for fd, _ in ready]


def _poll_by_select(wanted: Sequence[tuple[Any, int]], deadline: Deadline) -> list[Any]:
    readers = [sock for sock, events in wanted if events & READ]
    writers = [sock for sock, events in wanted if events & WRITE]
    remaining = deadline.remaining()
    readable, writable, broken = select.select(readers, writers, readers, remaining)
    return list({id(sock): sock for sock in readable + writable + broken}.values())


class PollerWaker:
    """
    Wakes the thread that waits for it beside a socket. `wake` is for any thread.
    """

    def __init__(self) -> None:
        self._near, self._far = socket.socketpair()
        # A full pair wakes as well; the loop must not wait for itself.
        self._near.setblocking(False)
        self._far.setblocking(False)
        # Guards the number of the socket against `close`: it is given to the next
        # one that is opened, and what is written would go there. Re-entrant, because a
        # signal handler may wake what its thread is waking.
        self._lock = RLock()
        self._closed = False

    def fileno(self) -> int:
        """What `poll_sockets` looks at."""
        return self._far.fileno()

    def wake(self) -> None:
        """Wake it, unless it does not wait any more."""
        with self._lock:
            if self._closed:
                return
            try:
                self._near.send(b"\0")
            except OSError:
                pass  # Full, and so it wakes already.

    def held_here(self) -> bool:
        """Whether the calling thread is waking, for one that a signal interrupted."""
        return held_here(self._lock)

    def drain(self) -> None:
        """Be ready to wake again. The waiting thread."""
        try:
            while self._far.recv(64):
                pass
        except OSError:
            pass

    def close(self) -> None:
        """Release both ends."""
        with self._lock:
            self._closed = True
            self._near.close()
            self._far.close()
