"""
Identifiers, from a random source that the caller gives.
"""

from __future__ import annotations

import random
import string

_ALPHABET = string.ascii_letters + string.digits
_BLOCK = 16
_LENGTH = 21
"""With the longest prefix for items, ``item_``, well below the 32 allowed."""


class Ids:
    """
    Makes ``item_...``, ``resp_...``, ``event_...`` and the like.

    Args:
        rng: the random source; a seeded one makes a session reproducible.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def new(self, prefix: str) -> str:
        """Return a fresh identifier that begins with *prefix* and an underscore."""
        return prefix + "_" + "".join(self._rng.choices(_ALPHABET, k=_LENGTH))

    def padding(self, length: int) -> str:
        """Return characters that fill a text of that length up to whole blocks."""
        return "".join(self._rng.choices(_ALPHABET, k=_BLOCK - length % _BLOCK))
