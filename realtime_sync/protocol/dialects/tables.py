"""
What differs between the beta dialect and GA, row by row.

The canonical shape is GA's. Rows are applied to whatever a server says, in
either dialect, because servers mix the two; and to what a client says, so that
either spelling of a field may be used.
"""

from __future__ import annotations

from ..audio_formats import format_object, format_word
from .field_moves import Field, Lens, at, chain, each, moves, where, words

ITEM_PARTS = {"text": "output_text", "audio": "output_audio"}
"""Types of the parts of an assistant's message."""

EVENT_PARTS = {"output_text": "text", "output_audio": "audio"}
"""``response.content_part`` events say ``text`` and ``audio`` in both dialects."""

TOOL_CHOICES = ("auto", "none", "required")
"""Any other word is the name of a function, in the beta."""


def _format_up_table(value: object) -> object:
    return format_object(value) if isinstance(value, str) else value


def _format_asked_table(value: object) -> object:
    # A word that is not the one we would say is the vendor's, and goes as it is.
    if not isinstance(value, str):
        return value
    made = format_object(value)
    return made if _format_down_table(made) == value else {"type": value}


def _format_down_table(value: object) -> object:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        return value
    return format_word(value["type"], value.get("rate"))


def _choice_up_table(value: object) -> object:
    if not isinstance(value, str) or value in TOOL_CHOICES:
        return value
    return {"type": "function", "name": value}


def _choice_down_table(value: object) -> object:
    if isinstance(value, dict) and value.get("type") == "function":
        return value.get("name")
    return value


def _modalities_up_table(value: object) -> object:
    # In GA, audio always comes with its transcript, and both are refused.
    if isinstance(value, list) and sorted(map(str, value)) == ["audio", "text"]:
        return ["audio"]
    return value


def _modalities_down_table(value: object) -> object:
    # In the beta, audio alone is refused.
    return ["text", "audio"] if value == ["audio"] else value


_FORMAT = Lens(_format_up_table, _format_down_table)
_FORMAT_ASKED = Lens(_format_asked_table, _format_down_table)
_CHOICE = Lens(_choice_up_table, _choice_down_table)
_SAID = Lens(down=_modalities_down_table)
_ASKED = Lens(_modalities_up_table, _modalities_down_table)


def _voice_fields_table(form: Lens) -> tuple[Field, ...]:
    """The voice of a session and of a response."""
    return (
        Field("voice", ("audio", "output", "voice")),
        Field("output_audio_format", ("audio", "output", "format"), form),
    )


def _audio_fields_table(form: Lens) -> tuple[Field, ...]:
    """The rest of a session's audio."""
    return (
        Field("speed", ("audio", "output", "speed")),
        Field("input_audio_format", ("audio", "input", "format"), form),
        Field("input_audio_transcription", ("audio", "input", "transcription")),
        Field("input_audio_noise_reduction", ("audio", "input", "noise_reduction")),
        Field("turn_detection", ("audio", "input", "turn_detection")),
    )


LIMITS = (
    Field("max_response_output_tokens", ("max_output_tokens",)),
    Field("tool_choice", ("tool_choice",), _CHOICE),
)
"""Of sessions and of ``response.create``; not of the response itself."""

SESSION_SAID = (
    Field("modalities", ("output_modalities",), _SAID),
    *_voice_fields_table(_FORMAT),
    *_audio_fields_table(_FORMAT),
    *LIMITS,
)
"""A session as the server describes it: nothing is lost on the way up."""

SESSION_ASKED = (
    Field("modalities", ("output_modalities",), _ASKED),
    *_voice_fields_table(_FORMAT_ASKED),
    *_audio_fields_table(_FORMAT_ASKED),
    *LIMITS,
)
"""A session as the client wants it: what GA refuses is put right."""

RESPONSE_SAID = (
    Field("modalities", ("output_modalities",), _SAID),
    *_voice_fields_table(_FORMAT),
)
"""A response as the server describes it."""

RESPONSE_ASKED = (
    Field("modalities", ("output_modalities",), _ASKED),
    *_voice_fields_table(_FORMAT_ASKED),
    *LIMITS,
)
"""The ``response`` of ``response.create``."""


ITEM = where("role", "assistant", each("content", at("type", words(ITEM_PARTS))))
"""One conversation item."""


def _unphased_by_table(value: dict[str, object]) -> dict[str, object]:
    return {name: value[name] for name in value if name != "phase"}


_CREATED = chain(ITEM, where("role", "assistant", Lens(down=_unphased_by_table)))
"""An item of a client's; phases are GA's, and the beta refuses what it has not."""

_PART = Lens(up=at("type", words(EVENT_PARTS)).up)

SERVER: dict[str, Lens] = {
    "session.created": at("session", moves(SESSION_SAID)),
    "session.updated": at("session", moves(SESSION_SAID)),
    "conversation.item.added": at("item", ITEM),
    "conversation.item.done": at("item", ITEM),
    "conversation.item.retrieved": at("item", ITEM),
    "response.output_item.added": at("item", ITEM),
    "response.output_item.done": at("item", ITEM),
    "response.content_part.added": at("part", _PART),
    "response.content_part.done": at("part", _PART),
    "response.created": at(
        "response", chain(moves(RESPONSE_SAID), each("output", ITEM))
    ),
    "response.done": at("response", chain(moves(RESPONSE_SAID), each("output", ITEM))),
}
"""Canonical type of a server event -> what differs inside it."""

CLIENT: dict[str, Lens] = {
    "session.update": at("session", moves(SESSION_ASKED)),
    "conversation.item.create": at("item", _CREATED),
    "response.create": at(
        "response", chain(moves(RESPONSE_ASKED), each("input", _CREATED))
    ),
}
"""Canonical type of a command -> what differs inside it."""
