"""
From classes of ours to data that JSON can hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from attrs import fields, has

from ..types import UNSET
from .base64_audio import encode_audio
from .events._base import UnknownEvent
from .fields import AUDIO, EXTRA
from .lazy_audio import audio_key
from .type_shapes import class_variables

_LOCAL = ("raw", "problems")
_PLAIN = frozenset({str, int, float, bool, type(None)})


def to_mapping(value: object) -> Any:
    """
    Turn a value of the vocabulary into plain data of the GA shape.

    Takes events, commands, items, configurations, and anything made of them.
    `UNSET` is left out, None stays, bytes become base64, discriminators are
    always there. An `UnknownEvent` gives what came.
    """
    kind = value.__class__
    if kind in _PLAIN:
        return value
    if isinstance(value, bytes):
        return encode_audio(value)
    if isinstance(value, UnknownEvent):
        return dict(value.raw)
    if has(kind):
        return _unstructure_object(value, kind)
    if isinstance(value, Mapping):
        return _unstructure_members(value)
    if isinstance(value, (list, tuple)):
        return [to_mapping(each) for each in value]
    if isinstance(value, (bytearray, memoryview)):
        return encode_audio(bytes(value))
    return value


def _unstructure_object(value: object, cls: type) -> dict[str, Any]:
    constants, plain, sounds, extras = _unstructure_plan(cls)
    made: dict[str, Any] = dict(constants)
    for name in plain:
        each = getattr(value, name)
        if each.__class__ in _PLAIN:
            made[name] = each
        elif each is not UNSET:
            made[name] = to_mapping(each)
    for name, spare in sounds:
        text = value.__dict__.get(spare)
        each = getattr(value, name) if text is None else text
        if each is not UNSET:
            made[name] = to_mapping(each)
    for name in extras:
        more = getattr(value, name)
        if more:
            made.update(to_mapping(more))
    return made


def _unstructure_members(value: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, each in value.items():
        if each.__class__ in _PLAIN:
            made[name] = each
        elif each is not UNSET:
            made[name] = to_mapping(each)
    return made


@lru_cache(maxsize=None)
def _unstructure_plan(
    cls: type,
) -> tuple[
    dict[str, str], tuple[str, ...], tuple[tuple[str, str], ...], tuple[str, ...]
]:
    names = [each for each in fields(cls) if each.name not in _LOCAL]
    sounds = [each.name for each in names if AUDIO in each.metadata]
    extras = tuple(each.name for each in names if EXTRA in each.metadata)
    plain = (each.name for each in names if each.name not in (*sounds, *extras))
    spare = tuple((name, audio_key(name)) for name in sounds)
    return class_variables(cls), tuple(plain), spare, extras
