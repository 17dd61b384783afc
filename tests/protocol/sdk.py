"""
Comparison of our classes with the types of the installed ``openai`` package.

`Comparison.compare` walks a type of theirs beside a class of ours and notes
whatever one has and the other has not. A type's fields may lie elsewhere in
our class (the beta's flat session); then the dialect's own table says where.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Optional,
    Union,
    get_args,
    get_origin,
)

from attrs import fields_dict
from pydantic import BaseModel

from realtime_sync.protocol.dialects.field_moves import Field
from realtime_sync.protocol.fields import REQUIRED
from realtime_sync.protocol.registry import canonical
from realtime_sync.protocol.type_shapes import Shape, class_variables, shapes_of
from realtime_sync.types import UNSET

LOCAL = frozenset({"raw", "problems", "extra"})
"""Fields of ours that are not on the wire."""


def load(path: str) -> Any:
    """A name of theirs by its dotted path."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


class Home(NamedTuple):
    """
    Where the fields of a type of theirs are in our classes.

    Attributes:
        classes: one class, or several that share a flat type of theirs; then a
            field has to be in one of them.
        rows: fields that lie elsewhere, from the dialect's table.
    """

    classes: tuple[type, ...]
    rows: tuple[Field, ...] = ()


class Comparison:
    """
    What was compared, and what does not agree.

    Args:
        homes: types of theirs that say too little about themselves.

    Attributes:
        differences: ``type.field``, and what about it; one line each.
        pairs: types of theirs and the classes of ours they were held against.
        matched: the fields of each class of ours that a type of theirs has.
        fields: how many fields were compared.
    """

    def __init__(self, homes: Optional[Mapping[Any, Home]] = None) -> None:
        self.homes = homes or {}
        self.differences: dict[str, str] = {}
        self.pairs: set[tuple[type, Home]] = set()
        self.matched: dict[type, set[str]] = {}
        self.fields = 0

    @property
    def types(self) -> set[type]:
        """The types of theirs that were compared."""
        return {model for model, _ in self.pairs}

    def compare(self, model: Any, home: Home) -> None:
        """Compare a type of theirs, and all types below it, with our classes."""
        if (model, home) in self.pairs:
            return
        self.pairs.add((model, home))
        moved = {row.flat: row for row in home.rows}
        for name, field in model.model_fields.items():
            self.fields += 1
            where = f"{model.__module__.rpartition('.')[2]}.{model.__name__}.{name}"
            row = moved.get(name)
            path = (name,) if row is None else row.path
            found = [
                each
                for each in (self._find(cls, path) for cls in home.classes)
                if each is not None
            ]
            if not found:
                self.differences[where] = "we do not have it"
            for cls, last in found:
                self._field(where, field, cls, last, row, spread=len(home.classes) > 1)

    def _find(self, cls: type, path: tuple[str, ...]) -> Optional[tuple[type, str]]:
        for name in path[:-1]:
            if name not in shapes_of(cls):
                return None
            self.matched.setdefault(cls, set()).add(name)
            (cls,) = shapes_of(cls)[name].classes
        names = {*shapes_of(cls), *class_variables(cls)}
        return (cls, path[-1]) if path[-1] in names else None

    def _field(
        self, where: str, field: Any, cls: type, name: str, row: Any, spread: bool
    ) -> None:
        self.matched.setdefault(cls, set()).add(name)
        constants = class_variables(cls)
        if name in constants:
            theirs = {canonical(each) for each in _literals(field.annotation)}
            if constants[name] not in theirs and not spread:
                self.differences[where] = f"{constants[name]!r} here, {theirs} there"
            return
        shape = shapes_of(cls)[name]
        if not spread and field.is_required() != _is_required(cls, name):
            word = "required" if field.is_required() else "optional"
            self.differences[where] = f"{word} there, the contrary here"
        if not shape.anything and (row is None or row.value.up("x") == "x"):
            self._kinds(where, field.annotation, shape)

    def _kinds(self, where: str, annotation: Any, shape: Shape) -> None:
        for kind in _kinds(annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                home = self.homes.get(kind) or _home_for(kind, shape)
                if home is None:
                    self.differences[where] = f"no class for {kind.__name__}"
                else:
                    self.compare(kind, home)
            elif kind is list or kind is dict:
                if (shape.items if kind is list else shape.values) is None:
                    self.differences[where] = f"may be a {kind.__name__} there"
            elif kind in (str, int, float, bool) and kind not in _scalars(shape):
                self.differences[where] = f"may be {kind.__name__} there"

    def leftovers(self) -> set[str]:
        """Return the fields of ours that no type of theirs has."""
        return {
            f"{cls.__name__}.{name}"
            for cls, matched in self.matched.items()
            for name in (set(fields_dict(cls)) - matched - LOCAL)
        }


def _is_required(cls: type, name: str) -> bool:
    attribute = fields_dict(cls)[name]
    return attribute.default is not UNSET or bool(attribute.metadata.get(REQUIRED))


def _scalars(shape: Shape) -> set[type]:
    found = set(shape.scalars)
    for inner in (shape.items, shape.values):
        if inner is not None:
            found |= {object} if inner.anything else _scalars(inner)
    if bytes in found:
        found.add(str)
    return found | ({str, int, float, bool} if object in found else set())


def _classes(shape: Shape) -> Iterator[type]:
    yield from shape.classes
    for inner in (shape.items, shape.values):
        if inner is not None:
            yield from _classes(inner)


def _home_for(model: Any, shape: Shape) -> Optional[Home]:
    claims = {
        name: set(_literals(field.annotation))
        for name, field in model.model_fields.items()
    }
    classes = tuple(_classes(shape))
    for cls in classes:
        mine = class_variables(cls)
        if mine and all(each in claims.get(name, ()) for name, each in mine.items()):
            return Home((cls,))
    # A class without discriminators is flat, and stands for several types.
    flat = [cls for cls in classes if not class_variables(cls)]
    return Home((flat[-1],)) if flat else None


def _kinds(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType, Annotated):
        arguments = get_args(annotation)
        for each in arguments[:1] if origin is Annotated else arguments:
            yield from _kinds(each)
    elif origin in (list, dict):
        yield origin
        yield from _kinds(get_args(annotation)[-1])
    elif origin is Literal:
        yield from {type(each) for each in get_args(annotation)}
    else:
        yield annotation


def _literals(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for each in get_args(annotation):
            yield from _literals(each)


def members(union: Any) -> tuple[Any, ...]:
    """Return the types of an annotated union of theirs."""
    return (
        get_args(get_args(union)[0])
        if get_origin(union) is Annotated
        else get_args(union)
    )


def wire_type(model: Any) -> str:
    """Return the event type that a type of theirs stands for."""
    (name,) = _literals(model.model_fields["type"].annotation)
    return str(name)
