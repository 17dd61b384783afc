"""Every refusal of the error catalogue: code, param, message, event_id."""

from __future__ import annotations

from typing import Any

import pytest

from .sounds import b64, loud, silence
from .talking import Talk, error, only, types

MESSAGE = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "x"}],
}


def session(**fields: Any) -> dict[str, Any]:
    """A ``session.update`` for GA."""
    return {"type": "session.update", "session": {"type": "realtime", **fields}}


def heard(**fields: Any) -> dict[str, Any]:
    """A ``session.update`` of the input."""
    return session(audio={"input": fields})


def item(**fields: Any) -> dict[str, Any]:
    """A ``conversation.item.create``."""
    return {"type": "conversation.item.create", "item": {**MESSAGE, **fields}}


REFUSED: list[tuple[dict[str, Any], Any, Any, str]] = [
    ({"type": "nope"}, "invalid_value", "type", "Invalid value: 'nope'. Supported"),
    ({}, "missing_required_parameter", "type", "Missing required parameter: 'type'."),
    (
        session(bogus_field=1),
        "unknown_parameter",
        "session.bogus_field",
        "Unknown parameter: 'session.bogus_field'.",
    ),
    (
        {"type": "session.update", "session": {}},
        "missing_required_parameter",
        "session.type",
        "Missing required parameter: 'session.type'.",
    ),
    (
        {"type": "session.update"},
        "missing_required_parameter",
        "session",
        "Missing required parameter: 'session'.",
    ),
    (
        session(output_modalities=["text", "audio"]),
        "invalid_value",
        "session.output_modalities",
        "Invalid modalities: ['audio', 'text']. Supported combinations are: ['text'] "
        "and ['audio'].",
    ),
    (
        heard(format={"type": "audio/pcm", "rate": 16000}),
        "integer_below_min_value",
        "session.audio.input.format.rate",
        "Expected a value >= 24000",
    ),
    (
        heard(format={"type": "audio/pcm"}),
        "missing_required_parameter",
        "session.audio.input.format.rate",
        "",
    ),
    (
        heard(turn_detection={"type": "server_vad", "threshold": 1.5}),
        "decimal_above_max_value",
        "session.audio.input.turn_detection.threshold",
        "Expected a value <= 1",
    ),
    (
        heard(turn_detection={"type": "server_vad", "idle_timeout_ms": 100}),
        "integer_below_min_value",
        "session.audio.input.turn_detection.idle_timeout_ms",
        "",
    ),
    (
        heard(turn_detection={"type": "psychic"}),
        "invalid_value",
        "session.audio.input.turn_detection.type",
        "Supported values are: 'server_vad' and 'semantic_vad'.",
    ),
    (session(temperature=0.8), "unknown_parameter", "session.temperature", ""),
    (session(voice="marin"), "unknown_parameter", "session.voice", ""),
    (session(instructions=None), "invalid_type", "session.instructions", "null"),
    (session(max_output_tokens=0), "integer_below_min_value", None, ""),
    (session(max_output_tokens="many"), "invalid_value", None, "'inf'"),
    (session(model="another"), "invalid_value", "session.model", ""),
    (session(tools=[{"type": "function"}]), None, "session.tools[0].name", "Missing"),
    (session(audio={"output": {"speed": 2}}), "decimal_above_max_value", None, ""),
    (
        {"type": "session.update", "session": {"type": "transcription"}},
        None,
        None,
        "Passing a transcription session update event to a realtime session is not "
        "allowed.",
    ),
    (
        item(id="x" * 36),
        "string_above_max_length",
        "item.id",
        "Invalid 'item.id': string too long. Expected a string with maximum length 32, "
        "but got a string with length 36 instead.",
    ),
    (
        item(content=[{"type": "input_text", "text": "x" * 256_001}]),
        "string_above_max_length",
        "item.content[0].text",
        "",
    ),
    (
        item(content=[{"type": "output_text", "text": "x"}]),
        "invalid_value",
        "item.content[0].type",
        "",
    ),
    (item(role="robot"), "invalid_value", "item.role", ""),
    (item(type="song"), "invalid_value", "item.type", ""),
    (
        item(content=[{"type": "input_audio", "audio": "***"}]),
        "invalid_value",
        "item.content[0].audio",
        "",
    ),
    (
        {**item(), "previous_item_id": "ghost"},
        "invalid_value",
        "previous_item_id",
        "ghost",
    ),
    (
        {
            "type": "conversation.item.create",
            "item": {"type": "function_call_output", "call_id": "c", "output": ""},
        },
        "invalid_tool_call_id",
        "item.call_id",
        "'c'",
    ),
    (
        {"type": "input_audio_buffer.append", "audio": "not base64"},
        "invalid_value",
        "audio",
        "",
    ),
    (
        {"type": "input_audio_buffer.append"},
        "missing_required_parameter",
        "audio",
        "",
    ),
    (
        {"type": "input_audio_buffer.append", "audio": 5},
        "invalid_type",
        "audio",
        "expected a string, but got an integer instead",
    ),
    (
        {"type": "input_audio_buffer.commit"},
        "input_audio_buffer_commit_empty",
        None,
        "Error committing input audio buffer: buffer too small. Expected at least "
        "100ms of audio, but buffer only has 0.00ms of audio.",
    ),
    (
        {"type": "response.cancel"},
        "response_cancel_not_active",
        None,
        "Cancellation failed: no active response found",
    ),
    (
        {"type": "response.cancel", "response_id": "resp_ghost"},
        "response_cancel_not_active",
        None,
        "",
    ),
    (
        {"type": "conversation.item.delete", "item_id": "yo"},
        "item_delete_invalid_item_id",
        None,
        "Error deleting item: the item with id 'yo' does not exist.",
    ),
    (
        {"type": "conversation.item.retrieve", "item_id": "yo"},
        "item_retrieve_invalid_item_id",
        None,
        "Error retrieving item: the item with id 'yo' does not exist.",
    ),
    (
        {
            "type": "conversation.item.truncate",
            "item_id": "yo",
            "content_index": 0,
            "audio_end_ms": 1,
        },
        "item_truncate_invalid_item_id",
        None,
        "Item with item_id not found: yo",
    ),
    (
        {"type": "response.create", "response": {"conversation": "other"}},
        "invalid_value",
        "response.conversation",
        "",
    ),
    (
        {"type": "response.create", "response": {"metadata": {"k" * 65: "v"}}},
        "string_above_max_length",
        "response.metadata",
        "",
    ),
    (
        {
            "type": "response.create",
            "response": {"metadata": {str(n): "v" for n in range(17)}},
        },
        "object_above_max_properties",
        "response.metadata",
        "",
    ),
    (
        {
            "type": "response.create",
            "response": {"input": [{"type": "item_reference", "id": "ghost"}]},
        },
        "invalid_value",
        "response.input[0].id",
        "ghost",
    ),
    ({"type": "session.close"}, "invalid_value", "type", ""),
    ({"type": "response.create", "event_id": "x" * 513}, None, "event_id", "too long"),
]


