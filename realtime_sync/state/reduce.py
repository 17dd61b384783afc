"""
``reduce(snapshot, event)``: what the server believes after one more event.

The table says which function follows which event; every event of the protocol
is in it or among those that are not mirrored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from ..protocol.events._base import ServerEvent, UnknownEvent
from ..protocol.vendor_events import CANCELLED
from .reducers import conversation, deltas, input_audio, mcp, response, session
from .snapshot import Snapshot
from .snapshot_changes import note_anomaly

Reducer = Callable[[Snapshot, Any], Snapshot]

REDUCERS: Mapping[str, Reducer] = MappingProxyType(
    {
        "session.created": session.session_created_or_updated,
        "session.updated": session.session_created_or_updated,
        "conversation.created": conversation.conversation_created,
        "rate_limits.updated": session.rate_limits_updated,
        "error": session.error,
        "conversation.item.added": conversation.item_added,
        "conversation.item.done": conversation.item_done,
        "conversation.item.deleted": conversation.item_deleted,
        "conversation.item.retrieved": conversation.item_retrieved,
        "conversation.item.truncated": conversation.item_truncated,
        "input_audio_buffer.speech_started": input_audio.input_speech_started,
        "input_audio_buffer.speech_stopped": input_audio.input_speech_stopped,
        "input_audio_buffer.timeout_triggered": input_audio.input_timeout_triggered,
        "input_audio_buffer.committed": input_audio.input_audio_committed,
        "input_audio_buffer.cleared": input_audio.input_audio_cleared,
        "conversation.item.input_audio_transcription.delta": (
            input_audio.input_transcription_delta
        ),
        "conversation.item.input_audio_transcription.completed": (
            input_audio.input_transcription_completed
        ),
        "conversation.item.input_audio_transcription.failed": (
            input_audio.input_transcription_failed
        ),
        "response.created": response.response_created,
        "response.done": response.response_done,
        "response.output_item.added": response.output_item_added,
        "response.output_item.done": response.output_item_done,
        "response.content_part.added": deltas.content_part_added_or_done,
        "response.content_part.done": deltas.content_part_added_or_done,
        "response.output_text.delta": deltas.text_delta,
        "response.output_text.done": deltas.text_done,
        "response.output_audio.delta": deltas.audio_delta,
        "response.output_audio_transcript.delta": deltas.transcript_delta,
        "response.output_audio_transcript.done": deltas.transcript_done,
        "response.function_call_arguments.delta": deltas.arguments_delta,
        "response.function_call_arguments.done": deltas.arguments_done,
        "response.mcp_call_arguments.delta": deltas.arguments_delta,
        "response.mcp_call_arguments.done": deltas.arguments_done,
        "mcp_list_tools.in_progress": mcp.mcp_listing_in_progress,
        "mcp_list_tools.completed": mcp.mcp_listing_completed,
        "mcp_list_tools.failed": mcp.mcp_listing_failed,
        "response.mcp_call.in_progress": mcp.mcp_call_in_progress,
        "response.mcp_call.completed": mcp.mcp_call_completed,
        "response.mcp_call.failed": mcp.mcp_call_failed,
    }
)
"""Event type -> what becomes of the snapshot."""

_REDUCERS = dict(REDUCERS)

_VENDOR_REDUCERS = dict.fromkeys(CANCELLED, response.response_cancelled)
"""The same for what the protocol does not have."""

NOT_MIRRORED: Mapping[str, str] = MappingProxyType(
    {
        "response.output_audio.done": "has no audio; the deltas were counted",
        "output_audio_buffer.started": "playback at the other end of a call",
        "output_audio_buffer.stopped": "playback at the other end of a call",
        "output_audio_buffer.cleared": "playback at the other end of a call",
        "input_audio_buffer.dtmf_event_received": "a key of a telephone, no state",
        "conversation.item.input_audio_transcription.segment": (
            "the completed transcript has all of it"
        ),
        "session.closed": "the connection's own state says so",
        "session.input_transcript.delta": "a translation has no items",
        "session.output_transcript.delta": "a translation has no items",
        "session.output_audio.delta": "a translation has no items",
    }
)
"""Event type -> why it changes nothing."""


def reduce(snapshot: Snapshot, event: ServerEvent) -> Snapshot:
    """
    Return the conversation as it is after an event.

    Pure: the snapshot that is given stays what it is.

    Args:
        snapshot: the conversation before the event.
        event: a server event of the protocol.

    Returns:
        The same object if nothing changed, else one whose version is higher
        by one. What the server did against the protocol is in its anomalies;
        nothing a server does raises.
    """
    after = snapshot
    if event.problems:
        after = note_anomaly(after, event, "bad_field", "; ".join(event.problems))
    if type(event) is UnknownEvent:
        # Vendors may say what they like; what is no event at all is noted.
        if not event.raw:
            after = note_anomaly(after, event, "no_event", event.problem)
        elif event.type in _VENDOR_REDUCERS:
            after = _VENDOR_REDUCERS[event.type](after, event)
    else:
        reducer = _REDUCERS.get(event.type)
        if reducer is not None:
            try:
                after = reducer(after, event)
            except Exception as exc:  # should never run; the reader must live
                after = note_anomaly(after, event, "not_followed", f"{exc!r}")
    if after is not snapshot:
        after.__dict__["version"] = snapshot.version + 1
    return after


def reduce_command(snapshot: Snapshot, command: object) -> Snapshot:
    """
    Return the snapshot with what it must know of a command that was sent.

    That is two things: who asked for the head of the conversation, and what is
    to be deleted or cut. Servers that never name predecessors say ``null`` for
    every item, and without this an item asked for with
    ``previous_item_id="root"`` would go to the end; and some do not name what
    they have deleted or cut.

    Args:
        snapshot: the conversation before the command.
        command: a client event, a vendor's command, or the mapping that was sent.

    Returns:
        The same object if the command does not matter, else a new one, with
        the version it had: nothing has been confirmed.
    """
    read = _reader_to_reduce(command)
    kind = read("type", None)
    if kind in conversation.CHANGES:
        return conversation.expect_item_change(snapshot, kind, read)
    if kind != "conversation.item.create":
        return snapshot
    if read("previous_item_id", None) != "root":
        return snapshot
    item = _reader_to_reduce(read("item", None))
    return conversation.expect_item_at_root(snapshot, item, read("event_id", None))


def _reader_to_reduce(value: object) -> Callable[[str, None], object]:
    return value.get if isinstance(value, Mapping) else partial(getattr, value)
