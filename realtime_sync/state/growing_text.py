"""
Text that grows by pieces, without copying what is there.

A part under construction may get ten thousand deltas, and every one of them
makes a new snapshot while older snapshots stay readable. `Text` is a list that
grows at one end: a node knows the node before it and its own piece. Appending
makes one node whatever the length, and two texts that grew from the same node
share what they have in common and nothing else.
"""

from __future__ import annotations

from typing import Final, Optional, Union

MOST_TEXT: Final = 1 << 20
"""Characters to which a text grows by pieces."""


class Text:
    """
    One state of a growing text.

    The joined string is kept once somebody has asked for it, so reading after
    every delta joins one piece at a time. Immutable otherwise; may be read by
    any number of threads.

    Attributes:
        size: characters, whoever has joined them.
    """

    __slots__ = ("_before", "_piece", "_joined", "size")

    def __init__(self, before: Optional[Text], piece: str) -> None:
        self._before = before
        self._piece = piece
        self._joined: Optional[str] = None
        self.size: int = len(piece) if before is None else before.size + len(piece)

    def __str__(self) -> str:
        if self._joined is None:
            self._joined = self._join()
            # Only now: whoever walks through here without a lock looks at
            # `_before` first and at `_joined` second.
            self._before = None
        return self._joined

    def _join(self) -> str:
        pieces = []
        node: Optional[Text] = self
        while node is not None:
            before, joined = node._before, node._joined
            if joined is not None:
                pieces.append(joined)
                break
            pieces.append(node._piece)
            node = before
        pieces.reverse()
        return "".join(pieces)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Text, str)):
            return str(self) == str(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return repr(str(self))

    def __reduce__(self) -> tuple[type[Text], tuple[None, str]]:
        return Text, (None, str(self))


Growing = Union[str, Text, None]
"""A text, finished or still growing, or none yet."""


def append(text: Growing, piece: str) -> Text:
    """
    Return the text with a piece added at its end.

    As much of it as there is room for, see `MOST_TEXT`.
    """
    if not isinstance(text, Text):
        text = Text(None, text or "")
    if text.size + len(piece) > MOST_TEXT:
        piece = piece[: max(0, MOST_TEXT - text.size)]
    return Text(text, piece) if piece else text


def plain(text: Growing) -> Optional[str]:
    """Return the text as a string, or None if there is none."""
    return str(text) if isinstance(text, Text) else text
