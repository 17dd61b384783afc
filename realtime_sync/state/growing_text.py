"""
Text that grows by pieces, without copying what is there.

A part under construction may get ten thousand deltas, and every one of them makes a new
snapshot while older snapshots stay readable. A `GrowingText` is the beginning of a list
of strings that it shares with those that it grew from and that grow from it. Appending
adds one string, whatever the length, and strings are nothing that Python's garbage
collector looks at: with an object for each piece it would go over all sessions of a
process every few seconds.
"""

from __future__ import annotations

from typing import Final, Optional, Union

MOST_TEXT: Final = 1 << 20
"""Characters to which a text grows by pieces."""


class GrowingText:
    """
    One state of a growing text.

    The joined string is kept once somebody has asked for it, and is what grows from
    then on, so reading after every delta joins two pieces at a time. Immutable
    otherwise; may be read, and grow, in any number of threads.

    Args:
        pieces: a list that begins with its pieces.
        count: how many of them are its own.
        size: characters, whoever has joined them.
    """

    __slots__ = ("_pieces", "_count", "_joined", "size")

    def __init__(self, pieces: list[str], count: int, size: int) -> None:
        self._pieces = pieces
        self._count = count
        self._joined: Optional[str] = None
        self.size = size

    def __str__(self) -> str:
        # In this order, see below; `grow_text` keeps to it, too.
        pieces, joined = self._pieces, self._joined
        if joined is None:
            self._joined = joined = "".join(pieces[: self._count])
            # Only now: whoever comes by here without a lock looks at `_pieces` first
            # and at `_joined` second.
            self._pieces = []
        return joined

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (GrowingText, str)):
            return str(self) == str(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return repr(str(self))

    def __reduce__(self) -> tuple[object, tuple[None, str]]:
        return grow_text, (None, str(self))


Growing = Union[str, GrowingText, None]
"""A text, finished or still growing, or none yet."""


def grow_text(text: Growing, piece: str) -> GrowingText:
    """
    Return the text with a piece added at its end.

    As much of it as there is room for, see `MOST_TEXT`.
    """
    if not isinstance(text, GrowingText):
        text = text or ""
        text = GrowingText([text], 1, len(text))
    size = text.size + len(piece)
    if size > MOST_TEXT:
        piece, size = piece[: max(0, MOST_TEXT - text.size)], MOST_TEXT
    if not piece:
        return text
    pieces, count, joined = text._pieces, text._count, text._joined
    if joined is not None:
        pieces, count = [joined], 1
    elif len(pieces) != count:
        pieces = pieces[:count]  # Another text has grown from this one.
    pieces.append(piece)
    if pieces[count] is not piece:  # Just now, in another thread.
        pieces = [*pieces[:count], piece]
    return GrowingText(pieces, count + 1, size)


def plain_text(text: Growing) -> Optional[str]:
    """Return the text as a string, or None if there is none."""
    return str(text) if isinstance(text, GrowingText) else text
