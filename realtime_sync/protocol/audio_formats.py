"""
What a word for an audio format means: how it is coded, and at what rate.

The one table of it. Dialects read it both ways, and so does whoever turns what a
server says into samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PCM = "audio/pcm"
PCMU = "audio/pcmu"
PCMA = "audio/pcma"

WORDS: Mapping[str, tuple[str, int]] = {
    "pcm16": (PCM, 24_000),
    "g711_ulaw": (PCMU, 8_000),
    "g711_alaw": (PCMA, 8_000),
    "pcm24": (PCM, 24_000),
    "pcm": (PCM, 24_000),
    "pcm16_8000hz": (PCM, 8_000),
    "pcm16_16000hz": (PCM, 16_000),
    "pcm16-8000hz": (PCM, 8_000),
    "pcm16-16000hz": (PCM, 16_000),
}
"""
A word, the media type that GA has for it, and samples per second.

The first word of a type and a rate is the one that is said. ``pcm24`` and ``pcm``
are DashScope's, those with a rate in them Azure Voice Live's. G.711 has one rate.
"""

DASHSCOPE_INPUT: Mapping[str, tuple[str, int]] = {
    "pcm16": (PCM, 16_000),
    "pcm": (PCM, 16_000),
}
"""Words that mean something else where DashScope says what it hears."""

RATES: Mapping[str, int] = {PCM: 24_000, PCMU: 8_000, PCMA: 8_000}
"""Media types of the protocol, and their usual rate; all are mono."""


MOST_RATE = 384_000
"""Samples per second beyond which a server does not mean what it says."""


BYTES_PER_SAMPLE: Mapping[str, int] = {PCM: 2, PCMU: 1, PCMA: 1}
"""Bytes of one sample of each media type."""


def format_object(word: str, words: Mapping[str, tuple[str, int]] = WORDS) -> Any:
    """GA's object for a word; a word that is not known is its type."""
    if word not in words:
        return {"type": word}
    kind, rate = words[word]
    return {"type": kind, "rate": rate} if kind == PCM else {"type": kind}


def told_rate(rate: object, usual: int) -> int:
    """Samples per second as a server says them, where it can mean that."""
    if not isinstance(rate, int) or isinstance(rate, bool):
        return usual
    return rate if 0 < rate <= MOST_RATE else usual


def format_word(kind: str, rate: object = None) -> str:
    """The word for a media type at a rate; the type itself if there is none."""
    wanted = (kind, rate if isinstance(rate, int) else RATES.get(kind))
    for word, meant in WORDS.items():
        if meant == wanted:
            return word
    for word, (known, _) in WORDS.items():
        if known == kind:
            return word
    return kind
