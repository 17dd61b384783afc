"""What a snapshot says about itself, and how it is kept."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError

from realtime_sync.state.items import Item, Part
from realtime_sync.state.reduce import reduce_command
from realtime_sync.state.snapshot import Snapshot
from realtime_sync.state.snapshot_parts import Limits
from tests.state.mirror_builder import Mirror, answer, call, message, said


def test_nothing_is_known_of_an_empty_conversation() -> None:
    """Every question has an answer."""
    snapshot = Snapshot()

    assert (0, (), None, None) == (
        snapshot.version,
        snapshot.items,
        snapshot.item("a"),
        snapshot.active_response,
    )
    assert (None, None, None) == (
        snapshot.session,
        snapshot.session_id,
        snapshot.conversation_id,
    )
    assert {} == dict(snapshot.responses)
    assert () == snapshot.transcript() == snapshot.announced
    assert [] == snapshot.to_messages()
    assert 0 == snapshot.usage.total_tokens
    assert "<Snapshot 0: 0 items, 0 responses, 0 anomalies>" == repr(snapshot)


def test_a_snapshot_cannot_be_changed() -> None:
    """Nor can what is in it."""
    mirror = Mirror()
    mirror.spoken_answer()
    snapshot: Any = mirror.snapshot

    with pytest.raises(FrozenInstanceError):
        snapshot.version = 7
    with pytest.raises(FrozenInstanceError):
        snapshot.items[0].role = "assistant"
    with pytest.raises(FrozenInstanceError):
        snapshot.items[1].content[0].audio_bytes = 0
    with pytest.raises(TypeError):
        snapshot.responses["r"] = None


def test_items_are_put_together_once() -> None:
    """Reading them again costs nothing, and a later snapshot has its own."""
    mirror = Mirror()
    mirror.spoken_answer()
    before = mirror.snapshot
    assert before.items is before.items

    mirror.speech("!")

    assert before.items is not mirror.snapshot.items
    assert ("Hello there", "Hello there!") == (
        before.items[1].text,
        mirror.snapshot.items[1].text,
    )


def everything() -> Mirror:
    """A mirror that has seen something of all that a snapshot keeps."""
    mirror = Mirror(limits=Limits(max_items=50))
    session = {
        "type": "realtime",
        "id": "sess_1",
        "expires_at": 3,
        "audio": {"output": {"format": {"type": "audio/pcmu"}}},
        "client_secret": {"value": "ek_secret", "expires_at": 1},
        "tools": [
            {
                "type": "mcp",
                "server_label": "maps",
                "authorization": "ek_secret",
                "headers": {"key": "ek_secret"},
            },
            {"type": "function", "name": "weather"},
        ],
    }
    mirror.tell("session.created", session=session)
    limits = [{"name": "tokens", "limit": 9, "remaining": 5, "reset_seconds": 0.5}]
    mirror.tell("rate_limits.updated", rate_limits=limits)
    mirror.spoken_answer("One two three")
    details = {"type": "cancelled", "reason": "turn_detected"}
    mirror.ended(
        status="cancelled",
        status_details=details,
        metadata={"k": "v"},
        usage={"total_tokens": 5, "input_tokens": 5},
    )
    mirror.tell(
        "conversation.item.truncated", item_id="a", content_index=0, audio_end_ms=900
    )
    mirror.created("s", conversation=None)
    mirror.text("aside", "b", response_id="s")
    mirror.user("x", "unknown")
    mirror.user("y", "u")
    mirror.tell("conversation.item.deleted", item_id="y")
    mirror.tell("input_audio_buffer.speech_started", item_id="v", audio_start_ms=5)
    listed = [{"name": "route", "input_schema": {"type": "object"}}]
    tools = {"id": "l", "type": "mcp_list_tools", "server_label": "m", "tools": listed}
    mirror.added(tools, "u")
    command = {"item": message("z"), "previous_item_id": "root", "event_id": "e"}
    command["type"] = "conversation.item.create"
    mirror.snapshot = reduce_command(mirror.snapshot, command)
    return mirror


def test_a_snapshot_survives_being_written_down() -> None:
    """As JSON, pickled, and copied: all it has is there again."""
    snapshot = everything().snapshot
    written = json.dumps(snapshot.to_dict())
    rebuilt = [
        Snapshot.from_dict(json.loads(written)),
        pickle.loads(pickle.dumps(snapshot)),
        copy.deepcopy(snapshot),
    ]

    for again in rebuilt:
        assert snapshot == again
        assert snapshot.items == again.items
        assert snapshot.transcript() == again.transcript()
        assert dict(snapshot.responses) == dict(again.responses)
        assert snapshot.rate_limits == again.rate_limits
        assert ("cancelled", "turn_detected") == (
            again.responses["r"].status,
            again.responses["r"].status_details.reason,
        )


def test_a_rebuilt_snapshot_can_be_followed_on() -> None:
    """Order, orphans, tombstones and wishes are still known."""
    mirrors = [everything(), everything()]
    mirrors[1].snapshot = Snapshot.from_dict(mirrors[0].snapshot.to_dict())
    for mirror in mirrors:
        mirror.user("w", "y")
        mirror.user("unknown", "a")
        mirror.user("z")
        mirror.text(" goes on", "b", response_id="s")

    assert ["z", "u", "l", "w", "a", "unknown", "x"] == mirrors[0].order
    assert mirrors[0].snapshot == mirrors[1].snapshot


def test_secrets_are_not_written_down() -> None:
    """Neither keys of MCP servers nor ephemeral ones."""
    snapshot = everything().snapshot
    written = json.dumps(snapshot.to_dict())

    assert "ek_secret" not in written
    assert "maps" in written
    assert "ek_secret" == snapshot.session.tools[0].authorization


def test_a_session_without_tools_has_no_secrets() -> None:
    """What is null stays null."""
    mirror = Mirror()
    session = {"type": "realtime", "tools": None, "client_secret": None}
    mirror.tell("session.created", session=session)

    packed = mirror.snapshot.to_dict()["session"]
    assert {"type": "realtime", "tools": None, "client_secret": None} == packed


def test_what_is_not_a_snapshot_is_refused() -> None:
    """A key that no snapshot has is a mistake."""
    with pytest.raises(TypeError):
        Snapshot.from_dict({"colour": "red"})

    assert Snapshot() == Snapshot.from_dict({})
    assert Snapshot() != 3


def test_an_item_survives_being_written_down() -> None:
    """With all its parts."""
    mirror = Mirror()
    mirror.spoken_answer()
    item = mirror.item("a")

    assert item == Item.from_dict(json.loads(json.dumps(item.to_dict())))
    assert {"type": "input_text", "text": "Hi"} == mirror.item("u").content[0].to_dict()


# Heard text


@pytest.mark.parametrize(
    ("heard_ms", "heard"),
    [(0, ""), (100, ""), (250, "Say"), (500, "Say it"), (999, "Say it"), (1000, None)],
)
def test_heard_text_ends_with_a_whole_word(heard_ms: int, heard: Any) -> None:
    """It is estimated by time."""
    part = Part(transcript="Say it again", audio_bytes=48_000, heard_ms=heard_ms)

    assert ("Say it again" if heard is None else heard) == part.heard


def test_heard_text_is_estimated_without_audio_too() -> None:
    """Fifteen characters a second."""
    text = "a" * 14 + " " + "b" * 15

    assert "a" * 14 == Part(transcript=text, heard_ms=1000).heard
    assert "" == Part(transcript="", heard_ms=0).heard
    assert Part(heard_ms=5).heard is None
    assert text == Part(transcript=text).heard


def test_an_item_was_heard_as_far_as_its_parts_were() -> None:
    """A part that was not cut was heard to its end."""
    parts = (
        Part(transcript="One", audio_bytes=48_000),
        Part(transcript="Two three", audio_bytes=48_000, heard_ms=400),
    )
    item = Item(id="a", content=parts)

    assert (1400, "OneTwo") == (item.heard_ms, item.heard)
    assert Item(id="b").heard_ms is None


# The conversation for others


def test_the_transcript_has_a_line_for_every_message_with_text() -> None:
    """Calls and silent items have none."""
    mirror = Mirror()
    mirror.user("u", None, "Weather?")
    mirror.added(call("f", "{}", "completed"), "u")
    mirror.added(message("v", [{"type": "input_audio", "transcript": None}]), "f")
    mirror.added(answer("a", said("Rain."), status="completed"), "v")

    lines = mirror.snapshot.transcript()
    assert (("user", "Weather?"), ("assistant", "Rain.")) == lines
    assert ["user", "assistant"] == [line.role for line in lines]


def output(item_id: str, call_id: str, text: str) -> dict[str, Any]:
    """The answer to a call."""
    kind = "function_call_output"
    return {"id": item_id, "type": kind, "call_id": call_id, "output": text}


def test_messages_have_the_shape_of_chat_completions() -> None:
    """Calls join their message, and every output follows its call."""
    mirror = Mirror()
    mirror.added(message("s", [{"type": "input_text", "text": "Be"}], role="system"))
    mirror.user("u", "s", "Weather?")
    mirror.added(answer("a", said("Let me see."), status="completed"), "u")
    mirror.added(call("f", '{"a": 1}', "completed"), "a")
    mirror.added(call("g", "{}", "completed"), "f")
    mirror.added(call("h", "{}", "completed"), "g")
    mirror.added(output("o", "call_f", "rain"), "h")
    mirror.user("v", "o", "Well?")
    mirror.added(output("p", "call_g", ""), "v")
    mirror.added(output("q", "call_x", "lost"), "p")
    mirror.added(call("k", "{}", "completed"), "q")
    mirror.added(output("t", "call_k", "sun"), "k")

    def called(name: str, arguments: str) -> dict[str, Any]:
        function = {"name": "weather", "arguments": arguments}
        return {"id": f"call_{name}", "type": "function", "function": function}

    assert [
        {"role": "system", "content": "Be"},
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [called("f", '{"a": 1}'), called("g", "{}")],
        },
        {"role": "tool", "tool_call_id": "call_f", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_g", "content": ""},
        {"role": "user", "content": "Well?"},
        {"role": "assistant", "content": None, "tool_calls": [called("k", "{}")]},
        {"role": "tool", "tool_call_id": "call_k", "content": "sun"},
    ] == mirror.snapshot.to_messages()


def test_images_are_parts_of_a_chat_message() -> None:
    """With the text beside them, and without parts that say nothing."""
    parts = [
        {"type": "input_text", "text": "Look"},
        {"type": "input_image", "image_url": "data:,", "detail": "low"},
        {"type": "input_image", "image_url": "data:,"},
        {"type": "input_audio", "transcript": None},
    ]
    mirror = Mirror()
    mirror.added(message("u", parts))

    (chat,) = mirror.snapshot.to_messages()
    assert [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "data:,", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:,"}},
    ] == chat["content"]
