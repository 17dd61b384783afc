"""
Event signals: blinker's, with order, strong references and isolation.

The only importer of blinker. One `SignalBoard` per session holds one signal per
key (a canonical event type, or a pattern); a route is the merged list of
receivers for one event type, computed once and kept until a receiver comes or
goes.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, Optional, TypeVar

import blinker
from blinker._utilities import make_id

UNKNOWN_KEY = "(unknown)"
"""Key of handlers registered for the class `UnknownEvent`."""

UNKNOWN_MARK = "?"
"""In front of the type of an `UnknownEvent` where a route is looked up."""

_stamps = itertools.count()
_MOST_ROUTES = 1024


def next_signal_stamp() -> int:
    """
    The place of a new receiver in the order of registration, process-wide.
    """
    return next(_stamps)


Receiver = Callable[..., object]
"""What a signal calls: ``receiver(session, event=..., ctx=...)``."""

ReceiverT = TypeVar("ReceiverT", bound=Receiver)


class Route(NamedTuple):
    """
    Who gets an event, in order of registration.

    Attributes:
        inline: receivers that run on the loop.
        queued: receivers that run where deliveries run.
        keeps_snapshot: a queued receiver looks at the conversation, so that the
            queue must keep it as it was. Keeping it for nobody would have the
            garbage collector walk over it again and again.
    """

    inline: tuple[Receiver, ...]
    queued: tuple[Receiver, ...]
    keeps_snapshot: bool = True


class EventSignal(blinker.Signal):
    """
    A blinker signal whose receivers are strong and ordered.

    A plain receiver is called as ``receiver(session, event=event, ctx=ctx)``.
    """

    def __init__(self, name: str, changed: Callable[[], None]) -> None:
        super().__init__(f"realtime_sync event {name}")
        self.name = name
        self._changed = changed
        self._places: dict[Any, int] = {}
        self.volatile = False

    def connect(
        self, receiver: ReceiverT, sender: object = blinker.ANY, weak: bool = False
    ) -> ReceiverT:
        """
        Connect a receiver, strongly unless `weak` is asked for.
        """
        stamp = getattr(receiver, "stamp", None)
        if make_id(receiver) not in self.receivers:
            # Also a new receiver at the address of one that was collected.
            place = next_signal_stamp() if stamp is None else stamp
            self._places[make_id(receiver)] = place
        self.volatile = self.volatile or weak
        super().connect(receiver, sender, weak)
        self._changed()
        return receiver

    def disconnect(self, receiver: Receiver, sender: object = blinker.ANY) -> None:
        """
        Disconnect a receiver, connected or not.
        """
        super().disconnect(receiver, sender)
        if sender is blinker.ANY:
            self._places.pop(make_id(receiver), None)
        self._changed()

    def receivers_for(self, sender: object) -> Generator[Receiver, None, None]:
        """
        The live receivers for a sender, in order of registration.
        """
        yield from sorted(super().receivers_for(sender), key=self.place)

    def place(self, receiver: Receiver) -> int:
        """
        Where a receiver stands in the order of registration.
        """
        return self._places.get(make_id(receiver), 0)


class SignalBoard:
    """
    The signals of one session.

    Args:
        sender: gives what receivers get as first argument, the session; None when
            the program has let go of it.
        names_of: every spelling of an event type, canonical one first.
        local_prefixes: starts of the keys that are not wire events, which
            ``"*"`` does not match.
        lacks: tells why an event will never come in this session, or None.

    Attributes:
        routes: those that `route` has computed and kept. Another mapping takes its
            place when a receiver comes or goes.
        changed: called when that has happened. Any thread.
    """

    def __init__(
        self,
        sender: Callable[[], object],
        names_of: Callable[[str], tuple[str, ...]],
        local_prefixes: tuple[str, ...],
        lacks: Callable[[str], Optional[str]] = lambda key: None,
    ) -> None:
        self._sender = sender
        self._names_of = names_of
        self._local_prefixes = local_prefixes
        self._lacks = lacks
        self.changed: Callable[[], None] = _signal_to_nobody
        self._warned: set[str] = set()
        # Copied, and added to, by one call into C each; see `signal`.
        self._signals: dict[str, EventSignal] = {}
        self.routes: dict[str, Route] = {}

    def signal(self, key: str) -> EventSignal:
        """
        The signal for a canonical event type or a pattern, made when needed.
        """
        found = self._signals.get(key)
        if found is None:
            # No lock: a signal handler may ask for it while its thread makes it. Of two
            # that make one the first is kept.
            fresh = EventSignal(key, self._forget_routes)
            found = self._signals.setdefault(key, fresh)
        return found

    def warn_if_lacking(self, key: str) -> None:
        """
        Warn, once for each event, if a handler for it will never be called.
        """
        reason = self._lacks(key)
        if reason is None or key in self._warned:
            return
        self._warned.add(key)
        warnings.warn(
            f"{reason}; its handlers will not be called in {self._sender()!r}",
            UserWarning,
            stacklevel=_users_level_for_signal(),
        )

    def route(self, key: str) -> Route:
        """
        Who gets an event.

        Args:
            key: canonical type of the event; for an `UnknownEvent` its type
                with `UNKNOWN_MARK` in front.
        """
        routes = self.routes
        route = routes.get(key)
        if route is None:
            route, lasting = self._compute(key)
            if lasting and len(routes) < _MOST_ROUTES:
                # Into the mapping taken above: if a receiver came meanwhile,
                # that mapping is out of use and so is this route.
                routes[key] = route
        return route

    def _compute(self, key: str) -> tuple[Route, bool]:
        sender = self._sender()
        signals = [
            signal
            # A copy, made by one call into C: other threads make signals meanwhile.
            for pattern, signal in tuple(self._signals.items())
            if signal.receivers and self._matches(pattern, key)
        ]
        placed = [
            (signal.place(receiver), receiver)
            for signal in signals
            for receiver in signal.receivers_for(sender)
        ]
        placed.sort(key=lambda pair: pair[0])
        ordered = [receiver for _, receiver in placed]
        inline = tuple(r for r in ordered if getattr(r, "inline", False))
        queued = tuple(r for r in ordered if not getattr(r, "inline", False))
        keeps = any(getattr(r, "looks_at_context", True) for r in queued)
        return Route(inline, queued, keeps), not any(s.volatile for s in signals)

    def _matches(self, pattern: str, key: str) -> bool:
        unknown = key.startswith(UNKNOWN_MARK)
        event_type = key[len(UNKNOWN_MARK) :] if unknown else key
        if pattern == UNKNOWN_KEY:
            return unknown
        if pattern == event_type:
            return True
        if not pattern.endswith("*"):
            return False
        if event_type.startswith(self._local_prefixes) and not unknown:
            return pattern != "*" and event_type.startswith(pattern[:-1])
        return any(n.startswith(pattern[:-1]) for n in self._names_of(event_type))

    def _forget_routes(self) -> None:
        self.routes = {}
        self.changed()


def _signal_to_nobody() -> None:
    """Nobody is to be told."""


def _users_level_for_signal() -> int:
    """The ``stacklevel`` of the innermost line that is not the library's."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(
        __package__ + "."
    ):
        level, frame = level + 1, frame.f_back
    return level
