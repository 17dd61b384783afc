"""
The shape of a session configuration in the GA dialect.
"""

from __future__ import annotations

from .check import (
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

ITEM_ID = text(32)
EVENT_ID = nullable(text(512))
INPUT_TEXT = text(256_000)
METADATA = nullable(strings(16, key_length=64, value_length=512))
MAX_TOKENS = either("an integer", (int, integer(1, 4096)), (str, one_of("inf")))
NAME = text(64, minimum=1)
TOOL_NAME = text(64, minimum=1, pattern="[a-zA-Z0-9_-]+")
TOOL_DESCRIPTION = nullable(text(1024))
CALL_ID = text(32)

# -- audio ---------------------------------------------------------------------

AUDIO_FORMAT = tagged(
    "type",
    {
        "audio/pcm": record(
            {"type": anything, "rate": integer(24000, 24000)},
            required=("type", "rate"),
        ),
        "audio/pcmu": record({"type": anything}),
        "audio/pcma": record({"type": anything}),
    },
)
NOISE_REDUCTION = record(
    {"type": one_of("near_field", "far_field"), "strength": number(0, 1)}
)
TRANSCRIPTION = record(
    {
        "model": text(),
        "language": nullable(text()),
        "languages": nullable(array(text(), minimum=1)),
        "prompt": nullable(text()),
        "keywords": nullable(array(text())),
        "delay": nullable(one_of("minimal", "low", "medium", "high", "xhigh")),
    }
)
SERVER_VAD = {
    "type": anything,
    "threshold": number(0, 1),
    "prefix_padding_ms": integer(0),
    "silence_duration_ms": integer(0),
    "idle_timeout_ms": nullable(integer(5000, 30000)),
    "create_response": boolean,
    "interrupt_response": boolean,
}
SEMANTIC_VAD = {
    "type": anything,
    "eagerness": one_of("low", "medium", "high", "auto"),
    "create_response": boolean,
    "interrupt_response": boolean,
}
TURN_DETECTION = tagged(
    "type", {"server_vad": record(SERVER_VAD), "semantic_vad": record(SEMANTIC_VAD)}
)
VOICE = either(
    "a string", (str, text(minimum=1)), (dict, record({"id": text()}, required=("id",)))
)
AUDIO_INPUT = record(
    {
        "format": AUDIO_FORMAT,
        "noise_reduction": nullable(NOISE_REDUCTION),
        "transcription": nullable(TRANSCRIPTION),
        "turn_detection": nullable(TURN_DETECTION),
    }
)
AUDIO_OUTPUT = record(
    {"format": AUDIO_FORMAT, "voice": VOICE, "speed": number(0.25, 1.5)}
)
RESPONSE_AUDIO = record({"output": record({"format": AUDIO_FORMAT, "voice": VOICE})})

# -- tools and the rest of a session -------------------------------------------

_FILTER = record({"read_only": boolean, "tool_names": array(text())})
FUNCTION_TOOL = record(
    {
        "type": anything,
        "name": TOOL_NAME,
        "description": TOOL_DESCRIPTION,
        "parameters": nullable(mapping),
    },
    required=("name",),
)
MCP_TOOL = record(
    {
        "type": anything,
        "server_label": NAME,
        "server_url": nullable(text()),
        "connector_id": nullable(text()),
        "tunnel_id": nullable(text()),
        "server_description": nullable(text()),
        "authorization": nullable(text()),
        "headers": nullable(mapping),
        "defer_loading": boolean,
        "allowed_callers": nullable(array(one_of("direct", "programmatic"), minimum=1)),
        "allowed_tools": nullable(
            either("an array", (list, array(text())), (dict, _FILTER))
        ),
        "require_approval": nullable(
            either(
                "a string",
                (str, one_of("always", "never")),
                (dict, record({"always": _FILTER, "never": _FILTER})),
            )
        ),
    },
    required=("server_label",),
)
TOOLS = array(tagged("type", {"function": FUNCTION_TOOL, "mcp": MCP_TOOL}))
TOOL_CHOICE = either(
    "a string or an object",
    (str, one_of("none", "auto", "required")),
    (
        dict,
        tagged(
            "type",
            {
                "function": record(
                    {"type": anything, "name": TOOL_NAME}, required=("name",)
                ),
                "mcp": record(
                    {
                        "type": anything,
                        "server_label": text(),
                        "name": nullable(text()),
                    },
                    required=("server_label",),
                ),
            },
        ),
    ),
)
PROMPT = record(
    {"id": text(), "version": nullable(text()), "variables": nullable(mapping)},
    required=("id",),
)
REASONING = record({"effort": one_of("minimal", "low", "medium", "high", "xhigh")})
TRACING = nullable(
    either(
        "a string or an object",
        (str, one_of("auto")),
        (
            dict,
            record({"group_id": text(), "metadata": anything, "workflow_name": text()}),
        ),
    )
)
TRUNCATION = either(
    "a string or an object",
    (str, one_of("auto", "disabled")),
    (
        dict,
        tagged(
            "type",
            {
                "retention_ratio": record(
                    {
                        "type": anything,
                        "retention_ratio": number(0, 1),
                        "token_limits": nullable(
                            record({"post_instructions": integer(0)})
                        ),
                    },
                    required=("retention_ratio",),
                )
            },
        ),
    ),
)
INCLUDE = nullable(array(one_of("item.input_audio_transcription.logprobs")))
MODALITIES = array(one_of("text", "audio"))

REALTIME_SESSION = record(
    {
        "type": anything,
        "model": text(),
        "instructions": text(),
        "output_modalities": MODALITIES,
        "audio": record({"input": AUDIO_INPUT, "output": AUDIO_OUTPUT}),
        "tools": TOOLS,
        "tool_choice": TOOL_CHOICE,
        "max_output_tokens": MAX_TOKENS,
        "parallel_tool_calls": boolean,
        "prompt": nullable(PROMPT),
        "reasoning": nullable(REASONING),
        "tracing": TRACING,
        "truncation": TRUNCATION,
        "include": INCLUDE,
    }
)
TRANSCRIPTION_SESSION = record(
    {"type": anything, "audio": record({"input": AUDIO_INPUT}), "include": INCLUDE}
)
SESSION = tagged(
    "type", {"realtime": REALTIME_SESSION, "transcription": TRANSCRIPTION_SESSION}
)
