"""Commands and configurations that a caller gets wrong."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any, Optional, Union, get_args, get_type_hints

import pytest
from attrs import fields, fields_dict

from realtime_sync.protocol import audio_config, events, items, sessions, tools
from realtime_sync.protocol.codec import Codec
from realtime_sync.protocol.fields import REQUIRED, to_audio
from realtime_sync.protocol.registry import LIVE_ROWS, ROWS, Row, class_of
from realtime_sync.protocol.type_shapes import (
    Shape,
    describe_shape,
    fits_shape,
    shape_of,
    shapes_of,
)
from realtime_sync.types import UNSET, Unset


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: events.ConversationItemDelete(item_id=5), "item_id must be text"),
        (lambda: events.ResponseCancel(response_id=None), "response_id must be text"),
        (
            lambda: audio_config.ServerVad(threshold="high"),
            "threshold must be a number",
        ),
        (lambda: audio_config.ServerVad(create_response=1), "must be true or false"),
        (lambda: sessions.SessionConfig(tools="x"), "expected a list or a tuple"),
        (lambda: sessions.SessionConfig(tools=["x"]), "a tuple of FunctionTool"),
        (lambda: sessions.SessionConfig(audio={}), "audio must be AudioConfig or None"),
        (lambda: items.UserMessage(content="Hi"), "expected a list or a tuple"),
        (lambda: items.ContentPart(audio="Hi"), "audio must be bytes, not str"),
        (
            lambda: events.ConversationItemTruncate(item_id="x", audio_end_ms=True),
            "audio_end_ms must be an integer",
        ),
    ],
)
def test_a_value_of_the_wrong_kind_fails_at_the_callers_line(
    make: Any, message: str
) -> None:
    """With the event type, the field and what it wants."""
    with pytest.raises(TypeError, match=message):
        make()


def test_the_message_names_the_command() -> None:
    """Or the class, where there is no event type."""
    with pytest.raises(TypeError, match=r"^conversation\.item\.delete: item_id"):
        events.ConversationItemDelete(item_id=b"x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="^AudioFormat: rate"):
        audio_config.AudioFormat(rate="24k")  # type: ignore[arg-type]


def test_milliseconds_are_not_negative() -> None:
    """A position before the beginning is a mistake."""
    with pytest.raises(ValueError, match="must not be negative: -1"):
        events.ConversationItemTruncate(item_id="x", audio_end_ms=-1)


def _classes_of(shape: Shape) -> Iterator[type]:
    yield from shape.classes
    for inner in (shape.items, shape.values):
        if inner is not None:
            yield from _classes_of(inner)


def _vocabulary() -> set[type]:
    found: set[type] = set()
    new = {class_of(row) for row in (*ROWS, *LIVE_ROWS)}
    while new:
        found |= new
        shapes = [each for cls in new for each in shapes_of(cls).values()]
        new = {cls for shape in shapes for cls in _classes_of(shape)} - found
    return found


def test_a_field_that_may_be_unset_says_so_in_its_type() -> None:
    """A checker then asks what is to be done where a server leaves it out."""
    silent = [
        f"{cls.__name__}.{name}"
        for cls in _vocabulary()
        for name, hint in get_type_hints(cls).items()
        if name in fields_dict(cls)
        and fields_dict(cls)[name].default is UNSET
        and Unset not in get_args(hint)
    ]

    assert len(_vocabulary()) > 150
    assert [] == silent


@pytest.mark.parametrize("row", [r for r in ROWS if r.direction == "server"])
def test_what_a_server_leaves_out_is_unset_even_where_it_is_required(row: Row) -> None:
    """The protocol has it always; a server may not."""
    event = Codec(session_type=row.session_types[0]).structure({"type": row.name})
    required = [
        each.name for each in fields(type(event)) if each.metadata.get(REQUIRED)
    ]

    assert [UNSET] * len(required) == [getattr(event, name) for name in required]
    assert type(event) is class_of(row)


def test_none_and_unset_are_different_things() -> None:
    """None is sent as null, unset is not sent."""
    vad = audio_config.AudioInput(turn_detection=None)

    assert vad.turn_detection is None
    assert UNSET is vad.transcription
    assert () == sessions.SessionConfig(tools=[]).tools
    assert sessions.SessionConfig(tools=None).tools is None


def test_fields_of_every_kind_are_accepted() -> None:
    """Integers where numbers are wanted, mappings where tools are."""
    config = sessions.SessionConfig(
        tools=[tools.FunctionTool(name="f", parameters={}), {"type": "web_search"}],
        tool_choice=tools.ToolChoiceFunction(name="f"),
        temperature=1,
        prompt=tools.Prompt(id="p", variables={"a": "b"}),
    )

    assert 2 == len(config.tools or ())


@pytest.mark.parametrize(
    "value",
    [
        b"\0\1\2\3",
        bytearray(b"\0\1\2\3"),
        memoryview(b"\0\1\2\3"),
        array("h", [0x0100, 0x0302]),
        array("B", [0, 1, 2, 3]),
    ],
)
def test_audio_is_taken_from_anything_that_holds_samples(value: Any) -> None:
    """Sixteen-bit samples become little-endian bytes."""
    assert b"\0\1\2\3" == to_audio(value)
    assert b"\0\1\2\3" == events.InputAudioBufferAppend(audio=value).audio


@pytest.mark.parametrize("kind", ["f", "d"])
def test_floating_point_samples_are_scaled_and_clipped(kind: str) -> None:
    """From [-1, 1] to sixteen bits."""
    samples = array("h", to_audio(array(kind, [0.0, 1.0, -1.0, 2.0, 0.5])))

    assert [0, 32767, -32767, 32767, 16384] == list(samples)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("AAAA", "not base64"),
        (5, "not int"),
        ([1, 2], "not list"),
        (array("i", [1]), "not 'i'"),
    ],
)
def test_what_holds_no_samples_is_refused(value: Any, message: str) -> None:
    """Text above all: it is somebody's base64."""
    with pytest.raises(TypeError, match=message):
        to_audio(value)


def test_secrets_and_audio_are_not_in_reprs() -> None:
    """A repr ends in logs."""
    tool = tools.McpTool(
        server_label="x", authorization="sk-1", headers={"Authorization": "sk-2"}
    )
    append = events.InputAudioBufferAppend(audio=b"\0" * 960)
    secret = sessions.ClientSecret(value="ek_3")

    assert "sk-" not in repr(tool)
    assert "ek_" not in repr(secret)
    assert "<960 bytes>" in repr(append)
    assert "headers=UNSET" in repr(tools.McpTool(server_label="x"))


def test_annotations_that_the_vocabulary_does_not_use_are_refused() -> None:
    """Rather than being left unchecked."""
    with pytest.raises(TypeError, match="no annotation"):
        shape_of(set[int])


def test_a_shape_says_what_it_allows() -> None:
    """In the words of JSON."""
    assert "anything" == describe_shape(shape_of(Any))
    assert "a mapping or None" == describe_shape(shape_of(Optional[dict[str, int]]))
    assert fits_shape({"a": 1}, shape_of(dict[str, int]))
    assert not fits_shape({"a": "1"}, shape_of(dict[str, int]))
    assert not fits_shape(None, shape_of(int))
    assert fits_shape(True, shape_of(Union[bool, int]))
    assert not fits_shape(True, shape_of(int))
    assert fits_shape(object(), shape_of(Any))
