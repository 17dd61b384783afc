"""What tools ask of the inside of their session."""

from __future__ import annotations

from threading import Event
from typing import Any, Protocol


class ToolHost(Protocol):
    """
    The inside of a session, as its tools need it.
    """

    @property
    def declared(self) -> Any:
        """The tools that were last sent to the server, or None."""

    @property
    def reconnects(self) -> bool:
        """Whether a lost connection is replaced."""

    def wait(self, event: Event, deadline: Any) -> bool:
        """Wait, calling handlers meanwhile where the waiting thread does that."""

    def wake(self) -> None:
        """Make a thread that waits so look again at what it waits for."""
