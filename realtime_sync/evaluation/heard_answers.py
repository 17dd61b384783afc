"""What the caller has heard of the answers, and whether the agent has finished."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..audio import Player, session_format
from ..state.latency import FLOOR, peak
from .telephone import QUIET_SECONDS, Telephone

if TYPE_CHECKING:
    from .. import Session
    from ..audio import PlayedPart
    from ..state.snapshot import Item

_LOOK = 0.05
"""Seconds after which a wait looks again: a session may end without a word."""


class HeardAnswers:
    """
    Plays what a session says, to nobody, and knows how far it has come.

    Over a telephone the bridge plays, and what comes to the ear counts.

    Handlers run on the session's reader and only count; the thread that plays only
    wakes. Whoever waits does so in a thread of its own.

    Args:
        session: an open session.
        telephone: through which it is heard; None for a loudspeaker.
        clock: seconds, monotonic.
        playing: told of each item when it begins to be heard: its id, and since when,
            by the clock. On the thread that plays; must be quick.
    """

    def __init__(
        self,
        session: Session,
        telephone: Telephone | None,
        clock: Callable[[], float],
        playing: Callable[[str, float], None],
    ) -> None:
        self._session = session
        self._clock = clock
        self._playing = playing
        # Touched by the thread that plays alone.
        self._told = ""
        self._ear_since = self._ear_at = 0.0
        # Guards the counts below, and wakes who waits for them.
        self._changed = threading.Condition()
        self._open: set[str] = set()
        self._begun: list[str] = []
        self._calls_tools = False
        self._loud_since: float | None = None
        # When there was sound last, on the way to the ear and in it.
        self._sound_at = 0.0
        self._telephone = telephone
        self._delay = telephone.delay if telephone is not None else 0.0
        if telephone is None:
            self._format = session_format(session, "output")
            self.player = Player(
                self._sound, format=self._format, name=f"{session.name} hearing"
            )
            self._silence = self._silence_loudspeaker
            self._attachment = self.player.attach(session)
        else:
            self._format = telephone.output
            self.player = telephone.player
            self._silence = telephone.deafen
            telephone.listen(self._ear)
        self._subscriptions = [
            session.on("response.created", self._created, inline=True),
            session.on("response.done", self._done, inline=True),
            session.on("connection.closed", self._closed, inline=True),
        ]

    @property
    def begun(self) -> int:
        """How many responses have begun."""
        with self._changed:
            return len(self._begun)

    def close(self) -> None:
        """Hear nothing more."""
        while self._subscriptions:
            self._subscriptions.pop().cancel()
        self._silence()

    def forget(self) -> int:
        """Wait for what comes from now on; returns how many responses were before."""
        with self._changed:
            self._loud_since = None
            return len(self._begun)

    def wait_answer(self, after: int, timeout: float) -> bool:
        """
        Wait until an answer has come and was heard to its end.

        Args:
            after: how many responses had begun before it.
            timeout: seconds.

        Returns:
            False if it did not come in time, or the session is over.
        """

        def heard() -> bool:
            if len(self._begun) <= after or self._open or self._calls_tools:
                return False
            return self._is_silent()

        return self._wait(heard, timeout)

    def wait_sound(self, seconds: float, timeout: float) -> bool:
        """
        Wait until an answer has been heard for some seconds.

        Returns:
            False if it was over before, or did not come in time.
        """

        def reached() -> bool:
            since = self._loud_since
            return since is not None and self._clock() - since >= seconds

        return self._wait(reached, timeout) and self.player.sounding

    def wait_word(self, word: str, after: int, timeout: float) -> bool:
        """
        Wait until a word of the answer was heard, as far as can be told by time.

        Returns:
            False if the answer was over before, or did not come in time.
        """
        wanted = word.casefold()

        def reached() -> bool:
            return wanted in self._heard_now(after).casefold()

        return self._wait(reached, timeout) and self.player.sounding

    def heard(self, after: int) -> str:
        """What was heard of the responses that began after so many."""
        snapshot = self._session.snapshot
        with self._changed:
            ids = self._begun[after:]
        states = [snapshot.responses.get(each) for each in ids]
        items = [item for state in states if state for item in state.output]
        texts = [item.heard for item in items if item.type == "message"]
        return " ".join(text for text in texts if text)

    def _heard_now(self, after: int) -> str:
        """The words that have been played by now, by their share of the time."""
        snapshot = self._session.snapshot
        ids = set(self._begun[after:])
        return " ".join(
            _first_part(item, part)
            for part in self.player.ledger.parts()
            if (item := snapshot.item(part.item_id)) and item.response_id in ids
        )

    def _is_silent(self) -> bool:
        """Whether nothing is played, nor on its way to the ear; with the lock held."""
        now = self._clock()
        if self.player.queued_ms or self.player.sounding:
            self._sound_at = now
            return False
        # What has left the player may be on its way to the ear.
        return now - self._sound_at >= self._delay

    def _silence_loudspeaker(self) -> None:
        self._attachment.detach()
        self.player.close()

    def _wait(self, ready: Callable[[], bool], timeout: float) -> bool:
        deadline = self._clock() + timeout
        with self._changed:
            while not ready():
                left = deadline - self._clock()
                if left <= 0 or self._session.closed:
                    return False
                self._changed.wait(min(left, _LOOK))
        return True

    # -- the session's reader ------------------------------------------------------

    def _created(self, event: Any) -> None:
        response_id = getattr(event.response, "id", None)
        if not isinstance(response_id, str):
            return
        with self._changed:
            self._open.add(response_id)
            self._begun.append(response_id)
            self._calls_tools = False
            self._changed.notify_all()

    def _done(self, event: Any) -> None:
        response = event.response
        output = getattr(response, "output", None) or ()
        with self._changed:
            self._open.discard(getattr(response, "id", None) or "")
            # Another response answers what a tool gives back.
            self._calls_tools = any(
                getattr(item, "type", None) == "function_call" for item in output
            )
            self._changed.notify_all()

    def _closed(self, event: Any) -> None:
        with self._changed:
            self._changed.notify_all()

    # -- the thread that plays -----------------------------------------------------

    def _ear(self, block: bytes) -> None:
        """Something came to the ear through a telephone; it was played by now."""
        now = self._clock()
        began = now - self._format.ms(len(block)) / 1000
        if began - self._ear_at > QUIET_SECONDS:
            self._ear_since = began
        self._ear_at = now
        with self._changed:
            self._sound_at = now
        self._sound(block)

    def _sound(self, block: bytes) -> None:
        with self._changed:
            if self._loud_since is None and peak(block, self._format.name) >= FLOOR:
                self._loud_since = self._clock()
            self._changed.notify_all()
        heard = [part for part in self.player.ledger.parts() if part.heard_ms > 0]
        if heard and heard[-1].item_id != self._told:
            self._told = heard[-1].item_id
            since = self._clock() - heard[-1].heard_ms / 1000
            # A ledger does not know how long a telephone takes; the ear does.
            self._playing(self._told, max(since, self._ear_since))


def _first_part(item: Item, part: PlayedPart) -> str:
    """As many letters of an answer as its share that was played."""
    said, total = item.said, item.audio_ms
    return said[: int(len(said) * min(1.0, part.heard_ms / total))] if total else ""
