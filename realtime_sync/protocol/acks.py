"""
Which server event acknowledges which command, and how the two are matched.

The protocol gives acknowledgements no correlation id; only errors carry the
``event_id`` of the command (``error.event_id``). So every command has a rule:
the events that acknowledge it, and a test whether a given event is about it.
Where the test has nothing to go by, order decides: the oldest command waiting
for that event is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Optional, Union

from attrs import fields_dict, frozen

from .events._base import ClientEvent, ServerEvent, UnknownEvent
from .fields import field_of
from .registry import ROWS, class_of
from .vendor_events import CANCELLED, cancelled_response_id

if TYPE_CHECKING:
    from . import events

Fits = Callable[[Any, Any], Optional[bool]]
"""(command, event) -> True: about this one; False: not; None: cannot tell."""


@frozen(kw_only=True)
class AckRule:
    """
    How one command is acknowledged.

    Attributes:
        events: canonical types of the acknowledging events.
        fits: tells whether an event is about a command.
        matched_by: the same in words, for the docs.
        error_codes: codes of errors without an id that belong to the command.
        repeated: events that acknowledge it too, but not when they come for
            the first time on a connection: some servers say them in its place.
    """

    events: tuple[str, ...]
    fits: Fits
    matched_by: str
    error_codes: frozenset[str] = frozenset()
    repeated: tuple[str, ...] = ()


def _ack_by_order(command: ClientEvent, event: ServerEvent) -> Optional[bool]:
    return None


def _ack_unless_contradicted(
    command: events.SessionUpdate,
    event: Union[events.SessionCreated, events.SessionUpdated],
) -> Optional[bool]:
    """
    By order; but a greeting said twice tells what was in force before.
    """
    if event.type != "session.created":
        return None
    for name in ("instructions", "model", "output_modalities"):
        asked, told = field_of(command.session, name), field_of(event.session, name)
        if asked and told and asked != told:
            return False
    return None


def _ack_by_item_id(
    command: Union[
        events.ConversationItemDelete,
        events.ConversationItemRetrieve,
        events.ConversationItemTruncate,
    ],
    event: ServerEvent,
) -> Optional[bool]:
    item_id = field_of(event, "item_id") or field_of(field_of(event, "item"), "id")
    if not isinstance(item_id, str) or not item_id:
        return None
    return item_id == command.item_id


def _ack_by_created_item(
    command: events.ConversationItemCreate,
    event: Union[events.ConversationItemAdded, events.ConversationItemDone],
) -> Optional[bool]:
    """
    By id; some servers give ids of their own, and keep neither role nor parts.
    """
    asked, got = field_of(command.item, "id"), field_of(event.item, "id")
    return True if isinstance(asked, str) and asked == got else None


def ack_renames_item(command: object, event: object) -> bool:
    """Whether a server has given an item that was asked for an id of its own."""
    asked, got = (field_of(field_of(each, "item"), "id") for each in (command, event))
    return isinstance(asked, str) and isinstance(got, str) and asked != got


def ack_difference(command: object, event: object) -> int:
    """
    How far a new item is from what a `conversation.item.create` asked for: below
    `UNLIKE` for the same kind of item with the same parts; 1 for other words.
    """
    asked, got = field_of(command, "item"), field_of(event, "item")
    if field_of(asked, "type") != field_of(got, "type"):
        return 2 * UNLIKE
    unlike = UNLIKE if _acked_item_kind(asked) != _acked_item_kind(got) else 0
    return unlike + int(_acked_item_words(asked) != _acked_item_words(got))


UNLIKE = 2


def _acked_item_words(item: object) -> object:
    """What an item says, or the call that it belongs to."""
    parts = field_of(item, "content") or ()
    said = [field_of(part, "text") or field_of(part, "transcript") for part in parts]
    return [each for each in said if each] or field_of(item, "call_id") or None


def _ack_by_response(
    command: events.ResponseCancel, event: Union[events.ResponseDone, UnknownEvent]
) -> Optional[bool]:
    if not isinstance(command.response_id, str):
        return None
    if isinstance(event, UnknownEvent):
        return cancelled_response_id(event) in (None, command.response_id)
    return bool(field_of(event.response, "id") == command.response_id)


def _ack_by_metadata(
    command: events.ResponseCreate,
    event: Union[events.ResponseCreated, events.ResponseDone],
) -> Optional[bool]:
    """
    By our key; other metadata than ours, or a key that we did not send, is of
    another's response.
    """
    if isinstance(command.event_id, str) and event.event_id == command.event_id:
        return True
    wanted, got = ack_correlation(command.response), ack_correlation(event.response)
    if got is not None:
        return wanted == got
    told = field_of(event.response, "metadata")
    if wanted is not None and isinstance(told, Mapping) and told:
        return None if CORRELATION_KEY in told else False
    return None


def is_unlikely_ack(command: object, event: object) -> bool:
    """
    Whether an event that may answer a `response.create` speaks against it: a
    response of the conversation is not what was asked for beside it.
    """
    asked, told = field_of(command, "response"), field_of(event, "response")
    if field_of(asked, "conversation") != "none":
        return False
    return isinstance(field_of(told, "conversation_id"), str)


def _acked_item_kind(item: object) -> tuple[Any, ...]:
    parts = field_of(item, "content") or ()
    types = tuple(field_of(part, "type") for part in parts)
    return field_of(item, "type"), field_of(item, "role"), types


CORRELATION_KEY = "realtime_sync_id"
"""Key in ``metadata`` by which `response.created` finds its `response.create`."""


def ack_correlation(response: object) -> Optional[str]:
    """
    The correlation id in a response or a response configuration, or None.
    """
    metadata = field_of(response, "metadata")
    if not isinstance(metadata, Mapping):
        return None
    value = metadata.get(CORRELATION_KEY)
    return value if isinstance(value, str) else None


ACKS: Mapping[str, AckRule] = {
    "session.update": AckRule(
        events=("session.updated",),
        repeated=("session.created",),
        fits=_ack_unless_contradicted,
        matched_by="order",
        error_codes=frozenset({"cannot_update_voice"}),
    ),
    "session.close": AckRule(
        events=("session.closed",), fits=_ack_by_order, matched_by="order"
    ),
    "conversation.item.create": AckRule(
        # Some servers say of an item only that it is done.
        events=("conversation.item.added", "conversation.item.done"),
        fits=_ack_by_created_item,
        matched_by="item.id, else kind of item and order; not an announced item",
        error_codes=frozenset({"invalid_previous_item_id"}),
    ),
    "conversation.item.delete": AckRule(
        events=("conversation.item.deleted",),
        fits=_ack_by_item_id,
        matched_by="item_id",
        error_codes=frozenset({"item_delete_invalid_item_id"}),
    ),
    "conversation.item.retrieve": AckRule(
        events=("conversation.item.retrieved",),
        fits=_ack_by_item_id,
        matched_by="item.id",
        error_codes=frozenset({"item_retrieve_invalid_item_id"}),
    ),
    "conversation.item.truncate": AckRule(
        events=("conversation.item.truncated",),
        fits=_ack_by_item_id,
        matched_by="item_id",
        error_codes=frozenset(
            {"item_truncate_invalid_item_id", "unsupported_content_type"}
        ),
    ),
    "input_audio_buffer.commit": AckRule(
        events=("input_audio_buffer.committed",),
        fits=_ack_by_order,
        matched_by="order",
        error_codes=frozenset({"input_audio_buffer_commit_empty"}),
    ),
    "input_audio_buffer.clear": AckRule(
        events=("input_audio_buffer.cleared",), fits=_ack_by_order, matched_by="order"
    ),
    "output_audio_buffer.clear": AckRule(
        events=("output_audio_buffer.cleared",), fits=_ack_by_order, matched_by="order"
    ),
    "response.create": AckRule(
        events=("response.created", "response.done"),
        fits=_ack_by_metadata,
        matched_by=f"metadata.{CORRELATION_KEY}, else order; not the answer to a turn",
        error_codes=frozenset({"conversation_already_has_active_response"}),
    ),
    "response.cancel": AckRule(
        events=("response.done", *CANCELLED),
        fits=_ack_by_response,
        matched_by="response_id, else the next response that ends",
        error_codes=frozenset({"response_cancel_not_active"}),
    ),
}
"""Canonical command type -> rule. A command that is not here is never answered."""


def error_points_to(
    command_type: str, code: Optional[str], param: Optional[str]
) -> bool:
    """
    Whether an error that names no command says by itself which kind it is about.
    """
    if code in ACKS[command_type].error_codes:
        return True
    return command_type in _ack_owners_of_param(param)


def error_points_nowhere(code: Optional[str], param: Optional[str]) -> bool:
    """
    Whether an error that names no command can be about any kind of command.

    Commands that are never acknowledged count as well: a refused ``audio`` is
    an append's, not that of the commit that waits at the time.
    """
    coded = any(code in row.error_codes for row in ACKS.values())
    return not coded and not _ack_owners_of_param(param)


def _ack_owners_of_param(param: Optional[str]) -> frozenset[str]:
    root = (param or "").partition(".")[0].partition("[")[0]
    return _fields_of_acked_commands().get(root, frozenset())


@cache
def _fields_of_acked_commands() -> Mapping[str, frozenset[str]]:
    """Name of a field of the wire -> the commands that have it."""
    owners: dict[str, set[str]] = {}
    for row in ROWS:
        if row.direction == "client":
            for field in fields_dict(class_of(row)):
                owners.setdefault(field, set()).add(row.name)
    shared = ("type", "event_id", "extra")
    return {
        name: frozenset(kinds) for name, kinds in owners.items() if name not in shared
    }
