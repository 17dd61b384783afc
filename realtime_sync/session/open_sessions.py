"""Which sessions there are in this process, for whoever watches them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from . import process_hooks

if TYPE_CHECKING:
    from .live.session import LiveSession
    from .session import Session


def open_sessions() -> tuple[Union[Session, LiveSession], ...]:
    """
    The sessions that are open in this process, of both protocols, oldest first.

    One whose connection is lost and is being replaced is open still. Any thread may
    ask; in a forked child there are none before it opens its own.
    """
    sessions = [each.session for each in process_hooks.registered_for_hooks()]
    return tuple(each for each in sessions if each is not None)
