"""
Which sessions are open in this process: closed at exit, disowned after a fork.

Nothing happens at import; the hooks are set when the first session opens.
"""

from __future__ import annotations

import atexit
import os
from threading import Lock, RLock
from typing import Any
from weakref import ref

from ..deadline import Deadline
from ..protocol import registry

# Guards the mapping and the one-time installation of the hooks.
_lock = Lock()
_open: dict[int, ref[Any]] = {}
_installed = False
_EXIT_TIMEOUT = 1.0

# Held while a reader loads event classes, and during a fork: a module that is half
# loaded at that moment stays so in the child, where the loading thread is not.
_loading = RLock()


def register(wiring: Any) -> None:
    """
    Remember an open session.
    """
    global _installed
    with _lock:
        _open[id(wiring)] = ref(wiring)
        if _installed:
            return
        _installed = True
    atexit.register(_close_all)
    if hasattr(os, "register_at_fork"):
        registry.loading = _loading
        os.register_at_fork(
            before=_loading.acquire,
            after_in_parent=_loading.release,
            after_in_child=_disown_all,
        )


def forget(wiring: Any) -> None:
    """
    Forget a session that is over.
    """
    with _lock:
        _open.pop(id(wiring), None)


def _close_all() -> None:
    """Send every server a clean close; wait for their answers, not for long."""
    with _lock:
        sessions = _alive(_open)
    deadline = Deadline(_EXIT_TIMEOUT)
    for wiring in sessions:
        wiring.ending.leave(deadline)
    for wiring in sessions:
        wiring.ended.wait(deadline.remaining())


def _disown_all() -> None:
    """
    In a forked child: its sessions have sockets but no threads.
    """
    global _lock, _open
    _loading.release()
    # The parent may have held the lock at the moment of the fork.
    _lock, inherited, _open = Lock(), _open, {}
    for wiring in _alive(inherited):
        wiring.disown()


def _alive(sessions: dict[int, ref[Any]]) -> list[Any]:
    found = [reference() for reference in list(sessions.values())]
    return [wiring for wiring in found if wiring is not None]
