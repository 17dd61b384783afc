"""
Recognizer and synthesizer that need no model: for tests and for trying things out.
"""

from __future__ import annotations

import array
import math
import sys
from functools import lru_cache
from typing import Optional

_RATE = 24_000
_MS_PER_CHARACTER = 60
_PERIOD_MS = 20
_PITCHES = (250, 300, 350, 400, 450, 500)


class ToneSynthesizer:
    """
    Hums instead of speaking: 60 ms for every character, higher for vowels.

    The pitch depends on the letters alone, so the same words always sound the same.
    """

    def speak(
        self, text: str, *, voice: Optional[str] = None, speed: float = 1.0
    ) -> bytes:
        """Return the hum for *text*, 16-bit PCM at 24 kHz."""
        repeats = max(1, round(_MS_PER_CHARACTER / _PERIOD_MS / speed))
        hum = bytearray()
        for letter in text:
            hum += _tone_period(_tone_pitch(letter)) * repeats
        return bytes(hum)


class ToneRecognizer:
    """Writes down how long somebody spoke: ``1200 ms of audio``."""

    def transcribe(self, pcm: bytes, rate: int) -> str:
        """Return the duration of *pcm* in words."""
        return f"{len(pcm) * 1000 // (rate * 2)} ms of audio"


def _tone_pitch(letter: str) -> int:
    if not letter.isalnum():
        return 0
    return _PITCHES[("aeiou".find(letter.lower()) + 1) % len(_PITCHES)]


@lru_cache(maxsize=None)
def _tone_period(pitch: int) -> bytes:
    """20 ms of a pitch; every pitch has a whole number of waves in it."""
    count = _RATE * _PERIOD_MS // 1000
    samples = array.array(
        "h",
        (
            round(6000 * math.sin(2 * math.pi * pitch * index / _RATE))
            for index in range(count)
        ),
    )
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
