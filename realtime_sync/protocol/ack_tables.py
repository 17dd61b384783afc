"""
The tables of acknowledgements, one for each protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from . import acks
from .acks import AckRule
from .live import acks as live


@frozen(kw_only=True)
class AckTable:
    """
    How answers find their commands in one protocol.

    Attributes:
        rules: command type -> what acknowledges it; what is not here is never
            answered.
        points: whether an error that names no command may still be about one,
            because its code or ``param`` says so.
        automatic: the server makes responses and items by itself, which are not to be
            taken for answers.
    """

    rules: Mapping[str, AckRule]
    points: bool
    automatic: bool


REALTIME: Final = AckTable(rules=acks.ACKS, points=True, automatic=True)
LIVE: Final = AckTable(rules=live.ACKS, points=False, automatic=False)


def acks_of(session_type: str) -> AckTable:
    """Return the table of a kind of session."""
    return LIVE if session_type == "live" else REALTIME
