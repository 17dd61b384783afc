"""Seeing from outside that a thread waits in a call of the library."""

from __future__ import annotations

import os
import sys
import threading

WAITS = frozenset(
    {"wait", "wait_for", "poll_sockets", "_fetch", "_poll_by_select", "_flush"}
)
"""Functions that block in a call to C."""

LOOKS = 5
"""In so many looks, one after the other, a thread must be seen to wait."""

PACKAGE = f"{os.sep}realtime_sync{os.sep}"


def until_blocked(*idents: int) -> None:
    """Return once all of some threads, by their idents, wait for something."""
    seen, pause = 0, threading.Event()
    while seen < LOOKS:
        pause.wait(0.002)
        seen = seen + 1 if all(map(_blocks, idents)) else 0


def _blocks(ident: int) -> bool:
    frame = sys._current_frames().get(ident)
    if frame is None or frame.f_code.co_name not in WAITS:
        return False
    while frame is not None:
        path = frame.f_code.co_filename
        if PACKAGE in path and f"{os.sep}tests{os.sep}" not in path:
            return True
        frame = frame.f_back
    return False
