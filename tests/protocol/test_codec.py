"""Text to event, command to text."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from types import MappingProxyType
from typing import Any

import pytest

from realtime_sync.protocol import audio_config, events, items, jsontext, sessions
from realtime_sync.protocol.codec import Codec, to_mapping
from realtime_sync.protocol.dialects import BETA, GA
from realtime_sync.types import UNSET


def decode(dialect: Any = GA, **frame: Any) -> Any:
    """The event of a frame."""
    return Codec(dialect).decode(json.dumps(frame))


def test_a_text_delta_becomes_its_class() -> None:
    """With the frame as it came beside it, by reference."""
    frame = {"type": "response.text.delta", "delta": "Hi", "vendor": 1}

    event = Codec().structure(frame)

    assert isinstance(event, events.ResponseTextDelta)
    assert "Hi" == event.delta
    assert "response.output_text.delta" == event.type
    assert frame is event.raw
    assert UNSET is event.item_id
    assert () == event.problems


def test_what_is_lifted_keeps_the_frame_as_it_came() -> None:
    """`raw` has the server's spelling, not ours."""
    event = decode(type="session.created", session={"voice": "alloy"})

    assert "alloy" == event.session.audio.output.voice
    assert {"voice": "alloy"} == event.raw["session"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"[1]", "not an object: list"),
        (b"null", "not an object: NoneType"),
        (b"{}", "no event type"),
        (b'{"type":5}', "no event type"),
        (b'{"type":["error"]}', "no event type"),
    ],
)
def test_what_is_no_frame_is_an_unknown_event(data: bytes, problem: str) -> None:
    """It has no type, and says why."""
    event = Codec().decode(data)

    assert isinstance(event, events.UnknownEvent)
    assert "" == event.type
    assert event.problem.startswith(problem)


def test_what_is_no_object_is_kept_beside_the_empty_raw() -> None:
    """`raw` is a mapping in any case."""
    event: Any = Codec().decode(b"[1]")

    assert {} == event.raw
    assert [1] == event.received


def test_an_unknown_type_keeps_its_name_and_its_frame() -> None:
    """A vendor's event is delivered under its own name."""
    event = decode(type="vendor.ping", event_id="e", x=1)

    assert isinstance(event, events.UnknownEvent)
    assert ("vendor.ping", "e") == (event.type, event.event_id)
    assert 1 == event.raw["x"]
    assert {"type": "vendor.ping", "event_id": "e", "x": 1} == Codec().unstructure(
        event
    )


def test_a_field_that_does_not_fit_is_unset_and_noted() -> None:
    """The fields beside it are as they would have been."""
    event = decode(type="response.text.delta", delta=5, item_id="item_1")

    assert UNSET is event.delta
    assert "item_1" == event.item_id
    assert ("delta: expected text, got an integer",) == event.problems


def test_a_problem_deep_inside_has_its_path_and_costs_nothing_else() -> None:
    """Neighbours at every level keep their values."""
    event = decode(
        type="response.done",
        response={
            "id": "resp_1",
            "usage": {"total_tokens": "many", "input_tokens": 3},
            "output": [
                5,
                {"type": "message", "role": "user", "content": [{"text": True}]},
            ],
            "metadata": {"a": 1},
        },
    )

    assert "resp_1" == event.response.id
    assert 3 == event.response.usage.input_tokens
    assert UNSET is event.response.usage.total_tokens
    assert isinstance(event.response.output[0], items.UserMessage)
    assert (
        "response.output[0]: expected SystemMessage or UserMessage or "
        "AssistantMessage or FunctionCall or FunctionCallOutput or McpListTools or "
        "McpCall or McpApprovalRequest or McpApprovalResponse or UnknownItem, "
        "got an integer",
        "response.output[1].content[0].text: expected text or None, got true or false",
        "response.usage.total_tokens: expected an integer or None, got text",
    ) == event.problems


def test_values_do_not_appear_in_problems() -> None:
    """They may be secret, or a megabyte of audio."""
    event = decode(type="response.text.delta", delta={"key": "sk-secret"})

    assert "sk-secret" not in repr(event.problems)


def test_null_is_none_where_allowed_and_unset_elsewhere() -> None:
    """Neither is worth a note: servers send all keys as null."""
    event = decode(type="response.done", response=None, event_id=None)
    other = decode(type="response.done", response={"usage": None})

    assert UNSET is event.response
    assert event.event_id is None
    assert other.response.usage is None
    assert () == event.problems + other.problems


def test_null_in_a_list_is_left_out() -> None:
    """And noted."""
    event = decode(type="rate_limits.updated", rate_limits=[None, {"name": "tokens"}])

    assert ["tokens"] == [each.name for each in event.rate_limits]
    assert ("rate_limits[0]: expected RateLimit, got null",) == event.problems


