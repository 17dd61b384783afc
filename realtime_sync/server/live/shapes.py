"""
What a command of GPT-Live must look like: tables, in the language of `check`.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional

from ..engine.check import (
    Rule,
    anything,
    array,
    boolean,
    either,
    integer,
    mapping,
    nullable,
    number,
    one_of,
    record,
    strings,
    tagged,
    text,
)
from ..engine.refusal import Refusal

_ID = text(512)
_TEXT = text()
_NAME = text(minimum=1)
_OPTIONAL_TEXT = nullable(_TEXT)
_DELAY = nullable(integer(0, 60_000))
_ANY_OBJECT: Rule = mapping


def _one_part_shape(*kinds: Optional[str]) -> Rule:
    """Accept an array of exactly one part of text, of one of the *kinds*."""
    part = record({"type": one_of(*filter(None, kinds)), "text": _TEXT})

    def rule(value: Any, path: str) -> None:
        array(part, minimum=1)(value, path)
        if len(value) > 1:
            raise Refusal(
                f"Invalid '{path}': exactly one text part is expected.",
                code="invalid_value",
                param=path,
            )
        if "text" not in value[0]:
            record({}, required=("text",))({}, f"{path}[0]")

    return rule


def _message_shape(*kinds: str) -> Rule:
    return record(
        {
            "type": one_of("message"),
            "role": _TEXT,
            "id": _ID,
            "status": one_of("completed", "incomplete"),
            "content": _one_part_shape(*kinds),
        },
        required=("content",),
    )


_INPUT = array(
    tagged(
        "role",
        {
            "developer": _message_shape("input_text"),
            "user": _message_shape("input_text"),
            "assistant": _message_shape("text", "output_text"),
        },
    )
)
_RATE = {"audio/pcm": (16_000, 24_000), "audio/pcmu": (8_000,), "audio/pcma": (8_000,)}


def _format_shape(name: str, rates: tuple[int, ...]) -> Rule:
    def rate(value: Any, path: str) -> None:
        integer()(value, path)
        if value not in rates:
            allowed = " or ".join(map(str, rates))
            raise Refusal(
                f"Invalid value: {value}. {name} is sampled at {allowed} Hz.",
                code="invalid_value",
                param=path,
            )

    return record({"type": one_of(name), "rate": rate}, required=("type", "rate"))


_FORMAT = tagged(
    "type", {name: _format_shape(name, rates) for name, rates in _RATE.items()}
)
_VOICE = either(
    "a string", (str, _NAME), (dict, record({"id": _NAME}, required=("id",)))
)
_OUTPUT = record({"voice": _VOICE})
AUDIO = record({"format": _FORMAT, "output": _OUTPUT})
MEDIA_AUDIO = record({"output": _OUTPUT})
"""Without a socket of its own, a session has no format: its media negotiate one."""

_NAMES = array(_TEXT)
_FILTER = record({"read_only": nullable(boolean), "tool_names": nullable(_NAMES)})
_MCP = record(
    {
        "type": anything,
        "server_label": _OPTIONAL_TEXT,
        "server_url": _OPTIONAL_TEXT,
        "server_description": _OPTIONAL_TEXT,
        "connector_id": _OPTIONAL_TEXT,
        "tunnel_id": _OPTIONAL_TEXT,
        "authorization": _OPTIONAL_TEXT,
        "headers": nullable(strings(64, key_length=256, value_length=8192)),
        "allowed_callers": nullable(array(one_of("direct", "programmatic"))),
        "allowed_tools": nullable(
            either("an array or an object", (list, _NAMES), (dict, _FILTER))
        ),
        "require_approval": nullable(
            either(
                "a string or an object",
                (str, one_of("always", "never")),
                (dict, record({"always": _FILTER, "never": _FILTER})),
            )
        ),
        "defer_loading": nullable(boolean),
    }
)
_TOOLS = array(
    tagged(
        "type",
        {
            "function": record(
                {
                    "type": anything,
                    "name": _NAME,
                    "description": _OPTIONAL_TEXT,
                    "parameters": nullable(mapping),
                    "strict": nullable(boolean),
                },
                required=("name",),
            ),
            "mcp": _MCP,
            **dict.fromkeys(
                "web_search file_search code_interpreter shell image_generation "
                "custom namespace tool_search programmatic_tool_calling computer "
                "apply_patch".split(),
                _ANY_OBJECT,
            ),
        },
    )
)


def _tool_choice_shape(*named: str) -> Rule:
    """Accept the choice of a tool, with what names it."""
    return record({"type": anything, **dict.fromkeys(named, _NAME)}, required=named)


_ONE_TOOL = {
    "function": _tool_choice_shape("name"),
    "custom": _tool_choice_shape("name"),
    "mcp": _tool_choice_shape("name", "server_label"),
    **dict.fromkeys(
        "file_search web_search web_search_preview image_generation computer "
        "code_interpreter programmatic_tool_calling shell apply_patch".split(),
        _tool_choice_shape(),
    ),
}
_ALLOWED = record(
    {
        "type": anything,
        "mode": nullable(one_of("none", "auto", "required")),
        "tools": array(tagged("type", _ONE_TOOL)),
    },
    required=("tools",),
)
_CHOICE = either(
    "a string or an object",
    (str, one_of("auto", "none", "required")),
    (dict, tagged("type", {**_ONE_TOOL, "allowed_tools": _ALLOWED})),
)
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_RESPONSES: Mapping[str, Rule] = {
    "model": _NAME,
    "instructions": _OPTIONAL_TEXT,
    "tools": nullable(_TOOLS),
    "tool_choice": nullable(_CHOICE),
    "parallel_tool_calls": nullable(boolean),
    "max_output_tokens": nullable(integer(16)),
    "reasoning": nullable(
        record(
            {
                "effort": nullable(one_of(*_EFFORTS)),
                "summary": nullable(one_of("concise", "detailed", "auto")),
            }
        )
    ),
    "text": nullable(record({"verbosity": nullable(one_of("low", "medium", "high"))})),
    "service_tier": nullable(
        one_of(
            "auto", "default", "fast_tier_temp_pilot", "flex", "priority", "ultrafast"
        )
    ),
}
_PARTS = array(
    tagged(
        "type",
        {
            "input_text": record({"type": anything, "text": _TEXT}, required=("text",)),
            "input_image": record(
                {"type": anything, "image_url": _TEXT, "detail": _OPTIONAL_TEXT},
                required=("image_url",),
            ),
            "input_json": record({"type": anything, "data": anything}),
        },
    )
)
_WORDS = either("a string or an array", (str, _TEXT), (list, _PARTS))
_QUESTION: Mapping[str, Rule] = {
    "type": anything,
    "name": _OPTIONAL_TEXT,
    "instructions": _WORDS,
}
_OPTION = record(
    {
        "value": either("a string or a boolean", (str, _TEXT), (bool, boolean)),
        "description": _OPTIONAL_TEXT,
    },
    required=("value",),
)
_LEVEL = record({"label": _TEXT, "description": _OPTIONAL_TEXT}, required=("label",))
_QUESTIONS = array(
    tagged(
        "type",
        {
            "predicate": record(_QUESTION, required=("instructions",)),
            "choice": record(
                {**_QUESTION, "choices": array(_OPTION, minimum=1)},
                required=("instructions", "choices"),
            ),
            "score": record(
                {**_QUESTION, "levels": array(_LEVEL, minimum=1)},
                required=("instructions", "levels"),
            ),
        },
    ),
    minimum=1,
)
_DECISIONS: Mapping[str, Rule] = {"model": _NAME, "questions": _QUESTIONS}


def _delegation_shape(*, starts: bool) -> Rule:
    """Accept a delegation; what has a model must name it when a session starts."""
    common = {"type": anything, "acknowledgement_delay_ms": _DELAY}
    responses = record(_RESPONSES, required=("model",) if starts else ())
    decisions = record(_DECISIONS, required=("model", "questions") if starts else ())
    return nullable(
        tagged(
            "type",
            {
                "client": record(common),
                "responses": record(
                    {**common, "responses": responses},
                    required=("responses",) if starts else (),
                ),
                "decisions": record(
                    {**common, "decisions": decisions},
                    required=("decisions",) if starts else (),
                ),
            },
        )
    )


def _triggers_shape(value: Any, path: str) -> None:
    """Accept triggers, at most one for each event."""
    trigger = record(
        {
            "type": one_of("decisions"),
            "event_type": one_of(
                "session.input_transcript.delta", "session.output_transcript.delta"
            ),
            "decisions": record({"questions": _QUESTIONS}, required=("questions",)),
        },
        required=("type", "event_type", "decisions"),
    )
    array(trigger)(value, path)
    kinds = [each["event_type"] for each in value]
    if len(set(kinds)) < len(kinds):
        raise Refusal(
            f"Invalid '{path}': at most one trigger for each event type.",
            code="invalid_value",
            param=path,
        )


_EVENTS = 256
"""In a list of a page's permissions."""


