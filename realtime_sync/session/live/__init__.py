"""
Sessions of GPT-Live: what a program needs beside `connect`.
"""

from __future__ import annotations

from ...protocol.live import events
from ...state.live.snapshot import LiveSnapshot
from ...state.live.snapshot_parts import Appended, Delegation
from ..options import is_live as is_live_model
from .close_report import LiveCloseReport
from .config import Decisions, LiveConfig, Responses
from .delegations import Answering
from .handles import FixtureHandle, TextHandle
from .renewal import LiveRestoreReport
from .session import LiveSession
from .task import Task

__all__ = [
    "Answering",
    "Appended",
    "Decisions",
    "Delegation",
    "FixtureHandle",
    "LiveCloseReport",
    "LiveConfig",
    "LiveRestoreReport",
    "LiveSession",
    "LiveSnapshot",
    "Responses",
    "Task",
    "TextHandle",
    "events",
    "is_live_model",
]