def test_whole_floats_are_integers_and_integers_are_numbers() -> None:
    """JSON has one kind of number."""
    event = decode(type="input_audio_buffer.speech_started", audio_start_ms=1500.0)
    odd = decode(type="input_audio_buffer.speech_started", audio_start_ms=1500.5)
    limit = decode(type="rate_limits.updated", rate_limits=[{"reset_seconds": 60}])

    assert 1500 == event.audio_start_ms
    assert isinstance(event.audio_start_ms, int)
    assert UNSET is odd.audio_start_ms
    assert 60 == limit.rate_limits[0].reset_seconds


@pytest.mark.parametrize(
    ("item", "cls"),
    [
        ({"type": "message", "role": "user"}, items.UserMessage),
        ({"type": "message", "role": "developer"}, items.UnknownItem),
        ({"type": "message"}, items.UnknownItem),
        ({"type": "function_call", "role": "odd"}, items.FunctionCall),
        ({"type": "web_search_call", "id": "x"}, items.UnknownItem),
        ({}, items.UnknownItem),
    ],
)
def test_an_item_gets_the_class_of_its_type_and_role(item: Any, cls: type) -> None:
    """What no class claims is an `UnknownItem`."""
    event = decode(type="conversation.item.added", item=item)

    assert cls is type(event.item)


@pytest.mark.parametrize(
    ("vad", "cls"),
    [
        ({"type": "server_vad", "threshold": 0.4}, audio_config.ServerVad),
        ({"type": "semantic_vad"}, audio_config.SemanticVad),
        ({"type": "azure_semantic_vad", "threshold": 0.4}, audio_config.TurnDetection),
        ({"threshold": 0.4}, audio_config.TurnDetection),
    ],
)
def test_turn_detection_of_any_kind_keeps_its_fields(vad: Any, cls: type) -> None:
    """The open class is for kinds that the protocol does not have."""
    event = decode(type="session.updated", session={"turn_detection": vad})

    assert cls is type(event.session.audio.input.turn_detection)
    assert vad == to_mapping(event.session.audio.input.turn_detection)


def test_a_tool_of_a_vendor_stays_a_mapping() -> None:
    """And goes back as it came."""
    tool = {"type": "web_search", "depth": 3}

    event = decode(
        type="session.updated", session={"type": "realtime", "tools": [tool]}
    )

    assert (tool,) == event.session.tools


def test_a_vendors_session_fields_are_kept() -> None:
    """A conversation is restored with them."""
    event = decode(type="session.updated", session={"enable_search": True})

    assert {"enable_search": True} == event.session.extra
    assert Codec(BETA).unstructure(event)["session"]["enable_search"] is True


def test_a_mapping_of_another_kind_is_structured_too() -> None:
    """A recorded frame may be read-only."""
    frame = MappingProxyType(
        {"type": "response.done", "response": MappingProxyType({"id": "resp_1"})}
    )

    event: Any = Codec().structure(frame)

    assert "resp_1" == event.response.id


def test_events_can_be_copied_compared_and_pickled() -> None:
    """They are plain values, audio included."""
    event = decode(type="response.audio.delta", delta="AAAA", response_id="r")

    for other in (
        copy.copy(event),
        copy.deepcopy(event),
        pickle.loads(pickle.dumps(event)),
    ):
        assert event == other
        assert b"\0\0\0" == other.delta


def test_the_beta_has_no_frame_for_what_only_ga_has() -> None:
    """The local server asks the dialect, which answers None."""
    event = events.ConversationItemDone(item=items.UserMessage(content=[]))

    assert BETA.lower_server(to_mapping(event)) is None
    with pytest.raises(ValueError, match="beta dialect has no"):
        Codec(BETA).unstructure(event)


def test_a_command_is_spelt_in_the_dialect_of_the_session() -> None:
    """One command, two dialects."""
    config = sessions.SessionConfig(
        output_modalities=["audio"],
        audio=audio_config.AudioConfig(
            input=audio_config.AudioInput(turn_detection=None)
        ),
    )
    command = events.SessionUpdate(session=config, event_id="c")

    assert {
        "type": "session.update",
        "event_id": "c",
        "session": {
            "type": "realtime",
            "output_modalities": ["audio"],
            "audio": {"input": {"turn_detection": None}},
        },
    } == json.loads(Codec().encode(command))
    assert {
        "type": "session.update",
        "event_id": "c",
        "session": {"modalities": ["text", "audio"], "turn_detection": None},
    } == json.loads(Codec(BETA).encode(command))


def test_a_transcription_session_has_its_own_name_in_the_beta() -> None:
    """The type of the configuration decides."""
    command = events.SessionUpdate(session=sessions.TranscriptionConfig())

    assert {"type": "transcription_session.update", "session": {}} == Codec(
        BETA
    ).unstructure(command)