def _permitted_shape(event: Rule) -> Rule:
    def rule(value: Any, path: str) -> None:
        array(event)(value, path)
        if len(value) > _EVENTS:
            raise Refusal(
                f"Invalid '{path}': at most {_EVENTS} entries are allowed.",
                code="invalid_value",
                param=path,
            )

    return nullable(either("a string or an array", (str, one_of("all")), (list, rule)))


_CLIENT = record(
    {
        "data_channel": record(
            {
                "allowed_client_events": _permitted_shape(_NAME),
                "allowed_server_events": _permitted_shape(
                    record(
                        {"type": _NAME, "response_event": nullable(_NAME)},
                        required=("type",),
                    )
                ),
            }
        )
    },
    required=("data_channel",),
)
_SESSION: Mapping[str, Rule] = {
    "model": _NAME,
    "instructions": _OPTIONAL_TEXT,
    "input": nullable(_INPUT),
    "audio": nullable(AUDIO),
    "delegation": _delegation_shape(starts=True),
    "triggers": nullable(_triggers_shape),
    "store": nullable(boolean),
    "client": nullable(_CLIENT),
    "safety_identifier": nullable(text(64)),
}
SESSION = record(_SESSION, required=("model",))
_MEDIA = {**_SESSION, "audio": nullable(MEDIA_AUDIO)}
MEDIA_SESSION = record(
    {
        **_MEDIA,
        "wake_policy": nullable(
            record(
                {"type": one_of("speech"), "vad_threshold": nullable(number(0, 1))},
                required=("type",),
            )
        ),
        "idle_timeout_s": nullable(integer(1)),
    },
    required=("model",),
)
ACCEPTED_SESSION = record(
    {**_MEDIA, "type": one_of("live")}, required=("type", "model")
)
_FORK_DELEGATION = tagged(
    "type",
    {
        "responses": record(
            {
                "type": anything,
                "acknowledgement_delay_ms": _DELAY,
                "responses": record(_RESPONSES),
            }
        )
    },
)
_FORK: Mapping[str, Rule] = {
    "delegation": nullable(_FORK_DELEGATION),
    "store": nullable(boolean),
    "client": nullable(_CLIENT),
}
MEDIA_FORK = record(_FORK)
FORK = record({**_FORK, "audio": nullable(record({"format": _FORMAT}))})
UPDATE = record(
    {
        "delegation": _delegation_shape(starts=False),
        "triggers": nullable(_triggers_shape),
    }
)

