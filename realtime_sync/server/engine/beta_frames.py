"""
What the beta's frames lack of what the engine says, and what they have besides.

Names and places of fields are the dialect's affair; here are the fields that one of
the two protocols does not have at all.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Mapping

Frame = Mapping[str, Any]
_Path = tuple[str, ...]

_TURNS: _Path = ("session", "audio", "input", "turn_detection", "idle_timeout_ms")
_READ: _Path = ("response", "usage", "input_token_details")
_USAGE = ((*_READ, "image_tokens"), (*_READ, "cached_tokens_details"))
LACKING: Mapping[str, tuple[_Path, ...]] = MappingProxyType(
    {
        "session.created": (_TURNS,),
        "session.updated": (_TURNS,),
        "response.done": _USAGE,
        "response.function_call_arguments.done": (("name",),),
    }
)
"""GA's fields by canonical event type."""


def beta_fields(frame: Frame) -> Frame:
    """Return a canonical frame with the fields that the beta has, and no others."""
    for path in LACKING.get(frame["type"], ()):
        frame = _without(frame, path)
    if isinstance(frame.get("item"), Mapping):
        frame = {**frame, "item": _marked(frame["item"])}
    response = frame.get("response")
    if isinstance(response, Mapping):
        output = [_marked(item) for item in response["output"]]
        frame = {**frame, "response": {**response, "output": output}}
    return frame


def _marked(item: Frame) -> Frame:
    return {**item, "object": "realtime.item"}


def _without(value: object, path: _Path) -> Any:
    """Copy what lies on the path; the engine goes on using the original."""
    name, *rest = path
    if not isinstance(value, Mapping) or name not in value:
        return value
    if not rest:
        return {key: each for key, each in value.items() if key != name}
    return {**value, name: _without(value[name], tuple(rest))}
