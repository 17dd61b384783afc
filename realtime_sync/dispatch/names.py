"""
From what a user writes to the key of a signal, with a did-you-mean.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import lru_cache
from typing import Optional

from ..errors import ConfigurationError
from ..protocol.dialects import Dialect
from ..protocol.live.counterparts import IN_LIVE
from ..protocol.registry import (
    ALIASES,
    canonical,
    client_names,
    live_names,
    server_names,
)
from ..protocol.vendor_events import vendor_names
from .notices import NOTICE_NAMES, NOTICE_PREFIXES, Notice
from .signals import UNKNOWN_KEY

CLIENT_PREFIX = "client."
"""Begins the names of what this side sends."""


def resolve_name(
    event: object, *, unknown: bool = False, session_type: Optional[str] = None
) -> tuple[str, Optional[type]]:
    """
    The key of an event or pattern, and the class that was asked for.

    Args:
        event: a name in either spelling, a pattern, or an event class.
        unknown: allow names that the protocol does not have.
        session_type: of the session that it is for; None where that is open.

    Raises:
        ConfigurationError: there is no such event.
        TypeError: `event` is neither a name nor an event class.
    """
    if isinstance(event, str):
        key, cls = _resolve_name(event, unknown), None
    elif isinstance(event, type):
        key, cls = _resolve_class_name(event)
    else:
        raise TypeError(
            f"expected the name of an event or an event class, not {event!r}"
        )
    if session_type is not None and not unknown:
        problem = name_of_other_protocol(key, session_type == "live")
        if problem is not None:
            raise ConfigurationError(problem)
    return key, cls


@lru_cache(maxsize=1024)
def names_of(event_type: str) -> tuple[str, ...]:
    """
    Every spelling of a canonical event type, itself first.
    """
    return (event_type, *(old for old, new in ALIASES.items() if new == event_type))


def is_event_class_to_name(value: object) -> bool:
    """
    Whether a value is one of the classes that handlers register for.
    """
    from ..protocol import events

    return isinstance(value, type) and issubclass(
        value, (events.ServerEvent, events.ClientEvent, Notice)
    )


def names_lacked_by(
    dialect: Dialect, session_type: str = "realtime"
) -> Callable[[str], Optional[str]]:
    """
    A test for events that a dialect does not have, or a protocol.

    Returns:
        A function of a key: why a handler for it will not be called, or None.
    """

    def lacked(key: str) -> Optional[str]:
        problem = name_of_other_protocol(key, session_type == "live")
        if problem is not None:
            return problem
        if session_type == "live" or key not in server_names() or dialect.has(key):
            return None
        return f"the {dialect.name} dialect has no event {key}"

    return lacked


def name_of_other_protocol(key: str, live: bool) -> Optional[str]:
    """Why sessions of a protocol never see an event, if it is of the other one."""
    ours, theirs = _names_of_protocol(True), _names_of_protocol(False)
    ours, theirs = (ours, theirs) if live else (theirs, ours)
    if key in ours or key not in theirs:
        return None
    name = key.removeprefix(CLIENT_PREFIX)
    if not live:
        return f"{name!r} is an event of GPT-Live, and this is a Realtime session"
    way = f": {IN_LIVE[name]}" if name in IN_LIVE else ""
    return f"{name!r} is an event of Realtime, and this is a live session{way}"


@lru_cache(maxsize=None)
def _names_of_protocol(live: bool) -> frozenset[str]:
    """What can be listened for in the sessions of a protocol, notices apart."""
    if live:
        said, sent = live_names("server"), live_names("client")
    else:
        said = server_names() | vendor_names("server")
        sent = client_names() | vendor_names("client")
    return said | {CLIENT_PREFIX + name for name in sent}


def _resolve_class_name(event: type) -> tuple[str, Optional[type]]:
    from ..protocol import events

    if issubclass(event, events.UnknownEvent):
        return UNKNOWN_KEY, event
    if event is events.ServerEvent:
        return "*", event
    if issubclass(event, events.ServerEvent) and isinstance(
        getattr(event, "type", None), str
    ):
        return event.type, event
    if issubclass(event, events.ClientEvent):
        suffix = getattr(event, "type", "*")
        return CLIENT_PREFIX + suffix, event
    if issubclass(event, Notice) and hasattr(event, "type"):
        return event.type, event
    raise TypeError(f"{event.__name__} is not an event class")


def _resolve_name(name: str, unknown: bool) -> str:
    if name == "*":
        return name
    if name.startswith(CLIENT_PREFIX):
        rest = name[len(CLIENT_PREFIX) :]
        key = CLIENT_PREFIX + (rest if rest.endswith("*") else canonical(rest))
    else:
        key = name if name.endswith("*") else canonical(name)
    known = _known_name_keys(name.startswith(CLIENT_PREFIX))
    if unknown or _is_known_name(key, known):
        return key
    raise ConfigurationError(_no_such_name(name, known))


@lru_cache(maxsize=None)
def _known_name_keys(sent: bool) -> frozenset[str]:
    names = _names_of_protocol(True) | _names_of_protocol(False)
    known = frozenset(n for n in names if n.startswith(CLIENT_PREFIX) == sent)
    return known if sent else known | NOTICE_NAMES


def _is_known_name(key: str, known: frozenset[str]) -> bool:
    if key.endswith(".*"):
        prefix = key[:-1]
        return prefix in NOTICE_PREFIXES or any(n.startswith(prefix) for n in known)
    return key in known


def _no_such_name(name: str, known: frozenset[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return (
        f"no event is called {name!r}{hint} "
        "(pass unknown=True to listen for a vendor's own event)"
    )
