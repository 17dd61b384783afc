"""Stretches of audio on a time line, and how loud they are."""

from __future__ import annotations

import binascii
import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, Optional, Union

from attrs import define, field

from ..errors import ConfigurationError

FULL = 32_768
_KINDS = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}


@define
class Stretch:
    """
    Audio without a gap.

    Attributes:
        start: seconds on the time line.
        data: samples.
        format: ``pcm16``, ``g711_ulaw`` or ``g711_alaw``.
        rate: samples per second.
        item_id: the item that it belongs to, if that is known.
    """

    start: float
    data: bytearray
    format: str = "pcm16"
    rate: int = 24_000
    item_id: Optional[str] = None

    @property
    def per_second(self) -> int:
        """Bytes per second."""
        return self.rate * (2 if self.format == "pcm16" else 1)

    @property
    def end(self) -> float:
        """Seconds on the time line."""
        return self.start + len(self.data) / self.per_second

    def cut(self, seconds: float) -> None:
        """Keep only the first *seconds*."""
        size = max(0, int(seconds * self.rate)) * (self.per_second // self.rate)
        del self.data[size:]


@define
class Track:
    """One side of a conversation, in stretches that do not overlap."""

    stretches: list[Stretch] = field(factory=list)

    @property
    def end(self) -> float:
        """Where the last stretch ends, in seconds."""
        return self.stretches[-1].end if self.stretches else 0.0

    def put(
        self,
        at: float,
        data: bytes,
        kind: tuple[str, int],
        *,
        item_id: Optional[str] = None,
        gap: float = 0.25,
    ) -> None:
        """
        Add audio that came, or was sent, at a time.

        Args:
            at: seconds; what is shorter than *gap* after the last audio joins it.
            data: samples.
            kind: format and rate.
            item_id: the item that it belongs to.
        """
        if self.stretches:
            last = self.stretches[-1]
            end = last.end
            same = (last.format, last.rate, last.item_id) == (*kind, item_id)
            if same and at < end + gap:
                last.data += data
                return
            at = max(at, end)
        self.stretches.append(Stretch(at, bytearray(data), *kind, item_id))


def audio_kind(session: object, side: str) -> tuple[str, int]:
    """
    Format and rate of one side, from a session as either dialect describes it.

    Args:
        session: the resource of `session.created` or `session.updated`.
        side: ``"input"`` or ``"output"``.
    """
    found: Any = None
    if isinstance(session, dict):
        found = session.get(f"{side}_audio_format")
        nested = session.get("audio")
        nested = nested.get(side) if isinstance(nested, dict) else None
        if isinstance(nested, dict):
            found = nested.get("format") or found
    rate = found.get("rate") if isinstance(found, dict) else None
    name = found.get("type") if isinstance(found, dict) else found
    name = _KINDS.get(str(name), str(name))
    if name in ("g711_ulaw", "g711_alaw"):
        return name, 8000
    return "pcm16", rate if isinstance(rate, int) and 1000 <= rate <= 192_000 else 24000


def decoded_sound(text: object) -> bytes:
    """The bytes of base64; none for what is not base64."""
    if not isinstance(text, str):
        return b""
    try:
        return binascii.a2b_base64(text)
    except ValueError:
        return b""


def samples_of_sound(data: Union[bytes, bytearray], format: str) -> Sequence[int]:
    """Samples of 16 bit; none if a package for G.711 is missing."""
    if format != "pcm16":
        from .. import audio

        try:
            data = audio.convert(data, format, "pcm16", to_rate=8000)
        except ConfigurationError:
            return array("h")
    whole = array("h", bytes(data[: len(data) // 2 * 2]))
    if sys.byteorder == "big":
        whole.byteswap()
    return whole


def peaks_of_sound(
    track: Track, seconds: float, columns: int
) -> Iterator[tuple[int, float, float]]:
    """
    The loudness of a track, column by column.

    Args:
        track: one side.
        seconds: length of the time line.
        columns: how many columns it is divided into.

    Yields:
        Column, lowest and highest sample between -1 and 1; silent columns that no
        stretch covers are left out.
    """
    for stretch in track.stretches:
        values = samples_of_sound(stretch.data, stretch.format)
        if not values:
            continue
        width = seconds / columns
        first = int(stretch.start / width)
        last = min(columns - 1, int(stretch.end / width))
        for column in range(first, last + 1):
            begin = int((column * width - stretch.start) * stretch.rate)
            end = int(((column + 1) * width - stretch.start) * stretch.rate)
            piece = values[max(0, begin) : max(0, end)]
            if piece:
                yield column, min(piece) / FULL, max(piece) / FULL