@pytest.mark.parametrize(("frame", "code", "param", "message"), REFUSED)
def test_a_refused_command(frame: Any, code: Any, param: Any, message: str) -> None:
    """One error, naming the command; nothing else happens, the session lives."""
    talk = Talk()
    before = talk.engine.truth()
    frame = {"event_id": "mine", **frame}
    frames = talk.engine.receive(frame, talk.now)
    details = error(frames)

    assert ["error"] == types(frames)
    assert "invalid_request_error" == details["type"]
    assert code in (None, details["code"])
    assert param in (None, details["param"])
    assert message in details["message"]
    assert frame["event_id"] == details["event_id"]
    assert before == talk.engine.truth()


def test_an_error_without_a_command_id_says_null() -> None:
    """The client's id, never ours."""
    details = error(Talk().send("nope"))

    assert details["event_id"] is None


@pytest.mark.parametrize("data", ["", "{", b"\xff", "[" * 99999, "nul", "1 2"])
def test_text_that_is_not_json(data: Any) -> None:
    """Answered, whatever it is."""
    talk = Talk()

    assert "invalid_json" == error(talk.engine.receive_text(data, talk.now))["code"]


@pytest.mark.parametrize("frame", [None, 1, "x", [], [{}], True])
def test_json_that_is_not_an_object(frame: Any) -> None:
    """Is not an event either."""
    talk = Talk()

    assert "invalid_json" == error(talk.engine.receive(frame, talk.now))["code"]


def test_a_short_buffer_is_counted_in_the_message() -> None:
    """With two decimals."""
    talk = Talk()
    talk.hear(silence(50))
    details = error(talk.send("input_audio_buffer.commit"))

    assert "buffer only has 50.00ms of audio" in details["message"]