def test_a_mapping_is_sent_as_it_is() -> None:
    """A vendor's event passes; bytes become base64."""
    frame = {
        "type": "vendor.event",
        "audio": b"\0",
        "more": bytearray(b"\0"),
        "x": UNSET,
    }

    assert {"type": "vendor.event", "audio": "AA==", "more": "AA=="} == json.loads(
        Codec().encode(frame)
    )


def test_what_json_cannot_hold_fails_at_the_senders_line() -> None:
    """With the error of the JSON library."""
    with pytest.raises(TypeError):
        Codec().encode({"type": "x", "value": object()})


@pytest.mark.parametrize("event_id", ["c1", 'odd "id" \\', UNSET])
def test_audio_takes_a_fast_path_to_the_same_text(event_id: Any) -> None:
    """Base64 is put into the text without a JSON encoder looking at it."""
    command = events.InputAudioBufferAppend(audio=b"\0\1\2\3", event_id=event_id)

    assert to_mapping(command) == json.loads(Codec().encode(command))


def test_a_frame_of_an_unknown_command_comes_back_as_it_is() -> None:
    """There is no class for it."""
    frame = {"type": "vendor.do"}

    assert frame is Codec().command(frame)
    assert {} == Codec().command({})


def test_a_command_loses_nothing_that_its_class_cannot_hold() -> None:
    """The item stays a mapping, in the canonical spelling."""
    item = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "Hi"}],
        "vendor": 1,
    }

    command: Any = Codec().command({"type": "conversation.item.create", "item": item})

    assert isinstance(command, events.ConversationItemCreate)
    assert 1 == command.item["vendor"]
    assert "output_text" == command.item["content"][0]["type"]


def test_a_command_that_does_not_fit_is_still_a_command() -> None:
    """The local server answers it with an error; that is not for the codec."""
    command: Any = Codec().command({"type": "conversation.item.delete", "item_id": 5})

    assert isinstance(command, events.ConversationItemDelete)
    assert UNSET is command.item_id


def test_objects_and_unset_may_be_mixed_into_a_frame() -> None:
    """What a caller puts together from both."""
    command: Any = Codec().command(
        {
            "type": "conversation.item.create",
            "item": items.UserMessage(content=[items.ContentPart(text="Hi")]),
            "previous_item_id": UNSET,
        }
    )

    assert items.UserMessage(content=[items.ContentPart(text="Hi")]) == command.item
    assert UNSET is command.previous_item_id


def test_a_translation_session_is_left_alone_by_the_dialects() -> None:
    """It has one spelling, and its update has no type."""
    codec = Codec(BETA, session_type="translation")
    frame = {
        "type": "session.update",
        "session": {"audio": {"output": {"language": "es"}}},
    }

    command: Any = codec.command(frame)

    assert isinstance(command, events.TranslationSessionUpdate)
    assert frame == codec.unstructure(command)


def test_plain_data_of_anything() -> None:
    """Values of the vocabulary, and containers of them."""
    assert [
        {"type": "message", "role": "user", "content": []},
        1.5,
        None,
    ] == to_mapping([items.UserMessage(content=[]), 1.5, None])
    assert {"a": "AA=="} == to_mapping({"a": memoryview(b"\0"), "b": UNSET})


def test_values_of_a_mapping_are_checked_one_by_one() -> None:
    """The header that is null is left out, the others stay."""
    tool = {
        "type": "mcp",
        "server_label": "x",
        "headers": {"a": "b", "c": None},
    }

    event = decode(type="session.updated", session={"tools": [tool]})

    assert {"a": "b"} == event.session.tools[0].headers
    assert ("session.tools[0].headers.c: expected text, got null",) == event.problems


def test_a_prompt_variable_of_an_unknown_kind_stays_a_mapping() -> None:
    """While its neighbours get their classes."""
    variables = {"a": {"type": "input_video"}, "b": {"type": "input_text", "text": "x"}}

    event = decode(
        type="session.updated", session={"prompt": {"id": "p", "variables": variables}}
    )

    assert {"type": "input_video"} == event.session.prompt.variables["a"]
    assert "x" == event.session.prompt.variables["b"].text


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "role": "user", "content": ({"type": "input_text"},)},
        {"type": "message", "role": "wizard", "content": []},
        {"type": "message", "role": None, "content": []},
        {"type": "vendor_item", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "message", "role": "user", "content": [{"type": "hum", "text": 1}]},
        {"type": "message", "role": "user", "content": [{"txt": "Hi"}]},
        {"type": "message", "role": "user", "content": [None]},
        {"type": "message", "role": "user", "status": None, "content": []},
        {"type": "function_call_output", "call_id": "c", "output": {"not": "text"}},
        {"type": "mcp_approval_response", "approve": 1.0, "id": "i"},
        {"role": "user", "content": [], "vendor": {"deep": [None, 1.5, True]}},
        {},
    ],
)
def test_what_a_caller_wrote_is_what_goes_out(item: Any) -> None:
    """Whatever the class makes of it: nothing is lost, no null becomes nothing."""
    codec = Codec()
    frame = {"type": "conversation.item.create", "item": item}

    sent = json.loads(codec.encode(codec.command(frame)))["item"]

    assert json.loads(json.dumps(item)) == {name: sent[name] for name in item}