_BACKEND_OUTPUT = record(
    {
        "type": anything,
        "id": nullable(_ID),
        "call_id": _NAME,
        "output": _WORDS,
        "status": _OPTIONAL_TEXT,
    },
    required=("call_id", "output"),
)
_SPOKEN = either(
    "a string or an array",
    (str, _TEXT),
    (
        list,
        array(
            tagged(
                "type",
                {
                    "output_text": record(
                        {
                            "type": anything,
                            "text": _TEXT,
                            "annotations": array(anything),
                            "logprobs": nullable(array(anything)),
                        },
                        required=("text",),
                    ),
                    "refusal": record(
                        {"type": anything, "refusal": _TEXT}, required=("refusal",)
                    ),
                },
            )
        ),
    ),
)


def _said_shape(content: Rule) -> Rule:
    return record(
        {
            "type": anything,
            "id": nullable(_ID),
            "role": anything,
            "content": content,
            "status": _OPTIONAL_TEXT,
            "phase": nullable(one_of("commentary", "final_answer")),
        },
        required=("role", "content"),
    )


_MESSAGE = tagged(
    "role",
    {
        **dict.fromkeys(("user", "developer", "system"), _said_shape(_WORDS)),
        "assistant": _said_shape(_SPOKEN),
    },
)
_CALL: Mapping[str, Rule] = {
    "type": anything,
    "id": nullable(_ID),
    "call_id": _NAME,
    "name": _NAME,
    "namespace": _OPTIONAL_TEXT,
    "status": nullable(one_of("in_progress", "completed", "incomplete")),
}
_OTHER_ITEMS = (
    "additional_tools apply_patch_call apply_patch_call_output code_interpreter_call "
    "compaction compaction_trigger computer_call computer_call_output file_search_call "
    "image_generation_call item_reference local_shell_call local_shell_call_output "
    "mcp_approval_request mcp_approval_response mcp_call mcp_list_tools program "
    "program_output reasoning shell_call shell_call_output tool_search_call "
    "tool_search_output web_search_call"
).split()
"""For tools that no agent has: taken, and told to the agent."""
_ITEMS: Mapping[str, Rule] = {
    "message": _MESSAGE,
    "function_call": record(
        {**_CALL, "arguments": _TEXT}, required=("call_id", "name", "arguments")
    ),
    "function_call_output": _BACKEND_OUTPUT,
    "custom_tool_call": record(
        {**_CALL, "input": _TEXT}, required=("call_id", "name", "input")
    ),
    "custom_tool_call_output": _BACKEND_OUTPUT,
}
BACKEND_ITEM = tagged(
    "type",
    {**_ITEMS, **dict.fromkeys(_OTHER_ITEMS, _ANY_OBJECT)},
    default="message",
)
DECISION_ITEM = tagged("type", _ITEMS, default="message")


