"""
Threads that one session has to itself.
"""

from __future__ import annotations

from typing import Protocol

from ..deadline import Deadline
from ..transport.loop import Loop
from .dialers import Dialers
from .threads import SessionOnThreads


class SessionThreads(Protocol):
    """
    What brings a session its messages and its connections, alone or with others.

    Attributes:
        loop: waits for the socket.
        dialers: do what waits for the network.
    """

    loop: Loop
    dialers: Dialers

    def add(self, session: SessionOnThreads) -> None:
        """Serve a session that is about to open."""

    def discard(self, session: SessionOnThreads) -> None:
        """Serve a session no more: it has ended, or could not be opened."""


class OwnThreads:
    """
    The loop of one session, and a thread that comes when it is to be dialled anew.

    Args:
        name: of the session.

    Attributes:
        loop: waits for the socket; started by who connects one.
        dialers: one, so that two of them never replace one connection.
    """

    def __init__(self, name: str) -> None:
        self.loop = Loop(f"realtime-sync {name} loop")
        # It goes at once: what is rare must not keep a thread.
        self.dialers = Dialers(
            1, f"realtime-sync {name}", self.loop.call_later, idle=0.0
        )

    def add(self, session: SessionOnThreads) -> None:
        """Nothing to do: there is one, and what it needs starts when it is needed."""

    def discard(self, session: SessionOnThreads) -> None:
        """Let the threads end; the session that ends may be on one of them."""
        self.dialers.stop()
        self.loop.stop()

    def join(self, deadline: Deadline) -> bool:
        """Wait for the threads to end, the caller apart."""
        ended = self.dialers.join(deadline)
        return self.loop.join(deadline) and ended
