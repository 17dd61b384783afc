"""
A small language for the shape of commands.

A *rule* is a function of a value and its path that raises a `Refusal` worded as
the service words it. Rules are built from rules; the tables of shapes
(`ga_shapes`, `beta_shapes`) hold nothing else.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Callable, Mapping, Optional

from .refusal import (
    Refusal,
    refuse_invalid_value,
    refuse_missing,
    refuse_unknown_parameter,
)

Rule = Callable[[object, str], None]

_NAMES = {
    bool: "a boolean",
    dict: "an object",
    float: "a decimal",
    int: "an integer",
    list: "an array",
    str: "a string",
    type(None): "null",
}


def wrong_type(value: object, expected: str, path: str) -> Refusal:
    """Refuse a value of another JSON type."""
    got = _NAMES.get(type(value), "another value")
    return Refusal(
        f"Invalid type for '{path}': expected {expected}, but got {got} instead.",
        code="invalid_type",
        param=path,
    )


def anything(value: object, path: str) -> None:
    """Accept every JSON value."""


def boolean(value: object, path: str) -> None:
    """Accept true and false."""
    if not isinstance(value, bool):
        raise wrong_type(value, "a boolean", path)


def text(
    maximum: Optional[int] = None, *, minimum: int = 0, pattern: Optional[str] = None
) -> Rule:
    """Accept a string whose length is within bounds, and that *pattern* matches."""

    def rule(value: object, path: str) -> None:
        if not isinstance(value, str):
            raise wrong_type(value, "a string", path)
        if maximum is not None and len(value) > maximum:
            raise Refusal(
                f"Invalid '{path}': string too long. Expected a string with maximum "
                f"length {maximum}, but got a string with length {len(value)} "
                "instead.",
                code="string_above_max_length",
                param=path,
            )
        if len(value) < minimum:
            raise Refusal(
                f"Invalid '{path}': string too short. Expected a string with minimum "
                f"length {minimum}, but got a string with length {len(value)} "
                "instead.",
                code="string_below_min_length",
                param=path,
            )
        # fullmatch: to search with ^ and $ would let a final line break pass.
        if pattern is not None and re.fullmatch(pattern, value) is None:
            raise Refusal(
                f"Invalid '{path}': string does not match pattern. Expected a string "
                f"that matches the pattern '^{pattern}$'.",
                code="invalid_value",
                param=path,
            )

    return rule


def number(
    minimum: Optional[float] = None,
    maximum: Optional[float] = None,
    *,
    whole: bool = False,
) -> Rule:
    """Accept a number within bounds, both included."""
    kind = "integer" if whole else "decimal"

    def rule(value: object, path: str) -> None:
        accepted = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, accepted):
            raise wrong_type(value, "an integer" if whole else "a decimal", path)
        if not isfinite(value):
            raise Refusal(
                f"Invalid '{path}': {value} is no {kind}.",
                code="invalid_value",
                param=path,
            )
        if minimum is not None and value < minimum:
            raise Refusal(
                f"Invalid '{path}': {kind} below minimum value. Expected a value >= "
                f"{minimum}, but got {value} instead.",
                code=f"{kind}_below_min_value",
                param=path,
            )
        if maximum is not None and value > maximum:
            raise Refusal(
                f"Invalid '{path}': {kind} above maximum value. Expected a value <= "
                f"{maximum}, but got {value} instead.",
                code=f"{kind}_above_max_value",
                param=path,
            )

    return rule


def integer(minimum: Optional[int] = None, maximum: Optional[int] = None) -> Rule:
    """Accept an integer within bounds, both included."""
    return number(minimum, maximum, whole=True)


def one_of(*values: str) -> Rule:
    """Accept one of the given strings."""

    def rule(value: object, path: str) -> None:
        if not isinstance(value, str):
            raise wrong_type(value, "a string", path)
        if value not in values:
            raise refuse_invalid_value(value, values, path)

    return rule


def nullable(inner: Rule) -> Rule:
    """Accept null, or what *inner* accepts."""

    def rule(value: object, path: str) -> None:
        if value is not None:
            inner(value, path)

    return rule


def array(inner: Rule, *, minimum: int = 0) -> Rule:
    """Accept an array of what *inner* accepts."""

    def rule(value: object, path: str) -> None:
        if not isinstance(value, list):
            raise wrong_type(value, "an array", path)
        if len(value) < minimum:
            raise Refusal(
                f"Invalid '{path}': empty array. Expected an array with minimum "
                f"length {minimum}, but got an array with length {len(value)} instead.",
                code="array_below_min_length",
                param=path,
            )
        for index, element in enumerate(value):
            inner(element, f"{path}[{index}]")

    return rule


def strings(maximum: int, *, key_length: int, value_length: int) -> Rule:
    """Accept a mapping of strings with bounds on its size: metadata."""
    key_rule, value_rule = text(key_length), text(value_length)

    def rule(value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise wrong_type(value, "an object", path)
        if len(value) > maximum:
            raise Refusal(
                f"Invalid '{path}': too many properties. Expected an object with at "
                f"most {maximum} properties, but got an object with {len(value)} "
                "properties instead.",
                code="object_above_max_properties",
                param=path,
            )
        for key, element in value.items():
            key_rule(key, path)
            value_rule(element, f"{path}.{key}")

    return rule


def mapping(value: object, path: str) -> None:
    """Accept any object."""
    if not isinstance(value, dict):
        raise wrong_type(value, "an object", path)


def record(fields: Mapping[str, Rule], *, required: tuple[str, ...] = ()) -> Rule:
    """
    Accept an object with known fields only.

    What is missing is told before what is wrong, and in the order of *required*.
    """

    def rule(value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise wrong_type(value, "an object", path)
        prefix = f"{path}." if path else ""
        for name in required:
            if name not in value:
                raise refuse_missing(prefix + name)
        for name, element in value.items():
            inner = fields.get(name)
            if inner is None:
                raise refuse_unknown_parameter(prefix + name)
            inner(element, prefix + name)

    return rule


def tagged(
    tag: str, variants: Mapping[str, Rule], *, default: Optional[str] = None
) -> Rule:
    """Accept an object whose field *tag* says which rule it follows."""

    def rule(value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise wrong_type(value, "an object", path)
        name = value.get(tag, default)
        if name is None and tag not in value:
            raise refuse_missing(f"{path}.{tag}" if path else tag)
        if not isinstance(name, str):
            raise wrong_type(name, "a string", f"{path}.{tag}")
        if name not in variants:
            raise refuse_invalid_value(name, variants, f"{path}.{tag}" if path else tag)
        variants[name](value, path)

    return rule


def either(expected: str, *choices: tuple[type, Rule]) -> Rule:
    """Accept a value by its JSON type: each type has its own rule."""

    def rule(value: object, path: str) -> None:
        for kind, inner in choices:
            if isinstance(value, kind) and not (
                kind is int and isinstance(value, bool)
            ):
                inner(value, path)
                return
        raise wrong_type(value, expected, path)

    return rule
