"""The threads in which functions are called, and in which their outputs are awaited."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from .. import Session, live


def start_tool_thread(
    session: Union[Session, live.LiveSession], name: str, run: Callable[[], None]
) -> None:
    """
    Call a function of a tool, in a thread that may wait as long as it likes.

    One of its own, or one of those that the session shares.

    Args:
        session: whose model calls.
        name: of the tool.
        run: makes the call.

    Raises:
        RuntimeError: the process cannot have more threads.
    """
    if session.threads is not None:
        session.threads.run_tool(run)
    else:
        _start_tool_thread_task(session, f"tool {name}", run)


def start_waiting_tool_thread(
    session: Union[Session, live.LiveSession], what: str, run: Callable[[], None]
) -> None:
    """
    Wait for calls and send what they give; where threads are shared, on others.

    Who waits for a call must not keep the thread that it needs.

    Raises:
        RuntimeError: the process cannot have more threads.
    """
    if session.threads is not None:
        session.threads.run_round(run)
    else:
        _start_tool_thread_task(session, what, run)


def _start_tool_thread_task(
    session: Union[Session, live.LiveSession], what: str, run: Callable[[], None]
) -> None:
    name = f"realtime-sync {session.name} {what}"
    Thread(target=run, name=name, daemon=True).start()
