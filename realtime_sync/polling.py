"""Waiting for sockets, with ``poll`` where there is one and ``select`` elsewhere."""

from __future__ import annotations

import select
from collections.abc import Sequence
from typing import Any, Final

from .deadline import Deadline

READ: Final = 1
WRITE: Final = 4

_LONGEST_MS = (1 << 31) - 1


def wait_for(wanted: Sequence[tuple[Any, int]], deadline: Deadline) -> list[Any]:
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
        return _select(wanted, deadline)
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


def _select(wanted: Sequence[tuple[Any, int]], deadline: Deadline) -> list[Any]:
    readers = [sock for sock, events in wanted if events & READ]
    writers = [sock for sock, events in wanted if events & WRITE]
    remaining = deadline.remaining()
    readable, writable, broken = select.select(readers, writers, readers, remaining)
    return list({id(sock): sock for sock in readable + writable + broken}.values())
