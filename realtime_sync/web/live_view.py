"""What a page shows of a live session: both sides in lines, and what was not heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from ..report import Utterance, utterance_of_work
from . import view
from .messages import Message

if TYPE_CHECKING:
    from .. import audio, live

PAUSE_MS = 2000.0
"""Milliseconds after which what a side says is a line of its own."""

ASIDE_MS = 500.0
"""The same where the other side has begun to speak meanwhile."""

LISTENING_MS = 1000.0
"""Milliseconds after a word of the user in which he counts as speaking."""

Spans = tuple[tuple[float, float], ...]


@define(eq=False)
class _LiveViewLine:
    """
    What somebody says in one go.

    Attributes:
        speaker: ``"user"``, ``"assistant"``, or ``"typed"`` for what was not spoken.
        place: its session of several, and where in it the line begins.
        end_ms: where it ends so far.
        pieces: where each begins, and its text.
        rows: as a page shows it: after what was cut off there is another one.
        unheard: where, in its session, the model spoke to nobody.
    """

    id: str
    speaker: str
    place: tuple[int, float]
    end_ms: float
    pieces: list[tuple[float, str]] = field(factory=list)
    rows: list[Utterance] = field(factory=list)
    unheard: Spans = ()

    def lay_out(self) -> None:
        """Make the rows anew."""
        role = "assistant" if self.speaker == "assistant" else "user"
        self.rows = []
        for start, text in self.pieces:
            cut = any(begin <= start < end for begin, end in self.unheard)
            if not self.rows or (self.rows[-1].unheard and not cut):
                self.rows.append(Utterance(role, "", f"{self.id}/{len(self.rows)}"))
                text = text.lstrip()
            row = self.rows[-1]
            if cut:
                row.unheard += text
                row.remark = "cut off"
            else:
                row.text += text


class LivePageView:
    """
    Compares a live session with what its page was told of it. For one thread.

    The wire has pieces of text with times, and no ends of turns; both sides may speak
    at once. So a line goes on until its side pauses, and only new pieces are looked at.

    Args:
        session: which.
        attachment: knows what of it was not heard.

    Attributes:
        session: which.
    """

    def __init__(
        self, session: live.LiveSession, attachment: audio.LiveAttachment
    ) -> None:
        self.session = session
        self._attachment = attachment
        self._lines: list[_LiveViewLine] = []
        self._count = 0
        self._taken = 0
        self._unheard: Spans = ()
        self._seen: tuple[object, object] = None, None
        self._state = ""
        self._told: dict[str, Utterance] = {}

    def typed(self, text: str) -> None:
        """Show words that a person has typed, which no event repeats."""
        snapshot = self.session.snapshot
        line = self._begin("typed", snapshot.epoch, snapshot.clock_ms)
        line.pieces.append((snapshot.clock_ms, text))
        line.lay_out()
        self._seen = None, None

    def news(self) -> list[Message]:
        """What to tell the page, which may be nothing."""
        told: list[Message] = []
        snapshot, unheard = self.session.snapshot, self._attachment.unheard
        seen = snapshot.said, snapshot.delegations
        # Each piece of sound is another snapshot, and most of them say nothing.
        if (
            any(a is not b for a, b in zip(seen, self._seen))
            or unheard != self._unheard
        ):
            self._take(snapshot, unheard)
            self._seen, self._unheard = seen, unheard
            rows = self._rows(snapshot)
            changed = [
                each for name, each in rows.items() if each != self._told.get(name)
            ]
            if changed or rows.keys() != self._told.keys():
                lines = [view.line_in_view(each) for each in changed]
                told.append({"kind": "lines", "order": list(rows), "changed": lines})
            self._told = rows
        state = self._activity(snapshot)
        if state != self._state:
            self._state = state
            told.append({"kind": "state", "state": state})
        return told

    def _take(self, snapshot: live.LiveSnapshot, unheard: Spans) -> None:
        """Put new pieces into lines, and lay out what has changed."""
        said = snapshot.said
        pieces = said.all()
        changed = []
        for piece in pieces[max(0, self._taken - said.dropped) :]:
            line = self._line(piece.speaker, piece.epoch, piece.start_ms)
            line.pieces.append((piece.start_ms, piece.text))
            line.end_ms = max(line.end_ms, piece.end_ms)
            changed.append(line)
        self._taken = said.dropped + len(pieces)
        if unheard != self._unheard:
            changed = self._lines
        for line in changed:
            # Times begin anew in each session; of earlier ones it is settled.
            if line.speaker == "assistant" and line.place[0] == snapshot.epoch:
                line.unheard = unheard
            line.lay_out()

    def _line(self, speaker: str, epoch: int, start_ms: float) -> _LiveViewLine:
        """The line that a piece belongs to, be it a new one."""
        for line in reversed(self._lines):
            if line.speaker == speaker:
                patience = PAUSE_MS if line is self._lines[-1] else ASIDE_MS
                if line.place[0] == epoch and start_ms - line.end_ms < patience:
                    return line
                break
        return self._begin(speaker, epoch, start_ms)

    def _begin(self, speaker: str, epoch: int, start_ms: float) -> _LiveViewLine:
        self._count += 1
        place = epoch, start_ms
        line = _LiveViewLine(f"{speaker}/{self._count}", speaker, place, start_ms)
        self._lines.append(line)
        # The words of the user come later than those of the model may.
        self._lines.sort(key=lambda each: each.place)
        del self._lines[: -view.MOST_LINES]
        return line

    def _rows(self, snapshot: live.LiveSnapshot) -> dict[str, Utterance]:
        """What both said and what was handed on, in order of beginning, by id."""
        placed = [(line.place, row) for line in self._lines for row in line.rows]
        for work in snapshot.delegations.values():
            placed.append(((work.epoch, work.offset_ms), utterance_of_work(work)))
        placed.sort(key=lambda each: each[0])
        return {row.item_id: row for _, row in placed[-view.MOST_LINES :]}

    def _activity(self, snapshot: live.LiveSnapshot) -> str:
        """What happens at this moment, in a word."""
        if snapshot.state != "active":
            return snapshot.state
        if self._attachment.speaking:
            return "answering"
        ends = [line.end_ms for line in self._lines if line.speaker == "user"]
        if ends and snapshot.clock_ms - ends[-1] < LISTENING_MS:
            return "listening"
        working = any(each.state == "open" for each in snapshot.delegations.values())
        return "thinking" if working else "waiting"
