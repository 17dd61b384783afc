"""
Two-way views of plain dicts, put together from small pieces.

A `Lens` turns the beta's shape into the canonical one (``up``) and back
(``down``). Neither changes its argument; a lens that finds nothing to do
returns the argument itself, so that well-formed frames cost next to nothing.
What has an unexpected type is left as it is, for the decoder to complain of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

T = TypeVar("T")
View = Callable[[Any], Any]


def same(value: T) -> T:
    """Return the argument."""
    return value


class Lens(NamedTuple):
    """
    Two functions that undo each other.

    Attributes:
        up: beta to canonical.
        down: canonical to beta.
    """

    up: View = same
    down: View = same


class Field(NamedTuple):
    """
    One field that the beta has elsewhere, or spells differently.

    Attributes:
        flat: its name in the beta.
        path: where it is in the canonical shape.
        value: how the value itself changes.
    """

    flat: str
    path: tuple[str, ...]
    value: Lens = Lens()


def at(name: str, lens: Lens) -> Lens:
    """Apply a lens to one member of an object."""
    return Lens(_move_at(name, lens.up), _move_at(name, lens.down))


def each(name: str, lens: Lens) -> Lens:
    """Apply a lens to every element of a list that is a member of an object."""

    def all_of(view: View) -> View:
        return _move_at(name, lambda value: _map_moves(view, value))

    return Lens(all_of(lens.up), all_of(lens.down))


def where(name: str, word: str, lens: Lens) -> Lens:
    """Apply a lens to the objects of which one member is a certain word."""

    def only(view: View) -> View:
        if view is same:
            return same

        def apply(value: object) -> object:
            if isinstance(value, dict) and value.get(name) == word:
                return view(value)
            return value

        return apply

    return Lens(only(lens.up), only(lens.down))


def chain(*lenses: Lens) -> Lens:
    """Apply lenses one after the other, and backwards on the way down."""

    ups = [lens.up for lens in lenses]
    downs = [lens.down for lens in reversed(lenses)]
    return Lens(in_turn(ups), in_turn(downs))


def in_turn(views: Iterable[View]) -> View:
    """Return what applies views one after the other; `same` where there are none."""
    steps = [view for view in views if view is not same]
    if not steps:
        return same
    if len(steps) == 1:
        return steps[0]

    def apply(value: object) -> object:
        for step in steps:
            value = step(value)
        return value

    return apply


def words(table: Mapping[str, str]) -> Lens:
    """Replace one word by another; words that are not listed stay."""
    back = {canonical: beta for beta, canonical in table.items()}
    return Lens(_replace_field_words(table), _replace_field_words(back))


def moves(fields: tuple[Field, ...]) -> Lens:
    """Move fields between their flat and their nested places."""

    def up(value: object) -> object:
        if not isinstance(value, dict) or not any(row.flat in value for row in fields):
            return value
        return _nest_moved_fields(value, fields)

    def down(value: object) -> object:
        return (
            _flatten_moved_fields(value, fields) if isinstance(value, dict) else value
        )

    return Lens(up, down)


def _move_at(name: str, view: View) -> View:
    def apply(value: object) -> object:
        if not isinstance(value, dict) or name not in value:
            return value
        old = value[name]
        new = view(old)
        return value if new is old else {**value, name: new}

    return apply


def _map_moves(view: View, value: object) -> object:
    if not isinstance(value, list):
        return value
    new = [view(item) for item in value]
    changed = any(one is not other for one, other in zip(new, value))
    return new if changed else value


def _replace_field_words(table: Mapping[str, str]) -> View:
    def apply(value: object) -> object:
        return table.get(value, value) if isinstance(value, str) else value

    return apply


def _nest_moved_fields(
    value: dict[str, Any], fields: tuple[Field, ...]
) -> dict[str, Any]:
    flat = {row.flat for row in fields}
    made = {name: item for name, item in value.items() if name not in flat}
    for row in fields:
        # A field that is only spelt differently in value is its own flat place.
        alone = (
            row.path == (row.flat,) or _found_field_to_move(value, row.path) is _NOWHERE
        )
        if row.flat in value and alone:
            made = _put_moved_field(made, row.path, row.value.up(value[row.flat]))
    return made


def _flatten_moved_fields(
    value: dict[str, Any], fields: tuple[Field, ...]
) -> dict[str, Any]:
    made = value
    for row in fields:
        item = _found_field_to_move(value, row.path)
        if item is not _NOWHERE:
            made = {
                **_take_field_to_move(made, row.path),
                row.flat: row.value.down(item),
            }
    return made


_NOWHERE: Final = object()


def _found_field_to_move(value: object, path: tuple[str, ...]) -> object:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return _NOWHERE
        value = value[name]
    return value


def _put_moved_field(
    value: object, path: tuple[str, ...], item: object
) -> dict[str, Any]:
    inside = value if isinstance(value, dict) else {}
    name, rest = path[0], path[1:]
    return {
        **inside,
        name: _put_moved_field(inside.get(name), rest, item) if rest else item,
    }


def _take_field_to_move(value: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    name, rest = path[0], path[1:]
    left = {key: item for key, item in value.items() if key != name}
    if rest:
        inner = _take_field_to_move(value[name], rest)
        if inner:
            left[name] = inner
    return left
