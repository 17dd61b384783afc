"""What tools ask of the inside of their session."""

from __future__ import annotations

from threading import Event
from typing import Any, Optional, Protocol


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

    def wait(self, event: Event, timeout: Optional[float]) -> bool:
        """
        Wait, calling handlers meanwhile where the waiting thread does that.

        Args:
            event: to wait for.
            timeout: seconds, None for no limit.
        """

    def wake(self) -> None:
        """Make a thread that waits so look again at what it waits for."""
