"""
One client's session, as a test may look at it.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Mapping, Optional, Union

import attrs

from ..engine.core import Engine
from ..engine.translation import TranslationEngine
from .connection import Connection
from .faults import Drop, Send, encoded
from .gate import Admission


@attrs.define(eq=False)
class ServerSession:
    """
    One client's session, as a test may look at it.

    The engine belongs to the session's thread: look at it when the session is idle
    (`Server.wait_idle`).

    Attributes:
        engine: the protocol engine.
        admission: what the client asked for.
        received: the client's frames, decoded where they were JSON; the newest only.
        sent: the frames sent, as they were on the wire; the newest only.
        connection: the loop.
    """

    engine: Union[Engine, TranslationEngine]
    admission: Admission
    received: deque[Any]
    sent: deque[Mapping[str, Any]]
    connection: Connection = attrs.field(init=False)
    open: bool = True

    @property
    def close_code(self) -> Optional[int]:
        """The code that the client closed with; None before, or without one."""
        return self.connection.wire.close_code

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End the session with a close frame; does not wait."""
        self.connection.stop(code, reason)

    def drop(self, *, reset: bool = False) -> None:
        """End the TCP connection without a close frame; does not wait."""
        self.connection.act(Drop(reset))

    def send(self, message: Union[str, Mapping[str, Any]]) -> None:
        """Send a frame, or any text, that the engine knows nothing of."""
        text = message.encode() if isinstance(message, str) else encoded(message)
        self.connection.act(Send(text))
