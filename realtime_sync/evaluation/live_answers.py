"""What the caller has heard of a session of GPT-Live, and whether it is its turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..audio import session_format
from ..state.latency import FLOOR, peak
from .call_time import CallTime
from .caller_playback import CallerPlayback
from .telephone import Telephone

if TYPE_CHECKING:
    from .. import live

ONSET_SECONDS = 0.3
"""Silence after which what sounds is a new beginning."""

OVER_MS = 1000.0
"""Milliseconds of silence after which the model has said what it had to say."""


class LiveAnswers:
    """
    Knows how much was heard of what a model says that speaks as it likes.

    There are no responses: an answer is what begins to sound after the caller has
    begun to speak, and is over when it has been silent and no work is open.

    Handlers run on the session's loop and only count.

    Args:
        session: an open session.
        telephone: through which it is heard; None for a loudspeaker.
        time: of the call.
        playing: told, each time it is heard again after a silence, since when, by the
            clock. On the thread that plays; must be quick.
    """

    def __init__(
        self,
        session: live.LiveSession,
        telephone: Telephone | None,
        time: CallTime,
        playing: Callable[[float], None],
    ) -> None:
        self._session = session
        self._playing = playing
        # Touched by the thread that plays alone.
        self._heard_until = float("-inf")
        # Guarded by the playback's `changed`: milliseconds that came, when the latest
        # loud ones did, until when work was seen to be open, when the caller had said
        # all, and how often speech has begun.
        self._came_ms = 0.0
        self._loud_ms = float("-inf")
        self._worked_ms = float("-inf")
        self._said_ms = 0.0
        self._onsets = 0
        self._fragments = 0
        self._wire = session_format(session, "output")
        self._playback = CallerPlayback(session, telephone, time, self._heard_block)
        self._subscriptions = [
            session.on("session.output_audio.delta", self._delta, inline=True),
            session.on("delegation.finished", self._playback.wake, inline=True),
            session.on("connection.closed", self._playback.wake, inline=True),
        ]

    @property
    def begun(self) -> int:
        """How often the model has begun to speak."""
        with self._playback.changed:
            return self._onsets

    def close(self) -> None:
        """Hear nothing more."""
        while self._subscriptions:
            self._subscriptions.pop().cancel()
        self._playback.close()

    def forget(self) -> int:
        """Wait for what comes from now on; returns how often speech had begun."""
        fragments = len(self._session.snapshot.assistant.fragments)
        with self._playback.changed:
            self._playback.forget()
            self._fragments = fragments
            return self._onsets

    def caller_said(self) -> None:
        """The caller has finished: what sounds from now on may be the answer."""
        with self._playback.changed:
            self._said_ms = self._came_ms

    def wait_answer(self, after: int, timeout: float) -> bool:
        """
        Wait until an answer has come and was heard to its end.

        Args:
            after: how often speech had begun before it.
            timeout: seconds.

        Returns:
            False if it did not come in time, or the session is over.
        """

        def heard() -> bool:
            if self._session.has_more_to_say:
                # What comes of it is said a moment after it has ended, however long
                # the model was silent meanwhile.
                self._worked_ms = self._came_ms
                return False
            if self._onsets <= after or self._loud_ms <= self._said_ms:
                return False
            if self._came_ms - max(self._loud_ms, self._worked_ms) < OVER_MS:
                return False
            return self._playback.is_silent()

        return self._playback.wait(heard, timeout, self._works)

    def wait_sound(self, seconds: float, timeout: float) -> bool:
        """Wait until an answer has been heard for some seconds."""
        return self._playback.wait_sound(seconds, timeout, self._works)

    def wait_word(self, word: str, after: int, timeout: float) -> bool:
        """Wait until a word of the answer was heard, as far as can be told by time."""
        return self._playback.wait_word(word, self._heard_now, timeout, self._works)

    def heard(self, after: int) -> str:
        """What was heard since the caller began to speak."""
        pieces = self._session.snapshot.assistant.fragments[self._fragments :]
        self._fragments += len(pieces)
        return "".join(each.text for each in pieces).strip()

    def _works(self) -> bool:
        return self._session.is_at_work

    def _heard_now(self) -> str:
        """The words that have been played by now."""
        snapshot = self._session.snapshot
        played = snapshot.clock_ms - self._playback.player.queued_ms
        return "".join(
            each.text
            for each in snapshot.assistant.fragments[self._fragments :]
            if each.epoch == snapshot.epoch and each.end_ms <= played
        )

    # -- the session's loop ----------------------------------------------------------

    def _delta(self, event: Any) -> None:
        data = event.delta or b""
        loud = peak(data, self._wire.name) >= FLOOR
        with self._playback.changed:
            self._came_ms += self._wire.ms(len(data))
            if loud:
                if self._came_ms - self._loud_ms > ONSET_SECONDS * 1000:
                    self._onsets += 1
                self._loud_ms = self._came_ms
            self._playback.changed.notify_all()

    # -- the thread that plays -------------------------------------------------------

    def _heard_block(self, block: bytes, began: float) -> None:
        form = self._playback.format
        half = form.size(form.ms(len(block)) / 2)
        for part in (block[:half], block[half:]):
            until = began + form.ms(len(part)) / 1000
            if peak(part, form.name) >= FLOOR:
                if began - self._heard_until >= ONSET_SECONDS:
                    self._playing(began)
                self._heard_until = until
            began = until
