"""The conversation, and its items as it lists them: added, done, gone, cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Optional, Union

from ...protocol.dialects.server_quirks import (
    NAMELESS_CHANGES,
    NULL_IS_HEAD,
    NULL_PREDECESSORS,
)
from ...types import UNSET, Unset
from .. import ordering
from ..final_text import is_another_item, item_disagreements
from ..frozen_records import evolve_record, evolve_record_field
from ..item_merge import merge_item, with_part_changed
from ..items import PCM_RATE, Item
from ..reused_ids import set_item_aside
from ..snapshot import Snapshot
from ..snapshot_changes import (
    bury_item,
    erase_items,
    find_item,
    learn_habit,
    note_anomaly,
    note_disagreements,
    put_order,
    put_response,
    store_item,
    text_or_none,
    update_snapshot,
    value_or_none,
)
from ..snapshot_parts import PendingChange
from .session import session_audio_rate

MOST_ASKED = 100
"""Unanswered requests for the head of the conversation that are remembered."""

DELETE, TRUNCATE = "conversation.item.delete", "conversation.item.truncate"

CHANGES = (DELETE, TRUNCATE)
"""Commands whose answers may not name the item that they are about."""


if TYPE_CHECKING:
    from ...protocol import events
    from ...protocol.items import Item as WireItem

Listing = Union["events.ConversationItemAdded", "events.ConversationItemDone"]
"""What says that an item is in the conversation."""


def conversation_created(
    snapshot: Snapshot, event: events.ConversationCreated
) -> Snapshot:
    """`conversation.created`: the beta names the default conversation."""
    found = text_or_none(getattr(value_or_none(event.conversation), "id", None))
    return update_snapshot(snapshot, {"conversation_id": found}) if found else snapshot


def item_added(snapshot: Snapshot, event: events.ConversationItemAdded) -> Snapshot:
    """`conversation.item.added`, in the beta `created`: an item takes its place."""
    return _list_conversation_item(snapshot, event, final=False)


def item_done(snapshot: Snapshot, event: events.ConversationItemDone) -> Snapshot:
    """`conversation.item.done`: the item is what it will be."""
    return _list_conversation_item(snapshot, event, final=True)


def _list_conversation_item(
    snapshot: Snapshot, event: Listing, *, final: bool
) -> Snapshot:
    wire = event.item
    if not wire or not wire.id:
        return note_anomaly(
            snapshot, event, "no_id", "an item without an id cannot be kept"
        )
    item_id, order = wire.id, snapshot._order
    if not final and item_id in order.dead and item_id in order.parents:
        # Seen, deleted, and now created once more under the same id.
        snapshot = erase_items(snapshot, (item_id,))
    known = find_item(snapshot, item_id)
    if known is not None and _is_another_kind_of_item(known, wire):
        snapshot, known = set_item_aside(snapshot, event, known), None
    snapshot = _place_conversation_item(snapshot, event, item_id, wire, final)
    if item_id in snapshot._order.dead:
        if not final:
            return snapshot
        detail = "the item has been deleted"
        return note_anomaly(snapshot, event, "late_event", detail, item_id=item_id)
    known = known or Item(id=item_id)
    if final:
        found = item_disagreements(known, wire)
        snapshot = note_disagreements(snapshot, event, known, found)
    elif known.closed and is_another_item(known, wire):
        detail = "another item comes under its id; what was told first holds"
        snapshot = note_anomaly(
            snapshot, event, "disagreement", detail, item_id=item_id
        )
    item = merge_item(known, wire, final=final)
    item = evolve_record(item, {"announced": False, "out_of_band": False})
    if previous := text_or_none(event.previous_item_id):
        if known.previous_item_id is None or known.announced:
            item = evolve_record_field(item, "previous_item_id", previous)
    state = snapshot._responses.get(known.response_id or "")
    if known.out_of_band and state is not None:
        snapshot = put_response(
            snapshot, evolve_record_field(state, "out_of_band", False)
        )
    return store_item(snapshot, item)


def _is_another_kind_of_item(known: Item, wire: WireItem) -> bool:
    """
    Say whether the id of an item is given to another that speaks, or answers.

    A message holds against what has no words: that is noted, and not followed.
    """
    if not known.closed or known.announced:
        return False
    role = getattr(wire, "role", None)
    if known.type == "message":
        return bool(role and known.role and role != known.role)
    return bool(wire.type and known.type and wire.type != known.type)


def _place_conversation_item(
    snapshot: Snapshot, event: Listing, item_id: str, wire: WireItem, final: bool
) -> Snapshot:
    """
    Give an item its place, unless the server has told it before.

    Of an item that is done, ``null`` says nothing, whatever it means otherwise.
    """
    previous = event.previous_item_id
    if previous == item_id:
        detail = "the item names itself as its predecessor"
        snapshot = note_anomaly(
            snapshot, event, "self_reference", detail, item_id=item_id
        )
        previous = ""
    snapshot, at_root = _conversation_asked_for_root(snapshot, wire)
    order = snapshot._order
    if ordering.is_placed_in_order(order, item_id):
        return snapshot
    known = find_item(snapshot, item_id)
    hearsay = known.previous_item_id if known and known.announced else None
    if not text_or_none(previous):
        previous = hearsay or previous
        null_is_head = NULL_IS_HEAD in snapshot.habits and not final
        at_root = at_root or (previous is None and null_is_head)
    if _conversation_place_is_repeated(order, item_id, previous, at_root):
        return snapshot
    if not previous and previous is not UNSET and order.parents and not at_root:
        snapshot = learn_habit(snapshot, NULL_PREDECESSORS)
    order = ordering.place_in_order(order, item_id, previous, at_root=at_root)
    snapshot = put_order(snapshot, order)
    if ordering.is_orphan_in_order(order, item_id):
        detail = f"predecessor {order.parents[item_id]} is not known"
        return note_anomaly(
            snapshot, event, "unknown_predecessor", detail, item_id=item_id
        )
    return snapshot


def _conversation_place_is_repeated(
    order: ordering.ItemOrder,
    item_id: str,
    previous: Union[str, None, Unset],
    at_root: bool,
) -> bool:
    """Say whether an item at the end is only said to be somewhere, again."""
    at_end = order.parents.get(item_id) is ordering.Anchor.END
    return at_end and not at_root and not text_or_none(previous)


def _conversation_asked_for_root(
    snapshot: Snapshot, wire: WireItem
) -> tuple[Snapshot, bool]:
    """Say whether this client asked for the head; it is asked once per item."""
    for asked in snapshot._asked:
        if _conversation_answers_creation(snapshot, asked, wire):
            left = tuple(each for each in snapshot._asked if each is not asked)
            return update_snapshot(snapshot, {"_asked": left}), True
    return snapshot, False


def _conversation_answers_creation(
    snapshot: Snapshot, asked: PendingChange, wire: WireItem
) -> bool:
    if asked.item_id is not None:
        return bool(asked.item_id == wire.id)
    kind, role = wire.type, getattr(wire, "role", None)
    known = find_item(snapshot, wire.id)
    return known is None and (asked.type, asked.role) == (kind, role)


def expect_item_at_root(
    snapshot: Snapshot, read: Callable[[str, None], object], event_id: object
) -> Snapshot:
    """
    Remember an item for which this client asks the head of the conversation.

    Args:
        snapshot: the snapshot before the command is sent.
        read: gives a field of the item of the command, or None.
        event_id: id of the command.
    """
    asked = PendingChange(
        item_id=text_or_none(read("id", None)),
        event_id=text_or_none(event_id),
        type=text_or_none(read("type", None)),
        role=text_or_none(read("role", None)),
    )
    return update_snapshot(
        snapshot, {"_asked": (*snapshot._asked, asked)[-MOST_ASKED:]}
    )


def item_deleted(snapshot: Snapshot, event: events.ConversationItemDeleted) -> Snapshot:
    """`conversation.item.deleted`: its place stays known to those who name it."""
    item_id = text_or_none(event.item_id)
    if item_id is None:
        snapshot, asked = _oldest_conversation_change(snapshot, DELETE)
        item_id = asked.item_id
    if item_id is None:
        return note_anomaly(snapshot, event, "no_id", "nothing is named")
    snapshot = _settle_conversation_change(snapshot, DELETE, item_id)
    if item_id in snapshot._order.dead:
        detail = "the item has been deleted before"
        return note_anomaly(snapshot, event, "repeated", detail, item_id=item_id)
    if find_item(snapshot, item_id) is None:
        detail = "the deleted item is not known"
        snapshot = note_anomaly(
            snapshot, event, "unknown_item", detail, item_id=item_id
        )
    return bury_item(snapshot, item_id)


def expect_item_change(
    snapshot: Snapshot, kind: str, read: Callable[[str, None], object]
) -> Snapshot:
    """
    Remember an item that this client wants deleted or cut.

    Args:
        snapshot: the snapshot before the command is sent.
        kind: type of the command, one of `CHANGES`.
        read: gives a field of the command, or None.
    """
    end = read("audio_end_ms", None)
    asked = PendingChange(
        item_id=text_or_none(read("item_id", None)),
        event_id=text_or_none(read("event_id", None)),
        type=kind,
        audio_end_ms=end if isinstance(end, int) else None,
    )
    return update_snapshot(
        snapshot, {"_changing": (*snapshot._changing, asked)[-MOST_ASKED:]}
    )


def _oldest_conversation_change(
    snapshot: Snapshot, kind: str
) -> tuple[Snapshot, PendingChange]:
    """Return what an answer is about that names nothing, if one of ours waits."""
    for asked in snapshot._changing:
        if asked.type == kind:
            return learn_habit(snapshot, NAMELESS_CHANGES), asked
    return snapshot, PendingChange()


def _conversation_change_of(
    snapshot: Snapshot, kind: str, item_id: str
) -> Optional[PendingChange]:
    """Return the oldest change of an item that was asked for and waits."""
    wanted = (kind, item_id)
    found = (each for each in snapshot._changing if (each.type, each.item_id) == wanted)
    return next(found, None)


def _settle_conversation_change(
    snapshot: Snapshot, kind: str, item_id: str
) -> Snapshot:
    asked = _conversation_change_of(snapshot, kind, item_id)
    if asked is None:
        return snapshot
    left = tuple(each for each in snapshot._changing if each is not asked)
    return update_snapshot(snapshot, {"_changing": left})


def item_retrieved(
    snapshot: Snapshot, event: events.ConversationItemRetrieved
) -> Snapshot:
    """
    `conversation.item.retrieved`: the item as the server has it now.

    An item that had not been seen stands at the end until its place is told.
    """
    wire = event.item
    if not wire or not wire.id:
        return note_anomaly(
            snapshot, event, "no_id", "an item without an id cannot be kept"
        )
    item_id = wire.id
    item = find_item(snapshot, item_id) or Item(id=item_id)
    item = _item_with_audio_rate(snapshot, merge_item(item, wire, final=item.closed))
    if item_id not in snapshot._order.parents and not item.out_of_band:
        order = ordering.place_provisionally_in_order(snapshot._order, item_id)
        snapshot = put_order(snapshot, order)
    if item_id in snapshot._order.dead:
        detail = "the item has been deleted"
        return note_anomaly(snapshot, event, "late_event", detail, item_id=item_id)
    return store_item(snapshot, item)


def _item_with_audio_rate(snapshot: Snapshot, item: Item) -> Item:
    """Say in which format the audio is that came with a user's item."""
    if item.role != "user":
        return item
    rate = session_audio_rate(snapshot.session, default=PCM_RATE, half="input")
    parts = tuple(
        evolve_record_field(part, "audio_rate", rate) for part in item.content
    )
    return evolve_record_field(item, "content", parts)


