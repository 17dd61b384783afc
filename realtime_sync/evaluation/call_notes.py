"""What a `Caller` knows of its call, as notes in the recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Optional

from attrs import define, field, frozen

from ..report import Stretch
from .speech import Interval

SAID = "caller.said"
HEARD = "caller.heard"


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


def heard_note(item_id: str, start: float) -> dict[str, Any]:
    """The note of when an item began to be heard."""
    return {"type": HEARD, "item_id": item_id, "start": round(start, 4)}


@define
class CallNotes:
    """
    The notes of a recording.

    Attributes:
        utterances: what the caller said.
        heard: when items of the agent's began to be heard, by item id.
    """

    utterances: list[Utterance] = field(factory=list)
    heard: dict[str, float] = field(factory=dict)

    def read(self, note: object) -> None:
        """Take one note; those of others, and odd ones, say nothing here."""
        if not isinstance(note, Mapping):
            return
        if note.get("type") == HEARD:
            since = _time(note.get("start"))
            if since is not None:
                self.heard[str(note.get("item_id"))] = since
        elif note.get("type") == SAID:
            self._said(note)

    def place(self, stretches: Sequence[Stretch]) -> None:
        """
        Put the sound of items where it was heard.

        A recording tells when sound came; a busy machine plays it later.
        """
        moved: dict[str, float] = {}
        for stretch in stretches:
            item_id = stretch.item_id or ""
            since = self.heard.get(item_id, stretch.start)
            stretch.start += moved.setdefault(item_id, since - stretch.start)

    def _said(self, note: Mapping[str, Any]) -> None:
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
