"""
The shape of every command in the beta dialect.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Mapping

from . import ga_shapes as ga
from . import session_shapes
from .check import (
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
    tagged,
    text,
)

AUDIO_FORMAT = one_of("pcm16", "g711_ulaw", "g711_alaw")
TURN_DETECTION = record(
    {
        "type": one_of("server_vad", "semantic_vad"),
        "threshold": number(0, 1),
        "prefix_padding_ms": integer(0),
        "silence_duration_ms": integer(0),
        "eagerness": one_of("low", "medium", "high", "auto"),
        "create_response": boolean,
        "interrupt_response": boolean,
    }
)
NOISE_REDUCTION = record({"type": one_of("near_field", "far_field")})
TRANSCRIPTION = record(
    {"model": text(), "language": nullable(text()), "prompt": nullable(text())}
)
TOOLS = array(
    record(
        {
            "type": one_of("function"),
            "name": session_shapes.TOOL_NAME,
            "description": session_shapes.TOOL_DESCRIPTION,
            "parameters": nullable(mapping),
        },
        required=("name",),
    )
)
# A function's name is allowed beside the three words.
TOOL_CHOICE = either("a string", (str, text()), (dict, session_shapes.TOOL_CHOICE))
_SHARED: Mapping[str, Rule] = {
    "modalities": session_shapes.MODALITIES,
    "instructions": text(),
    "voice": text(minimum=1),
    "output_audio_format": AUDIO_FORMAT,
    "tools": TOOLS,
    "tool_choice": TOOL_CHOICE,
    "temperature": number(0.6, 1.2),
    "max_response_output_tokens": session_shapes.MAX_TOKENS,
}
_INPUT: Mapping[str, Rule] = {
    "input_audio_format": AUDIO_FORMAT,
    "input_audio_transcription": nullable(TRANSCRIPTION),
    "input_audio_noise_reduction": nullable(NOISE_REDUCTION),
    "turn_detection": nullable(TURN_DETECTION),
}
_SESSION_FIELDS: Mapping[str, Rule] = {
    **_SHARED,
    **_INPUT,
    "model": text(),
    "speed": number(0.25, 1.5),
    "tracing": session_shapes.TRACING,
    "client_secret": mapping,
}
_TRANSCRIPTION_FIELDS: Mapping[str, Rule] = {
    **_INPUT,
    "modalities": session_shapes.MODALITIES,
    "include": nullable(array(text())),
    "client_secret": mapping,
}
READ_ONLY = ("id", "object", "expires_at", "client_secret")
"""Fields of a session that a client may send back, and that change nothing."""
_SENT_BACK: Mapping[str, Rule] = dict.fromkeys(READ_ONLY, anything)
SESSION = record(_SESSION_FIELDS)
TRANSCRIPTION_SESSION = record(_TRANSCRIPTION_FIELDS)
_TEXT = record(
    {"type": anything, "text": session_shapes.INPUT_TEXT}, required=("text",)
)
_AUDIO = record(
    {"type": anything, "audio": text(), "transcript": nullable(text())},
    required=("audio",),
)
PARTS: Mapping[str, Mapping[str, Rule]] = MappingProxyType(
    {
        "system": {"input_text": _TEXT},
        "user": {"input_text": _TEXT, "input_audio": _AUDIO},
        "assistant": {"text": _TEXT},
    }
)
"""What the message of each role may hold."""
_ITEM = {
    "id": session_shapes.ITEM_ID,
    "object": nullable(one_of("realtime.item")),
    "status": nullable(one_of("completed", "incomplete", "in_progress")),
    "type": anything,
}
ITEM_VARIANTS: Mapping[str, Rule] = MappingProxyType(
    {
        "message": tagged(
            "role",
            {
                role: record(
                    {**_ITEM, "role": anything, "content": array(tagged("type", part))},
                    required=("content",),
                )
                for role, part in PARTS.items()
            },
        ),
        "function_call": record(
            {
                **_ITEM,
                "call_id": session_shapes.CALL_ID,
                "name": session_shapes.TOOL_NAME,
                "arguments": text(),
            },
            required=("name", "arguments"),
        ),
        "function_call_output": record(
            {**_ITEM, "call_id": session_shapes.CALL_ID, "output": text()},
            required=("call_id", "output"),
        ),
    }
)
INPUT_ITEM = tagged(
    "type",
    {
        **ITEM_VARIANTS,
        "item_reference": record({"type": anything, "id": text()}, required=("id",)),
    },
)
RESPONSE = record(
    {
        **_SHARED,
        "instructions": nullable(text()),
        "conversation": one_of("auto", "none"),
        "metadata": session_shapes.METADATA,
        "input": nullable(array(INPUT_ITEM)),
    }
)
REALTIME: Mapping[str, Rule] = MappingProxyType(
    {
        **ga.REALTIME,
        "session.update": ga.ga_command_shape(
            {"session": record({**_SESSION_FIELDS, **_SENT_BACK})}, "session"
        ),
        "conversation.item.create": ga.ga_command_shape(
            {
                "item": tagged("type", ITEM_VARIANTS),
                "previous_item_id": nullable(text()),
            },
            "item",
        ),
        "response.create": ga.ga_command_shape({"response": nullable(RESPONSE)}),
    }
)
TRANSCRIPTION_COMMANDS: Mapping[str, Rule] = MappingProxyType(
    {
        **ga.TRANSCRIPTION_COMMANDS,
        "transcription_session.update": ga.ga_command_shape(
            {"session": record({**_TRANSCRIPTION_FIELDS, **_SENT_BACK})}, "session"
        ),
    }
)
