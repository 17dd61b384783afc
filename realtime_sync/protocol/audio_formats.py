"""
What a word for an audio format means: how it is coded, and at what rate.

The one table of it. Dialects read it both ways, and so does whoever turns what a
server says into samples.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Optional

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

SPELLINGS: Mapping[str, str] = {
    "mulaw": "g711_ulaw",
    "ulaw": "g711_ulaw",
    "pcmu": "g711_ulaw",
    "alaw": "g711_alaw",
    "pcma": "g711_alaw",
    "pcms16le": "pcm16",
    "s16le": "pcm16",
}
"""Other words for the same, small, without ``audio/``, ``x-`` and signs."""

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


def audio_format_of_word(word: str) -> Optional[tuple[str, int]]:
    """
    The media type and the rate that a word stands for, None if it is not known.

    Capitals count for nothing, and ``audio/pcm;rate=16000`` is understood.
    """
    name, _, options = word.strip().casefold().partition(";")
    name = name.strip()
    plain = re.sub(r"^(audio/)?(x-)?|[-_ ]", "", name)
    name = SPELLINGS.get(plain, name)
    kind, rate = WORDS.get(name, (name, RATES.get(name, 0)))
    if not rate:
        return None
    said = _RATE.search(options)
    return kind, stated_audio_rate(int(said[1]), rate) if said and kind == PCM else rate


# Bounded: Python refuses to read numbers of thousands of digits.
_RATE = re.compile(r"rate=(\d{1,9})(?!\d)")


def plain_format(value: object, rate: object = None) -> object:
    """
    GA's object for a format as a server says it; what is not known stays.

    Args:
        value: a word, or an object with a ``type``.
        rate: samples per second, where they are said beside it.
    """
    told = {"type": value} if isinstance(value, str) else value
    word = told.get("type") if isinstance(told, dict) else None
    found = audio_format_of_word(word) if isinstance(word, str) else None
    if found is None or not isinstance(told, dict):
        return value
    kind, usual = found
    if rate is None and kind == word:
        return told
    usual = stated_audio_rate(told.get("rate"), usual)
    said = {"rate": stated_audio_rate(rate, usual)} if kind == PCM else {}
    return {**told, "type": kind, **said}


def stated_audio_rate(rate: object, usual: int) -> int:
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
