"""The session's inside, as its tools see it."""

from __future__ import annotations

from threading import Event
from typing import Any, Optional

from ..connection.sender import Sender
from ..deadline import Deadline
from ..dispatch.dispatcher import Dispatcher
from ..dispatch.watches import WatchWaiting


class SessionToolHost:
    """
    What the tools of a session are given; see `realtime_sync.tools.host`.

    Args:
        sender: knows which tools were sent.
        dispatcher: calls handlers.
        waiting: how threads wait.
        reconnects: whether a lost connection is replaced.
    """

    def __init__(
        self,
        sender: Sender,
        dispatcher: Dispatcher,
        waiting: WatchWaiting,
        *,
        reconnects: bool,
    ) -> None:
        self.reconnects = reconnects
        self._sender = sender
        self._waiting = waiting
        self.wake = dispatcher.wake

    @property
    def declared(self) -> Any:
        """The tools that were last sent to the server, or None."""
        return self._sender.tools

    def wait(self, event: Event, timeout: Optional[float]) -> bool:
        """Wait in the way that fits the session; False when the time is up."""
        return self._waiting.wait(event, Deadline(timeout))
