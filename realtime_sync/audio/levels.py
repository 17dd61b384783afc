"""How loud audio is."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Callable

from attrs import frozen

from .convert import convert
from .formats import PCM16, FormatLike, audio_format

SILENCE_DBFS = -96.0
"""The level of digital silence: below it 16 bits have nothing."""


@frozen
class Level:
    """
    The loudness of a stretch of audio, in dB relative to full scale.

    Attributes:
        rms: of its mean power; a sine at full scale has -3.0.
        peak: of its loudest sample.
    """

    rms: float
    peak: float


def level(data: bytes, format: FormatLike = PCM16) -> Level:
    """
    Measure how loud audio is.

    Args:
        data: whole samples.
        format: format of *data*. G.711 needs numpy.
    """
    chosen = audio_format(format)
    if chosen.name != "pcm16":
        data = convert(data, chosen, "pcm16", to_rate=chosen.rate)
    samples = array("h", data)
    if sys.byteorder == "big":
        samples.byteswap()
    if not samples:
        return Level(SILENCE_DBFS, SILENCE_DBFS)
    power = sum(sample * sample for sample in samples) / len(samples)
    return Level(
        rms=_decibels_of_level(math.sqrt(power)),
        peak=_decibels_of_level(max(map(abs, samples))),
    )


class LevelMeter:
    """
    Calls back with the level of a stream, at even intervals of audio.

    Give its `feed` to ``Microphone(on_block=...)`` or ``audio.stream``. The
    callback runs in the thread that feeds.

    Args:
        callback: called with a `Level`.
        interval_ms: milliseconds of audio per call.
        format: format of the stream.
    """

    def __init__(
        self,
        callback: Callable[[Level], object],
        *,
        interval_ms: float = 100,
        format: FormatLike = PCM16,
    ) -> None:
        self._callback = callback
        self._format = audio_format(format)
        self._size = self._format.size(interval_ms)
        self._waiting = bytearray()

    def feed(self, block: bytes) -> None:
        """Measure a block, together with what is left of the ones before."""
        self._waiting += block
        while len(self._waiting) >= self._size:
            piece = bytes(self._waiting[: self._size])
            del self._waiting[: self._size]
            self._callback(level(piece, self._format))


def _decibels_of_level(amplitude: float) -> float:
    if amplitude < 0.5:
        return SILENCE_DBFS
    return 20 * math.log10(amplitude / 32_768)
