"""
Where a delta falls, when it cannot be told at a glance.

Servers leave things out: the response, the item, the part, their ids. What an
event needs is found or made here, so that no delta is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Optional, Union

from .. import ordering
from ..frozen_records import evolve_record, evolve_record_field
from ..item_merge import with_part
from ..items import UNNAMED, Item
from ..reused_ids import is_of_another_response, set_item_aside
from ..snapshot import Snapshot
from ..snapshot_changes import (
    find_item,
    note_anomaly,
    put_order,
    put_response,
    store_item,
    text_or_none,
    update_snapshot,
)
from ..snapshot_parts import ResponseState

if TYPE_CHECKING:
    from ...protocol import events
    from ...types import Unset

PartEvent = Union[
    "events.ResponseTextDelta",
    "events.ResponseTextDone",
    "events.ResponseAudioDelta",
    "events.ResponseAudioTranscriptDelta",
    "events.ResponseAudioTranscriptDone",
    "events.ResponseContentPartAdded",
    "events.ResponseContentPartDone",
]
"""What is about a part of an item that a response makes."""

CallDelta = Union[
    "events.ResponseFunctionCallArgumentsDelta", "events.ResponseMcpCallArgumentsDelta"
]
CallDone = Union[
    "events.ResponseFunctionCallArgumentsDone", "events.ResponseMcpCallArgumentsDone"
]
CallEvent = Union[CallDelta, CallDone]
"""What is about the arguments of a call that a response makes."""

OutputPiece = Union[PartEvent, CallEvent]

Place = tuple[Snapshot, Item, int]
"""Where a delta falls: the snapshot with the item in it, the item, the part."""


MOST_OUTPUT = 1_000
"""Items of a response that are listed in it, the latest; no real one has as many."""

WHOLE = frozenset(
    {
        "response.output_text.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.function_call_arguments.done",
        "response.mcp_call_arguments.done",
    }
)
"""What tells all of a text: some servers say it after the response has ended."""

_SPEAKING = {"type": "message", "role": "assistant"}
_CALLING = {"type": "function_call", "role": None}


def attribute_part(
    snapshot: Snapshot, event: PartEvent, kind: str
) -> Union[Place, Snapshot]:
    """
    Find out where a delta falls, making what servers leave out.

    Args:
        snapshot: the snapshot so far.
        event: an event of a response, about a part of one of its items.
        kind: type of the content part.

    Returns:
        The place, or a snapshot with a note that it falls nowhere.
    """
    attributed = _attribute_delta(snapshot, event, _SPEAKING)
    if isinstance(attributed, Snapshot):
        return attributed
    snapshot, item = attributed
    found = with_part(item, event.content_index, kind)
    if found is None:
        detail = f"content_index {event.content_index} is out of reason"
        return note_anomaly(snapshot, event, "bad_index", detail, item_id=item.id)
    return snapshot, found[0], found[1]


def attribute_call(
    snapshot: Snapshot, event: CallEvent
) -> Union[tuple[Snapshot, Item], Snapshot]:
    """Find out which call arguments belong to, as `attribute_part` does."""
    return _attribute_delta(snapshot, event, _CALLING)


def _attribute_delta(
    snapshot: Snapshot, event: OutputPiece, fresh: Mapping[str, Optional[str]]
) -> Union[tuple[Snapshot, Item], Snapshot]:
    item = find_item(snapshot, event.item_id)
    if item is not None and _names_item_of_another(snapshot, event, item):
        snapshot, item = set_item_aside(snapshot, event, item), None
    if late := _too_late_to_attribute(snapshot, event, item):
        return note_anomaly(
            snapshot,
            event,
            "late_event",
            late,
            item_id=event.item_id,
            response_id=event.response_id,
        )
    snapshot, state = _response_to_attribute_to(snapshot, event, item)
    item = item or _growing_item_for_attribution(snapshot, event, state, fresh)
    if item is None or item.announced or item.response_id != state.id:
        snapshot, item = _make_attributed_item(snapshot, event, item, state, fresh)
    return snapshot, item


def _names_item_of_another(snapshot: Snapshot, event: OutputPiece, item: Item) -> bool:
    """Say whether a response that runs makes an item under the id of another one."""
    state = snapshot._responses.get(event.response_id or "")
    if state is None or state.closed:
        return False
    return is_of_another_response(snapshot, item, state.id)


def _too_late_to_attribute(
    snapshot: Snapshot, event: OutputPiece, item: Optional[Item]
) -> Optional[str]:
    if event.item_id in snapshot._order.dead:
        return "the item has been deleted"
    if item is not None and item.closed:
        # That it is done was only concluded; what is told of all of it still holds.
        concluded = item.concluded and item.status == "completed"
        return None if concluded and event.type in WHOLE else "the item is done"
    state = snapshot._responses.get(event.response_id or "")
    return None if state is None else late_for_response(state)


def late_for_response(state: ResponseState) -> Optional[str]:
    """Return why what a response has made comes too late, or None."""
    if not state.closed or is_only_called_cancelled(state):
        return None
    return f"the response is {state.status}"


def is_only_called_cancelled(state: ResponseState) -> bool:
    """Say whether a response is over that has not had its `response.done`."""
    return state.concluded and state.status == "cancelled"


def _response_to_attribute_to(
    snapshot: Snapshot, event: OutputPiece, item: Optional[Item]
) -> tuple[Snapshot, ResponseState]:
    """Return the response that an event belongs to, made up if need be."""
    response_id = text_or_none(event.response_id)
    if response_id is None and item is not None:
        response_id = item.response_id
    if response_id is None:
        response_id = latest_open_response(snapshot) or made_up_response_id(snapshot)
    return attribute_response(snapshot, response_id)


def attribute_response(
    snapshot: Snapshot, response_id: str, *, begins: bool = False
) -> tuple[Snapshot, ResponseState]:
    """
    Return a response, begun if nothing has been heard of it.

    Args:
        snapshot: the snapshot so far.
        response_id: the id that the server tells, or one that was made up.
        begins: the event is the first of its response. Another one may name a
            response that began without an id.
    """
    state = snapshot._responses.get(response_id)
    if state is None and not begins:
        snapshot, state = _name_attributed_response(snapshot, response_id)
    if state is None:
        state = ResponseState(id=response_id, audio_rate=snapshot._audio_rate)
        snapshot = put_response(snapshot, state)
    return snapshot, state


def _name_attributed_response(
    snapshot: Snapshot, response_id: str
) -> tuple[Snapshot, Optional[ResponseState]]:
    """Give a response its own id in place of one that was made up for it."""
    nameless = [each for each in snapshot._open if each.startswith(UNNAMED)]
    if not nameless or response_id.startswith(UNNAMED):
        return snapshot, None
    responses = dict(snapshot._responses)
    state = evolve_record_field(responses.pop(nameless[-1]), "id", response_id)
    unfinished = tuple(each for each in snapshot._open if each != nameless[-1])
    changes = {"_responses": responses, "_open": unfinished}
    snapshot = put_response(update_snapshot(snapshot, changes), state)
    for item in filter(None, (find_item(snapshot, each) for each in state.items)):
        snapshot = store_item(
            snapshot, evolve_record_field(item, "response_id", response_id)
        )
    return snapshot, state


def latest_open_response(snapshot: Snapshot) -> Optional[str]:
    """Return the id of the response that nameless events are about, if any."""
    for response_id in reversed(snapshot._open):
        if not snapshot._responses[response_id].out_of_band:
            return response_id
    return snapshot._open[-1] if snapshot._open else None


def made_up_response_id(snapshot: Snapshot) -> str:
    """Return an id for a response of which the server tells none."""
    return f"{UNNAMED}{snapshot.version + 1}"


def _growing_item_for_attribution(
    snapshot: Snapshot,
    event: OutputPiece,
    state: ResponseState,
    fresh: Mapping[str, Optional[str]],
) -> Optional[Item]:
    """Return the item that an event without an item id is about, if any."""
    if text_or_none(event.item_id):
        return None
    for item_id in reversed(state.items):
        item = find_item(snapshot, item_id)
        if item is None or item.closed or not _may_grow(item, event, fresh):
            continue
        if not _is_attributed_elsewhere(item, event, state):
            return item
    return None


def _is_attributed_elsewhere(
    item: Item, event: OutputPiece, state: ResponseState
) -> bool:
    """Say whether an item was made up for another place in the output."""
    index = event.output_index
    made_up = item.id.startswith(f"{state.id}/")
    return (
        made_up and isinstance(index, int) and item.id != made_up_item_id(state, index)
    )


def _may_grow(
    item: Item, event: OutputPiece, fresh: Mapping[str, Optional[str]]
) -> bool:
    """Say whether an event does not contradict that it is about an item."""
    call_id = text_or_none(getattr(event, "call_id", None))
    if call_id is not None and item.call_id not in (None, call_id):
        return False
    speaks = fresh["type"] == "message"
    return item.type is None or (item.type == "message") is speaks


def _make_attributed_item(
    snapshot: Snapshot,
    event: OutputPiece,
    item: Optional[Item],
    state: ResponseState,
    fresh: Mapping[str, Optional[str]],
) -> tuple[Snapshot, Item]:
    """Give a response an item that it was never said to have."""
    if item is None or item.announced:
        item_id = text_or_none(event.item_id) or _free_item_id(
            state, event.output_index
        )
        item = item or Item(id=item_id)
        item = evolve_record(
            item, {"status": "in_progress", "announced": False, **fresh}
        )
    return join_response(snapshot, item, state)


def _free_item_id(state: ResponseState, output_index: Union[int, None, Unset]) -> str:
    """Return an id for a further item of which the server tells none."""
    item_id, count = made_up_item_id(state, output_index), len(state.items)
    while item_id in state.items:
        item_id, count = made_up_item_id(state, count), count + 1
    return item_id


def made_up_item_id(state: ResponseState, output_index: Union[int, None, Unset]) -> str:
    """Return an id for an item of which the server tells none."""
    return f"{state.id}/{output_index or 0}"


def join_response(
    snapshot: Snapshot, item: Item, state: ResponseState, *, enters: bool = True
) -> tuple[Snapshot, Item]:
    """
    Make an item one of a response's, and store it.

    Args:
        snapshot: the snapshot so far.
        item: the item.
        state: the response.
        enters: unless the response is out of band, the item enters the order,
            at the end until the conversation's own events say where it is.
            Without this it waits for them, as an announced item.
    """
    waits = item.id not in snapshot._order.parents
    outside = state.out_of_band and waits
    changes = {
        "response_id": state.id,
        "out_of_band": outside,
        "announced": waits and not outside and not enters,
    }
    item = evolve_record(item, changes)
    if item.id not in state.items:
        items = (*state.items, item.id)[-MOST_OUTPUT:]
        snapshot = put_response(snapshot, evolve_record_field(state, "items", items))
    if waits and enters and not outside:
        order = ordering.place_provisionally_in_order(snapshot._order, item.id)
        snapshot = put_order(snapshot, order)
    return store_item(snapshot, item), item
