"""
Text in pieces that the service takes.
"""

from __future__ import annotations

import re
from typing import Final

from ...protocol.live.limits import APPEND_TOKENS, BYTES_PER_TOKEN

MOST_BYTES: Final = APPEND_TOKENS * BYTES_PER_TOKEN
"""Of one piece, in UTF-8."""

_BREAKS: Final = (re.compile(r"(?<=[.!?\n])\s+"), re.compile(r"\s+"))
"""Where text is parted, the best place first."""


def text_chunks(text: object) -> tuple[str, ...]:
    """
    Part a text into pieces that one append takes, at ends of sentences if it can.

    Nothing is lost but the space between two pieces.

    Raises:
        TypeError: it is no text.
        ValueError: there is nothing in it, or half of a character.
    """
    if not isinstance(text, str):
        raise TypeError(f"expected text, not {type(text).__name__}")
    text = text.strip()
    if not text:
        raise ValueError("the text is empty")
    text.encode()  # Half of a character is no text, and cannot be sent.
    return tuple(_parted_text_chunks(text, 0))


def _parted_text_chunks(text: str, finer: int) -> list[str]:
    if _text_chunk_size(text) <= MOST_BYTES:
        return [text]
    if finer == len(_BREAKS):
        return _chopped_text_chunks(text)
    made: list[str] = []
    for part in _BREAKS[finer].split(text):
        if (
            made
            and _text_chunk_size(made[-1]) + 1 + _text_chunk_size(part) <= MOST_BYTES
        ):
            made[-1] = f"{made[-1]} {part}"
        else:
            made.extend(_parted_text_chunks(part, finer + 1))
    return made


def _chopped_text_chunks(text: str) -> list[str]:
    """One word without an end: cut it, but never inside a character."""
    made, start, size = [], 0, 0
    for at, character in enumerate(text):
        width = _text_chunk_size(character)
        if size + width > MOST_BYTES:
            made.append(text[start:at])
            start, size = at, 0
        size += width
    return [*made, text[start:]]


def _text_chunk_size(text: str) -> int:
    return len(text.encode())
