"""
The mirrors, one for each protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from . import reduce as realtime
from .live import reduce as live
from .live.snapshot import LiveSnapshot
from .reducers.conversation import CHANGES
from .snapshot import Snapshot
from .snapshot_changes import learn_habit


@frozen(kw_only=True)
class Mirror:
    """
    How what a server says becomes a snapshot, in one protocol.

    Attributes:
        empty: makes the snapshot of which nothing is known.
        unpack: the snapshot that plain data stands for.
        reduce: the snapshot after an event.
        reduce_command: the snapshot after a command that it must know of.
        noted: which commands those are.
        learn: the snapshot of a server that was caught at a habit.
    """

    empty: Callable[..., Any]
    unpack: Callable[[Mapping[str, Any]], Any]
    reduce: Callable[[Any, Any], Any]
    reduce_command: Callable[[Any, Any], Any]
    noted: frozenset[str]
    learn: Callable[[Any, str], Any]


REALTIME: Final = Mirror(
    empty=Snapshot,
    unpack=Snapshot.from_dict,
    reduce=realtime.reduce,
    reduce_command=realtime.reduce_command,
    noted=frozenset({"conversation.item.create", *CHANGES}),
    learn=learn_habit,
)
LIVE: Final = Mirror(
    empty=LiveSnapshot,
    unpack=LiveSnapshot.from_dict,
    reduce=live.reduce_live,
    reduce_command=live.reduce_live_command,
    noted=frozenset(live.COMMANDS),
    learn=lambda snapshot, habit: snapshot,
)


def mirror_of(session_type: str) -> Mirror:
    """Return the mirror of a kind of session."""
    return LIVE if session_type == "live" else REALTIME
