"""Ready-made frames: each is a proper event, in the protocol's order."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync import replay
from realtime_sync.protocol.codec import Codec
from realtime_sync.protocol.events import UnknownEvent
from realtime_sync.protocol.registry import client_names
from realtime_sync.testing import frames

TEXT = list(frames.answer("Two words.")({}))
SPOKEN = list(frames.answer(spoken="Two words.", audio=bytes(10_000))({}))
CALLED = list(frames.answer(calls=[("add", {"a": 1}), {"name": "b"}])({}))
COMMAND = {
    "event_id": "e1",
    "item_id": "item_1",
    "item": {"type": "message", "role": "user", "content": []},
    "content_index": 0,
    "audio_end_ms": 10,
    "session": {"instructions": "x"},
}

MADE = [
    *TEXT,
    *SPOKEN,
    *CALLED,
    frames.session_created(),
    frames.session_updated(instructions="x"),
    *frames.item_added(frames.message("Hi")),
    *frames.item_added(frames.message("Hi", role="assistant")),
    *frames.error("no", code="invalid_value", param="x")({"event_id": "e1"}),
    *(
        frame
        for name in sorted(client_names())
        for frame in frames.acknowledged({**COMMAND, "type": name})
    ),
]


@pytest.mark.parametrize("frame", MADE, ids=lambda frame: frame["type"])
def test_frame_is_a_proper_event(frame: Any) -> None:
    """A client finds nothing odd in it."""
    event = Codec().structure(frame)

    assert not isinstance(event, UnknownEvent)
    assert () == event.problems


def test_text_answer_comes_in_the_order_of_the_protocol() -> None:
    """From created to done, with the item between."""
    assert [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ] == [frame["type"] for frame in TEXT]


def test_answers_leave_the_conversation_that_they_tell_of() -> None:
    """Text, transcript, length of the audio, calls, and no anomaly."""
    snapshot = replay([frames.session_created(), *TEXT, *SPOKEN, *CALLED])
    text, spoken, call, other = snapshot.items

    assert "Two words." == text.text == spoken.content[0].transcript
    assert 10_000 == spoken.content[0].audio_bytes
    assert ("add", '{"a": 1}') == (call.name, call.arguments)
    assert "b" == other.name
    assert ["completed"] * 3 == [each.status for each in snapshot.responses.values()]
    assert () == snapshot.anomalies


def test_answer_knows_the_command_that_it_answers() -> None:
    """Metadata is echoed, and what is aside stays out of the conversation."""
    asked = {"response": {"conversation": "none", "metadata": {"topic": "x"}}}
    made = list(frames.answer("Aside.", response_id="resp_x")(asked))
    snapshot = replay(made)

    assert () == snapshot.items
    response = snapshot.responses["resp_x"]
    assert ({"topic": "x"}, True) == (
        dict(response.metadata or {}),
        response.out_of_band,
    )


def test_answer_can_end_badly() -> None:
    """Failed, incomplete, cancelled: with the reason."""
    details = {"type": "failed", "error": {"code": "insufficient_quota"}}
    made = frames.answer("Hal", status="failed", status_details=details)({})
    [response] = replay(list(made)).responses.values()

    assert "failed" == response.status
    told = response.status_details
    assert told is not None and told.error
    assert "insufficient_quota" == told.error.code


def test_configuration_is_merged_level_by_level() -> None:
    """What is not named stays; null replaces."""
    changes = {"audio": {"output": {"voice": "marin"}, "input": None}}
    session = frames.session_updated(**changes)["session"]

    assert "marin" == session["audio"]["output"]["voice"]
    assert 1.0 == session["audio"]["output"]["speed"]
    assert session["audio"]["input"] is None
    assert "alloy" == frames.SESSION["audio"]["output"]["voice"]


def test_item_at_the_head_is_acknowledged_as_the_first() -> None:
    """``root`` is what clients say, null what servers say."""
    command = {**COMMAND, "type": "conversation.item.create"}
    at_head = frames.acknowledged({**command, "previous_item_id": "root"})
    behind = frames.acknowledged({**command, "previous_item_id": "item_9"})
    last = frames.acknowledged(command)

    assert at_head[0]["previous_item_id"] is None
    assert "item_9" == behind[0]["previous_item_id"]
    assert "previous_item_id" not in last[0]
