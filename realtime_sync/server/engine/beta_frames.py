"""
What the beta's frames lack of what the engine says, and what they have besides.

Names and places of fields are the dialect's affair; here are the fields that one of
the two protocols does not have at all.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any, Mapping, Optional

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
LATER: Mapping[str, str] = MappingProxyType(
    {"conversation.item.input_audio_transcription.delta": "2025-04-01"}
)
"""Events that came while the beta lasted, and Azure's first api-version of each."""
_API_VERSION = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")


def unknown_to_beta_version(api_version: Optional[str]) -> frozenset[str]:
    """
    Return the events that one of Azure's dated versions of the beta does not have.

    Args:
        api_version: as in the URL; None, and what is no date, has them all.
    """
    if api_version is None or not _API_VERSION.fullmatch(api_version):
        return frozenset()
    return frozenset(kind for kind, since in LATER.items() if api_version[:10] < since)


def beta_fields(frame: Frame) -> Frame:
    """Return a canonical frame with the fields that the beta has, and no others."""
    for path in LACKING.get(frame["type"], ()):
        frame = _beta_frame_without(frame, path)
    if isinstance(frame.get("item"), Mapping):
        frame = {**frame, "item": _beta_item(frame["item"])}
    response = frame.get("response")
    if isinstance(response, Mapping):
        output = [_beta_item(item) for item in response["output"]]
        frame = {**frame, "response": {**response, "output": output}}
    return frame


def _beta_item(item: Frame) -> Frame:
    return {**item, "object": "realtime.item"}


def _beta_frame_without(value: object, path: _Path) -> Any:
    """Copy what lies on the path; the engine goes on using the original."""
    name, *rest = path
    if not isinstance(value, Mapping) or name not in value:
        return value
    if not rest:
        return {key: each for key, each in value.items() if key != name}
    return {**value, name: _beta_frame_without(value[name], tuple(rest))}
