"""One line at the bottom of a terminal: level, state, latency."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from .. import Session
    from ..audio import Level
    from ..dispatch.event_names import EventName
    from ..dispatch.notices import TurnFinished


CELLS = 12
LOWEST, HIGHEST = -60.0, 0.0
"""dBFS at both ends of the bar."""
CLEAR = "\r\x1b[K"


def bar(rms: float, *, cells: int = CELLS) -> str:
    """
    A level as a bar.

    Args:
        rms: in dBFS.
        cells: width.
    """
    share = (rms - LOWEST) / (HIGHEST - LOWEST)
    full = round(max(0.0, min(1.0, share)) * cells)
    return "█" * full + "·" * (cells - full)


class StatusLine:
    """
    A line that stays below whatever else is written, on terminals only.

    Write everything else through it. While another line is open, that is without
    its end, the status is not shown, so that neither breaks the other. Nothing
    but the session's dispatcher thread and the thread that sends may use it; each
    write is one call, and the line is drawn again by the next.

    Args:
        out: where to write; by default the standard output.
        shown: whether to show it; by default if *out* is a terminal.
    """

    def __init__(self, out: TextIO | None = None, *, shown: bool | None = None) -> None:
        self._out = out or sys.stdout
        self._shown = self._out.isatty() if shown is None else shown
        self._open = False
        self._text = ""
        self._drawn = False

    def write(self, text: str) -> int:
        """Write what is not the status."""
        if not text:
            return 0
        before = CLEAR if self._drawn else ""
        self._drawn = False
        self._open = not text.endswith("\n")
        self._out.write(before + text)
        self._draw()
        return len(text)

    def flush(self) -> None:
        """Let it be seen."""
        self._out.flush()

    def show(self, text: str) -> None:
        """Replace the status."""
        width = shutil.get_terminal_size().columns
        self._text = text[: max(0, width - 1)]
        self._draw()

    def end(self) -> None:
        """Take the status away."""
        if self._drawn:
            self._out.write(CLEAR)
        self._drawn, self._shown = False, False
        self._out.flush()

    def _draw(self) -> None:
        if self._shown and not self._open and self._text:
            self._out.write(CLEAR + self._text)
            self._out.flush()
            self._drawn = True


class LiveState:
    """
    Keeps the status of a conversation: who speaks, how loud, how long it took.

    Args:
        session: whose events tell.
        line: where to show it.
    """

    def __init__(self, session: Session, line: StatusLine) -> None:
        self._line = line
        self._level = bar(LOWEST)
        self._state = "waiting"
        self._took = ""
        states: tuple[tuple[EventName, str], ...] = (
            ("input_audio_buffer.speech_started", "listening"),
            ("input_audio_buffer.speech_stopped", "thinking"),
            ("response.output_audio.delta", "speaking"),
            ("response.done", "waiting"),
        )
        for name, state in states:
            session.on(name, lambda event, state=state: self._now(state))
        session.on("turn.finished", self._finished)

    def heard(self, level: Level) -> None:
        """Take a level, as a `LevelMeter` gives it."""
        self._level = bar(level.rms)
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
                self._took = f"  first {what} after {after:.0f} ms"
                self._show()
                return

    def _show(self) -> None:
        self._line.show(f"[{self._level}] {self._state:<9}{self._took}")