def test_an_append_has_a_limit_of_15_mib() -> None:
    """Beyond it nothing is taken."""
    talk = Talk()
    frames = talk.send("input_audio_buffer.append", audio=b64(bytes((15 << 20) + 2)))

    assert "audio" == error(frames)["param"]
    assert 0 == talk.engine.input_audio.buffer.ms


def test_a_second_response_names_the_first() -> None:
    """One default response at a time."""
    talk = Talk(options={"pace": 1.0})
    talk.say("hello")
    created = talk.send("response.create")[0]["response"]["id"]
    details = error(talk.send("response.create"))

    assert "conversation_already_has_active_response" == details["code"]
    assert created in details["message"]


def test_responses_side_by_side_are_limited() -> None:
    """Out-of-band ones too: a client cannot pile up work."""
    talk = Talk(options={"max_responses": 2})
    for _ in range(2):
        talk.send_only("response.create", response={"conversation": "none"})
    frames = talk.send_only("response.create", response={"conversation": "none"})

    assert "rate_limit_exceeded" == error(frames)["code"]


def test_a_conversation_is_limited() -> None:
    """Its items, that is."""
    talk = Talk(options={"max_items": 2})
    talk.say("one"), talk.say("two")

    assert "rate_limit_exceeded" == error(talk.say("three"))["code"]


def test_the_voice_is_fixed_once_it_was_heard() -> None:
    """By update and by response; naming the same voice is no change."""
    talk = Talk(script=["hello"])
    talk.answer()
    output = {"voice": "marin"}
    by_update = talk.update(audio={"output": output})
    by_response = talk.answer(audio={"output": output})
    same = talk.update(audio={"output": {"voice": "alloy"}})
    elsewhere = talk.answer(audio={"output": output}, conversation="none")

    assert "cannot_update_voice" == error(by_update)["code"]
    assert "cannot_update_voice" == error(by_response)["code"]
    assert ["session.updated"] == types(same)
    assert "response.done" in types(elsewhere)


def test_tracing_is_fixed_once_it_is_on() -> None:
    """Off to on, and no further."""
    talk = Talk()

    assert ["session.updated"] == types(talk.update(tracing="auto"))
    assert "session.tracing" == error(talk.update(tracing=None))["param"]
    assert ["session.updated"] == types(talk.update(tracing="auto"))


@pytest.mark.parametrize(
    ("milliseconds", "code"),
    [(0, "unsupported_content_type"), (100_000, "invalid_value")],
)
def test_truncating_to_nothing_or_past_the_end(milliseconds: int, code: str) -> None:
    """Neither is clamped."""
    talk = Talk(script=["hello"])
    item_id = only(talk.answer(), "response.done")["response"]["output"][0]["id"]
    details = error(
        talk.send(
            "conversation.item.truncate",
            item_id=item_id,
            content_index=0,
            audio_end_ms=milliseconds,
        )
    )

    assert code == details["code"]
    if milliseconds:
        assert "Audio content of 300ms is already shorter than 100000ms" == (
            details["message"]
        )


def test_truncating_what_is_not_the_assistants_audio() -> None:
    """A written message, and the user's audio."""
    talk = Talk(script=["hello"])
    talk.update(audio={"input": {"turn_detection": None}})
    written = only(talk.say("x"), "conversation.item.done")["item"]["id"]
    talk.hear(loud(200))
    spoken = talk.send("input_audio_buffer.commit")[0]["item_id"]
    for item_id in (written, spoken):
        details = error(
            talk.send(
                "conversation.item.truncate",
                item_id=item_id,
                content_index=0,
                audio_end_ms=10,
            )
        )

        assert "Only model output audio messages can be truncated" == (
            details["message"]
        )


def test_beta_names_its_own_fields() -> None:
    """The param is spelt as the client spelt it."""
    talk = Talk(dialect="beta")
    flat = error(talk.send("session.update", session={"input_audio_format": "mp3"}))
    wide = error(talk.send("session.update", session={"temperature": 3}))
    tool = error(talk.send("session.update", session={"tools": [{"type": "mcp"}]}))

    assert "session.input_audio_format" == flat["param"]
    assert "session.temperature" == wide["param"]
    assert tool["param"].startswith("session.tools[0]")


def test_a_transcription_session_has_fewer_commands() -> None:
    """No responses, and no realtime update."""
    talk = Talk(session_type="transcription", model="")

    assert "type" == error(talk.send("response.create"))["param"]
    assert "realtime session update" in error(talk.update())["message"]
