"""
How some vendors want commands, beyond what the two dialects say.

A row is a command type and a function that is applied last, to the frame as it
would be sent to a server of the dialect that the vendor's is made of.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..audio_formats import DASHSCOPE_INPUT, format_object
from .field_moves import Field, Lens, View, at, each, moves, words

_TOP_OF_XAI = (
    Field("voice", ("audio", "output", "voice")),
    Field("turn_detection", ("audio", "input", "turn_detection")),
)

_NESTED = ("name", "description", "parameters", "strict")


def _vendor_nested_tool(tool: object) -> object:
    """A function as chat completions have it."""
    if not isinstance(tool, dict) or tool.get("type") != "function":
        return tool
    if "function" in tool:
        return tool
    inside = {name: tool[name] for name in _NESTED if name in tool}
    return {"type": "function", "function": inside}


XAI_COMMANDS: Mapping[str, View] = {
    "session.update": at("session", moves(_TOP_OF_XAI)).down
}
"""xAI: see its `session.update`."""

_TOOLS = each("tools", Lens(up=_vendor_nested_tool)).up
_SPOKEN = at("output_audio_format", words({"pcm16": "pcm24"})).up
_HEARD = at("input_audio_format", words({"pcm16_16000hz": "pcm16"})).up


def _vendor_dashscope(session: object) -> object:
    return _HEARD(_SPOKEN(_TOOLS(session)))


def _vendor_dashscope_format(value: object) -> object:
    if not isinstance(value, str) or value not in DASHSCOPE_INPUT:
        return value
    return format_object(value, DASHSCOPE_INPUT)


_DASHSCOPE_SAID = at(
    "session", at("input_audio_format", Lens(up=_vendor_dashscope_format))
).up


DASHSCOPE_COMMANDS: Mapping[str, View] = {
    "session.update": at("session", Lens(up=_vendor_dashscope)).up
}
"""DashScope: 16 kHz in and 24 kHz out have a word each; tools are nested."""

DASHSCOPE_EVENTS: Mapping[str, View] = {
    "session.created": _DASHSCOPE_SAID,
    "session.updated": _DASHSCOPE_SAID,
}
"""DashScope's words that the table of formats would misread."""
