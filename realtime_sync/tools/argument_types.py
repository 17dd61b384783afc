"""JSON of the model into the types that a function asks for, strictly."""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, Literal, Optional, Union, cast, get_args, get_origin

import attrs
import cattrs
import cattrs.gen
import cattrs.gen.typeddicts
from cattrs.errors import IterableValidationError, IterableValidationNote

from .schema import ARRAYS, OBJECTS, is_typed_dict_in_schema


class ArgumentMisfit(ValueError):
    """A value that does not fit its type; the text is meant for the model."""


def argument_converter() -> cattrs.Converter:
    """
    A converter that takes exactly what `type_schema` describes.

    Nothing is made to fit: ``"5"`` is no number, ``1`` is not true, and what a
    record does not have is refused.
    """
    converter = cattrs.Converter(forbid_extra_keys=True)
    add = converter.register_structure_hook_func
    converter.register_structure_hook(str, _argument_of_only("text", str))
    converter.register_structure_hook(bool, _argument_of_only("true or false", bool))
    converter.register_structure_hook(int, _integer_argument)
    converter.register_structure_hook(float, _argument_of_only("a number", int, float))
    add(lambda kind: kind in (None, type(None)), _null_argument)
    add(lambda kind: kind is object, lambda value, kind: value)
    converter.register_structure_hook_factory(
        _is_record_argument, _record_argument_hook(converter)
    )
    add(_is_enum_argument, _enum_argument)
    add(_is_argument_in((Literal,)), _choice_argument)
    add(_is_argument_in(ARRAYS), _array_argument(converter))
    add(_is_argument_in(OBJECTS), _object_argument(converter))
    add(_is_argument_in((Union, types.UnionType)), _union_argument(converter))
    return converter


def argument_problems(exc: BaseException) -> str:
    """
    What does not fit, and where, one after the other.
    """
    return "; ".join(cattrs.transform_error(exc, format_exception=_argument_problem))


def _argument_problem(exc: BaseException, kind: Optional[type]) -> str:
    if isinstance(exc, ArgumentMisfit):
        return str(exc)
    return cattrs.v.format_exception(exc, kind)


def _argument_of_only(name: str, *allowed: type) -> Callable[[Any, Any], Any]:
    def structure(value: object, kind: Callable[[object], object]) -> Any:
        if type(value) not in allowed:
            raise ArgumentMisfit(f"expected {name}, not {_shown_argument_value(value)}")
        return kind(value)

    return structure


def _integer_argument(value: object, kind: object) -> int:
    # To JSON 3.0 is an integer too.
    if type(value) is int or (type(value) is float and value.is_integer()):
        return int(value)
    raise ArgumentMisfit(f"expected a whole number, not {_shown_argument_value(value)}")


def _null_argument(value: object, kind: object) -> None:
    if value is not None:
        raise ArgumentMisfit(f"expected null, not {_shown_argument_value(value)}")


