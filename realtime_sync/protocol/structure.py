"""
From decoded JSON to classes of ours.

One function is compiled per class, when the class is first needed, and looked
up through a cattrs converter. It never calls ``__init__``: it checks each
value and fills ``__dict__``. On the first value that does not fit it raises
`Misfit`, and `salvage` starts over, field by field, keeping what can be kept.

What fits: a value of the annotated type; an integer where a number is wanted,
a whole float where an integer is wanted; ``null`` anywhere, which becomes None
where the protocol allows it and `UNSET` where it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from math import isfinite
from typing import Any, Optional

from attrs import fields_dict, has
from cattrs import Converter

from ..types import UNSET
from .events._base import ClientEvent, ServerEvent
from .fields import ALSO, AUDIO, EXTRA
from .lazy_audio import audio_key
from .type_shapes import Shape, class_variables, shapes_of
from .unstructure import to_mapping

Check = Callable[[Any], Any]
Hook = Callable[[Any, Any], Any]


class Misfit(Exception):
    """A value does not fit its field. Never leaves this package."""


@lru_cache(maxsize=None)
def converter() -> Converter:
    """Return the converter that all sessions share."""
    made = Converter()
    made.register_structure_hook_factory(has, compile_structure_hook)
    return made


def structure_hook_for(cls: type) -> Hook:
    """Return the compiled function of a class: ``hook(mapping, cls)``."""
    return converter().get_structure_hook(cls)


@lru_cache(maxsize=None)
def exact_structure_hook(cls: type) -> Hook:
    """
    Return the compiled function for what a caller wrote.

    It raises `Misfit` also where something would get lost on the way: an unknown
    key, a null, a ``type`` that no class has. What it makes shares nothing with
    what it was given, so that the caller may go on changing that.
    """
    return compile_structure_hook(cls, exact=True)


@lru_cache(maxsize=None)
def structure_checks_of(
    cls: type, exact: bool = False
) -> Mapping[str, tuple[Shape, Check]]:
    """Return shape and check of every field of a class that comes by wire."""
    attributes = fields_dict(cls)
    return {
        name: (shape, structure_check_for(shape, exact))
        for name, shape in shapes_of(cls).items()
        if name not in ("raw", "problems") and EXTRA not in attributes[name].metadata
    }


def known_keys_of_structure(cls: type) -> frozenset[str]:
    """Return every wire key that a class knows, discriminators included."""
    return frozenset(structure_checks_of(cls)) | frozenset(class_variables(cls))


def extra_name_of_structure(cls: type) -> Optional[str]:
    """Return the field that collects unknown keys, if the class has one."""
    attributes = fields_dict(cls).values()
    return next((each.name for each in attributes if EXTRA in each.metadata), None)


def compile_structure_hook(cls: type, exact: bool = False) -> Hook:
    """
    Write and compile the function that makes a class from a mapping.

    Args:
        cls: the class.
        exact: see `exact_structure_hook`.
    """
    names: dict[str, Any] = {
        "Misfit": Misfit,
        "UNSET": UNSET,
        "cls": cls,
        "elsewhere": text_elsewhere,
        "known": known_keys_of_structure(cls),
        "new": cls.__new__,
        "plain": to_mapping,
    }
    lines = [
        "def hook(value, _):",
        "    if value.__class__ is not dict:",
        "        raise Misfit",
        "    get = value.get",
        "    made = new(cls)",
        "    fields = made.__dict__",
    ]
    extra = extra_name_of_structure(cls)
    if exact:
        lines += _structure_lines_for_losses(cls, extra)
    attributes = fields_dict(cls)
    for number, (name, (shape, check)) in enumerate(
        structure_checks_of(cls, exact).items()
    ):
        names[f"check_{number}"] = check
        metadata = attributes[name].metadata
        if AUDIO in metadata:
            lines += _structure_lines_for_audio(name, shape, f"check_{number}")
            continue
        also = () if exact else metadata.get(ALSO, ())
        lines += _structure_lines_for_value(name, shape, f"check_{number}", also)
    if extra is not None and exact:
        lines += [
            "    more = value.keys() - known",
            f"    fields[{extra!r}] = "
            "{k: plain(value[k]) for k in value if k in more} if more else {}",
        ]
    elif extra is not None:
        lines.append(
            f"    fields[{extra!r}] = "
            "{k: v for k, v in value.items() if k not in known}"
        )
    if issubclass(cls, ServerEvent):
        lines += ["    fields['raw'] = value", "    fields['problems'] = ()"]
    lines.append("    return made")
    source = "\n".join(lines)
    exec(compile(source, f"<structure {cls.__name__}>", "exec"), names)
    hook: Hook = names["hook"]
    return hook


def _structure_lines_for_losses(cls: type, extra: Optional[str]) -> list[str]:
    lines = [] if extra else ["    if value.keys() - known:", "        raise Misfit"]
    if issubclass(cls, ClientEvent):
        return lines  # Found by its name, of which there may be several.
    for name, word in class_variables(cls).items():
        lines.append(f"    if get({name!r}, {word!r}) != {word!r}:")
        lines.append("        raise Misfit")
    return lines


def text_elsewhere(value: Mapping[str, Any], also: tuple[str, ...]) -> Any:
    """Return the text that stands under another name, or `UNSET`."""
    told = (value.get(name) for name in also)
    return next((each for each in told if isinstance(each, str)), UNSET)


def _structure_lines_for_value(
    name: str, shape: Shape, check: str, also: tuple[str, ...]
) -> list[str]:
    # The common case is decided without a call: one plain type, or nothing. A float
    # may be none of the numbers that JSON has.
    lines = [f"    it = get({name!r}, UNSET)"]
    if also:
        lines.append("    if it is UNSET:")
        lines.append(f"        it = elsewhere(value, {also!r})")
    one = len(shape.scalars) == 1 and shape.scalars[0] is not float
    plain = shape.scalars[0].__name__ if one else None
    unless = f"it.__class__ is not {plain} and " if plain else ""
    lines.append(f"    if {unless}it is not UNSET:")
    lines.append(f"        it = {check}(it)")
    lines.append(f"    fields[{name!r}] = it")
    return lines


def _structure_lines_for_audio(name: str, shape: Shape, check: str) -> list[str]:
    return [
        f"    it = get({name!r}, UNSET)",
        "    if it.__class__ is str:",
        f"        fields[{audio_key(name)!r}] = it",
        "    else:",
        f"        fields[{name!r}] = it if it is UNSET else {check}(it)",
    ]


def structure_check_for(shape: Shape, exact: bool = False) -> Check:
    """Return the function that checks and converts a value of a shape."""
    if shape.anything:
        return to_mapping if exact else _structure_of_anything
    scalars = frozenset(shape.scalars) - {bytes}
    whole = int in scalars and float not in scalars
    null = None if shape.nullable else UNSET
    of_object = _structure_object_check(shape, exact)
    of_list = (
        _structure_list_check(shape.items, exact) if shape.items is not None else None
    )

    def check(value: object) -> Any:
        kind = value.__class__
        if value is None and (null is None or not exact):
            return null
        if kind in scalars or (kind is int and float in scalars):
            if kind is float and not isfinite(value):  # type: ignore[arg-type]
                raise Misfit
            return value
        if kind is dict and of_object is not None:
            return of_object(value)
        if kind is list and of_list is not None:
            return of_list(value)
        if whole and isinstance(value, float) and value.is_integer():
            return int(value)
        raise Misfit

    return check


def _structure_of_anything(value: object) -> object:
    return value


def _structure_list_check(shape: Shape, exact: bool) -> Check:
    check = structure_check_for(shape, exact)

    def of_list(value: list[Any]) -> tuple[Any, ...]:
        checked = tuple([check(each) for each in value])
        if UNSET in checked:
            raise Misfit
        return checked

    return of_list


def _structure_object_check(shape: Shape, exact: bool) -> Optional[Check]:
    if not shape.classes:
        return (
            None
            if shape.values is None
            else _structure_mapping_check(shape.values, exact)
        )
    choose = structure_chooser(shape)
    find = exact_structure_hook if exact else structure_hook_for
    kept = to_mapping if exact else _structure_of_anything

    def of_object(value: dict[str, Any]) -> Any:
        cls = choose(value)
        # Only where mappings are allowed too, an object may have no class.
        return kept(value) if cls is None else find(cls)(value, cls)

    return of_object


def _structure_mapping_check(shape: Shape, exact: bool) -> Check:
    check = structure_check_for(shape, exact)
    if shape.anything:
        return check

    def of_mapping(value: dict[str, Any]) -> dict[str, Any]:
        checked = {name: check(each) for name, each in value.items()}
        if UNSET in checked.values():
            raise Misfit
        return checked

    return of_mapping


@lru_cache(maxsize=None)
def structure_chooser(shape: Shape) -> Callable[[Mapping[str, Any]], Optional[type]]:
    """
    Return the function that picks a class for an object by its discriminators.

    The classes name their ``type``, and messages their ``role``. What none of
    them claims goes to the class without discriminators; without such a class
    it stays a mapping (None) where that is allowed, and is the first class
    otherwise.
    """
    claims = {cls: class_variables(cls) for cls in shape.classes}
    table: dict[Any, type] = {
        (claim["type"], claim.get("role")): cls
        for cls, claim in claims.items()
        if "type" in claim
    }
    last = shape.classes[0] if shape.values is None else None
    open_classes = (cls for cls, claim in claims.items() if "type" not in claim)
    fallback: Optional[type] = next(open_classes, last)

    def choose(value: Mapping[str, Any]) -> Optional[type]:
        kind, role = value.get("type"), value.get("role")
        if kind.__class__ is not str:
            return fallback
        if role.__class__ is str and (kind, role) in table:
            return table[kind, role]
        return table.get((kind, None), fallback)

    return choose
