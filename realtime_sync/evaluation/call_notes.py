"""What a `Caller` knows of its call, as notes in the recording."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Optional

from attrs import define, field, frozen

from .speech import Interval

SAID = "caller.said"


@frozen(kw_only=True)
class Utterance:
    """
    Something that the caller said.

    Attributes:
        text: the words, empty for a file whose words nobody told.
        interval: from the first loud sample to the last.
        kind: ``say``, ``interrupt`` or ``dtmf``.
    """

    text: str
    interval: Interval
    kind: str = "say"

    def note(self) -> dict[str, Any]:
        """As it is written into the recording."""
        return {
            "type": SAID,
            "kind": self.kind,
            "text": self.text,
            "start": round(self.interval.start, 4),
            "end": round(self.interval.end, 4),
        }


@define
class CallNotes:
    """The notes of a recording."""

    utterances: list[Utterance] = field(factory=list)

    def read(self, note: object) -> None:
        """Take one note; those of others, and odd ones, say nothing here."""
        if not isinstance(note, Mapping) or note.get("type") != SAID:
            return
        start, end = _time(note.get("start")), _time(note.get("end"))
        if start is None or end is None or end < start:
            return
        self.utterances.append(
            Utterance(
                text=str(note.get("text") or ""),
                interval=Interval(start, end),
                kind=str(note.get("kind") or "say"),
            )
        )


def _time(value: object) -> Optional[float]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if isfinite(value) and value >= 0 else None
