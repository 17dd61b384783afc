"""
What an item becomes when the server describes it once more.

The same item is described up to five times: in two streams of the GA dialect,
at its start and at its end, and in `response.done`. Early descriptions are
empty where deltas have already filled something in, some servers say ``null``
or "" for what they have said before, and audio never comes back. So a
description adds what it has and takes nothing away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Optional, Union

from ..protocol.lazy_audio import audio_size
from .final_text import told_words, whole_arguments, whole_text
from .frozen_records import evolve_record, freeze
from .growing_text import plain_text
from .items import Item, Part
from .snapshot_changes import text_or_none, value_or_none
from .transitions import ITEM, is_settled, next_item_status

if TYPE_CHECKING:
    from ..protocol.items import ContentPart
    from ..protocol.items import Item as WireItem
    from ..types import Unset

FURTHEST_PART = 255
"""Highest content index that is believed."""

_TEXTS = (
    "type",
    "role",
    "phase",
    "call_id",
    "name",
    "server_label",
    "approval_request_id",
    "reason",
)
_OTHERS = ("output", "approve")

_WHOLE = ("function_call_output", "mcp_list_tools", "mcp_approval_response")
"""Items that come complete, whatever their status."""

_SPOKEN = {"text": "output_text", "audio": "output_audio"}
_HEARD = {"text": "input_text", "audio": "input_audio"}


def merge_item(item: Item, wire: WireItem, *, final: bool) -> Item:
    """
    Return an item with what a description of it adds.

    Args:
        item: the item so far, perhaps only announced.
        wire: the item as an event has it.
        final: the server calls it done. A description that is not final says
            nothing new about an item that is closed.
    """
    if item.closed and not final:
        return item
    changes: dict[str, Any] = {"announced": False}
    for name in _TEXTS:
        if text := text_or_none(getattr(wire, name, None)):
            changes[name] = text
    for name in _OTHERS:
        if (value := value_or_none(getattr(wire, name, None))) is not None:
            changes[name] = value
    if arguments := text_or_none(getattr(wire, "arguments", None)):
        if final:
            arguments = whole_arguments(item._arguments, arguments)
        changes["_arguments"] = arguments
    for name in ("error", "tools"):
        if value := value_or_none(getattr(wire, name, None)):
            changes[name] = _json_of_merged_item(value)
    changes["status"] = _merged_status(item, wire, final)
    if changes["status"] != item.status:
        changes["concluded"] = text_or_none(getattr(wire, "status", None)) is None
    changes["closed"] = item.closed or _merge_ends_item(item, wire, final)
    wanted = value_or_none(getattr(wire, "content", None)) or ()
    if wanted:
        role = changes.get("role", item.role)
        changes["content"] = _merged_parts(
            item, wanted[: FURTHEST_PART + 1], role, final
        )
    return evolve_record(item, changes)


def _merged_status(item: Item, wire: WireItem, final: bool) -> Optional[str]:
    reported = text_or_none(getattr(wire, "status", None))
    kind = text_or_none(getattr(wire, "type", None)) or ""
    if final and reported is None and not kind.startswith("mcp_"):
        reported = "completed" if item.status == "in_progress" else None
    return next_item_status(item.status, reported, concluded=item.concluded)


def _merge_ends_item(item: Item, wire: WireItem, final: bool) -> bool:
    """Say whether no delta is to be expected after this description."""
    status = value_or_none(getattr(wire, "status", None))
    if status == "in_progress":
        return False
    if final or getattr(wire, "role", None) in ("user", "system"):
        return True
    if item.response_id is None and is_settled(ITEM, status):
        return True
    return wire.type in _WHOLE


def _merged_parts(
    item: Item, wanted: Sequence[ContentPart], role: Optional[str], final: bool
) -> tuple[Part, ...]:
    parts = list(item.content)
    if final:
        del parts[len(wanted) :]
    for index, wire in enumerate(wanted):
        if index == len(parts):
            parts.append(Part())
        parts[index] = merge_part(parts[index], wire, role=role, final=final)
    return tuple(parts)


def merge_part(
    part: Part, wire: ContentPart, *, role: Optional[str], final: bool = False
) -> Part:
    """
    Return a part with what a description of it adds.

    Args:
        part: the part so far.
        wire: the part as an event has it.
        role: who speaks; decides what a part of type ``text`` is.
        final: the server calls the part done.
    """
    final = final and role not in ("user", "system")
    changes: dict[str, Any] = {}
    if kind := text_or_none(wire.type):
        changes["type"] = part_type(kind, role)
    for name in ("image_url", "detail"):
        if text := text_or_none(getattr(wire, name)):
            changes[name] = text
    told, spoken = text_or_none(wire.text), text_or_none(wire.transcript)
    if final:
        told, spoken = told_words(part, wire)
    if text := told:
        changes["_text"] = whole_text(part._text, text) if final else text
    if text := spoken:
        if part.heard_ms is not None:
            # After a truncation the server knows less than what was said.
            changes["_kept"] = text
        elif final:
            changes["_transcript"] = whole_text(part._transcript, text)
        else:
            changes["_transcript"] = text
    if (size := audio_size(wire, "audio")) > part.audio_bytes:
        changes["audio_bytes"] = size
    return evolve_record(part, changes)


def part_type(kind: str, role: Optional[str]) -> str:
    """Return the GA name of a part type; parts of responses keep beta names."""
    names = _SPOKEN if role in ("assistant", None) else _HEARD
    return names.get(kind, kind)


def with_part(
    item: Item, index: Union[int, None, Unset], kind: str
) -> Optional[tuple[Item, int]]:
    """
    Make sure that an item has a part at an index.

    Args:
        item: the item.
        index: the index that an event gave; absent means the first part.
        kind: type of a part that has to be made.

    Returns:
        The item and the index, or None for an index out of reason.
    """
    index = index or 0
    if not 0 <= index <= FURTHEST_PART:
        return None
    missing = index + 1 - len(item.content)
    if missing <= 0:
        return item, index
    parts = (*item.content, *[Part()] * (missing - 1), Part(type=kind))
    return evolve_record(item, {"content": parts}), index


def with_part_changed(item: Item, index: int, changes: dict[str, Any]) -> Item:
    """Return an item with values changed in one of its parts."""
    part = evolve_record(item.content[index], changes)
    parts = (*item.content[:index], part, *item.content[index + 1 :])
    return evolve_record(item, {"content": parts})


def compact_merged_item(item: Item) -> Item:
    """
    Return an item whose texts are strings, once they no longer grow.

    A server that never tells the whole text would leave the pieces in memory.
    """
    parts = tuple(_compact_merged_part(part) for part in item.content)
    texts = {"content": parts, "_arguments": item.arguments}
    return evolve_record(item, texts)


def _compact_merged_part(part: Part) -> Part:
    texts = {name: plain_text(getattr(part, name)) for name in _GROWING}
    return evolve_record(part, texts)


_GROWING = ("_text", "_transcript", "_kept")


def _json_of_merged_item(value: object) -> Any:
    from ..protocol.codec import to_mapping

    if isinstance(value, tuple):
        return freeze([to_mapping(each) for each in value])
    return freeze(to_mapping(value))
