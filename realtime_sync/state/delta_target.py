"""
What deltas fall on just now: a part of an item, or the arguments of a call.

Nearly every delta falls where the one before it fell. So what grows there is kept
beside the items, as the fields that it has by now, and is put among them when
somebody looks, which is rarely after each delta. Until then a delta costs two
small copies, of those fields and of the snapshot's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, TypeVar

from attrs import frozen

from .frozen_records import evolve_record_field
from .items import Item, Part

T = TypeVar("T")

_new = object.__new__
_set = object.__setattr__


@frozen
class DeltaGrowth:
    """
    Where something grows.

    Attributes:
        item_id: id of the item.
        index: of the part in the item; None where the item itself grows.
        item: the item as it was before.
        overlay: the items in flight as they were before, this one among them.
    """

    item_id: str
    index: Optional[int]
    item: Item
    overlay: Mapping[str, Item]

    def grown(self, fields: dict[str, Any]) -> Mapping[str, Item]:
        """Return the items in flight with the fields that have come about."""
        if self.index is None:
            item = _new_target_record(Item, fields)
        else:
            parts, part = self.item.content, _new_target_record(Part, fields)
            parts = (*parts[: self.index], part, *parts[self.index + 1 :])
            item = evolve_record_field(self.item, "content", parts)
        return {**self.overlay, self.item_id: item}


class OverlayOnDemand:
    """
    The items in flight of a snapshot where one has grown, made when first read.

    It has no ``__set__``: the mapping that it makes is put into ``__dict__``, as
    is one that is known from the start, and hides it. Two threads that read at the
    same time make equal mappings.
    """

    def __get__(self, snapshot: object, owner: Optional[type] = None) -> Any:
        values = snapshot.__dict__
        values["_overlay"] = overlay = values["_growth"].grown(values["_grown"])
        return overlay


def _new_target_record(cls: type[T], fields: dict[str, Any]) -> T:
    made = _new(cls)
    _set(made, "__dict__", fields)
    return made
