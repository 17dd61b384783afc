"""
A local server that speaks Realtime and GPT-Live: to develop and test against.

Needs the extra ``server``. Importing this package loads neither
werkzeug nor websockets; starting a server does.

.. versionadded:: 0.1
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import names_of_extra
from .agents import Agent, Call, Delegate, Failure, McpTool, Prompt, Say
from .clock import ManualClock
from .voice.conversation import Reply, ToolCall

if TYPE_CHECKING:
    from .host.fault_injector import FAULTS, Fault
    from .host.live import LiveSessions
    from .host.server import Server
    from .host.sessions import ServerSession
    from .local_server import serve
    from .offline import open_engine

__all__ = [
    "Agent",
    "Call",
    "Delegate",
    "FAULTS",
    "Failure",
    "Fault",
    "LiveSessions",
    "ManualClock",
    "McpTool",
    "Prompt",
    "Reply",
    "Say",
    "Server",
    "ServerSession",
    "ToolCall",
    "open_engine",
    "serve",
]

_LAZY = {
    "Server": "host.server",
    "ServerSession": "host.sessions",
    "FAULTS": "host.fault_injector",
    "Fault": "host.fault_injector",
    "LiveSessions": "host.live",
    "open_engine": "offline",
    "serve": "local_server",
}


if not TYPE_CHECKING:  # A checker knows the names, and finds misspelt ones.
    __getattr__ = names_of_extra(
        __name__,
        _LAZY,
        needs=("werkzeug", "websockets"),
        extra="server",
        what="the local server",
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
