"""Remembering the last moments before anybody listened."""

from __future__ import annotations

from collections import deque

from .formats import PCM16, FormatLike, audio_format


class PreRoll:
    """
    Keeps the last milliseconds of a stream.

    People begin to speak before the button is down and before voice detection is
    sure; with what is kept here the first syllable is not lost. For one thread at
    a time.

    Args:
        ms: milliseconds to keep, at least.
        format: format of the stream.
    """

    def __init__(self, ms: float, format: FormatLike = PCM16) -> None:
        self._size = audio_format(format).size(ms)
        self._blocks: deque[bytes] = deque()
        self._held = 0

    def push(self, block: bytes) -> None:
        """Keep a block, and drop those that are too old."""
        self._blocks.append(block)
        self._held += len(block)
        while self._blocks and self._held - len(self._blocks[0]) >= self._size:
            self._held -= len(self._blocks.popleft())

    def take(self) -> bytes:
        """What is kept; nothing is kept afterwards."""
        kept = b"".join(self._blocks)
        self._blocks.clear()
        self._held = 0
        return kept
