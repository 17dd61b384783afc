"""
How a session ended, as it is told to whoever closed it.
"""

from __future__ import annotations

from typing import Any, Optional

from attrs import frozen


@frozen(kw_only=True)
class CloseReport:
    """
    How a session ended.

    Attributes:
        code: WebSocket close code; None while it is not over.
        reason: the reason that came with it.
        complete: whether the session is over: socket closed, threads ended.
        active_response_id: response that was in flight when it closed, or None.
        unsent: number of commands that the operating system had not taken.
        unsent_commands: commands that waited for a new connection, and got none.
        undelivered: number of events that handlers have not seen.
        error: what broke the connection, or None after a clean close.
    """

    code: Optional[int] = None
    reason: str = ""
    complete: bool = False
    active_response_id: Optional[str] = None
    unsent: int = 0
    unsent_commands: tuple[Any, ...] = ()
    undelivered: int = 0
    error: Optional[BaseException] = None
