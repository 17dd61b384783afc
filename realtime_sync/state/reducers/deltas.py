"""
What a response says, piece by piece: the busiest part of the mirror.

A delta that falls where the one before it fell takes the short way: one
appended piece, and copies of the part's fields and of the snapshot's. Everything
else (another part, no item yet, no part yet, an ended response) is sorted out
first, in `attribution`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Union

from ...protocol.lazy_audio import audio_size
from ..final_text import (
    part_disagreements,
    text_disagreements,
    whole_arguments,
    whole_text,
)
from ..frozen_records import evolve_record, evolve_record_field
from ..growing_text import MOST_TEXT, grow_text
from ..item_merge import merge_part
from ..items import Item
from ..snapshot import Snapshot
from ..snapshot_changes import (
    note_disagreements,
    note_full_text,
    put_call,
    put_growing,
    put_part,
    put_regrown,
    text_or_none,
)
from .attribution import (
    CallDelta,
    CallDone,
    CallEvent,
    OutputPiece,
    PartEvent,
    Place,
    attribute_call,
    attribute_part,
)

if TYPE_CHECKING:
    from ...protocol import events
    from ...types import OrUnset

WordsDelta = Union["events.ResponseTextDelta", "events.ResponseAudioTranscriptDelta"]
WordsDone = Union["events.ResponseTextDone", "events.ResponseAudioTranscriptDone"]

PART_DONE = "response.content_part.done"


def text_delta(snapshot: Snapshot, event: events.ResponseTextDelta) -> Snapshot:
    """`response.output_text.delta`: more text."""
    return _extend_words_by_delta(snapshot, event, "_text", "output_text")


def transcript_delta(
    snapshot: Snapshot, event: events.ResponseAudioTranscriptDelta
) -> Snapshot:
    """`response.output_audio_transcript.delta`: more of what is spoken."""
    return _extend_words_by_delta(snapshot, event, "_transcript", "output_audio")


def _extend_words_by_delta(
    snapshot: Snapshot, event: WordsDelta, name: str, kind: str
) -> Snapshot:
    piece = event.delta
    if not piece:
        return snapshot
    growth = snapshot._growth
    if (
        growth is None
        or event.item_id != growth.item_id
        or event.content_index != growth.index
    ):
        return _extended_by_delta_elsewhere(snapshot, event, piece, name, kind)
    values = snapshot._grown.copy()
    values[name] = text = grow_text(values[name], piece)
    if values["heard_ms"] is not None and name == "_transcript":
        values["_kept"] = grow_text(values["_kept"], piece)
    if text.size >= MOST_TEXT:
        snapshot = note_full_text(snapshot, event, text, growth.item_id)
    return put_regrown(snapshot, values)


def _extended_by_delta_elsewhere(
    snapshot: Snapshot, event: WordsDelta, piece: str, name: str, kind: str
) -> Snapshot:
    """The same for a delta that falls elsewhere than the one before it."""
    found = _part_in_flight_of_delta(snapshot, event) or attribute_part(
        snapshot, event, kind
    )
    if isinstance(found, Snapshot):
        return found
    snapshot, item, index = found
    part = item.content[index]
    text = grow_text(getattr(part, name), piece)
    snapshot = note_full_text(snapshot, event, text, item.id)
    part = evolve_record_field(part, name, text)
    if part.heard_ms is not None and name == "_transcript":
        part = evolve_record_field(part, "_kept", grow_text(part._kept, piece))
    return put_part(snapshot, item, index, part)


def audio_delta(snapshot: Snapshot, event: events.ResponseAudioDelta) -> Snapshot:
    """`response.output_audio.delta`: its bytes are counted, not kept."""
    size = audio_size(event)
    if not size:
        return snapshot
    growth = snapshot._growth
    if (
        growth is None
        or event.item_id != growth.item_id
        or event.content_index != growth.index
        or not snapshot._grown["audio_bytes"]
    ):
        return _delta_heard_elsewhere(snapshot, event, size)
    values = snapshot._grown.copy()
    values["audio_bytes"] += size
    return put_regrown(snapshot, values)


def _delta_heard_elsewhere(
    snapshot: Snapshot, event: events.ResponseAudioDelta, size: int
) -> Snapshot:
    """The same for the first audio of a part, or after something else."""
    place = _part_in_flight_of_delta(snapshot, event)
    found = place or attribute_part(snapshot, event, "output_audio")
    if isinstance(found, Snapshot):
        return found
    snapshot, item, index = found
    part = item.content[index]
    if not part.audio_bytes:
        part = evolve_record_field(
            part, "audio_rate", _audio_rate_of_delta(snapshot, item)
        )
    part = evolve_record_field(part, "audio_bytes", part.audio_bytes + size)
    return put_part(snapshot, item, index, part)


def _item_in_flight_of_delta(snapshot: Snapshot, event: OutputPiece) -> Optional[Item]:
    """Return the item that a delta names, if it is there and not done."""
    item = snapshot._overlay.get(event.item_id or "")
    if not item or item.closed or item.announced or item.response_id is None:
        return None
    return item


def _part_in_flight_of_delta(snapshot: Snapshot, event: PartEvent) -> Optional[Place]:
    """Return the place that a delta names, if it is there and not done."""
    item, index = _item_in_flight_of_delta(snapshot, event), event.content_index
    if item is None or not isinstance(index, int):
        return None
    return (snapshot, item, index) if 0 <= index < len(item.content) else None


def _audio_rate_of_delta(snapshot: Snapshot, item: Item) -> int:
    state = snapshot._responses.get(item.response_id or "")
    return state.audio_rate if state else snapshot._audio_rate


def text_done(snapshot: Snapshot, event: events.ResponseTextDone) -> Snapshot:
    """`response.output_text.done`: the whole text."""
    return _finish_words_of_deltas(snapshot, event, "_text", event.text, "output_text")


def transcript_done(
    snapshot: Snapshot, event: events.ResponseAudioTranscriptDone
) -> Snapshot:
    """`response.output_audio_transcript.done`: the whole transcript."""
    return _finish_words_of_deltas(
        snapshot, event, "_transcript", event.transcript, "output_audio"
    )


def _finish_words_of_deltas(
    snapshot: Snapshot, event: WordsDone, name: str, whole: OrUnset[str], kind: str
) -> Snapshot:
    if not whole:
        return snapshot
    found = attribute_part(snapshot, event, kind)
    if isinstance(found, Snapshot):
        return found
    snapshot, item, index = found
    part = item.content[index]
    if part.heard_ms is not None and name == "_transcript":
        name = "_kept"
    else:
        so_far = getattr(part, name)
        found_so = text_disagreements(name.strip("_"), so_far, whole)
        snapshot = note_disagreements(snapshot, event, item, found_so)
        whole = whole_text(so_far, whole)
    return put_part(snapshot, item, index, evolve_record_field(part, name, whole))


def content_part_added_or_done(
    snapshot: Snapshot,
    event: Union[events.ResponseContentPartAdded, events.ResponseContentPartDone],
) -> Snapshot:
    """`response.content_part.added` and ``done``: a part and what is in it."""
    wire = event.part
    if not wire:
        return snapshot
    found = attribute_part(snapshot, event, "output_text")
    if isinstance(found, Snapshot):
        return found
    snapshot, item, index = found
    part, final = item.content[index], event.type == PART_DONE
    if final:
        snapshot = note_disagreements(
            snapshot, event, item, part_disagreements(part, wire)
        )
    part = merge_part(part, wire, role=item.role, final=final)
    return put_part(snapshot, item, index, part)


def arguments_delta(snapshot: Snapshot, event: CallDelta) -> Snapshot:
    """`function_call_arguments.delta`, `mcp_call_arguments.delta`: more of them."""
    piece = event.delta
    if not piece:
        return snapshot
    growth = snapshot._growth
    if growth is None or event.item_id != growth.item_id or growth.index is not None:
        return _call_delta_elsewhere(snapshot, event, piece)
    values = snapshot._grown.copy()
    if values["call_id"] is None or values["name"] is None:
        return _call_delta_elsewhere(snapshot, event, piece)
    values["_arguments"] = text = grow_text(values["_arguments"], piece)
    if text.size >= MOST_TEXT:
        snapshot = note_full_text(snapshot, event, text, growth.item_id)
    return put_regrown(snapshot, values)


def _call_delta_elsewhere(snapshot: Snapshot, event: CallDelta, piece: str) -> Snapshot:
    """The same for a delta on another item, or on a call that lacks its name."""
    item = _item_in_flight_of_delta(snapshot, event)
    if item is None:
        found = attribute_call(snapshot, event)
        if isinstance(found, Snapshot):
            return found
        snapshot, item = found
    text = grow_text(item._arguments, piece)
    snapshot = note_full_text(snapshot, event, text, item.id)
    item = evolve_record_field(item, "_arguments", text)
    return put_call(snapshot, _call_fields_of_delta(item, event))


def arguments_done(snapshot: Snapshot, event: CallDone) -> Snapshot:
    """`function_call_arguments.done`, `mcp_call_arguments.done`: all of them."""
    found = attribute_call(snapshot, event)
    if isinstance(found, Snapshot):
        return found
    snapshot, item = found
    if whole := event.arguments:
        so_far = item._arguments
        found_so = text_disagreements("arguments", so_far, whole)
        snapshot = note_disagreements(snapshot, event, item, found_so)
        item = evolve_record_field(item, "_arguments", whole_arguments(so_far, whole))
    return put_growing(snapshot, _call_fields_of_delta(item, event))


def _call_fields_of_delta(item: Item, event: CallEvent) -> Item:
    """Fill in what an item lacks to be a call, from events that name it."""
    named = {name: text_or_none(getattr(event, name, None)) for name in _CALL}
    missing = {
        name: value
        for name, value in named.items()
        if value and getattr(item, name) is None
    }
    return evolve_record(item, missing) if missing else item


_CALL = ("call_id", "name")
