"""Whatever a client sends: an answer, never an exception, and the session lives."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .sounds import b64, silence
from .talking import Talk, types

GA: list[dict[str, Any]] = [
    {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "instructions": "x",
            "output_modalities": ["text"],
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "turn_detection": {"type": "server_vad", "threshold": 0.4},
                    "transcription": {"model": "whisper-1"},
                },
                "output": {"voice": "marin", "speed": 1.1},
            },
            "tools": [{"type": "function", "name": "f", "parameters": {}}],
            "tool_choice": {"type": "function", "name": "f"},
            "max_output_tokens": 100,
            "truncation": {"type": "retention_ratio", "retention_ratio": 0.5},
        },
    },
    {"type": "input_audio_buffer.append", "audio": b64(silence(150))},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {
        "type": "conversation.item.create",
        "previous_item_id": "root",
        "item": {
            "id": "a",
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "hello"}],
        },
    },
    {
        "type": "conversation.item.create",
        "item": {"type": "function_call", "name": "f", "arguments": "{}"},
    },
    {"type": "conversation.item.retrieve", "item_id": "a"},
    {
        "type": "conversation.item.truncate",
        "item_id": "a",
        "content_index": 0,
        "audio_end_ms": 10,
    },
    {"type": "conversation.item.delete", "item_id": "a"},
    {
        "type": "response.create",
        "response": {
            "conversation": "none",
            "metadata": {"a": "b"},
            "input": [{"type": "item_reference", "id": "a"}],
            "max_output_tokens": "inf",
        },
    },
    {"type": "response.create"},
    {"type": "response.cancel", "response_id": "x"},
]
BETA: list[dict[str, Any]] = [
    {
        "type": "session.update",
        "session": {
            "modalities": ["text", "audio"],
            "voice": "sage",
            "turn_detection": {"type": "server_vad"},
            "input_audio_transcription": {"model": "whisper-1"},
            "tools": [{"type": "function", "name": "f", "parameters": {}}],
            "tool_choice": "f",
            "temperature": 0.7,
            "max_response_output_tokens": 7,
        },
    },
    *GA[1:9],
    {
        "type": "response.create",
        "response": {"modalities": ["text"], "conversation": "none", "input": []},
    },
    *GA[10:],
]
COMMANDS = {"ga": GA, "beta": BETA}
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 10**20)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["a", "root", "server_vad", "audio", "inf", "item_reference"]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from(["type", "id", "role", "x"]), inner, max_size=2),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a JSON value."""
    inside: list[tuple[Any, ...]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    else:
        children = []
    for key, child in children:
        inside += [(*path, key), *places(child, (*path, key))]
    return inside


@st.composite
def spoilt_one_of(draw: Any, commands: list[dict[str, Any]]) -> Any:
    """A command with one or two of its values replaced, removed or added."""
    frame = copy.deepcopy(draw(st.sampled_from(commands)))
    for _ in range(draw(st.integers(0, 2))):
        path = draw(st.sampled_from(places(frame) or [("type",)]))
        parent: Any = frame
        for key in path[:-1]:
            parent = parent[key]
        if isinstance(parent, dict) and draw(st.booleans()):
            parent.pop(path[-1], None)
        else:
            parent[path[-1]] = draw(ODD)
    return frame


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_spoilt_commands_never_raise(dialect: str) -> None:
    """Each is carried out or refused by one error; the session goes on."""

    @settings(max_examples=60)
    @given(st.lists(spoilt_one_of(COMMANDS[dialect]), max_size=12))
    def run(frames: list[Any]) -> None:
        talk = Talk(script=["hm"], dialect=dialect)
        for frame in frames:
            answer = talk.engine.receive(frame, talk.now)
            answer += talk.settle()
            json.dumps(answer)

            assert types(answer).count("error") <= 2
        session = {} if dialect == "beta" else {"type": "realtime"}

        assert "session.updated" in types(talk.send("session.update", session=session))

    run()


@settings(max_examples=100)
@given(ODD)
def test_any_json_is_answered(frame: Any) -> None:
    """With one error, if it is not a command."""
    talk = Talk()

    assert ["error"] == types(talk.engine.receive(frame, talk.now))
