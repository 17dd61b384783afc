"""What a `Caller` knows of its call, as notes in the recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Optional

from attrs import define, field, frozen

from ..report import Stretch
from .speech_intervals import Interval

SAID = "caller.said"
HEARD = "caller.heard"


@frozen(kw_only=True)
class CallerUtterance:
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
    """The note of when an item, or in a live session sound, began to be heard."""
    return {"type": HEARD, "item_id": item_id, "start": round(start, 4)}


@define
class CallNotes:
    """
    The notes of a recording.

    Attributes:
        utterances: what the caller said.
        heard: when items of the agent's began to be heard, by item id.
        onsets: when the agent of a live session was heard again after a silence.
        outputs: what the program gave back to the backend of a live session, by call.
    """

    utterances: list[CallerUtterance] = field(factory=list)
    heard: dict[str, float] = field(factory=dict)
    onsets: list[float] = field(factory=list)
    outputs: dict[str, str] = field(factory=dict)

    def hear(self, direction: str, frame: object) -> None:
        """Take a line of a recording; those of others, and odd ones, say nothing."""
        if not isinstance(frame, Mapping):
            return
        if direction == "note":
            self._noted(frame)
        elif direction == "out" and frame.get("type") == "response.item.create":
            item = frame.get("item")
            if isinstance(item, Mapping) and isinstance(item.get("output"), str):
                self.outputs[str(item.get("call_id"))] = item["output"]

    def _noted(self, note: Mapping[str, Any]) -> None:
        if note.get("type") == HEARD:
            since = _time_of_note(note.get("start"))
            if since is not None:
                self.heard[str(note.get("item_id"))] = since
                self.onsets.append(since)
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
        start, end = _time_of_note(note.get("start")), _time_of_note(note.get("end"))
        if start is None or end is None or end < start:
            return
        self.utterances.append(
            CallerUtterance(
                text=str(note.get("text") or ""),
                interval=Interval(start, end),
                kind=str(note.get("kind") or "say"),
            )
        )


def _time_of_note(value: object) -> Optional[float]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if isfinite(value) and value >= 0 else None
