"""
The shape of every command in the GA dialect, and in translation sessions.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Mapping

from .check import (
    Rule,
    anything,
    array,
    boolean,
    integer,
    mapping,
    nullable,
    one_of,
    record,
    tagged,
    text,
)
from .session_shapes import (
    CALL_ID,
    EVENT_ID,
    INPUT_TEXT,
    ITEM_ID,
    MAX_TOKENS,
    METADATA,
    MODALITIES,
    NOISE_REDUCTION,
    PROMPT,
    REASONING,
    RESPONSE_AUDIO,
    SESSION,
    TOOL_CHOICE,
    TOOL_NAME,
    TOOLS,
)

_STATUS = {
    "id": ITEM_ID,
    "object": nullable(one_of("realtime.item")),
    "status": nullable(one_of("completed", "incomplete", "in_progress")),
    "type": anything,
}
_INPUT_TEXT = record({"type": anything, "text": INPUT_TEXT}, required=("text",))
_INPUT_AUDIO = record(
    {"type": anything, "audio": text(), "transcript": nullable(text())},
    required=("audio",),
)
_INPUT_IMAGE = record(
    {
        "type": anything,
        "image_url": text(),
        "detail": one_of("auto", "low", "high"),
    },
    required=("image_url",),
)
_OUTPUT_TEXT = record({"type": anything, "text": INPUT_TEXT}, required=("text",))
_USER_PART = tagged(
    "type",
    {
        "input_text": _INPUT_TEXT,
        "input_audio": _INPUT_AUDIO,
        "input_image": _INPUT_IMAGE,
    },
)
_SYSTEM_PART = tagged("type", {"input_text": _INPUT_TEXT})
# Older clients name the assistant's parts as the beta dialect does. Whatever its
# name, the assistant is given words only: its audio cannot be put in its mouth.
_ASSISTANT_PART = tagged(
    "type",
    dict.fromkeys(("output_text", "output_audio", "text", "audio"), _OUTPUT_TEXT),
)


_PHASE = {"phase": nullable(one_of("commentary", "final_answer"))}


def _ga_message_shape(part: Rule, **more: Rule) -> Rule:
    return record(
        {**_STATUS, "role": anything, "content": array(part), **more},
        required=("content",),
    )


ITEM_VARIANTS: Mapping[str, Rule] = MappingProxyType(
    {
        "message": tagged(
            "role",
            {
                "user": _ga_message_shape(_USER_PART),
                "assistant": _ga_message_shape(_ASSISTANT_PART, **_PHASE),
                "system": _ga_message_shape(_SYSTEM_PART),
            },
        ),
        "function_call": record(
            {
                **_STATUS,
                "call_id": CALL_ID,
                "name": TOOL_NAME,
                "arguments": text(),
            },
            required=("name", "arguments"),
        ),
        "function_call_output": record(
            {**_STATUS, "call_id": CALL_ID, "output": text()},
            required=("call_id", "output"),
        ),
        "mcp_list_tools": record(
            {
                "type": anything,
                "id": ITEM_ID,
                "server_label": text(),
                "tools": array(mapping),
            },
            required=("server_label", "tools"),
        ),
        "mcp_call": record(
            {
                "type": anything,
                "id": ITEM_ID,
                "server_label": text(),
                "name": text(),
                "arguments": text(),
                "approval_request_id": nullable(text()),
                "output": nullable(text()),
                "error": nullable(mapping),
            },
            required=("server_label", "name", "arguments"),
        ),
        "mcp_approval_request": record(
            {
                "type": anything,
                "id": ITEM_ID,
                "server_label": text(),
                "name": text(),
                "arguments": text(),
            },
            required=("server_label", "name", "arguments"),
        ),
        "mcp_approval_response": record(
            {
                "type": anything,
                "id": ITEM_ID,
                "approval_request_id": text(),
                "approve": boolean,
                "reason": nullable(text()),
            },
            required=("approval_request_id", "approve"),
        ),
    }
)
ITEM = tagged("type", ITEM_VARIANTS)
INPUT_ITEM = tagged(
    "type",
    {
        **ITEM_VARIANTS,
        "item_reference": record({"type": anything, "id": text()}, required=("id",)),
    },
)
RESPONSE = record(
    {
        "output_modalities": MODALITIES,
        "instructions": nullable(text()),
        "audio": RESPONSE_AUDIO,
        "tools": TOOLS,
        "tool_choice": TOOL_CHOICE,
        "max_output_tokens": MAX_TOKENS,
        "parallel_tool_calls": boolean,
        "conversation": one_of("auto", "none"),
        "metadata": METADATA,
        "input": nullable(array(INPUT_ITEM)),
        "prompt": nullable(PROMPT),
        "reasoning": nullable(REASONING),
    }
)


def ga_command_shape(fields: Mapping[str, Rule], *required: str) -> Rule:
    """Build the rule of one command: its own fields, ``type`` and ``event_id``."""
    return record({"type": anything, "event_id": EVENT_ID, **fields}, required=required)


_AUDIO = {"audio": text()}
_BUFFER: Mapping[str, Rule] = {
    "input_audio_buffer.append": ga_command_shape(_AUDIO, "audio"),
    "input_audio_buffer.commit": ga_command_shape({}),
    "input_audio_buffer.clear": ga_command_shape({}),
    "conversation.item.delete": ga_command_shape({"item_id": text()}, "item_id"),
    "conversation.item.retrieve": ga_command_shape({"item_id": text()}, "item_id"),
}
REALTIME: Mapping[str, Rule] = MappingProxyType(
    {
        "session.update": ga_command_shape({"session": SESSION}, "session"),
        **_BUFFER,
        "conversation.item.create": ga_command_shape(
            {"item": ITEM, "previous_item_id": nullable(text())}, "item"
        ),
        "conversation.item.truncate": ga_command_shape(
            {
                "item_id": text(),
                "content_index": integer(0),
                "audio_end_ms": integer(0),
            },
            "item_id",
            "content_index",
            "audio_end_ms",
        ),
        "response.create": ga_command_shape({"response": nullable(RESPONSE)}),
        "response.cancel": ga_command_shape({"response_id": nullable(text())}),
    }
)
TRANSCRIPTION_COMMANDS: Mapping[str, Rule] = MappingProxyType(
    {"session.update": ga_command_shape({"session": SESSION}, "session"), **_BUFFER}
)
_TRANSLATION_FIELDS: Mapping[str, Rule] = {
    "audio": record(
        {
            "input": record(
                {
                    "noise_reduction": nullable(NOISE_REDUCTION),
                    "transcription": nullable(
                        record({"model": text()}, required=("model",))
                    ),
                }
            ),
            "output": record({"language": text()}),
        }
    )
}
TRANSLATION_SESSION = record(
    {**_TRANSLATION_FIELDS, "model": text()}, required=("model",)
)
TRANSLATION: Mapping[str, Rule] = MappingProxyType(
    {
        "session.update": ga_command_shape(
            {"session": record(_TRANSLATION_FIELDS)}, "session"
        ),
        "session.input_audio_buffer.append": ga_command_shape(_AUDIO, "audio"),
        "session.close": ga_command_shape({}),
    }
)
