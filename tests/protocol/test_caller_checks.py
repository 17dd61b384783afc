"""Fields that a caller gives by name."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any, Optional

import pytest

from realtime_sync.errors import ConfigurationError
from realtime_sync.protocol import audio_config, events, items, sessions
from realtime_sync.protocol.caller_checks import (
    configurable_by_caller,
    losses_of_caller,
    refuse_output_of_transcription,
)
from realtime_sync.protocol.codec import Codec
from realtime_sync.types import UNSET


def update(session_type: str = "realtime", **fields: Any) -> Any:
    """A `session.update` made of fields."""
    codec = Codec(session_type=session_type)
    frame = {"type": "session.update", "session": fields}
    return codec.command(frame, strict=True)


def test_either_spelling_makes_the_same_command() -> None:
    """Flat as in the beta, nested as in GA."""
    flat = update(voice="marin", turn_detection=None, modalities=["audio", "text"])
    nested = update(
        audio={"output": {"voice": "marin"}, "input": {"turn_detection": None}},
        output_modalities=["audio"],
    )

    assert flat == nested
    assert isinstance(flat.session, sessions.SessionConfig)


def test_objects_are_taken_as_well_as_mappings() -> None:
    """And fields that are unset are not there."""
    command = update(
        turn_detection=audio_config.SemanticVad(eagerness="low"), instructions=UNSET
    )

    assert "low" == command.session.audio.input.turn_detection.eagerness
    assert UNSET is command.session.instructions


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"instrutions": "x"}, "'instrutions'; did you mean instructions"),
        ({"turn_detektion": None}, "did you mean turn_detection"),
        ({"qqqqqq": 1}, "there is no field 'qqqqqq' .a vendor"),
        ({"instructions": 5}, "session.instructions: expected text or None"),
        ({"audio": {"input": {"formt": {}}}}, "no field session.audio.input.formt"),
        ({"tools": [{"type": "function", "nme": "x"}]}, "session.tools.0..nme"),
    ],
)
def test_a_mistake_fails_with_the_place(fields: Any, message: str) -> None:
    """Misspelt names get the nearest ones."""
    with pytest.raises(TypeError, match=message):
        update(**fields)


def test_a_vendors_fields_are_given_apart() -> None:
    """They are sent beside the others."""
    command = update(instructions="x", extra={"enable_search": True})

    assert {"enable_search": True} == command.session.extra
    frame = Codec().unstructure(command)
    assert {"type": "realtime", "instructions": "x", "enable_search": True} == frame[
        "session"
    ]


def test_each_kind_of_session_has_its_configuration() -> None:
    """A transcription session has no instructions."""
    transcription = update("transcription", include=["x"])
    translation = update("translation", audio={"output": {"language": "es"}})

    assert isinstance(transcription.session, sessions.TranscriptionConfig)
    assert isinstance(translation.session, sessions.TranslationConfig)
    with pytest.raises(TypeError, match="'instructions'"):
        update("transcription", instructions="x")


def test_a_response_is_configured_alike() -> None:
    """In either spelling, with items and references as input."""
    config = {
        "max_response_output_tokens": 9,
        "voice": "sage",
        "input": [{"type": "item_reference", "id": "x"}, items.UserMessage(content=[])],
        "extra": {"seed": 1},
    }

    command: Any = Codec().command(
        {"type": "response.create", "response": config}, strict=True
    )

    assert 9 == command.response.max_output_tokens
    assert items.ItemReference(id="x") == command.response.input[0]
    assert {"seed": 1} == command.response.extra


def test_commands_without_a_configuration_are_checked_too() -> None:
    """Every field has to be one of the protocol."""
    codec = Codec()
    fine = {"type": "conversation.item.delete", "item_id": "x", "event_id": "c"}

    assert codec.command(fine, strict=True) == codec.command(fine)
    with pytest.raises(TypeError, match="there is no field itm"):
        codec.command({**fine, "itm": 1}, strict=True)


def test_a_vendors_members_of_a_command_are_sent() -> None:
    """Beside the protocol's own, whether given as a mapping or by name."""
    codec = Codec()
    frame = {"type": "input_audio_buffer.commit", "event_id": "c", "final": True}
    named = events.InputAudioBufferCommit(event_id="c", extra={"final": True})
    sound = {"type": "input_audio_buffer.append", "audio": "AAA=", "last": True}

    assert named == codec.command(frame)
    assert frame == json.loads(codec.encode(codec.command(frame)))
    assert sound == json.loads(codec.encode(codec.command(sound)))


@pytest.mark.parametrize(
    ("given", "kept", "paths"),
    [
        ({"a": 1, "b": {"c": [1, 2]}}, {"a": 1, "b": {"c": [1, 2]}}, []),
        ({"a": 1}, {}, ["a"]),
        ({"b": {"c": [1, {"d": 2}]}}, {"b": {"c": [1, {}]}}, ["b.c[1].d"]),
        ({"b": {"c": [1, 2]}}, {"b": {"c": [1, 3]}}, ["b.c[1]"]),
        ({"b": [1, 2]}, {"b": [1]}, ["b"]),
    ],
)
def test_what_a_class_lost_is_named_by_its_path(
    given: Any, kept: Any, paths: list[str]
) -> None:
    """A value that became another one is lost as well."""
    assert paths == list(losses_of_caller(given, kept))


def test_what_can_be_configured_is_known_in_both_spellings() -> None:
    """And nothing else is."""
    names = configurable_by_caller()

    assert {"instructions", "audio", "output_modalities"} <= names
    assert {"voice", "modalities", "turn_detection"} <= names
    assert {"headers", "expires_at", "session"}.isdisjoint(names)


@pytest.mark.parametrize(
    ("config", "modalities", "words"),
    [
        ({"audio": {"output": {"voice": "marin"}}}, False, "audio.output.voice$"),
        ({"output_modalities": ["text"]}, True, "for output_modalities$"),
        ({"output_modalities": ["text"]}, False, None),
        ({"output_modalities": []}, True, None),
        ({"audio": {"output": None}}, True, None),
        ({}, True, None),
    ],
)
def test_what_says_nothing_is_told_nothing_of_its_speech(
    config: dict[str, Any], modalities: bool, words: Optional[str]
) -> None:
    """All that it has no use for is named; what is empty asks for nothing."""
    frame = {"type": "session.update", "session": {"type": "transcription", **config}}
    command: Any = Codec(session_type="transcription").command(frame)
    expected = (
        nullcontext()
        if words is None
        else pytest.raises(ConfigurationError, match=words)
    )
    with expected as caught:
        refuse_output_of_transcription(command.session, modalities=modalities)

    assert (words is None) == (caught is None)
