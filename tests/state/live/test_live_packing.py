"""A live snapshot as plain data, and back."""

from __future__ import annotations

import json

import pytest

from realtime_sync.protocol.codec import Codec
from realtime_sync.protocol.live import events
from realtime_sync.state.live.reduce import reduce_live, reduce_live_command
from realtime_sync.state.live.snapshot import LiveSnapshot

FRAMES = [
    {
        "type": "session.started",
        "session": {
            "id": "live_1",
            "status": "active",
            "delegation": {
                "type": "responses",
                "responses": {
                    "tools": [{"type": "mcp", "authorization": "secret-token"}]
                },
            },
        },
    },
    {"type": "session.usage.updated", "usage": {"seconds": 14.0}},
    {
        "type": "session.input_transcript.delta",
        "delta": "Hi",
        "start_ms": 0,
        "end_ms": 200,
        "event_id": "e",
    },
    {
        "type": "session.delegation.created",
        "offset_ms": 100,
        "delegation": {"id": "item_1", "target": "responses", "response_id": "r"},
    },
    {
        "type": "response.event",
        "delegation_id": "item_1",
        "event": {
            "type": "response.output_item.done",
            "item": {
                "type": "function_call",
                "call_id": "c",
                "name": "f",
                "arguments": "{}",
                "status": "completed",
            },
        },
    },
    {
        "type": "response.event",
        "delegation_id": "item_1",
        "event": {
            "type": "response.completed",
            "response": {
                "id": "r",
                "model": "m",
                "usage": {"input_tokens": 3, "output_tokens": 4},
            },
        },
    },
    {
        "type": "decision.event",
        "event": {
            "type": "decision.completed",
            "decision": {"model": "m", "answers": []},
        },
    },
    {"type": "session.thinking.appended", "start_ms": 0, "end_ms": 1},
    {"type": "session.delegation.created", "delegation": {}},
]


def everything() -> LiveSnapshot:
    """A snapshot with something in every place."""
    codec = Codec(session_type="live")
    snapshot = LiveSnapshot()
    for frame in FRAMES:
        snapshot = reduce_live(snapshot, codec.structure(frame))
    note = events.ThinkingAppend(content="VIP", event_id="e1")
    return reduce_live_command(snapshot, note)


def test_snapshot_comes_back_from_json_as_it_was() -> None:
    """With its transcript, its work and what it has taken."""
    before = everything()
    packed = json.loads(json.dumps(before.to_dict()))
    after = LiveSnapshot.from_dict(packed)

    assert packed == after.to_dict()
    assert before.transcript() == after.transcript()
    assert before.delegations == after.delegations
    assert before.usage == after.usage
    assert before.context == after.context
    assert "live_1" == after.id == after.session.id
    assert ["m"] == [each.event.decision.model for each in after.decisions]


def test_nothing_secret_is_written_down() -> None:
    """Tokens of tools stay out of it."""
    assert "secret-token" not in json.dumps(everything().to_dict())


def test_empty_snapshot_is_plain_as_well() -> None:
    """There is no session yet; and what is no snapshot is refused."""
    packed = LiveSnapshot().to_dict()

    assert packed == LiveSnapshot.from_dict(packed).to_dict()
    with pytest.raises(KeyError):
        LiveSnapshot.from_dict({})


def test_snapshot_of_an_older_recording_lacks_what_is_younger() -> None:
    """And has there what a snapshot has that nothing was told of."""
    packed = everything().to_dict()
    for each in packed["context"]:
        del each["refused"]

    assert everything().context == LiveSnapshot.from_dict(packed).context