def _is_enum_argument(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _enum_argument(value: object, kind: type[enum.Enum]) -> enum.Enum:
    for member in kind:
        if _argument_is_alike(member.value, value):
            return member
    raise ArgumentMisfit(_expected_argument([member.value for member in kind], value))


def _choice_argument(value: object, kind: object) -> Any:
    for each in get_args(kind):
        if _argument_is_alike(each, value):
            return each
    raise ArgumentMisfit(_expected_argument(get_args(kind), value))


def _argument_is_alike(wanted: object, value: object) -> bool:
    return type(wanted) is type(value) and bool(wanted == value)


def _expected_argument(choices: Iterable[Any], value: object) -> str:
    shown = ", ".join(map(_shown_argument_value, choices))
    return f"expected one of {shown}, not {_shown_argument_value(value)}"


def _is_argument_in(kinds: Sequence[Any]) -> Callable[[Any], bool]:
    return lambda kind: (get_origin(kind) or kind) in kinds


def _array_argument(converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    def structure(value: object, kind: type) -> Any:
        if not isinstance(value, list):
            raise ArgumentMisfit(
                f"expected an array, not {_shown_argument_value(value)}"
            )
        origin, args = get_origin(kind) or kind, get_args(kind)
        if origin is tuple and args and args[-1] is not Ellipsis:
            if len(value) != len(args):
                raise ArgumentMisfit(f"expected {len(args)} elements, not {len(value)}")
            kinds = args
        else:
            kinds = (args[0] if args else Any,) * len(value)
        made = _each_argument(converter, kind, zip(range(len(value)), value, kinds))
        return _BUILDERS.get(origin, list)(made.values())

    return structure


_BUILDERS: Mapping[Any, Callable[[Iterable[Any]], Any]] = {
    tuple: tuple,
    set: set,
    Set: frozenset,
    frozenset: frozenset,
}


def _object_argument(converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    def structure(value: object, kind: type) -> Any:
        if not isinstance(value, dict):
            raise ArgumentMisfit(
                f"expected an object, not {_shown_argument_value(value)}"
            )
        args = get_args(kind) or (str, Any)
        entries = ((key, each, args[1]) for key, each in value.items())
        return _each_argument(converter, kind, entries)

    return structure


def _each_argument(
    converter: cattrs.Converter, whole: type, entries: Iterable[tuple[Any, Any, Any]]
) -> dict[Any, Any]:
    """Structure each entry (key, value, type); every misfit is told."""
    made, failed = {}, []
    for key, value, kind in entries:
        try:
            made[key] = converter.structure(value, kind)
        except Exception as exc:
            note = IterableValidationNote(f"At {key!r}", key, kind)
            exc.__notes__ = [  # type: ignore[attr-defined]
                *getattr(exc, "__notes__", ()),
                note,
            ]
            failed.append(exc)
    if failed:
        raise IterableValidationError("While structuring", failed, whole)
    return made


def _is_record_argument(kind: object) -> bool:
    return isinstance(kind, type) and (
        attrs.has(kind)
        or dataclasses.is_dataclass(kind)
        or is_typed_dict_in_schema(kind)
    )


def _record_argument_hook(
    converter: cattrs.Converter,
) -> Callable[[Any], Callable[[Any, Any], Any]]:
    def make(kind: type[Any]) -> Callable[[Any, Any], Any]:
        fill: Callable[[Any, Any], Any]
        if is_typed_dict_in_schema(kind):
            fill = cattrs.gen.typeddicts.make_dict_structure_fn(
                kind, converter, _cattrs_forbid_extra_keys=True
            )
        else:
            fill = cattrs.gen.make_dict_structure_fn(
                kind, converter, _cattrs_forbid_extra_keys=True, _cattrs_use_alias=True
            )

        def structure(value: object, _: object) -> Any:
            if not isinstance(value, dict):
                raise ArgumentMisfit(
                    f"expected an object, not {_shown_argument_value(value)}"
                )
            return fill(value, kind)

        return structure

    return make


def _union_argument(converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    def structure(value: object, kind: type) -> Any:
        members = [each for each in get_args(kind) if each is not type(None)]
        if value is None and len(members) < len(get_args(kind)):
            return None
        if len(members) == 1:
            return converter.structure(value, members[0])
        # The member of the value's own type first: 1 as an integer, not 1.0.
        members.sort(key=lambda each: each is not type(value))
        failed = []
        for member in members:
            try:
                return converter.structure(value, member)
            except Exception as exc:
                failed.append(argument_problems(exc).replace(" @ $", "", 1))
        raise ArgumentMisfit("fits nothing of: " + ", or ".join(failed))

    return structure


def _shown_argument_value(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def structured_argument(
    converter: cattrs.Converter, value: object, kind: object
) -> Any:
    """
    Structure a value.

    Raises:
        Misfit: the text names every place that does not fit.
    """
    try:
        return converter.structure(value, cast(Any, kind))
    except Exception as exc:
        raise ArgumentMisfit(argument_problems(exc)) from exc
