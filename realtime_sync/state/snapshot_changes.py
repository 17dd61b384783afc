"""
The few ways in which a snapshot may be changed.

Reducers are written in terms of these. Every function returns a new snapshot
and leaves the one it was given alone; none touches the version, which counts
events and not changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Optional, TypeVar, Union

from ..protocol.dialects.server_quirks import SHORT_DONE
from ..protocol.events._base import ServerEvent
from ..types import UNSET, Unset
from . import ordering
from .delta_target import DeltaGrowth
from .final_text import Disagreement
from .frozen_records import evolve_record, evolve_record_field
from .growing_text import MOST_TEXT, GrowingText
from .items import Item, Part
from .snapshot import Snapshot
from .snapshot_parts import Anomaly, ResponseState

T = TypeVar("T")

IN_FLIGHT = 64
"""Items in the overlay at which they are moved to the base."""

LONGEST_DETAIL = 500
"""Characters of an anomaly's detail."""

_new = object.__new__
_set = object.__setattr__


def find_item(snapshot: Snapshot, item_id: Union[str, None, Unset]) -> Optional[Item]:
    """Return an item, announced ones included; None for what is no id."""
    return snapshot.item(item_id or "")


def update_snapshot(snapshot: Snapshot, changes: Mapping[str, Any]) -> Snapshot:
    """Return a copy of a snapshot with other values in some fields."""
    copy = evolve_record(snapshot, changes)
    copy.__dict__.pop("cached_items", None)
    if "_overlay" in changes:
        copy.__dict__["_growth"] = None
    return copy


def learn_habit(snapshot: Snapshot, habit: str) -> Snapshot:
    """Remember that the server was caught at a habit."""
    if habit in snapshot.habits:
        return snapshot
    return update_snapshot(snapshot, {"habits": snapshot.habits | {habit}})


def put_growing(snapshot: Snapshot, item: Item) -> Snapshot:
    """Store an item on which further deltas are expected. O(items in flight)."""
    values = snapshot.__dict__.copy()
    values.pop("cached_items", None)
    values["_overlay"] = overlay = {**snapshot._overlay, item.id: item}
    values["_growth"] = None
    if len(overlay) > IN_FLIGHT:
        values["_base"] = snapshot._base.put(overlay)
        values["_overlay"] = {}
    copy = _new(Snapshot)
    _set(copy, "__dict__", values)
    return copy if values["_overlay"] else _forget_oldest_items_of_snapshot(copy)


def put_part(snapshot: Snapshot, item: Item, index: int, part: Part) -> Snapshot:
    """Store an item with another part at an index; deltas on it become cheap."""
    # On one that is closed the next delta is late, which the short way would not see.
    if item.id in snapshot._overlay and not item.closed:
        growth = DeltaGrowth(item.id, index, item, snapshot._overlay)
        return put_regrown(
            evolve_record_field(snapshot, "_growth", growth), part.__dict__
        )
    parts = (*item.content[:index], part, *item.content[index + 1 :])
    return put_growing(snapshot, evolve_record_field(item, "content", parts))


def put_call(snapshot: Snapshot, item: Item) -> Snapshot:
    """Store a call whose arguments grow; deltas on it become cheap."""
    if item.id in snapshot._overlay:
        growth = DeltaGrowth(item.id, None, item, snapshot._overlay)
        return put_regrown(
            evolve_record_field(snapshot, "_growth", growth), item.__dict__
        )
    return put_growing(snapshot, item)


def put_regrown(snapshot: Snapshot, fields: dict[str, Any]) -> Snapshot:
    """Store other fields of what grows. Nearly every delta comes by here."""
    values = snapshot.__dict__.copy()
    values.pop("cached_items", None)
    values.pop("_overlay", None)
    values["_grown"] = fields
    copy = _new(Snapshot)
    _set(copy, "__dict__", values)
    return copy


def put_items(snapshot: Snapshot, *items: Item) -> Snapshot:
    """Store items that are as good as finished."""
    base = snapshot._base.put({item.id: item for item in items})
    overlay = dict(snapshot._overlay)
    for item in items:
        overlay.pop(item.id, None)
    return _forget_oldest_items_of_snapshot(
        update_snapshot(snapshot, {"_base": base, "_overlay": overlay})
    )


def store_item(snapshot: Snapshot, item: Item) -> Snapshot:
    """Store an item where it belongs: finished ones apart from the others."""
    if item.closed:
        return put_items(snapshot, item)
    return put_growing(snapshot, item)


def drop_items(snapshot: Snapshot, items: Iterable[str]) -> Snapshot:
    """Take items out of the store, not out of the order."""
    items = tuple(items)
    base, overlay = snapshot._base.without(items), dict(snapshot._overlay)
    for each in items:
        overlay.pop(each, None)
    return update_snapshot(snapshot, {"_base": base, "_overlay": overlay})


def put_order(snapshot: Snapshot, order: ordering.ItemOrder) -> Snapshot:
    """Replace the order, forgetting the oldest tombstones."""
    limit = snapshot.limits.max_items
    # A tombstone is small, and to forget one costs as much as to forget many.
    if len(order.dead) > limit + limit // 2:
        order = ordering.forget_tombstones(order, limit)
    return update_snapshot(snapshot, {"_order": order})


def bury_item(snapshot: Snapshot, item_id: str) -> Snapshot:
    """Take an item out of the conversation; its place stays known."""
    snapshot = drop_items(snapshot, (item_id,))
    return put_order(snapshot, ordering.leave_tombstones(snapshot._order, item_id))


