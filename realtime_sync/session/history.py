"""
What a session begins with: a conversation that was kept somewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from ..dispatch.router import Router
from ..errors import ConfigurationError
from ..state.restore import Restorable, RestorePlan, plan_items
from ..state.saved_items import saved_items, saved_items_with_short_ids
from ..state.snapshot import Item, Snapshot
from .replay import replay
from .resources import new_item_id


def read_history(saved: object) -> RestorePlan:
    """
    Plan how to begin with a conversation that was kept.

    Ids that are longer than the service takes are made anew, which the report says.

    Args:
        saved: a snapshot, its mapping, a path, or items and messages in order.

    Raises:
        ConfigurationError: it is none of these, or the file is no recording.
        OSError: the file cannot be read.
    """
    items, remarks = saved_items_with_short_ids(
        _saved_history_items(saved), _short_history_id
    )
    return plan_items(items, remarks=remarks)


def _saved_history_items(saved: object) -> tuple[Restorable, ...]:
    if isinstance(saved, Snapshot):
        return saved.items
    if isinstance(saved, (str, os.PathLike)):
        return replay(saved, router=Router()).items
    if isinstance(saved, Mapping):
        return _history_of_packed(saved)
    if not isinstance(saved, Iterable) or isinstance(saved, (bytes, bytearray)):
        raise ConfigurationError(
            "history is a Snapshot or its dict, the path of a recording, items or "
            f"messages, not {type(saved).__name__}"
        )
    return saved_items(saved, new_item_id)


def _history_of_packed(packed: Mapping[str, Any]) -> tuple[Item, ...]:
    if "order" not in packed:
        raise ConfigurationError(
            "history is a mapping, but not that of a snapshot; give items and "
            "messages as a list"
        )
    try:
        return Snapshot.from_dict(packed).items
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ConfigurationError(f"history is no snapshot: {exc!r}") from None


def _short_history_id(name: str) -> str:
    """Always the same for an id, so that a call finds its output."""
    return "saved_" + sha256(name.encode("utf-8", "replace")).hexdigest()[:24]