def item_truncated(
    snapshot: Snapshot, event: events.ConversationItemTruncated
) -> Snapshot:
    """
    `conversation.item.truncated`: the rest of the audio was not heard.

    The server has forgotten the transcript of that part, all of it. What was
    said and what was heard stays readable on the part.
    """
    item_id, end = text_or_none(event.item_id), value_or_none(event.audio_end_ms)
    if item_id is None:
        snapshot, asked = _oldest_conversation_change(snapshot, TRUNCATE)
        item_id = asked.item_id
    else:
        asked = _conversation_change_of(snapshot, TRUNCATE, item_id) or PendingChange()
    item, index = find_item(snapshot, item_id), value_or_none(event.content_index) or 0
    if item is None or not 0 <= index < len(item.content):
        detail = "there is no such part to truncate"
        return note_anomaly(
            snapshot, event, "unknown_item", detail, item_id=event.item_id
        )
    snapshot = _settle_conversation_change(snapshot, TRUNCATE, item.id)
    if end is None or end < 0:
        end = asked.audio_end_ms
    if end is None:
        detail = "it is not said where the item was cut"
        return note_anomaly(snapshot, event, "no_end", detail, item_id=item.id)
    heard = {"heard_ms": max(end, 0), "_kept": None}
    item = with_part_changed(item, index, heard)
    return store_item(snapshot, item)
