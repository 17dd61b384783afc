"""
Transcripts as the protocol cuts them: by words, into stretches of a fixed grid.
"""

from __future__ import annotations

from typing import Iterator, Sequence

import attrs

from .limits import GRID_MS


@attrs.frozen
class Word:
    """
    A word, and when it begins.

    Attributes:
        text: with the space before it.
        ms: since the beginning of what it is part of.
    """

    text: str
    ms: float


def timed_fragment_words(text: str, milliseconds: float) -> list[Word]:
    """Spread the words of *text* over a time, by their length."""
    words = text.split()
    total = sum(map(len, words)) or 1
    spoken, timed = 0, []
    for word in words:
        timed.append(Word(" " + word, milliseconds * spoken / total))
        spoken += len(word)
    return timed


def fragments_on_grid(
    words: Sequence[Word], starts_ms: float
) -> Iterator[tuple[int, str]]:
    """
    Gather words by the stretches that they begin in.

    Yields:
        When a stretch begins, and what is said in it. Empty ones are left out; the
        first has no space before it.
    """
    text, at = "", -1
    for word in words:
        slot = int(starts_ms + word.ms) // GRID_MS * GRID_MS
        if text and slot != at:
            yield at, text
            text = ""
        if at < 0:
            text = word.text.lstrip()
        else:
            text += word.text
        at = slot
    if text:
        yield at, text
