"""Responses: their beginning, their items, their end."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any, Optional, Union

from ...protocol.vendor_events import cancelled_response_id
from .. import ordering
from ..final_text import is_another_item, item_disagreements
from ..frozen_records import evolve_record, evolve_record_field, freeze
from ..item_merge import compact_merged_item, merge_item
from ..items import Item, has_made_up_id
from ..reused_ids import (
    is_of_another_response,
    set_item_aside,
    set_response_aside,
)
from ..snapshot import Snapshot
from ..snapshot_changes import (
    erase_items,
    find_item,
    note_anomaly,
    note_disagreements,
    put_growing,
    put_items,
    put_response,
    text_or_none,
    update_snapshot,
    value_or_none,
)
from ..snapshot_parts import ResponseState
from ..transitions import (
    RESPONSE,
    final_response_status,
    is_settled,
    item_status_after,
)
from ..usage import add_response_usage as with_response_usage
from .attribution import (
    attribute_response,
    is_only_called_cancelled,
    join_response,
    late_for_response,
    latest_open_response,
    made_up_item_id,
    made_up_response_id,
)
from .session import session_audio_rate

if TYPE_CHECKING:
    from ...protocol import events
    from ...protocol.events import UnknownEvent
    from ...protocol.items import Item as WireItem
    from ...protocol.responses import Response
    from ...types import Unset

OutputEvent = Union[
    "events.ResponseOutputItemAdded",
    "events.ResponseOutputItemDone",
    "events.ResponseDone",
]
"""What describes an item that a response has made."""


def response_created(snapshot: Snapshot, event: events.ResponseCreated) -> Snapshot:
    """
    `response.created`: a response has begun, unless it has already ended.

    It may be said late, but not twice: then the id is that of another response.
    """
    wire = value_or_none(event.response)
    response_id = text_or_none(getattr(wire, "id", None)) or made_up_response_id(
        snapshot
    )
    known = snapshot._responses.get(response_id)
    if known is not None and known.closed and known.begun:
        snapshot = set_response_aside(snapshot, event, known)
    elif known is not None and known.closed:
        detail = f"the response is {known.status}"
        return note_anomaly(
            snapshot, event, "late_event", detail, response_id=response_id
        )
    snapshot, state = attribute_response(snapshot, response_id, begins=True)
    state = evolve_record_field(state, "begun", True)
    return _store_response(snapshot, state, wire)


def _store_response(
    snapshot: Snapshot, state: ResponseState, wire: Optional[Response]
) -> Snapshot:
    """Store what a response resource says about itself, its end excepted."""
    changes: dict[str, Any] = {
        "audio_rate": session_audio_rate(wire, default=snapshot._audio_rate)
    }
    if metadata := value_or_none(getattr(wire, "metadata", None)):
        changes["metadata"] = freeze(metadata)
    conversation_id = getattr(wire, "conversation_id", "")
    if text := text_or_none(conversation_id):
        changes["conversation_id"] = text
        if snapshot.conversation_id is None:
            snapshot = update_snapshot(snapshot, {"conversation_id": text})
    outside = state.out_of_band or conversation_id is None
    outside = outside and not text and not _response_is_in_conversation(snapshot, state)
    changes["out_of_band"] = outside
    snapshot = put_response(snapshot, evolve_record(state, changes))
    return _expel_response_items(snapshot, state) if outside else snapshot


def _response_is_in_conversation(snapshot: Snapshot, state: ResponseState) -> bool:
    """
    Say whether the conversation has listed an item of a response.

    Servers that fill everything with ``null`` do so with `conversation_id`
    too; what they list is in the conversation all the same.
    """
    return state.conversation_id is not None or any(
        ordering.is_listed_in_order(snapshot._order, each) for each in state.items
    )


def _expel_response_items(snapshot: Snapshot, state: ResponseState) -> Snapshot:
    """Take back the places that were given before this was known."""
    found = [find_item(snapshot, each) for each in state.items]
    inside = [item for item in found if item and not item.out_of_band]
    if not inside:
        return snapshot
    snapshot = erase_items(snapshot, [item.id for item in inside])
    changes = {"out_of_band": True, "announced": False}
    return put_items(snapshot, *[evolve_record(item, changes) for item in inside])


def output_item_added(
    snapshot: Snapshot, event: events.ResponseOutputItemAdded
) -> Snapshot:
    """`response.output_item.added`: the response has begun an item."""
    return _response_output_item(snapshot, event, final=False)


def output_item_done(
    snapshot: Snapshot, event: events.ResponseOutputItemDone
) -> Snapshot:
    """`response.output_item.done`: the item is what it will be."""
    return _response_output_item(snapshot, event, final=True)


def _response_output_item(
    snapshot: Snapshot,
    event: Union[events.ResponseOutputItemAdded, events.ResponseOutputItemDone],
    *,
    final: bool,
) -> Snapshot:
    wire = event.item
    if not wire:
        return note_anomaly(snapshot, event, "no_id", "the event has no item")
    response_id = text_or_none(event.response_id) or latest_open_response(snapshot)
    snapshot, state = attribute_response(
        snapshot, response_id or made_up_response_id(snapshot)
    )
    item_id = text_or_none(wire.id) or _response_item_id(state, event.output_index)
    if final:
        snapshot, item_id = _id_before_end(
            snapshot, event, state, event.output_index, item_id, wire
        )
    if late := _too_late_for_response(snapshot, state, item_id, final=final):
        return note_anomaly(
            snapshot,
            event,
            "late_event",
            late,
            item_id=item_id,
            response_id=state.id,
        )
    return _store_response_output_item(
        snapshot, event, state, item_id, wire, final=final
    )


def _too_late_for_response(
    snapshot: Snapshot, state: ResponseState, item_id: str, *, final: bool
) -> Optional[str]:
    if item_id in snapshot._order.dead:
        return "the item has been deleted"
    item = find_item(snapshot, item_id)
    if final and item is not None and item.concluded:
        return None  # What it became was only concluded; now it is told.
    return late_for_response(state)


def _response_item_id(state: ResponseState, index: Union[int, None, Unset]) -> str:
    """Return the id of the item at an index of the output, made up if need be."""
    if isinstance(index, int) and 0 <= index < len(state.items):
        return state.items[index]
    return made_up_item_id(state, index)


def _store_response_output_item(
    snapshot: Snapshot,
    event: OutputEvent,
    state: ResponseState,
    item_id: str,
    wire: WireItem,
    *,
    final: bool,
) -> Snapshot:
    """
    Store an item of a response as it is described.

    The conversation's own event follows at once where a server has it; so the
    first description alone does not put the item into the order.
    """
    item = find_item(snapshot, item_id)
    if item is not None and is_of_another_response(snapshot, item, state.id):
        # Some servers name a response otherwise at its end, and its items as before.
        if not final or is_another_item(item, wire):
            snapshot, item = set_item_aside(snapshot, event, item), None
    item = item or Item(id=item_id)
    # Set first: an item of a response is not complete when it is added.
    item = evolve_record_field(item, "response_id", state.id)
    if final:
        found = item_disagreements(item, wire)
        snapshot = note_disagreements(snapshot, event, item, found)
    item = merge_item(item, wire, final=final)
    return join_response(snapshot, item, state, enters=final)[0]


def response_done(snapshot: Snapshot, event: events.ResponseDone) -> Snapshot:
    """
    `response.done`: what it says holds, whatever deltas have said.

    It may be the first that is heard of the response. A second one adds what the
    first has left out.
    """
    wire = value_or_none(event.response)
    named = text_or_none(getattr(wire, "id", None))
    snapshot, state = attribute_response(
        snapshot,
        named or _latest_unended_response(snapshot) or made_up_response_id(snapshot),
    )
    told = {name: value_or_none(getattr(wire, name, None)) for name in _ENDINGS}
    if is_only_called_cancelled(state):
        told["status"] = told["status"] or "cancelled"
        state = evolve_record(state, {"status": "in_progress", "closed": False})
    elif state.closed:
        return _response_done_again(snapshot, event, state, told)
    snapshot = _store_response(snapshot, state, wire)
    before = snapshot
    output = value_or_none(getattr(wire, "output", None)) or ()
    listed = frozenset(item.id for item in output if text_or_none(item.id))
    for index, item in enumerate(output):
        snapshot = _final_response_output(
            snapshot, event, state.id, index, item, listed
        )
    return _end_response(snapshot, snapshot._responses[state.id], told, before)


def _latest_unended_response(snapshot: Snapshot) -> Optional[str]:
    """Return the response that an end without a name is that of, if any."""
    latest = next(reversed([*snapshot._responses.values()]), None)
    cancelled = latest is not None and is_only_called_cancelled(latest)
    running = latest_open_response(snapshot)
    return running or (latest.id if latest and cancelled else None)


def response_cancelled(snapshot: Snapshot, event: UnknownEvent) -> Snapshot:
    """
    `CANCELLED`, which no protocol has: a response is over, as far as is known.

    The rest of its events may follow, `response.done` last, and all that they say
    holds. Of a response that is not known, or that has ended, it says nothing.
    """
    response_id = cancelled_response_id(event) or latest_open_response(snapshot)
    state = snapshot._responses.get(response_id or "")
    if state is None or state.closed:
        return snapshot
    ending = {"status": "cancelled", "closed": True, "concluded": True}
    snapshot = put_response(snapshot, evolve_record(state, ending))
    for item in filter(None, (find_item(snapshot, each) for each in state.items)):
        if item.status in (None, "in_progress") and not item.closed:
            cut = {"status": "incomplete", "concluded": True}
            snapshot = put_growing(snapshot, evolve_record(item, cut))
    return snapshot


def _response_done_again(
    snapshot: Snapshot,
    event: events.ResponseDone,
    state: ResponseState,
    told: dict[str, Any],
) -> Snapshot:
    """
    Note a second end: what the first has told holds, what it left out is taken.

    No response ends twice by the protocol, so one of the two is wrong, and those who
    waited have gone on with the first.
    """
    status = told.pop("status")
    late = {
        name: value
        for name, value in told.items()
        if value is not None and getattr(state, name) is None
    }
    if state.concluded and is_settled(RESPONSE, status):
        late.update(status=status, concluded=False)
    elif status and status != state.status:
        detail = f"the response was {state.status}, and now it is said to be {status}"
        snapshot = note_anomaly(
            snapshot, event, "disagreement", detail, response_id=state.id
        )
    else:
        detail = f"the response is {state.status}"
        snapshot = note_anomaly(
            snapshot, event, "repeated", detail, response_id=state.id
        )
    if not late:
        return snapshot
    snapshot = put_response(snapshot, evolve_record(state, late))
    totals = with_response_usage(snapshot.usage, late.get("usage"))
    return update_snapshot(snapshot, {"usage": totals})


_ENDINGS = ("status", "status_details", "usage")
"""What `response.done` says of the end of a response."""


def _final_response_output(
    snapshot: Snapshot,
    event: events.ResponseDone,
    response_id: str,
    index: int,
    wire: WireItem,
    listed: Container[str],
) -> Snapshot:
    state = snapshot._responses[response_id]
    item_id = text_or_none(wire.id) or _response_item_id(state, index)
    if item_id in snapshot._order.dead:
        return snapshot
    snapshot, item_id = _id_before_end(
        snapshot, event, state, index, item_id, wire, listed
    )
    if item_id not in state.items:
        snapshot = _rename_response_item(
            snapshot, state, made_up_item_id(state, index), item_id
        )
    state = snapshot._responses[response_id]
    return _store_response_output_item(
        snapshot, event, state, item_id, wire, final=True
    )


def _id_before_end(
    snapshot: Snapshot,
    event: OutputEvent,
    state: ResponseState,
    index: Union[int, None, Unset],
    item_id: str,
    wire: WireItem,
    listed: Optional[Container[str]] = None,
) -> tuple[Snapshot, str]:
    """
    Return the id that an item has, where its end comes under one that nobody knows.

    It is the one at that place of the output, if both say the same: some relays make
    ids for what they tell at the end. What has an end of its own is another item: it
    is listed as well, or, where there is no list, is done already.
    """
    if find_item(snapshot, item_id) is not None or item_id in snapshot._order.dead:
        return snapshot, item_id
    if not isinstance(index, int) or not 0 <= index < len(state.items):
        return snapshot, item_id
    item = find_item(snapshot, state.items[index])
    if item is None or has_made_up_id(item) or not _says_the_same(item, wire):
        return snapshot, item_id
    if item.closed if listed is None else item.id in listed:
        return snapshot, item_id
    detail = f"at its end it is called {item_id}"
    snapshot = note_anomaly(
        snapshot, event, "renamed", detail, item_id=item.id, response_id=state.id
    )
    return snapshot, item.id


def _says_the_same(item: Item, wire: WireItem) -> bool:
    told = [
        part.text or part.transcript or ""
        for part in value_or_none(getattr(wire, "content", None)) or ()
    ]
    if item.type == "function_call" == wire.type:
        return item.call_id is not None and item.call_id == getattr(
            wire, "call_id", None
        )
    return bool(item.said) and item.said == "".join(told)


def _rename_response_item(
    snapshot: Snapshot, state: ResponseState, made_up: str, item_id: str
) -> Snapshot:
    """Give an item its own id in place of one that was made up for it."""
    item = find_item(snapshot, made_up)
    if item is None:
        return snapshot
    items = tuple(each for each in state.items if each != made_up)
    snapshot = put_response(snapshot, evolve_record_field(state, "items", items))
    return put_items(
        erase_items(snapshot, (made_up,)), evolve_record_field(item, "id", item_id)
    )


def _end_response(
    snapshot: Snapshot,
    state: ResponseState,
    told: Mapping[str, Any],
    before: Snapshot,
) -> Snapshot:
    status = final_response_status(state.status, told["status"])
    usage = told["usage"]
    concluded = told["status"] != status
    changes = {**told, "status": status, "closed": True, "concluded": concluded}
    snapshot = put_response(snapshot, evolve_record(state, changes))
    left = [find_item(snapshot, each) for each in state.items]
    closed = [
        _close_response_item(item, find_item(before, item.id), status)
        for item in left
        if item is not None
    ]
    snapshot = put_items(snapshot, *closed) if closed else snapshot
    totals = with_response_usage(snapshot.usage, usage)
    return update_snapshot(snapshot, {"usage": totals})


def _close_response_item(
    item: Item, before: Optional[Item], response_status: str
) -> Item:
    if item.status in (None, "in_progress") or item.concluded:
        # An item that was called done is done, however its response has ended. That
        # the response lists it says nothing of that.
        done = before is not None and before.closed
        after = "completed" if done else item_status_after(response_status)
        after = "failed" if item.error else after
        item = evolve_record(item, {"status": after, "concluded": True})
    return evolve_record_field(compact_merged_item(item), "closed", True)