def test_a_command_does_not_change_with_the_mapping_that_it_was_made_of() -> None:
    """It may be held until there is a connection, while its caller goes on."""
    codec = Codec()
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    body = {
        "tools": [{"type": "function", "name": "weather", "parameters": schema}],
        "vendor": {"list": [1]},
    }
    frame = {"type": "session.update", "session": body}
    command = codec.command(frame)
    before = codec.encode(command)

    schema["properties"] = {}
    body["vendor"]["list"].append(2)  # type: ignore[call-overload]
    body["tools"].clear()  # type: ignore[attr-defined]

    assert before == codec.encode(command)


@pytest.mark.parametrize("loads", [jsontext.loads, jsontext.standard_loads])
@pytest.mark.parametrize(
    ("said", "read"),
    [
        (r"Hello \ud83d", "Hello \ufffd"),
        (r"\ude00 there", "\ufffd there"),
        (r"\uDE00\ud83d", "\ufffd\ufffd"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\\ud83d \udc00", r"\ud83d" + " \ufffd"),
    ],
)
def test_half_of_a_character_costs_nothing_but_itself(
    loads: Any, said: str, read: str
) -> None:
    """Servers that count as UTF-16 does cut an emoji in two."""
    text = f'{{"type":"response.output_text.delta","delta":"{said}","item_id":"a"}}'
    event: Any = Codec(loads=loads).decode(text.encode())

    assert (read, "a") == (event.delta, event.item_id)
    (problem,) = event.problems
    assert "half of a character" in problem


@pytest.mark.parametrize(
    "data",
    [b'{"type":"error","a":"\\ud83d"', b'{"a":"\\ud83d",}', b'"\\ud800" \xff'],
    ids=["cut off", "a comma", "not UTF-8"],
)
def test_what_is_no_json_with_whole_characters_is_none(data: bytes) -> None:
    """There is nothing else to put right."""
    event = Codec().decode(data)

    assert isinstance(event, events.UnknownEvent)
    assert event.problem.startswith("not JSON")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_of_json_is_refused(number: float) -> None:
    """One encoder would write null, which means another thing."""
    session = {"type": "realtime", "audio": {"output": {"speed": number}}}
    with pytest.raises(TypeError, match=f"got {number}"):
        Codec().command({"type": "session.update", "session": session}, strict=True)
    with pytest.raises(TypeError, match="speed"):
        audio_config.AudioOutput(speed=number)


@pytest.mark.parametrize("typed", [True, False])
def test_a_command_that_is_nested_too_deep_is_refused(typed: bool) -> None:
    """Whether it is one of the protocol or a vendor's."""
    deep: Any = {}
    for _ in range(jsontext.MAX_DEPTH - 2):
        deep = {"a": deep}
    codec = Codec()

    def encoded(inner: Any) -> bytes:
        if typed:
            return codec.encode(events.ResponseCreate(extra={"x": inner}))
        return codec.encode({"type": "vendor.say", "x": inner})

    assert encoded(deep).endswith(b"}" * jsontext.MAX_DEPTH)
    with pytest.raises(ValueError, match=f"nested deeper than {jsontext.MAX_DEPTH}"):
        encoded({"a": deep})


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("kind", ["session.update", "conversation.item.create"])
def test_a_command_too_deep_to_be_read_is_refused_as_one_too_deep_to_be_sent(
    kind: str, strict: bool
) -> None:
    """What contains itself, too: the caller learns what is wrong with it."""
    endless: list[Any] = []
    endless.append(endless)
    deep: Any = 1
    for _ in range(sys.getrecursionlimit() * 2):
        deep = [deep]
    session = {"type": "realtime", "tools": endless}
    item = {"type": "message", "role": "user", "content": deep}

    with pytest.raises(ValueError, match="nested deeper than"):
        Codec().command({"type": kind, "session": session, "item": item}, strict=strict)
    for each in (endless, deep):
        with pytest.raises(ValueError, match="nested deeper than"):
            Codec().encode({"type": "vendor.say", "x": each})
        with pytest.raises(ValueError, match="nested deeper than"):
            Codec().encode(events.ResponseCreate(extra={"x": each}))
