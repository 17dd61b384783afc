"""
Which sessions are open in this process: closed at exit, disowned after a fork.

Nothing happens at import; the hooks are set when the first session opens.
"""

from __future__ import annotations

import atexit
import os
from threading import Lock
from typing import Any
from weakref import WeakSet

# Guards the set and the one-time installation of the hooks.
_lock = Lock()
_open: WeakSet[Any] = WeakSet()
_installed = False
_EXIT_TIMEOUT = 1.0


def register(wiring: Any) -> None:
    """
    Remember an open session.
    """
    global _installed
    with _lock:
        _open.add(wiring)
        if _installed:
            return
        _installed = True
    atexit.register(_close_all)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_disown_all)


def forget(wiring: Any) -> None:
    """
    Forget a session that is over.
    """
    with _lock:
        _open.discard(wiring)


def _close_all() -> None:
    """Send every server a clean close; wait for their answers, not for long."""
    from .deadline import Deadline

    deadline = Deadline(_EXIT_TIMEOUT)
    sessions = list(_open)
    for wiring in sessions:
        if wiring.connection is not None and not wiring.forked:
            wiring.connection.begin_close(1000, "", deadline)
    for wiring in sessions:
        if wiring.connection is not None and not wiring.forked:
            wiring.connection.over.wait(deadline.remaining())


def _disown_all() -> None:
    """
    In a forked child: its sessions have sockets but no threads.
    """
    global _lock
    _lock = Lock()  # The parent may have held it at the moment of the fork.
    for wiring in list(_open):
        wiring.forked = True
    _open.clear()
