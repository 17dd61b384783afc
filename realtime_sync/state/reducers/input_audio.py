"""Spoken input: announced, committed, transcribed, often before it exists."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, Optional, Union

from ...protocol.dialects.server_quirks import CUMULATIVE, INCREMENTS, INTERIM
from .. import ordering
from ..frozen_records import evolve_record
from ..growing_text import grow_text, plain_text
from ..item_merge import with_part, with_part_changed
from ..items import UNNAMED, Item
from ..snapshot import Snapshot
from ..snapshot_changes import (
    drop_items,
    find_item,
    learn_habit,
    note_anomaly,
    note_full_text,
    put_growing,
    put_items,
    put_order,
    text_or_none,
    update_snapshot,
    value_or_none,
)
from ..usage import add_transcription_usage
from .attribution import made_up_response_id

if TYPE_CHECKING:
    from ...protocol import events

LOOKED_BACK: Final = 128
"""The latest items among which one is looked for that an event does not name."""

Announcement = Union[
    "events.InputAudioBufferSpeechStarted",
    "events.InputAudioBufferSpeechStopped",
    "events.InputAudioBufferTimeoutTriggered",
    "events.InputAudioBufferCommitted",
]
"""What names an item of the user before it exists."""

Transcription = Union[
    "events.ConversationItemInputAudioTranscriptionDelta",
    "events.ConversationItemInputAudioTranscriptionCompleted",
    "events.ConversationItemInputAudioTranscriptionFailed",
]
"""What tells the words of an item of the user."""


def input_speech_started(
    snapshot: Snapshot, event: events.InputAudioBufferSpeechStarted
) -> Snapshot:
    """`speech_started`: names the item that the speech will become."""
    start = value_or_none(event.audio_start_ms)
    return _announce_input_item(
        snapshot, event, {"audio_start_ms": 0 if start is None else start}
    )


def input_speech_stopped(
    snapshot: Snapshot, event: events.InputAudioBufferSpeechStopped
) -> Snapshot:
    """`speech_stopped`: the speech of an announced item has ended."""
    return _announce_input_item(
        snapshot, event, {"audio_end_ms": value_or_none(event.audio_end_ms)}
    )


def input_timeout_triggered(
    snapshot: Snapshot, event: events.InputAudioBufferTimeoutTriggered
) -> Snapshot:
    """`timeout_triggered`: the user said nothing, which is an item too."""
    marks = {
        "audio_start_ms": value_or_none(event.audio_start_ms),
        "audio_end_ms": value_or_none(event.audio_end_ms),
    }
    return _announce_input_item(snapshot, event, marks)


def input_audio_committed(
    snapshot: Snapshot, event: events.InputAudioBufferCommitted
) -> Snapshot:
    """`committed`: the item will exist, and its predecessor may be named."""
    changes: dict[str, Any] = {"committed": True}
    known = find_item(snapshot, event.item_id)
    previous = text_or_none(event.previous_item_id)
    if previous and previous != event.item_id and (known is None or known.announced):
        changes["previous_item_id"] = previous
    return _announce_input_item(snapshot, event, changes)


def _announce_input_item(
    snapshot: Snapshot, event: Announcement, changes: dict[str, Any]
) -> Snapshot:
    """Change an item that need not exist yet."""
    item_id = text_or_none(event.item_id)
    if item_id is None:
        return snapshot
    item = find_item(snapshot, item_id)
    if item is None:
        if item_id in snapshot._order.dead:
            detail = "the item has been deleted"
            return note_anomaly(snapshot, event, "late_event", detail, item_id=item_id)
        item = Item(id=item_id, type="message", role="user", announced=True)
    return put_items(snapshot, evolve_record(item, changes))


def input_audio_cleared(
    snapshot: Snapshot, event: events.InputAudioBufferCleared
) -> Snapshot:
    """`input_audio_buffer.cleared`: what was announced of it will not come."""
    gone = [
        item.id
        for item in _lately_announced_input(snapshot)
        if item.role == "user" and not item.committed
    ]
    return drop_items(snapshot, gone) if gone else snapshot


def input_transcription_delta(
    snapshot: Snapshot, event: events.ConversationItemInputAudioTranscriptionDelta
) -> Snapshot:
    """
    `input_audio_transcription.delta`: more of what the user said.

    Some servers tell again what they have told, with more at the end. One that
    says so, or that was caught at it, replaces the text so far; a piece that is
    only the same once more is a piece. What is wrong by then is put right by
    ``completed``.
    """
    piece = text_or_none(event.delta)
    if piece is None:
        return snapshot
    found = _transcribed_input_part(snapshot, event)
    if found is None:
        return _note_no_input_item(snapshot, event)
    snapshot, item, index = found
    part = item.content[index]
    if part.transcription == "completed":
        return _note_transcript_complete(snapshot, event, item)
    text = part._transcript
    if event.cumulative is True:
        snapshot, text = learn_habit(snapshot, INTERIM), None
    elif _input_transcription_tells_again(snapshot, plain_text(text) or "", piece):
        snapshot, text = learn_habit(snapshot, CUMULATIVE), None
    text = grow_text(text, piece)
    snapshot = note_full_text(snapshot, event, text, item.id)
    changes = {"_transcript": text, "transcription": "in_progress"}
    return put_growing(snapshot, with_part_changed(item, index, changes))


def _input_transcription_tells_again(
    snapshot: Snapshot, so_far: str, piece: str
) -> bool:
    """Say whether a piece is the text so far and more, not an addition to it."""
    if not so_far or INCREMENTS in snapshot.habits:
        return False
    if CUMULATIVE in snapshot.habits and len(piece) >= len(so_far):
        return True
    return len(piece) > len(so_far) and piece.startswith(so_far)


def input_transcription_completed(
    snapshot: Snapshot, event: events.ConversationItemInputAudioTranscriptionCompleted
) -> Snapshot:
    """`input_audio_transcription.completed`: this is what was said."""
    usage = add_transcription_usage(snapshot.usage, value_or_none(event.usage))
    if usage is not snapshot.usage:
        snapshot = update_snapshot(snapshot, {"usage": usage})
    found = _transcribed_input_part(snapshot, event)
    if found is None:
        return _note_no_input_item(snapshot, event)
    snapshot, item, index = found
    changes: dict[str, Any] = {"transcription": "completed"}
    if value_or_none(event.transcript) is not None:
        changes["_transcript"] = event.transcript
    return put_items(snapshot, with_part_changed(item, index, changes))


def input_transcription_failed(
    snapshot: Snapshot, event: events.ConversationItemInputAudioTranscriptionFailed
) -> Snapshot:
    """`input_audio_transcription.failed`: the item stays, without its text."""
    found = _transcribed_input_part(snapshot, event)
    if found is None:
        return _note_no_input_item(snapshot, event)
    snapshot, item, index = found
    if item.content[index].transcription == "completed":
        return _note_transcript_complete(snapshot, event, item)
    return put_items(
        snapshot, with_part_changed(item, index, {"transcription": "failed"})
    )


def _transcribed_input_part(
    snapshot: Snapshot, event: Transcription
) -> Optional[tuple[Snapshot, Item, int]]:
    """Return the item and part that a transcription is about, and where they are."""
    item_id = text_or_none(event.item_id)
    if item_id is None:
        item = _last_untranscribed_input(snapshot)
        if item is None and _input_has_words(event) and _lists_no_input(snapshot):
            snapshot, item = _unnamed_input_item(snapshot)
    elif item_id in snapshot._order.dead:
        item = None
    else:
        item = find_item(snapshot, item_id) or Item(
            id=item_id, type="message", role="user", announced=True
        )
    if item is None:
        return None
    found = with_part(item, event.content_index, "input_audio")
    return None if found is None else (snapshot, *found)


def _input_has_words(event: Transcription) -> bool:
    words = getattr(event, "delta", None) or getattr(event, "transcript", None)
    return text_or_none(words) is not None


def _lists_no_input(snapshot: Snapshot) -> bool:
    users = (item for item in _latest_input(snapshot) if item.role == "user")
    return all(item.id.startswith(UNNAMED) for item in users)


def _unnamed_input_item(snapshot: Snapshot) -> tuple[Snapshot, Item]:
    """Return an item for words that belong to none: some servers list none."""
    item = Item(id=made_up_response_id(snapshot), type="message", role="user")
    order = ordering.place_provisionally_in_order(snapshot._order, item.id)
    return put_order(snapshot, order), item


def _last_untranscribed_input(snapshot: Snapshot) -> Optional[Item]:
    """Return the latest spoken item that still waits for its transcript."""
    for item in chain(_lately_announced_input(snapshot), _latest_input(snapshot)):
        if item.role == "user" and _input_awaits_transcript(item):
            return item
    return None


def _lately_announced_input(snapshot: Snapshot) -> Iterator[Item]:
    """Yield announced items, about the latest first, as far as `LOOKED_BACK`."""
    overlay = snapshot._overlay
    below = islice(snapshot._base.latest(), LOOKED_BACK)
    rest = (item for item in below if item.id not in overlay)
    for item in chain(reversed(list(overlay.values())), rest):
        if item.announced:
            yield item


def _latest_input(snapshot: Snapshot) -> Iterator[Item]:
    """Return the last items of the conversation, as far as `LOOKED_BACK`."""
    ids = islice(snapshot._order.latest(), LOOKED_BACK)
    return filter(None, (find_item(snapshot, each) for each in ids))


def _input_awaits_transcript(item: Item) -> bool:
    return any(
        part.type == "input_audio" and part.transcription in (None, "in_progress")
        for part in item.content
    ) or (item.announced and not item.content)


def _note_transcript_complete(
    snapshot: Snapshot, event: Transcription, item: Item
) -> Snapshot:
    detail = "the transcription is complete"
    return note_anomaly(snapshot, event, "late_event", detail, item_id=item.id)


def _note_no_input_item(snapshot: Snapshot, event: Transcription) -> Snapshot:
    detail = "there is no item that this can be about"
    return note_anomaly(snapshot, event, "late_event", detail, item_id=event.item_id)
