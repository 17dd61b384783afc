"""Whatever a client sends: an answer, never an exception, and the session lives."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ..sounds import b64, silence
from ..test_fuzz import ODD, spoilt_one_of
from .live_talk import RESPONSES, LiveTalk, only, types

QUESTION = {"type": "predicate", "name": "q", "instructions": "Is it?"}
COMMANDS: list[dict[str, Any]] = [
    {
        "type": "session.update",
        "event_id": "u",
        "session": {
            "delegation": {
                "type": "responses",
                "acknowledgement_delay_ms": 10,
                "responses": {
                    "instructions": "x",
                    "tools": [{"type": "function", "name": "f", "parameters": {}}],
                    "tool_choice": {"type": "function", "name": "f"},
                    "reasoning": {"effort": "low"},
                },
            },
            "triggers": [
                {
                    "type": "decisions",
                    "event_type": "session.input_transcript.delta",
                    "decisions": {"questions": [QUESTION]},
                }
            ],
        },
    },
    {"type": "session.input_audio.append", "audio": b64(silence(250))},
    {"type": "session.input_audio.mute", "event_id": "m"},
    {"type": "session.input_audio.unmute"},
    {"type": "session.output_audio.fixture.play", "audio": b64(silence(50))},
    {"type": "session.thinking.append", "content": "a", "delegation_id": None},
    {"type": "session.commentary.append", "content": "b", "delegation_id": "item_x"},
    {
        "type": "response.item.create",
        "item": {"type": "function_call_output", "call_id": "c", "output": "o"},
    },
    {
        "type": "response.item.create",
        "item": {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "hello"}],
        },
    },
    {"type": "response.create", "event_id": "r"},
    {
        "type": "decision.item.create",
        "item": {"type": "message", "role": "user", "content": "x"},
    },
    {"type": "decision.create", "event_id": "d"},
]
START: dict[str, Any] = {
    "type": "session.start",
    "session": {
        "model": "gpt-live-1",
        "instructions": "x",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {"role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
        ],
        "audio": {
            "format": {"type": "audio/pcm", "rate": 16000},
            "output": {"voice": "cedar"},
        },
        "delegation": {
            "type": "decisions",
            "decisions": {"model": "m", "questions": [QUESTION]},
        },
        "store": True,
        "client": {
            "data_channel": {
                "allowed_client_events": ["session.close"],
                "allowed_server_events": [
                    {"type": "response.event", "response_event": "response.created"}
                ],
            }
        },
        "safety_identifier": "me",
    },
}
BACKEND: dict[str, Any] = {
    "type": "session.start",
    "session": {
        "model": "gpt-live-1",
        "delegation": {
            "type": "responses",
            "responses": {
                "model": "m",
                "tools": [
                    {"type": "function", "name": "f", "strict": None},
                    {
                        "type": "mcp",
                        "server_label": "x",
                        "allowed_tools": {"read_only": True, "tool_names": ["a"]},
                        "require_approval": {"never": {"tool_names": ["a"]}},
                        "headers": {"a": "b"},
                    },
                    {"type": "web_search"},
                ],
                "tool_choice": {
                    "type": "allowed_tools",
                    "mode": "auto",
                    "tools": [{"type": "mcp", "server_label": "x", "name": "a"}],
                },
                "service_tier": "flex",
                "text": {"verbosity": "low"},
                "max_output_tokens": 100,
                "parallel_tool_calls": False,
            },
        },
    },
}


@settings(max_examples=60)
@given(st.lists(spoilt_one_of(COMMANDS), max_size=12))
def test_spoilt_commands_never_raise(frames: list[Any]) -> None:
    """Every answer is a frame of the types, and the session can be closed."""
    talk = LiveTalk(script=["hm"])
    talk.start(delegation=RESPONSES)
    for frame in frames:
        answer = talk.receive(frame) + talk.settle()

        assert types(answer).count("error") <= 1
    closed = only(talk.send("session.close"), "session.closed")

    assert "close_requested" == closed["reason"]


@settings(max_examples=100)
@given(spoilt_one_of([START, BACKEND]))
@example(
    {
        "type": "session.start",
        "session": {"model": "gpt-live-1", "audio": {"output": {"voice": {}}}},
    }
)
def test_a_spoilt_start_begins_a_session_or_is_refused(frame: Any) -> None:
    """One frame, of the types: the session, or an error."""
    talk = LiveTalk()
    answer = talk.receive(frame)

    assert types(answer) in (["session.started"], ["error"])
    if answer[0]["type"] == "session.started":
        assert [] != types(talk.ask())


@settings(max_examples=60)
@given(ODD)
def test_any_json_is_answered(frame: Any) -> None:
    """With one error, before the start and after it."""
    talk = LiveTalk()
    before = talk.receive(frame)
    talk.start()
    after = talk.receive(frame)

    assert [["error"]] * 2 == [types(before), types(after)]
