"""
Who is shown what goes over the wire of a session, both ways: recordings.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from threading import RLock
from typing import Optional, Protocol

from ..deadline import Deadline, held_here
from ..protocol.events import ServerEvent
from ..state.snapshot import Snapshot
from ..transport.logs import area_logger
from .command_handle import Noted

logger = area_logger("realtime_sync.session")


class Tap(Protocol):
    """
    What is shown the wire. Nothing in it may wait: the loop calls it.
    """

    def received(
        self,
        number: int,
        data: bytes,
        event: ServerEvent,
        snapshot: Snapshot,
        noted: Sequence[Noted],
    ) -> None:
        """
        A message came.

        Args:
            number: of the connection.
            data: the message.
            event: what it was decoded to.
            snapshot: the connection's mirror before the event.
            noted: commands that the mirror was told of just before.
        """

    def sent(self, number: int, payload: bytes) -> None:
        """A command is about to be written. From any thread."""

    def switched(self, number: int) -> None:
        """From now on the session uses another connection."""

    def end(self, code: Optional[int], reason: str) -> None:
        """The session is over."""

    def join(self, deadline: Deadline) -> bool:
        """Wait until all of it is kept; False at the deadline."""

    def held_here(self) -> bool:
        """Whether the calling thread is inside of what the others need."""


class Taps:
    """
    The taps of one session. A tap that raises is taken off.

    Attributes:
        on: whether there is any.
    """

    def __init__(self) -> None:
        # Guards the replacement of `_taps`; the loop reads it without. Re-entrant,
        # because a signal handler may end a recording that its thread adds or ends.
        self._lock = RLock()
        self._taps: tuple[Tap, ...] = ()
        self._ended: tuple[Tap, ...] = ()
        self._numbers = itertools.count(1)
        self.on = False

    def number(self) -> int:
        """The number of a new connection, from 1."""
        return next(self._numbers)

    def add(self, tap: Tap) -> None:
        """Show everything from now on to a tap."""
        with self._lock:
            self._taps += (tap,)
            # Last: the loop looks at it first, and must then find the tap.
            self.on = True

    def remove(self, tap: Tap) -> None:
        """Show a tap nothing any more."""
        with self._lock:
            while True:
                before = self._taps
                after = tuple([each for each in before if each is not tap])
                if self._taps is before:  # No signal comes between this and the rest.
                    self._taps = after
                    self.on = after != ()
                    return

    def held_here(self) -> bool:
        """Whether the calling thread is inside of what the end waits for."""
        taps = (*self._taps, *self._ended)
        return held_here(self._lock) or any(tap.held_here() for tap in taps)

    def received(
        self,
        number: int,
        data: bytes,
        event: ServerEvent,
        snapshot: Snapshot,
        noted: Sequence[Noted],
    ) -> None:
        """See `Tap.received`."""
        # Without the lock: the tuple is replaced and never changed, so one that is
        # added or taken off meanwhile disturbs nobody, and a tap may take itself off.
        for tap in self._taps:
            try:
                tap.received(number, data, event, snapshot, noted)
            except Exception:  # Should never run: the loop must live.
                self._failed(tap)

    def sent(self, number: int, payload: bytes) -> None:
        """See `Tap.sent`."""
        self._each(lambda tap: tap.sent(number, payload))

    def switched(self, number: int) -> None:
        """See `Tap.switched`."""
        self._each(lambda tap: tap.switched(number))

    def end(self, code: Optional[int], reason: str) -> None:
        """See `Tap.end`."""
        ending = self._taps
        # Kept for `join`: a recording writes on when it is shown nothing any more. Also
        # those before: a session may be closed while it opens, and end after that.
        self._ended = (*self._ended, *ending)
        self._each(lambda tap: tap.end(code, reason))
        for tap in ending:
            self.remove(tap)

    def join(self, deadline: Deadline) -> bool:
        """Wait for those that have been shown the end."""
        return all([tap.join(deadline) for tap in self._ended])

    def _each(self, show: Callable[[Tap], None]) -> None:
        for tap in self._taps:
            try:
                show(tap)
            except Exception:  # Should never run: the session must go on.
                self._failed(tap)

    def _failed(self, tap: Tap) -> None:
        logger.exception("! %r failed and is taken off", tap)
        self.remove(tap)
