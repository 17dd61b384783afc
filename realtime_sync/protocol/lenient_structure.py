"""
What can be kept of a frame that does not fit its class.

Slow and thorough: goes field by field, and into a field only where something
in it is wrong. What is wrong becomes `UNSET` (an element of a list is left
out), and a line says where and why. Values never appear in these lines: they
may be secret, or a megabyte of audio.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from attrs import fields_dict

from ..types import UNSET
from .fields import ALSO, AUDIO
from .lazy_audio import audio_key
from .structure import (
    Check,
    Misfit,
    extra_name_of_structure,
    known_keys_of_structure,
    structure_check_for,
    structure_checks_of,
    structure_chooser,
    text_elsewhere,
)
from .type_shapes import Shape, describe_shape

_KINDS = {
    bool: "true or false",
    dict: "an object",
    float: "a number",
    int: "an integer",
    list: "a list",
    str: "text",
}


def salvage_leniently(cls: type, value: Mapping[str, Any], problems: list[str]) -> Any:
    """
    Make an object of a class from whatever of a mapping fits.

    Args:
        cls: an attrs class of the vocabulary.
        value: the decoded JSON object.
        problems: gets a line for each misfit, with its path.
    """
    return _salvage_object_leniently(cls, value, "", problems)


def _salvage_object_leniently(
    cls: type, value: Mapping[str, Any], path: str, problems: list[str]
) -> Any:
    made: Any = object.__new__(cls)
    fields = made.__dict__
    attributes = fields_dict(cls)
    for name, (shape, check) in structure_checks_of(cls).items():
        given = value.get(name, UNSET)
        if given is UNSET:
            also = attributes[name].metadata.get(ALSO, ())
            given = text_elsewhere(value, also)
        if AUDIO in attributes[name].metadata and given.__class__ is str:
            fields[audio_key(name)] = given
        else:
            fields[name] = _salvage_value_leniently(
                given, shape, check, path + name, problems
            )
    extra = extra_name_of_structure(cls)
    if extra is not None:
        known = known_keys_of_structure(cls)
        fields[extra] = {k: each for k, each in value.items() if k not in known}
    return made


def _salvage_value_leniently(
    value: object, shape: Shape, check: Check, path: str, problems: list[str]
) -> Any:
    if value is UNSET:
        return UNSET
    try:
        return check(value)
    except Misfit:
        pass
    if isinstance(value, dict):
        cls = structure_chooser(shape)(value) if shape.classes else None
        if cls is not None:
            return _salvage_object_leniently(cls, value, f"{path}.", problems)
        if shape.values is not None:
            return _lenient_mapping(value, shape.values, path, problems)
    if isinstance(value, list) and shape.items is not None:
        return _lenient_list(value, shape.items, path, problems)
    return _note_lenient_misfit(value, shape, path, problems)


def _lenient_mapping(
    value: dict[str, Any], shape: Shape, path: str, problems: list[str]
) -> dict[str, Any]:
    kept = {
        name: _lenient_element(each, shape, f"{path}.{name}", problems)
        for name, each in value.items()
    }
    return {name: each for name, each in kept.items() if each is not UNSET}


def _lenient_list(
    value: list[Any], shape: Shape, path: str, problems: list[str]
) -> tuple[Any, ...]:
    kept = [
        _lenient_element(each, shape, f"{path}[{index}]", problems)
        for index, each in enumerate(value)
    ]
    return tuple(each for each in kept if each is not UNSET)


def _lenient_element(
    value: object, shape: Shape, path: str, problems: list[str]
) -> Any:
    if value is None and not shape.nullable:
        return _note_lenient_misfit(value, shape, path, problems)
    return _salvage_value_leniently(
        value, shape, structure_check_for(shape), path, problems
    )


def _note_lenient_misfit(
    value: object, shape: Shape, path: str, problems: list[str]
) -> Any:
    kind = _KINDS.get(value.__class__, "null")
    if isinstance(value, float) and not isfinite(value):
        kind = str(value)
    problems.append(f"{path}: expected {describe_shape(shape)}, got {kind}")
    return UNSET
