"""
Frozen records: copying one with a change, freezing JSON, writing both as JSON.

The classes of the mirror are frozen attrs classes with a ``__dict__``. Copying
that ``__dict__`` is several times cheaper than `attrs.evolve`, which calls
``__init__``, and it is done for every delta.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from attrs import AttrsInstance, fields

from .growing_text import GrowingText

T = TypeVar("T")

_new = object.__new__
_set = object.__setattr__


def evolve_record(record: T, changes: Mapping[str, Any]) -> T:
    """
    Return a copy of a record with other values in some fields.

    Args:
        record: an instance of an attrs class without slots.
        changes: new values by attribute name, private names included.
    """
    values = record.__dict__.copy()
    values.update(changes)
    copy = _new(record.__class__)
    _set(copy, "__dict__", values)
    return copy


def evolve_record_field(record: T, name: str, value: object) -> T:
    """Return a copy of a record with another value in one field."""
    values = record.__dict__.copy()
    values[name] = value
    copy = _new(record.__class__)
    _set(copy, "__dict__", values)
    return copy


def freeze(value: object) -> Any:
    """Return a copy of a JSON value that cannot be changed."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: freeze(each) for key, each in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(freeze(each) for each in value)
    return value


def thaw(value: object) -> Any:
    """Return a plain JSON value for a frozen one."""
    if isinstance(value, Mapping):
        return {key: thaw(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [thaw(each) for each in value]
    return str(value) if isinstance(value, GrowingText) else value


def pack_record(
    record: AttrsInstance, *, leave_out: tuple[str, ...] = ()
) -> dict[str, Any]:
    """
    Return the fields of a record that are not at their default, as JSON.

    Args:
        record: an instance of an attrs class whose values are JSON or records.
        leave_out: attribute names that the caller writes itself.
    """
    packed = {}
    for each in fields(type(record)):
        value = getattr(record, each.name)
        if each.name not in leave_out and value != each.default:
            packed[each.alias or each.name] = thaw(value)
    return packed
