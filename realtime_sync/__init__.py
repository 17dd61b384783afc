"""
A synchronous, event-driven client for the OpenAI Realtime API.

Handlers are plain functions::

    from realtime_sync import connect, on

    @on("response.audio.delta")
    def play(event):
        speaker.write(event.delta)

    with connect("gpt-realtime-2.1") as session:
        print(session.ask("What is the capital of Peru?").text)

Importing this package loads neither a network library nor an event class;
names are loaded when they are first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import errors
from .types import UNSET

if TYPE_CHECKING:
    from .client import RealtimeClient, connect
    from .connection.command_handle import CommandHandle
    from .dispatch.context import Context as _Context
    from .dispatch.router import Router, on
    from .dispatch.streams import EventStream
    from .dispatch.subscription import Subscription
    from .protocol import events
    from .protocol.sessions import SessionConfig
    from .recording.mirror import RecordedMirror
    from .recording.reader import read_recording
    from .recording.retention import delete_recordings
    from .recording.steps import Steps
    from .rest import call_control as call_control
    from .rest import webhooks as webhooks
    from .session import live as live
    from .session.audio import Audio
    from .session.close_report import CloseReport
    from .session.open_sessions import open_sessions
    from .session.reconnect_policy import ReconnectPolicy
    from .session.replay import replay
    from .session.reply import Reply
    from .session.response_handle import ResponseHandle
    from .session.session import Session
    from .session.threads import Threads
    from .state.interruption import plan_interruption
    from .state.snapshot import Snapshot
    from .transport.endpoint import Endpoint

    Context = _Context[Session]

__version__ = "0.1.0"

__all__ = [
    "Audio",
    "CloseReport",
    "CommandHandle",
    "Context",
    "Endpoint",
    "EventStream",
    "RealtimeClient",
    "ReconnectPolicy",
    "RecordedMirror",
    "Reply",
    "ResponseHandle",
    "Router",
    "Session",
    "SessionConfig",
    "Snapshot",
    "Steps",
    "Subscription",
    "Threads",
    "UNSET",
    "__version__",
    "connect",
    "delete_recordings",
    "errors",
    "events",
    "live",
    "on",
    "open_sessions",
    "plan_interruption",
    "read_recording",
    "replay",
]

_HOMES = {
    "Audio": "session.audio",
    "CloseReport": "session.close_report",
    "CommandHandle": "connection.command_handle",
    "Context": "dispatch.context",
    "Endpoint": "transport.endpoint",
    "EventStream": "dispatch.streams",
    "RealtimeClient": "client",
    "ReconnectPolicy": "session.reconnect_policy",
    "RecordedMirror": "recording.mirror",
    "Reply": "session.reply",
    "ResponseHandle": "session.response_handle",
    "Router": "dispatch.router",
    "Session": "session.session",
    "SessionConfig": "protocol.sessions",
    "Snapshot": "state.snapshot",
    "Steps": "recording.steps",
    "Subscription": "dispatch.subscription",
    "Threads": "session.threads",
    "connect": "client",
    "delete_recordings": "recording.retention",
    "on": "dispatch.router",
    "open_sessions": "session.open_sessions",
    "plan_interruption": "state.interruption",
    "read_recording": "recording.reader",
    "replay": "session.replay",
}
_MODULES = {
    "call_control": "rest.call_control",
    "events": "protocol.events",
    "live": "session.live",
    "webhooks": "rest.webhooks",
}


if not TYPE_CHECKING:  # A checker knows the names, and finds misspelt ones.

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            value: Any = import_module(f".{_MODULES[name]}", __name__)
        elif name in _HOMES:
            value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        if "IPython" in sys.modules:
            import_module(".jupyter.formatters", __name__).register_formatters()
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
