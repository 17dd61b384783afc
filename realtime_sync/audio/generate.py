"""Tones and silence."""

from __future__ import annotations

import math
import sys
from array import array

from .convert import convert
from .formats import PCM16, FormatLike, audio_format


def silence(seconds: float, format: FormatLike = PCM16) -> bytes:
    """
    Digital silence.

    Args:
        seconds: how long.
        format: `AudioFormat`, or a format's name in either dialect.
    """
    chosen = audio_format(format)
    samples = chosen.size(seconds * 1000) // chosen.bytes_per_sample
    return chosen.silence * samples


def tone(
    frequency: float,
    seconds: float,
    format: FormatLike = PCM16,
    *,
    level: float = -20.0,
) -> bytes:
    """
    A sine.

    Args:
        frequency: Hertz.
        seconds: how long.
        format: `AudioFormat`, or a format's name in either dialect.
        level: of its peaks, in dB relative to full scale.
    """
    chosen = audio_format(format)
    peak = 32_767 * 10 ** (level / 20)
    turn = 2 * math.pi * frequency / chosen.rate
    count = int(seconds * chosen.rate + 1e-6)
    samples = array("h", (round(peak * math.sin(turn * n)) for n in range(count)))
    if sys.byteorder == "big":
        samples.byteswap()
    pcm = samples.tobytes()
    if chosen.name == "pcm16":
        return pcm
    return convert(pcm, "pcm16", chosen, rate=chosen.rate)