def _command_shape(*required: str, **fields: Rule) -> Rule:
    return record(
        {"type": anything, "event_id": nullable(_ID), **fields}, required=required
    )


_APPEND = _command_shape(
    "content", "delegation_id", content=_TEXT, delegation_id=nullable(_ID)
)
_AUDIO = _command_shape("audio", audio=_TEXT)
DTMF_KEYS = tuple("0123456789ABCD*#")
COMMANDS: Mapping[str, Rule] = {
    "session.start": _command_shape("session", session=mapping),
    "session.update": _command_shape("session", session=UPDATE),
    "session.close": _command_shape(),
    "session.input_audio.append": _AUDIO,
    "session.input_audio.mute": _command_shape(),
    "session.input_audio.unmute": _command_shape(),
    "session.output_audio.fixture.play": _AUDIO,
    "session.instructions.append": _APPEND,
    "session.thinking.append": _APPEND,
    "session.commentary.append": _APPEND,
    "response.item.create": _command_shape("item", item=BACKEND_ITEM),
    "response.create": _command_shape(),
    "decision.create": _command_shape("event_id"),
    "decision.item.create": _command_shape("item", item=DECISION_ITEM),
    "decision.item.delete": _command_shape("item_id", item_id=_ID),
    "transport.dtmf.send": _command_shape("event", event=one_of(*DTMF_KEYS)),
}
"""Every command; the session of a start is looked at by the role of its socket."""
