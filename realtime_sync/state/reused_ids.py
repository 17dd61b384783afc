"""
Ids that a server gives a second time.

What had the id first keeps everything but the id: from then on the id is that of the
newest, as it is on the server. Nothing is overwritten, and an anomaly says so.
"""

from __future__ import annotations

from ..protocol.events._base import ServerEvent
from . import ordering
from .frozen_records import evolve_record, evolve_record_field
from .item_merge import compact_merged_item
from .items import UNNAMED, Item
from .snapshot import Snapshot
from .snapshot_changes import (
    drop_items,
    note_anomaly,
    put_items,
    put_order,
    put_response,
    store_item,
    update_snapshot,
)
from .snapshot_parts import ResponseState


def is_of_another_response(snapshot: Snapshot, item: Item, response_id: str) -> bool:
    """Say whether an item is over, and none that a response can be making."""
    if item.announced:
        return False
    if not item.closed:
        # One whose response was only called cancelled: it may go on, but in that alone.
        other = snapshot._responses.get(item.response_id or "")
        return other is not None and other.closed and other.id != response_id
    if item.role in ("user", "system") or item.type == "function_call_output":
        return True
    return item.response_id not in (None, response_id)


def set_item_aside(snapshot: Snapshot, event: ServerEvent, item: Item) -> Snapshot:
    """Give an item another id, because the server has given its own to another."""
    name = _free_name_for_reuse(snapshot, item.id)
    if item.id in snapshot._order.parents:
        order = ordering.rename_in_order(snapshot._order, item.id, name)
        snapshot = put_order(snapshot, order)
    state = snapshot._responses.get(item.response_id or "")
    if state is not None:
        items = tuple(name if each == item.id else each for each in state.items)
        snapshot = put_response(snapshot, evolve_record_field(state, "items", items))
    snapshot = put_items(
        drop_items(snapshot, (item.id,)), evolve_record_field(item, "id", name)
    )
    detail = f"the id is given to another item; the one before is {name} now"
    return note_anomaly(snapshot, event, "reused_id", detail, item_id=item.id)


def set_response_aside(
    snapshot: Snapshot, event: ServerEvent, state: ResponseState
) -> Snapshot:
    """Give a response another id, because the server has given its own to another."""
    name = _free_name_for_reuse(snapshot, state.id)
    responses = {
        name if each == state.id else each: known
        for each, known in snapshot._responses.items()
    }
    snapshot = update_snapshot(snapshot, {"_responses": responses})
    snapshot = put_response(snapshot, evolve_record_field(state, "id", name))
    for item in filter(None, [snapshot.item(each) for each in state.items]):
        # Closed: what is told from here on is of the other one, though this one was
        # only called cancelled.
        item = evolve_record(item, {"response_id": name, "closed": True})
        snapshot = store_item(snapshot, compact_merged_item(item))
    detail = f"the id is given to another response; the one before is {name} now"
    return note_anomaly(snapshot, event, "reused_id", detail, response_id=state.id)


def _free_name_for_reuse(snapshot: Snapshot, told: str) -> str:
    return f"{UNNAMED}{snapshot.version + 1}_{told}"
