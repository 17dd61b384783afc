"""Oddities of what servers say, put right before anything reads it."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.dispatch.names import resolve_name
from realtime_sync.protocol.codec import Codec, to_mapping
from realtime_sync.protocol.dialects import dialect_named
from realtime_sync.protocol.events import UnknownEvent
from realtime_sync.protocol.vendor_events import SERVER_EVENTS

TOOL = {"name": "look_up", "description": "Look.", "parameters": {"type": "object"}}


def told(frame: dict[str, Any], dialect: str = "xai") -> Any:
    """A frame as handlers get it; nothing of it is amiss."""
    event = Codec(dialect_named(dialect)).structure(frame)

    assert () == event.problems
    assert frame == event.raw
    return event


@pytest.mark.parametrize("dialect", ["ga", "xai", "beta", "dashscope"])
@pytest.mark.parametrize("kind", ["session.created", "session.updated"])
def test_nested_tools_are_read_and_may_be_sent_back(kind: str, dialect: str) -> None:
    """As chat completions have them: without this a restore would send no name."""
    nested = {"type": "function", "function": TOOL}
    session = {"type": "realtime", "tools": [nested, {"type": "mcp"}, "web_search"]}
    codec = Codec(dialect_named(dialect))
    event: Any = codec.structure({"type": kind, "session": session})

    assert {"type": "function", **TOOL} == to_mapping(event.session.tools[0])
    assert "mcp" == to_mapping(event.session.tools[1])["type"]


@pytest.mark.parametrize("tools", [None, [], "none", [{"type": "function", **TOOL}]])
def test_tools_that_are_not_nested_are_left_alone(tools: Any) -> None:
    """Whatever they are."""
    session = {"type": "realtime", "tools": tools}
    event: Any = Codec().structure({"type": "session.updated", "session": session})

    assert event.raw["session"] is session


@pytest.mark.parametrize(
    ("temperature", "read"), [(-1.0, None), (-1, None), (0, 0), (0.8, 0.8)]
)
def test_a_negative_temperature_is_none(temperature: float, read: Any) -> None:
    """It would be refused if it were sent back."""
    session = {"type": "realtime", "temperature": temperature}
    event = told({"type": "session.updated", "session": session})

    assert read == to_mapping(event.session).get("temperature")


PCM = {"type": "audio/pcm", "rate": 24_000}


@pytest.mark.parametrize(
    ("value", "beside", "read"),
    [
        ("pcm16", None, PCM),
        ("PCM16", None, PCM),
        ("audio/pcm; rate=8000", None, {**PCM, "rate": 8000}),
        ("pcm16", 16_000, {**PCM, "rate": 16_000}),
        ("pcm16", -1, PCM),
        ("mulaw", 16_000, {"type": "audio/pcmu"}),
        ({"type": "audio/x-alaw"}, None, {"type": "audio/pcma"}),
        ({"type": "pcm", "rate": 8000}, None, {**PCM, "rate": 8000}),
        ({"type": "audio/pcm"}, None, {"type": "audio/pcm"}),
        ({"type": "audio/pcm", "rate": 8000}, "x", {**PCM, "rate": 8000}),
        ({"type": "opus"}, 16_000, {"type": "opus"}),
        ({"type": 3}, None, {"type": 3}),
    ],
)
def test_a_format_is_read_in_any_words(value: Any, beside: Any, read: Any) -> None:
    """What is not known stays, and is refused by its name where it is played."""
    session = {"input_audio_format": value, "input_audio_sampling_rate": beside}
    frame = {"type": "session.updated", "session": session}
    lifted = dialect_named("beta").lift_server(frame)

    assert read == lifted["session"]["audio"]["input"]["format"]


@pytest.mark.parametrize("holder", ["session", "response"])
@pytest.mark.parametrize("format", ["g711_ulaw", {"type": "PCMU"}])
def test_a_format_of_ga_may_be_a_word(holder: str, format: Any) -> None:
    """Where the protocol has an object."""
    kind = f"{holder}.created"
    frame = {"type": kind, holder: {"audio": {"output": {"format": format}}}}
    lifted = dialect_named("ga").lift_server(frame)

    assert {"type": "audio/pcmu"} == lifted[holder]["audio"]["output"]["format"]


@pytest.mark.parametrize("audio", [None, "loud", {"output": None}, {"input": []}])
def test_audio_without_a_format_is_left_alone(audio: Any) -> None:
    """Whatever it is."""
    frame = {"type": "session.updated", "session": {"audio": audio}}

    assert frame == dialect_named("ga").lift_server(frame)


@pytest.mark.parametrize("kind", ["response.created", "response.done"])
def test_words_for_the_details_of_a_status_are_its_reason(kind: str) -> None:
    """At the beginning of a response as well, where there are none yet."""
    response = {"id": "r", "status": "in_progress", "status_details": "unimplemented"}
    event = told({"type": kind, "response": response})

    assert "unimplemented" == event.response.status_details.reason


@pytest.mark.parametrize("name", ["delta", "updated"])
def test_a_caption_without_words_is_left_as_it_is(name: str) -> None:
    """Under either name it is a delta."""
    kind = f"conversation.item.input_audio_transcription.{name}"
    event = Codec().structure({"type": kind, "item_id": "u"})

    assert "conversation.item.input_audio_transcription.delta" == event.type


@pytest.mark.parametrize(
    "name", [name for names in SERVER_EVENTS.values() for name in names]
)
def test_events_of_vendors_have_no_class_and_no_trouble(name: str) -> None:
    """Everything is in ``raw``."""
    event = Codec().structure({"type": name, "timestamp": 1})

    assert isinstance(event, UnknownEvent)
    assert 1 == event.raw["timestamp"]


@pytest.mark.parametrize("what", ["started", "stopped", "cleared"])
def test_playback_of_a_call_has_had_other_names(what: str) -> None:
    """The beta of January 2025 said so; handlers may use either."""
    event = told({"type": f"output_audio_buffer.audio_{what}", "response_id": "r"})

    assert f"output_audio_buffer.{what}" == event.type
    assert resolve_name(f"output_audio_buffer.audio_{what}") == resolve_name(event.type)


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "kaputt"}},
        {"detail": "kaputt"},
        {"description": "kaputt", "message": ""},
        {"msg": "kaputt", "message": None},
        {"message": "kaputt", "detail": "more"},
    ],
)
def test_the_message_of_an_error_is_found_wherever_it_is(error: Any) -> None:
    """Relays pass on what their upstream has wrapped, by other names."""
    event: Any = Codec().structure({"type": "error", "error": error})

    assert "kaputt" == event.error.message


@pytest.mark.parametrize("error", [{}, {"code": "x"}, {"detail": 5}, {"error": []}])
def test_an_error_without_a_message_has_none(error: Any) -> None:
    """And is an error all the same."""
    event: Any = Codec().structure({"type": "error", "error": error})

    assert not isinstance(event.error.message, str)


@pytest.mark.parametrize("status", ["in_progress", "interim", "partial"])
def test_a_transcript_that_is_not_final_is_a_cumulative_delta(status: str) -> None:
    """Whoever waits for it to be complete waits on."""
    kind = "conversation.item.input_audio_transcription."
    frame = {"type": kind + "completed", "item_id": "u", "transcript": "Hello?"}
    event = told({**frame, "status": status})

    assert kind + "delta" == event.type
    assert ("Hello?", True) == (event.delta, event.cumulative)


@pytest.mark.parametrize("status", ["completed", "final", "", None, ["in_progress"], 1])
def test_a_transcript_that_says_nothing_of_the_kind_is_complete(status: Any) -> None:
    """What is not known takes no text away."""
    kind = "conversation.item.input_audio_transcription.completed"
    frame = {"type": kind, "item_id": "u", "transcript": "Hello?", "status": status}
    event: Any = Codec().structure(frame)

    assert (kind, "Hello?") == (event.type, event.transcript)


@pytest.mark.parametrize("dialect", ["ga", "beta"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("arguments", "function_call"), ("output", "function_call_output")],
)
@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"city": "São"}, '{"city": "São"}'),
        ([1, {"a": None}], '[1, {"a": null}]'),
        ({}, "{}"),
        ("{}", "{}"),
    ],
)
def test_json_that_is_no_text_is_made_text(
    dialect: str, name: str, kind: str, value: Any, read: str
) -> None:
    """A call without its arguments would be made, and be wrong."""
    item = {"id": "f", "type": kind, "call_id": "c", "name": "w", name: value}
    for frame in (
        {"type": "response.output_item.done", "item": item},
        {"type": "response.done", "response": {"id": "r", "output": [item]}},
    ):
        event = told(frame, dialect)
        got = event.item if "item" in frame else event.response.output[0]

        assert read == getattr(got, name)


def test_arguments_that_are_told_as_an_object_are_text() -> None:
    """In the event that tells nothing but them, too."""
    kind = "response.function_call_arguments.done"
    event = told({"type": kind, "call_id": "c", "arguments": {"city": "Lima"}})

    assert '{"city": "Lima"}' == event.arguments


@pytest.mark.parametrize("name", ["arguments", "output"])
def test_json_that_is_too_deep_for_text_is_left_alone(name: str) -> None:
    """It is noted as what does not fit."""
    deep: Any = {}
    for _ in range(1000):
        deep = [deep]
    item = {"id": "f", "type": "function_call_output", name: deep}
    event: Any = Codec().structure({"type": "conversation.item.added", "item": item})

    assert "f" == event.item.id


@pytest.mark.parametrize("dialect", ["ga", "beta"])
@pytest.mark.parametrize("role", ["user", "assistant"])
@pytest.mark.parametrize("content", ["Hello", ["Hello"], [{"text": "Hello"}]])
def test_text_in_the_place_of_parts_is_a_part(
    dialect: str, role: str, content: Any
) -> None:
    """As chat completions have it."""
    item = {"id": "a", "type": "message", "role": role, "content": content}
    event = told({"type": "conversation.item.added", "item": item}, dialect)

    assert ["Hello"] == [part.text for part in event.item.content]


@pytest.mark.parametrize("content", ["", [], None, [5], {"text": "Hello"}])
def test_what_is_no_text_is_no_part(content: Any) -> None:
    """It is left alone."""
    item = {"id": "a", "type": "message", "role": "user", "content": content}
    event: Any = Codec().structure({"type": "conversation.item.added", "item": item})

    assert "a" == event.item.id
    assert not event.item.content


DELTAS = (
    "response.output_text.delta",
    "response.text.delta",
    "response.output_audio_transcript.delta",
    "response.function_call_arguments.delta",
    "response.mcp_call_arguments.delta",
    "conversation.item.input_audio_transcription.delta",
)


@pytest.mark.parametrize("kind", DELTAS)
def test_a_piece_that_is_called_text_is_a_delta(kind: str) -> None:
    """It would be lost, word for word."""
    assert "Hi" == told({"type": kind, "item_id": "a", "text": "Hi"}, "ga").delta


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (DELTAS[2], "transcript"),
        (DELTAS[3], "arguments"),
        (DELTAS[4], "arguments"),
        (DELTAS[5], "transcript"),
    ],
)
def test_a_piece_under_the_name_of_the_whole_is_a_delta(kind: str, name: str) -> None:
    """As the event at the end has it."""
    assert "Hi" == told({"type": kind, "item_id": "a", name: "Hi"}).delta


def test_a_piece_that_is_called_text_is_read_beside_what_does_not_fit() -> None:
    """One oddity does not cost the other."""
    event: Any = Codec().structure({"type": DELTAS[0], "item_id": 5, "text": "Hi"})

    assert "Hi" == event.delta
    assert event.problems


@pytest.mark.parametrize("rest", [{}, {"text": 5}, {"text": None}, {"words": "Hi"}])
def test_a_delta_without_text_says_nothing(rest: dict[str, Any]) -> None:
    """Only text is taken for text."""
    assert not told({"type": DELTAS[0], "item_id": "a", **rest}).delta


def test_a_delta_that_is_one_stays() -> None:
    """Whatever stands beside it, and if it is empty."""
    both = {"type": DELTAS[0], "delta": "", "text": "all of it"}

    assert "" == told(both).delta


@pytest.mark.parametrize("dialect", ["ga", "beta"])
@pytest.mark.parametrize("kind", ["MESSAGE", "Message", "message"])
@pytest.mark.parametrize("role", ["ASSISTANT", "Assistant", "assistant"])
def test_words_in_capitals_are_those_of_the_protocol(
    dialect: str, kind: str, role: str
) -> None:
    """An item of another type would have no line in the transcript."""
    parts = [{"type": "OUTPUT_TEXT", "text": "Hi"}, {"type": "audio"}]
    item = {"id": "a", "type": kind, "role": role, "content": parts}
    frame = {"type": "response.output_item.done", "item": item, "part": None}
    got = told(frame, dialect).item

    assert ("message", "assistant") == (got.type, got.role)
    assert ["output_text", "output_audio"] == [part.type for part in got.content]


def test_words_of_a_vendor_stay_as_they_are() -> None:
    """They are nobody's but the vendor's."""
    item = {"id": "a", "type": "Reasoning", "role": "Critic", "content": [7]}
    event = Codec().structure({"type": "conversation.item.added", "item": item})

    assert "Reasoning" == to_mapping(event)["item"]["type"]


@pytest.mark.parametrize("dialect", ["ga", "beta"])
@pytest.mark.parametrize("kind", ["refusal", "REFUSAL", "output_text", None])
def test_a_refusal_is_text(dialect: str, kind: Any) -> None:
    """It is what the model says."""
    part = {"type": kind, "refusal": "I may not."}
    item = {"id": "a", "type": "message", "role": "assistant", "content": [part]}
    done = {"type": "response.done", "response": {"id": "r", "output": [item]}}
    alone = {"type": "response.content_part.done", "item_id": "a", "part": part}
    got = told(done, dialect).response.output[0]

    assert ["I may not."] == [each.text for each in got.content]
    assert "I may not." == told(alone, dialect).part.text


@pytest.mark.parametrize("refusal", [None, "", 5])
def test_a_refusal_without_words_leaves_the_text(refusal: Any) -> None:
    """Chat completions have both, and one of them empty."""
    part = {"type": "output_text", "text": "Hi", "refusal": refusal}
    event: Any = Codec().structure({"type": "response.content_part.done", "part": part})

    assert "Hi" == event.part.text


@pytest.mark.parametrize("part", [None, 5, "Hi", {}])
def test_a_part_that_is_none_is_left_alone(part: Any) -> None:
    """It does not end the session."""
    event: Any = Codec().structure(
        {"type": "response.content_part.added", "item_id": "a", "part": part}
    )

    assert "a" == event.item_id


@pytest.mark.parametrize("kind", ["deleted", "truncated"])
@pytest.mark.parametrize(
    "named",
    [
        {"item": {"id": "a", "type": "message"}},
        {"id": "a"},
        {"item_id": "", "id": "a"},
        {"item_id": "a", "id": "b"},
    ],
    ids=["item", "id", "empty", "both"],
)
def test_what_is_deleted_may_be_named_elsewhere(
    kind: str, named: dict[str, Any]
) -> None:
    """The ``item_id`` counts where it is told."""
    event: Any = Codec().structure({"type": f"conversation.item.{kind}", **named})

    assert "a" == event.item_id


@pytest.mark.parametrize("rest", [{}, {"id": 5}, {"item": {}}, {"id": "event_1"}])
def test_what_names_no_item_stays_without_one(rest: dict[str, Any]) -> None:
    """It is the oldest of ours that waits, then."""
    event: Any = Codec().structure({"type": "conversation.item.deleted", **rest})

    assert not event.item_id


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("Completed", "completed"),
        ("CANCELLED", "cancelled"),
        ("canceled", "cancelled"),
        ("Canceled", "cancelled"),
        ("In_Progress", "in_progress"),
        ("success", "success"),
        ("", ""),
    ],
)
def test_statuses_are_read_in_any_letters(told: str, meant: str) -> None:
    """Of responses and of items; a word that the protocol has not stays as it is."""
    item = {"id": "a", "type": "message", "role": "assistant", "status": told}
    response = {"id": "r", "status": told, "output": [item]}
    event: Any = Codec().structure({"type": "response.done", "response": response})

    assert (meant, meant) == (event.response.status, event.response.output[0].status)
    assert told == event.raw["response"]["status"]
