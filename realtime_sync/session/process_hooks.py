"""
Which sessions are open in this process: closed at exit, marked after a fork.

Nothing happens at import; the hooks are set when the first session opens.
"""

from __future__ import annotations

import atexit
import os
from threading import Event, RLock
from typing import Any, Protocol
from weakref import ref

from ..deadline import Deadline
from ..protocol import registry
from ..transport import log_writer


class HookedSession(Protocol):
    """The life of an open session, as exits and forks concern it."""

    over: Event

    @property
    def session(self) -> Any:
        """Whose life it is; None when the program has let go of it."""

    def leave(self, deadline: Deadline) -> None:
        """Ask the server for the end without waiting for it."""

    def mark_forked(self) -> None:
        """This is a forked child, where the session is not."""


# Without a lock: a signal handler that closes a session may find the main thread in the
# middle of opening one, and the loop forgets what is over. Each touches it in one step.
_open: dict[int, ref[HookedSession]] = {}
_installed = False
_EXIT_TIMEOUT = 1.0

# Held while a loop loads event classes, and during a fork: a module that is half
# loaded at that moment stays so in the child, where the loading thread is not.
_loading = RLock()


def register_for_hooks(session: HookedSession) -> None:
    """
    Remember an open session.
    """
    global _installed
    _open[id(session)] = ref(session)
    if _installed:
        return
    atexit.register(_close_all_by_exit_hook)
    if hasattr(os, "register_at_fork"):
        registry.loading = _loading
        os.register_at_fork(
            before=_loading.acquire,
            after_in_parent=_loading.release,
            after_in_child=_mark_all_forked_by_hook,
        )
    # Last: an interrupt on the way has the next session install them once more, which
    # does no harm.
    _installed = True


def forget_in_hooks(session: HookedSession) -> None:
    """
    Forget a session that is over.
    """
    _open.pop(id(session), None)


def registered_for_hooks() -> list[HookedSession]:
    """
    The sessions that are remembered, oldest first.
    """
    return _hooked_sessions_alive(_open)


def _close_all_by_exit_hook() -> None:
    """Send every server a clean close; wait for their answers, not for long."""
    sessions = _hooked_sessions_alive(_open)
    deadline = Deadline(_EXIT_TIMEOUT)
    for session in sessions:
        session.leave(deadline)
    for session in sessions:
        session.over.wait(deadline.remaining())
    # The threads that write the log end with the process, whatever they still have.
    log_writer.flush_log_writers(Deadline(_EXIT_TIMEOUT))


def _mark_all_forked_by_hook() -> None:
    """
    In a forked child: its sessions have sockets but no threads.
    """
    global _open
    _loading.release()
    log_writer.forget_log_writers()
    inherited, _open = _open, {}
    for session in _hooked_sessions_alive(inherited):
        session.mark_forked()


def _hooked_sessions_alive(
    sessions: dict[int, ref[HookedSession]],
) -> list[HookedSession]:
    found = [reference() for reference in sessions.copy().values()]
    return [session for session in found if session is not None]
