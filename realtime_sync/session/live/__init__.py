"""
Sessions of GPT-Live: what a program needs beside `connect`.
"""

from __future__ import annotations

from ...protocol.live import events
from ...state.live.snapshot import LiveSnapshot
from .close_report import LiveCloseReport
from .config import Decisions, LiveConfig, Responses
from .handles import FixtureHandle, TextHandle
from .session import LiveSession

__all__ = [
    "Decisions",
    "FixtureHandle",
    "LiveCloseReport",
    "LiveConfig",
    "LiveSession",
    "LiveSnapshot",
    "Responses",
    "TextHandle",
    "events",
]
