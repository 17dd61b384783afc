"""What the caller has heard of the answers, and whether the agent has finished."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .call_time import CallTime
from .caller_playback import CallerPlayback
from .telephone import Telephone

if TYPE_CHECKING:
    from .. import Session
    from ..audio import PlayedPart
    from ..state.snapshot import Item


class HeardAnswers:
    """
    Knows how much was heard of the responses of a session.

    Handlers run on the session's reader and only count.

    Args:
        session: an open session.
        telephone: through which it is heard; None for a loudspeaker.
        time: of the call.
        playing: told of each item when it begins to be heard: its id, and since when,
            by the clock. On the thread that plays; must be quick.
    """

    def __init__(
        self,
        session: Session,
        telephone: Telephone | None,
        time: CallTime,
        playing: Callable[[str, float], None],
    ) -> None:
        self._session = session
        self._time = time
        self._playing = playing
        # Touched by the thread that plays alone.
        self._told = ""
        # Guarded by the playback's `changed`.
        self._open: set[str] = set()
        self._begun: list[str] = []
        self._calls_tools = False
        self._playback = CallerPlayback(session, telephone, time, self._heard_block)
        self._subscriptions = [
            session.on("response.created", self._created, inline=True),
            session.on("response.done", self._done, inline=True),
            session.on("connection.closed", self._playback.wake, inline=True),
        ]

    @property
    def begun(self) -> int:
        """How many responses have begun."""
        with self._playback.changed:
            return len(self._begun)

    def close(self) -> None:
        """Hear nothing more."""
        while self._subscriptions:
            self._subscriptions.pop().cancel()
        self._playback.close()

    def forget(self) -> int:
        """Wait for what comes from now on; returns how many responses were before."""
        with self._playback.changed:
            self._playback.forget()
            return len(self._begun)

    def interrupt(self) -> None:
        """Stop the answer, and have the server cut it where it was heard."""
        self._playback.interrupt()

    def caller_said(self) -> None:
        """The caller has finished; the server says by itself what answers it."""

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
            return self._playback.is_silent()

        return self._playback.wait(heard, timeout, lambda: self._calls_tools)

    def wait_sound(self, seconds: float, timeout: float) -> bool:
        """Wait until an answer has been heard for some seconds."""
        return self._playback.wait_sound(seconds, timeout, lambda: self._calls_tools)

    def wait_word(self, word: str, after: int, timeout: float) -> bool:
        """Wait until a word of the answer was heard, as far as can be told by time."""
        return self._playback.wait_word(
            word, lambda: self._heard_now(after), timeout, lambda: self._calls_tools
        )

    def heard(self, after: int) -> str:
        """What was heard of the responses that began after so many."""
        snapshot = self._session.snapshot
        with self._playback.changed:
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
            _heard_part_of_answer(item, part)
            for part in self._playback.player.ledger.parts()
            if (item := snapshot.item(part.item_id)) and item.response_id in ids
        )

    # -- the session's reader ------------------------------------------------------

    def _created(self, event: Any) -> None:
        response_id = getattr(event.response, "id", None)
        if not isinstance(response_id, str):
            return
        with self._playback.changed:
            self._open.add(response_id)
            self._begun.append(response_id)
            self._calls_tools = False
            self._playback.changed.notify_all()

    def _done(self, event: Any) -> None:
        response = event.response
        output = getattr(response, "output", None) or ()
        with self._playback.changed:
            self._open.discard(getattr(response, "id", None) or "")
            # Another response answers what a tool gives back.
            self._calls_tools = any(
                getattr(item, "type", None) == "function_call" for item in output
            )
            self._playback.changed.notify_all()

    # -- the thread that plays -----------------------------------------------------

    def _heard_block(self, block: bytes, began: float) -> None:
        ledger = self._playback.player.ledger
        heard = [part for part in ledger.parts() if part.heard_ms > 0]
        if heard and heard[-1].item_id != self._told:
            self._told = heard[-1].item_id
            since = self._time.now() - heard[-1].heard_ms / 1000
            # A ledger does not know how long a telephone takes; the ear does.
            self._playing(self._told, max(since, self._playback.line_since))


def _heard_part_of_answer(item: Item, part: PlayedPart) -> str:
    """As many letters of an answer as its share that was played."""
    said, total = item.said, item.audio_ms
    return said[: int(len(said) * min(1.0, part.heard_ms / total))] if total else ""