def erase_items(snapshot: Snapshot, items: Iterable[str]) -> Snapshot:
    """Forget items altogether, as if they had never been seen."""
    items = tuple(items)
    order = ordering.forget_in_order(snapshot._order, items)
    return update_snapshot(drop_items(snapshot, items), {"_order": order})


def _forget_oldest_items_of_snapshot(snapshot: Snapshot) -> Snapshot:
    limit = snapshot.limits.max_items
    surplus = len(snapshot._base) - limit
    if surplus <= limit // 8:  # Many at once: each time costs what is left.
        return snapshot
    # Enough of the oldest, some of which may be in flight again.
    first = islice(snapshot._base, surplus + len(snapshot._overlay))
    oldest = [each for each in first if each not in snapshot._overlay][:surplus]
    known = [each for each in oldest if each in snapshot._order.parents]
    order = ordering.leave_tombstones(snapshot._order, *known)
    return put_order(drop_items(snapshot, oldest), order)


def put_response(snapshot: Snapshot, state: ResponseState) -> Snapshot:
    """Store a response; beyond the limit the oldest ended ones are forgotten."""
    responses = {**snapshot._responses, state.id: state}
    unfinished = snapshot._open
    if state.closed:
        unfinished = tuple(each for each in unfinished if each != state.id)
    elif state.id not in unfinished:
        unfinished = (*unfinished, state.id)
    snapshot = update_snapshot(snapshot, {"_responses": responses, "_open": unfinished})
    surplus = len(responses) - snapshot.limits.max_responses
    return _forget_responses_of_snapshot(snapshot, surplus) if surplus > 0 else snapshot


def _forget_responses_of_snapshot(snapshot: Snapshot, surplus: int) -> Snapshot:
    """Forget the oldest that ended; if there are too few, the oldest that did not."""
    responses = dict(snapshot._responses)
    ended = [state for state in responses.values() if state.closed][:surplus]
    stuck = [responses[each] for each in snapshot._open[: surplus - len(ended)]]
    outside: list[str] = []
    for state in (*ended, *stuck):
        del responses[state.id]
        outside += state.items if state.out_of_band else ()
    snapshot = update_snapshot(drop_items(snapshot, outside), {"_responses": responses})
    return _give_up_responses_of_snapshot(snapshot, stuck) if stuck else snapshot


def _give_up_responses_of_snapshot(
    snapshot: Snapshot, stuck: list[ResponseState]
) -> Snapshot:
    snapshot = update_snapshot(snapshot, {"_open": snapshot._open[len(stuck) :]})
    for _ in stuck:
        detail = "forgotten: too many others have begun and not ended"
        kind, begun = "endless_response", "response.created"
        snapshot = _add_anomaly_to_snapshot(
            snapshot, Anomaly(kind=kind, detail=detail, event_type=begun)
        )
    return snapshot


def note_anomaly(
    snapshot: Snapshot,
    event: ServerEvent,
    kind: str,
    detail: str,
    *,
    item_id: object = None,
    response_id: object = None,
) -> Snapshot:
    """Note an anomaly; the same one in a row is counted, not repeated."""
    anomaly = Anomaly(
        kind=kind,
        detail=shorten_anomaly(detail),
        event_type=shorten_anomaly(event.type),
        event_id=text_or_none(event.event_id),
        item_id=text_or_none(item_id),
        response_id=text_or_none(response_id),
    )
    return _add_anomaly_to_snapshot(snapshot, anomaly)


def _add_anomaly_to_snapshot(snapshot: Snapshot, anomaly: Anomaly) -> Snapshot:
    kept = snapshot.anomalies
    if kept and _same_anomaly_in_snapshot(kept[-1], anomaly):
        anomaly = evolve_record_field(anomaly, "count", kept[-1].count + 1)
        kept = kept[:-1]
    limit = snapshot.limits.max_anomalies
    return update_snapshot(snapshot, {"anomalies": (*kept, anomaly)[-limit:]})


def note_disagreements(
    snapshot: Snapshot, event: ServerEvent, item: Item, found: Iterable[Disagreement]
) -> Snapshot:
    """Note what the end of a text tells otherwise than what was told before."""
    for each in found:
        if each.short:
            snapshot = learn_habit(snapshot, SHORT_DONE)
        detail = f"the {each.name} is not what was told of it before"
        told = {"item_id": item.id, "response_id": item.response_id}
        snapshot = note_anomaly(snapshot, event, "disagreement", detail, **told)
    return snapshot


def note_full_text(
    snapshot: Snapshot, event: ServerEvent, text: GrowingText, item: str
) -> Snapshot:
    """Note that a text is full, if it is: the mirror has no more of it."""
    if text.size < MOST_TEXT:
        return snapshot
    detail = f"a text has {text.size} characters; what comes is left out"
    return note_anomaly(snapshot, event, "endless_text", detail, item_id=item)


def shorten_anomaly(text: str) -> str:
    """Return a text as long as an anomaly may be; the server may say megabytes."""
    if len(text) <= LONGEST_DETAIL:
        return text
    return f"{text[:LONGEST_DETAIL]}... ({len(text)} characters)"


def _same_anomaly_in_snapshot(one: Anomaly, other: Anomaly) -> bool:
    return (
        one.kind == other.kind
        and one.event_type == other.event_type
        and one.item_id == other.item_id
        and one.response_id == other.response_id
    )


def text_or_none(value: object) -> Optional[str]:
    """Return a text that is not empty, or None for anything else."""
    return value if isinstance(value, str) and value else None


def value_or_none(value: Union[T, None, Unset]) -> Optional[T]:
    """Return None for what is absent or null, else the value."""
    return None if value is UNSET else value
