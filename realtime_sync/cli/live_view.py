"""A live session on a screen: who says what, and what is worked on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..protocol.escape import one_line
from .screen import NOTE, SERVER, USER, Screen, Status

if TYPE_CHECKING:
    from .. import live
    from ..audio import Level
    from ..dispatch.notices import DelegationFinished

TURN_MS = 500.0
"""Milliseconds after which the other side has taken over; see `live.LiveSnapshot`."""

PAUSE_MS = 1000.0
"""Milliseconds after which what the same side says is a line of its own."""

NAMES = {"user": USER, "assistant": SERVER}
OTHER = {"user": "assistant", "assistant": "user"}


class LiveView:
    """
    Shows the words of both sides as they come, one side at a time.

    Both may speak at once. What the one says while the other speaks is held back
    until the other pauses, so that nobody's line is torn apart. Its handlers run where
    the session's do; `heard` in the thread that sends.

    Args:
        session: whose events tell.
        screen: where to show it.

    Attributes:
        errors: what the server complained about.
    """

    def __init__(self, session: live.LiveSession, screen: Screen) -> None:
        self.errors: list[str] = []
        self._session = session
        self._screen = screen
        self._who = ""
        self._end_ms = 0.0
        self._held: list[tuple[str, float]] = []
        self._level: float | None = None
        self._state = "waiting"
        session.on("session.input_transcript.delta", lambda e: self._said("user", e))
        session.on(
            "session.output_transcript.delta", lambda e: self._said("assistant", e)
        )
        session.on("session.output_audio.delta", lambda event: self._time_passes())
        session.on("session.delegation.created", self._delegated)
        session.on("delegation.finished", self._finished)
        session.on("error", self._complained)

    def heard(self, level: Level) -> None:
        """Take a level, as a `LevelMeter` gives it."""
        self._level = level.rms
        self._now(self._state)

    def release(self) -> None:
        """Show what was held back, and end the line."""
        if self._held:
            self._switch(OTHER[self._who])
        self._screen.end()
        self._who = ""
        self._screen.status(None)

    def _said(self, who: str, event: Any) -> None:
        text, start, end = event.delta or "", event.start_ms, event.end_ms
        if not isinstance(start, (int, float)) or not isinstance(end, (int, float)):
            start = end = self._end_ms
        if not self._who or self._takes_over(who, start):
            if self._who != who:
                self._switch(who)
        if who == self._who:
            if start - self._end_ms >= PAUSE_MS:
                self._screen.end()  # After a pause, what comes is a line of its own.
            self._add(text, end)
        else:
            self._held.append((text, end))
        self._now("listening" if who == "user" else "speaking")

    def _takes_over(self, who: str, start: float) -> bool:
        """Whether the other side has a turn: the user has, as soon as he speaks."""
        late = start - self._end_ms >= TURN_MS or start < self._end_ms - 60_000
        return late or (who == "user" and self._who == "assistant")

    def _time_passes(self) -> None:
        """A side that said little while the other spoke is not held back for ever."""
        if self._held and self._session.snapshot.clock_ms > self._end_ms + TURN_MS:
            self._switch(OTHER[self._who])

    def _switch(self, who: str) -> None:
        held, self._held = self._held, []
        self._screen.end()
        self._who = who
        for text, end in held:
            self._add(text, end)

    def _add(self, text: str, end: float) -> None:
        self._screen.add(text, NAMES[self._who])
        self._end_ms = end

    def _note(self, text: str) -> None:
        self._screen.end()
        self._screen.line(one_line(text), NOTE)

    def _delegated(self, event: live.events.DelegationCreated) -> None:
        target = getattr(event.delegation, "target", None) or "somebody"
        self._note(f"handed on to {'your program' if target == 'client' else target}")
        self._now("working")

    def _finished(self, event: DelegationFinished) -> None:
        self._now("waiting")

    def _complained(self, event: live.events.Error) -> None:
        said = getattr(event.error, "message", event.error)
        self.errors.append(str(said))
        self._note(f"the server says: {said}")

    def _now(self, state: str) -> None:
        self._state = state
        self._screen.status(Status(state, self._level))
