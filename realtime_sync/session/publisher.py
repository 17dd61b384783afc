"""
What happened in a session, told to its handlers and to whoever waits.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Optional

from ..connection.command_handle import CommandOfHandle
from ..dispatch.dispatcher import Dispatcher
from ..dispatch.notices import Notice, Published, TurnFinished
from ..dispatch.signals import UNKNOWN_MARK, SignalBoard
from ..dispatch.stale_audio import StaleAudio
from ..dispatch.watches import WatchList
from ..protocol import events
from ..protocol.events import ServerEvent
from ..state.snapshot import Snapshot
from .turn_timing import TurnClock

_MOST_UNHEARD = 64
"""A program may make up types of commands without end."""


class SessionPublisher:
    """
    Publishes server events, commands and notices of one session.

    Args:
        board: who has registered a handler.
        dispatcher: calls handlers.
        watches: who waits.
        stale: told of events that make audio stale; None where none is dropped.
        latest: gives the snapshot that goes with what is not a server event.
        has_turns: the protocol tells where the answer to a turn begins and ends.

    Attributes:
        unheard: types of commands that nobody is told of now, see `sent`. Another
            set takes its place when a handler or a wait comes or goes.
    """

    def __init__(
        self,
        board: SignalBoard,
        dispatcher: Dispatcher,
        watches: WatchList,
        stale: Optional[StaleAudio],
        latest: Callable[[], Snapshot],
        *,
        has_turns: bool = True,
    ) -> None:
        self._board = board
        self._dispatcher = dispatcher
        self._watches = watches
        self._stale = stale
        self._latest = latest
        self._has_turns = has_turns
        self._turns = TurnClock(self._turns_wanted)
        self.unheard: set[str] = set()
        board.changed = watches.changed = self._forget_unheard

    def use_clock(self, clock: Callable[[], float] = monotonic) -> None:
        """Time turns by another clock, as a replay does, before anything came."""
        self._turns = TurnClock(self._turns_wanted, clock)

    def deliver(self, event: ServerEvent, snapshot: Snapshot, size: int) -> None:
        """Publish a server event, with the snapshot as of it. On the loop."""
        key = kind = event.type
        if type(event) is events.UnknownEvent:
            key = UNKNOWN_MARK + key
        if self._stale is not None:
            self._stale.note(event, snapshot)
        board = self._board
        route = board.routes.get(key) or board.route(key)
        self._dispatcher.submit(event, snapshot, size, route, key)
        if self._has_turns and kind in self._turns.types:
            finished = self._turns.event(event)
            if finished is not None:
                self.emit(finished)

    def emit(self, notice: Notice) -> None:
        """Publish something of the library's own making. Any thread."""
        self._watches.offer(notice)
        self._post(notice, notice.type)

    def sent(self, command: CommandOfHandle, key: str) -> None:
        """
        Publish a command that was handed over, under its key. Any thread.

        Needs not be called for what is `unheard`: fifty pieces of audio go out a
        second, of which hardly anybody wants to be told.
        """
        # Into the set taken before looking: if somebody came meanwhile, that set is
        # out of use and he is not forgotten.
        kind, unheard = command.type, self.unheard
        speech = kind == "input_audio_buffer.append" and self._turns_wanted()
        timed = speech or self._has_turns and kind == "response.create"
        if timed:
            self._turns.command(command)
        heard = self._post(command, key)
        if not (heard or timed) and len(unheard) < _MOST_UNHEARD:
            unheard.add(kind)

    def _post(self, published: Published, key: str) -> bool:
        route = self._board.route(key)
        heard = bool(route.inline or route.queued)
        if heard:
            self._dispatcher.post(published, self._latest(), route, key)
        return heard

    def _forget_unheard(self) -> None:
        self.unheard = set()

    def _turns_wanted(self) -> bool:
        name = TurnFinished.type
        return any(self._board.route(name)) or self._watches.wants(name)
