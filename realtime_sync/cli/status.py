"""What a conversation is doing, told to a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .screen import Screen, Status

if TYPE_CHECKING:
    from .. import Session
    from ..audio import Level
    from ..dispatch.event_names import EventName
    from ..dispatch.notices import TurnFinished

STATES: tuple[tuple[EventName, str], ...] = (
    ("input_audio_buffer.speech_started", "listening"),
    ("input_audio_buffer.speech_stopped", "thinking"),
    ("response.created", "thinking"),
    ("response.output_text.delta", "writing"),
    ("response.output_audio.delta", "speaking"),
    ("response.done", "waiting"),
)
"""Event -> what goes on from then."""


class LiveStatus:
    """
    Keeps the status of a conversation: who speaks, how loud, how long it took.

    Its handlers run where the session's do; `heard` in the thread that sends. Each
    replaces the status by one assignment, and a level that is lost to the other's
    is a tenth of a second old.

    Args:
        session: whose events tell.
        screen: where to show it.

    Attributes:
        note: how long the last turn took to its beginning, "" before there is one.
    """

    def __init__(self, session: Session, screen: Screen) -> None:
        self._screen = screen
        self._level: float | None = None
        self._state = "waiting"
        self.note = ""
        for name, state in STATES:
            session.on(name, lambda event, state=state: self._now(state))
        session.on("turn.finished", self._finished)

    def heard(self, level: Level) -> None:
        """Take a level, as a `LevelMeter` gives it."""
        self._level = level.rms
        self._show()

    def _now(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self._show()

    def _finished(self, event: TurnFinished) -> None:
        for what, after in (
            ("sound", event.first_audio_ms),
            ("text", event.first_text_ms),
        ):
            if after is not None:
                self.note = f"first {what} {after:.0f} ms"
                self._show()
                return

    def _show(self) -> None:
        self._screen.status(Status(self._state, self._level, self.note))
