"""One event as one line for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..protocol import audio_fields
from ..protocol.escape import one_line

WIDEST = 110
ARROWS = {"in": "<", "out": ">", "note": "="}
TELLING = (
    "message",
    "transcript",
    "text",
    "delta",
    "status",
    "code",
    "name",
    "item_id",
    "response_id",
    "error",
    "reason",
    "id",
)
"""Members that say what an event is about, the most telling first."""


def event_line(at: float, direction: str, frame: object) -> str:
    """
    An event as a line: time, direction, type, and what it is about.

    Args:
        at: seconds.
        direction: ``in``, ``out`` or ``note``.
        frame: decoded JSON.
    """
    if not isinstance(frame, Mapping):
        return f"{at:9.3f} {ARROWS.get(direction, '?')} (no JSON)"
    kind = str(frame.get("type"))
    about = _event_line_subject(kind, frame)
    line = f"{at:9.3f} {ARROWS.get(direction, '?')} {kind}  {about}".rstrip()
    line = one_line(line)
    return line if len(line) <= WIDEST else line[: WIDEST - 1] + "…"


class EventLines:
    """
    Events as lines, of which audio takes few: the first of a run, and how many more.

    Fifty blocks a second, in both directions, would leave nothing else to be seen.
    """

    def __init__(self) -> None:
        self._more: dict[tuple[str, str], int] = {}

    def of(self, at: float, direction: str, frame: object) -> list[str]:
        """The lines to print for an event, which may be none."""
        kind = str(frame.get("type")) if isinstance(frame, Mapping) else ""
        run = (direction, kind)
        if kind not in audio_fields.BLOCKS:
            return [*self.rest(), event_line(at, direction, frame)]
        if run in self._more:
            self._more[run] += 1
            return []
        self._more[run] = 0
        return [event_line(at, direction, frame)]

    def rest(self) -> list[str]:
        """What is still to be said of runs of audio."""
        runs, self._more = self._more, {}
        return [
            one_line(
                f"{'':9} {ARROWS.get(direction, '?')} {kind}  ... and {more:,} more"
            )
            for (direction, kind), more in runs.items()
            if more
        ]


def _event_line_subject(kind: str, frame: Mapping[str, Any]) -> str:
    for name, value in frame.items():
        if audio_fields.is_audio_field(name, value, kind):
            return audio_fields.shown_audio_field(value)
    for holder in (frame, *_inner_event_of_line(frame)):
        for name in TELLING:
            value = holder.get(name)
            if isinstance(value, str) and value and name != "type":
                return value
    return ""


def _inner_event_of_line(frame: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    names = ("error", "response", "item", "session")
    return [frame[name] for name in names if isinstance(frame.get(name), Mapping)]


def counted(count: int, name: str) -> str:
    """A number of things, such as ``1 item`` or ``2 items``."""
    return f"{count} {name}" if count == 1 else f"{count} {name}s"
