"""
Annotations, read once and turned into something that can be asked.

The vocabulary uses a small part of Python's annotations, and that part maps
onto JSON: text, numbers, booleans, tuples, mappings, classes of ours, and
unions of these. A `Shape` is such an annotation sorted by JSON kind.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from math import isfinite
from typing import Any, ClassVar, Optional, Union, get_args, get_origin, get_type_hints

from attrs import fields, frozen, has

from ..types import Unset


@frozen
class Shape:
    """
    What a field may hold.

    Attributes:
        scalars: Python types of plain values: str, int, float, bool, bytes.
        items: shape of the elements, if a sequence is allowed.
        values: shape of the values, if a mapping is allowed.
        classes: classes of ours that are allowed.
        nullable: None is allowed.
        anything: the annotation says ``Any``.
    """

    scalars: tuple[type, ...] = ()
    items: Optional[Shape] = None
    values: Optional[Shape] = None
    classes: tuple[type, ...] = ()
    nullable: bool = False
    anything: bool = False


_SCALARS = (str, int, float, bool, bytes)


def shapes_of(cls: type) -> dict[str, Shape]:
    """Return the shape of every field of an attrs class, by name."""
    hints = get_type_hints(cls)
    return {each.name: shape_of(hints[each.name]) for each in fields(cls)}


def class_variables(cls: type) -> dict[str, str]:
    """Return the discriminators of a class: its text class variables."""
    hints = get_type_hints(cls)
    return {
        name: getattr(cls, name)
        for name, hint in hints.items()
        if get_origin(hint) is ClassVar and isinstance(getattr(cls, name, None), str)
    }


def shape_of(annotation: object) -> Shape:
    """
    Turn an annotation into a shape.

    Raises:
        TypeError: the annotation is of a kind that the vocabulary does not use.
    """
    if annotation is Any:
        return Shape(anything=True)
    if annotation is type(None):
        return Shape(nullable=True)
    if annotation is Unset:
        return Shape()  # Never on the wire; `UNSET` fits everywhere.
    if isinstance(annotation, type) and annotation in _SCALARS:
        return Shape(scalars=(annotation,))
    if isinstance(annotation, type) and has(annotation):
        return Shape(classes=(annotation,))
    return _composite_shape(annotation)


def _composite_shape(annotation: object) -> Shape:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Union or origin is getattr(types, "UnionType", Union):
        return _union_shape_of_types([shape_of(each) for each in arguments])
    if origin is tuple:
        return Shape(items=shape_of(arguments[0]))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return Shape(values=shape_of(arguments[1]))
    raise TypeError(f"the vocabulary has no annotation like {annotation!r}")


def _union_shape_of_types(shapes: list[Shape]) -> Shape:
    return Shape(
        scalars=tuple(kind for each in shapes for kind in each.scalars),
        items=next((each.items for each in shapes if each.items), None),
        values=next((each.values for each in shapes if each.values), None),
        classes=tuple(cls for each in shapes for cls in each.classes),
        nullable=any(each.nullable for each in shapes),
        anything=any(each.anything for each in shapes),
    )


def fits_shape(value: object, shape: Shape) -> bool:
    """Say whether a Python value, as a caller gives it, has a shape."""
    if shape.anything:
        return True
    if value is None:
        return shape.nullable
    if isinstance(value, bool):
        return bool in shape.scalars
    if isinstance(value, int) and float in shape.scalars:
        return True
    if isinstance(value, float) and not isfinite(value):
        return False
    if isinstance(value, (*shape.scalars, *shape.classes)):
        return True
    if shape.items is not None and isinstance(value, tuple):
        return all(fits_shape(each, shape.items) for each in value)
    if shape.values is not None and isinstance(value, Mapping):
        return all(fits_shape(each, shape.values) for each in value.values())
    return False


_WORDS = {str: "text", int: "an integer", float: "a number", bool: "true or false"}


def describe_shape(shape: Shape) -> str:
    """Say in words what a shape allows."""
    words = [_WORDS.get(each, each.__name__) for each in shape.scalars]
    words += [each.__name__ for each in shape.classes]
    if shape.items is not None:
        words.append(f"a tuple of {describe_shape(shape.items)}")
    if shape.values is not None:
        words.append("a mapping")
    if shape.nullable:
        words.append("None")
    return " or ".join(words) or "anything"
