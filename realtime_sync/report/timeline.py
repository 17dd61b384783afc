"""What a report tells: who said what and when, and what went wrong."""

from __future__ import annotations

from typing import Any, Optional

from attrs import define, field

from ..state.latency import Turn
from ..telemetry import Tokens
from .sound import Track

MOMENTS = (
    ("speech_end", "speech end"),
    ("committed", "committed"),
    ("created", "created"),
    ("first_text", "first text"),
    ("first_audio", "first audio"),
    ("done", "done"),
    ("played", "played"),
)
"""
What is timed in a turn: name, and what people read.

``played`` is the end of the answer's sound: where the server says that it has played
it, else where it ends if it is played as it comes, or was cut.
"""


@define
class Utterance:
    """
    One message, call or output.

    Attributes:
        role: ``user``, ``assistant``, ``system`` or ``tool``.
        text: what was said or written, as far as it was heard.
        item_id: the item.
        at: seconds on the time line, None if unknown.
        sound: samples, with format and rate; or None.
        unheard: what was generated and never played.
        remark: a few words on what is unusual about it.
    """

    role: str
    text: str
    item_id: str = ""
    at: Optional[float] = None
    sound: Optional[tuple[bytes, str, int]] = None
    unheard: str = ""
    remark: str = ""


@define
class Problem:
    """Something that went wrong, or otherwise than the protocol has it."""

    kind: str
    text: str
    at: Optional[float] = None


@define
class Entry:
    """
    One line of the event log.

    Attributes:
        at: seconds on the time line.
        direction: ``in``, ``out`` or ``note``.
        type: of the event, as it was on the wire.
        frame: the event; audio in it is replaced by its length.
        count: how many of the same type came in a row, this one first.
    """

    at: float
    direction: str
    type: str
    frame: Any
    count: int = 1
    until: float = 0.0


@define
class Story:
    """
    Everything that a report shows.

    Attributes:
        title: what it is a report of.
        facts: name and value of what is known of the session.
        seconds: length of the time line; 0 where there is none.
        user, server: the two sides as audio.
        marks: interruptions, in seconds on the time line.
        remarks: sentences on what the report does not have, and why.
    """

    title: str
    facts: list[tuple[str, str]] = field(factory=list)
    seconds: float = 0.0
    utterances: list[Utterance] = field(factory=list)
    turns: list[Turn] = field(factory=list)
    tokens: Tokens = Tokens()
    problems: list[Problem] = field(factory=list)
    entries: list[Entry] = field(factory=list)
    user: Track = field(factory=Track)
    server: Track = field(factory=Track)
    marks: list[float] = field(factory=list)
    remarks: list[str] = field(factory=list)
