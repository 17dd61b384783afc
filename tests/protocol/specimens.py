"""The example frames of ``tests/frames``, and what a codec makes of them."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from realtime_sync.protocol.codec import Codec
from realtime_sync.protocol.dialects import BETA, GA
from realtime_sync.protocol.registry import LIVE_ROWS, ROWS, TRANSCRIPTION_SPELLINGS

ROOT = Path(__file__).parent.parent / "frames"


UNDIALECTED = ("translation", "live")
"""Kinds of session whose frames no dialect changes."""


class Specimen(NamedTuple):
    """
    One example frame.

    Attributes:
        name: path of its file without the suffix.
        dialect: ``ga``, ``beta``, ``translation`` or ``live``.
        direction: ``server`` or ``client``.
        frame: the frame, fresh for every reader.
    """

    name: str
    dialect: str
    direction: str
    text: str

    @property
    def frame(self) -> dict[str, Any]:
        made: dict[str, Any] = json.loads(self.text)
        return made

    @property
    def session_type(self) -> str:
        return self.dialect if self.dialect in UNDIALECTED else "realtime"


@lru_cache(maxsize=None)
def specimens() -> tuple[Specimen, ...]:
    """Every example frame, in order of name."""
    return tuple(
        Specimen(
            str(path.relative_to(ROOT).with_suffix("")),
            path.parts[-3],
            path.parts[-2],
            path.read_text(encoding="utf-8"),
        )
        for path in sorted(ROOT.rglob("*.json"))
    )


def said_by(direction: str) -> list[Specimen]:
    """Every example frame of one direction."""
    return [each for each in specimens() if each.direction == direction]


def codec_for(dialect: str, **options: Any) -> Codec:
    """A codec that reads the frames of one of the folders."""
    if dialect in UNDIALECTED:
        return Codec(GA, session_type=dialect, **options)
    return Codec(BETA if dialect == "beta" else GA, **options)


def expected(dialect: str, direction: str) -> frozenset[str]:
    """The wire types that a folder must have a frame for."""
    rows = [row for row in (*ROWS, *LIVE_ROWS) if row.direction == direction]
    if dialect in UNDIALECTED:
        return frozenset(row.name for row in rows if dialect in row.session_types)
    spoken = [
        row for row in rows if row in ROWS and row.session_types != ("translation",)
    ]
    if dialect == "ga":
        return frozenset(row.name for row in spoken)
    names = {row.beta for row in spoken if row.beta}
    names |= {
        spelt
        for spelt in TRANSCRIPTION_SPELLINGS
        if spelt.endswith(".update") == (direction == "client")
    }
    return frozenset(names)
