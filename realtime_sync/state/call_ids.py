"""
What joins calls to their outputs where a server names neither.

``call_id`` of a call is optional in the protocol, that of an output is not, and it
must be that of a call in the conversation. What answers a call without one names the
call's item instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from .frozen_records import evolve_record_field
from .items import Item

T = TypeVar("T")


def with_call_ids(conversation: Iterable[T]) -> tuple[T, ...]:
    """
    Return a conversation in which every call has a ``call_id``, and so has its output.

    A call without one is known by the id of its item. An output without one belongs to
    the first call that no output names.

    Args:
        conversation: items, and whatever else stands between them, in order.
    """
    items = tuple(map(_with_id_of_call, conversation))
    free = iter(_calls_without_output(items))
    return tuple(
        (
            evolve_record_field(item, "call_id", next(free, None))
            if _lacks_call_id(item)
            else item
        )
        for item in items
    )


def _with_id_of_call(item: T) -> T:
    """Return a call that has an id of its own; anything else as it is."""
    if isinstance(item, Item) and item.type == "function_call" and not item.call_id:
        return evolve_record_field(item, "call_id", item.id)
    return item


def _calls_without_output(items: Sequence[object]) -> list[str]:
    found = [item for item in items if isinstance(item, Item)]
    answered = {item.call_id for item in found if item.type == "function_call_output"}
    return [
        item.call_id
        for item in found
        if item.type == "function_call" and item.call_id
        if item.call_id not in answered
    ]


def _lacks_call_id(item: object) -> bool:
    if not isinstance(item, Item) or item.type != "function_call_output":
        return False
    return not item.call_id
