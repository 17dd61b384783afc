"""
JSON schema from a function's signature, annotations and docstring.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import re
import sys
import types
from collections.abc import Callable, Hashable, Mapping, Sequence, Set
from typing import (
    Annotated,
    Any,
    Literal,
    Optional,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import attrs

from ..errors import ToolError
from .calls import ToolCall

if sys.version_info >= (3, 11):
    from typing import NotRequired, Required, is_typeddict
else:  # pragma: no cover
    from typing_extensions import NotRequired, Required, is_typeddict

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Any: {},
    object: {},
}
ARRAYS = (list, tuple, set, frozenset, Sequence, Set)
OBJECTS = (dict, Mapping)
_SECTION = re.compile(r"^(args|arguments|attributes|parameters)\s*:\s*$", re.IGNORECASE)
_END = re.compile(
    r"^((args|arguments|attributes|parameters|returns|raises|yields|examples?)\s*:"
    r"\s*$|:(param|return|returns|raises|rtype)\b)",
    re.IGNORECASE,
)
_FIELD = re.compile(r"^:param(?:\s+[^:]*?)?\s+\*{0,2}(\w+)\s*:\s*(.*)$")
_ENTRY = re.compile(r"^(\s+)\*{0,2}(\w+)(?:\s*\([^)]*\))?\s*:\s*(.*)$")


def function_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """
    The schema of a function's parameters, as the ``parameters`` of a tool.

    Descriptions come from ``Annotated[T, "text"]``, else from the ``Args``
    section of the docstring.

    Raises:
        ToolError: a parameter cannot be described: it has no annotation, is
            variadic, or its type has no JSON form.
    """
    described = parameter_texts_for_schema(inspect.getdoc(function) or "")
    properties, required = {}, []
    for name, kind, default in schema_parameters(function):
        if kind is ToolCall:
            continue  # Not the model's to fill in.
        schema = type_schema(kind, where=f"{_called_for_schema(function)}({name})")
        properties[name] = _schema_with_text(schema, described.get(name))
        if default is inspect.Parameter.empty:
            required.append(name)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def schema_parameters(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    """
    Name, type and default of each parameter.

    Raises:
        ToolError: a parameter has no annotation or is variadic.
    """
    name = _called_for_schema(function)
    try:
        hints = get_type_hints(_annotated_for_schema(function), include_extras=True)
    except Exception as exc:
        raise ToolError(f"annotations of {name} cannot be read: {exc}") from exc
    found = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        ):
            raise ToolError(
                f"{name}: parameter {parameter} cannot be given by name; "
                "a tool takes named parameters only"
            )
        if parameter.name not in hints:
            raise ToolError(
                f"{name}: parameter {parameter.name!r} needs an annotation, from "
                "which the model learns what to pass"
            )
        found.append((parameter.name, hints[parameter.name], parameter.default))
    return found


def _called_for_schema(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _annotated_for_schema(function: Callable[..., Any]) -> Any:
    """What holds the annotations of a function, a partial or a callable object."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    return type(function).__call__


def type_schema(kind: object, *, where: str = "") -> dict[str, Any]:
    """
    The JSON schema of a type.

    Args:
        kind: a plain type, Literal, Enum, Optional, Union, list, dict, attrs
            class, dataclass or TypedDict, nested as you like.
        where: named in the error.

    Raises:
        ToolError: the type has no JSON form, or contains itself.
    """
    return _schema_of_type(kind, where, ())


def is_typed_dict_in_schema(kind: object) -> bool:
    """
    Whether a type is a TypedDict.
    """
    return is_typeddict(kind)


def parameter_texts_for_schema(doc: str) -> dict[str, str]:
    """
    What a docstring says of each parameter.

    In an ``Args`` section, ``Attributes`` for a class, or as Sphinx's fields
    (``:param name: text``).
    """
    texts: dict[str, str] = _doc_fields_for_schema(doc)
    lines = iter(doc.splitlines())
    for line in lines:
        if _SECTION.match(line.strip()):
            break
    current, depth = None, 0
    for line in lines:
        entry = _ENTRY.match(line)
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent == 0:
            break
        if entry and (current is None or indent <= depth):
            current, depth = entry[2], indent
            texts[current] = entry[3].strip()
        elif current is not None and line.strip():
            texts[current] = f"{texts[current]} {line.strip()}".strip()
    return texts


def _doc_fields_for_schema(doc: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    current = None
    for line in doc.splitlines():
        entry = _FIELD.match(line.strip())
        if entry:
            current = entry[1]
            texts[current] = entry[2].strip()
        elif current is not None and line[:1].isspace() and line.strip():
            texts[current] = f"{texts[current]} {line.strip()}".strip()
        else:
            current = None
    return texts


def summary_for_schema(doc: str) -> str:
    """
    What a docstring says before its first section.
    """
    kept = []
    for line in doc.splitlines():
        if _END.match(line):
            break
        kept.append(line)
    return "\n".join(kept).strip()


def _schema_of_type(
    kind: object, where: str, inside: tuple[Any, ...]
) -> dict[str, Any]:
    origin, args = get_origin(kind), get_args(kind)
    if isinstance(kind, Hashable) and kind in _PLAIN:
        return dict(_PLAIN[kind])
    if origin is Annotated:
        schema = _schema_of_type(args[0], where, inside)
        texts = [each for each in args[1:] if isinstance(each, str)]
        return {**schema, "description": texts[0]} if texts else schema
    if origin in (Required, NotRequired):
        return _schema_of_type(args[0], where, inside)
    if origin is Literal:
        return _choices_schema(list(args))
    if origin in (Union, types.UnionType):
        return _union_schema(args, where, inside)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _choices_schema([member.value for member in kind])
    if origin in ARRAYS or kind in ARRAYS:
        return _array_schema(origin or kind, args, where, inside)
    if origin in OBJECTS or kind in OBJECTS:
        return _mapping_schema(args, where, inside)
    return _record_schema(kind, where, inside)


def _schema_with_text(schema: dict[str, Any], text: Optional[str]) -> dict[str, Any]:
    if not text or "description" in schema:
        return schema
    return {**schema, "description": text}


def _choices_schema(values: list[Any]) -> dict[str, Any]:
    kinds = {type(value) for value in values}
    schema: dict[str, Any] = {"enum": values}
    if len(kinds) == 1 and kinds <= set(_PLAIN):
        return {**_PLAIN[kinds.pop()], **schema}
    return schema


def _union_schema(
    args: tuple[Any, ...], where: str, inside: tuple[Any, ...]
) -> dict[str, Any]:
    schemas = [_schema_of_type(each, where, inside) for each in args]
    types_only = [s.get("type") for s in schemas]
    if all(set(s) == {"type"} for s in schemas):
        return {"type": types_only}
    return {"anyOf": schemas}


def _array_schema(
    origin: object, args: tuple[Any, ...], where: str, inside: tuple[Any, ...]
) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "array"}
    if origin is tuple and args and args[-1] is not Ellipsis:
        schema["prefixItems"] = [_schema_of_type(each, where, inside) for each in args]
        schema["minItems"] = schema["maxItems"] = len(args)
        return schema
    if args:
        schema["items"] = _schema_of_type(args[0], where, inside)
    if origin in (set, frozenset, Set):
        schema["uniqueItems"] = True
    return schema


def _mapping_schema(
    args: tuple[Any, ...], where: str, inside: tuple[Any, ...]
) -> dict[str, Any]:
    if not args:
        return {"type": "object"}
    if args[0] is not str:
        raise ToolError(f"{where}: the keys of a JSON object are text, not {args[0]}")
    return {
        "type": "object",
        "additionalProperties": _schema_of_type(args[1], where, inside),
    }


def _record_schema(kind: object, where: str, inside: tuple[Any, ...]) -> dict[str, Any]:
    fields = _fields_for_schema(kind)
    if not isinstance(kind, type) or fields is None:
        raise ToolError(f"{where}: {kind!r} has no JSON form")
    if kind in inside:
        raise ToolError(f"{where}: {kind.__name__} contains itself")
    doc = inspect.getdoc(kind) or ""
    texts = parameter_texts_for_schema(doc)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            name: _schema_with_text(
                _schema_of_type(each, f"{where}.{name}", (*inside, kind)),
                texts.get(name),
            )
            for name, (each, _) in fields.items()
        },
        "required": [name for name, (_, needed) in fields.items() if needed],
        "additionalProperties": False,
    }
    if doc and not doc.startswith((f"{kind.__name__}(", "dict(")):
        schema["description"] = summary_for_schema(doc)
    return schema


def _fields_for_schema(kind: object) -> Optional[dict[str, tuple[Any, bool]]]:
    """Name -> (type, whether it is required), or None for no record type."""
    if not isinstance(kind, type):
        return None
    try:
        hints = get_type_hints(kind, include_extras=True)
    except Exception as exc:
        raise ToolError(
            f"annotations of {kind.__name__} cannot be read: {exc}"
        ) from exc
    if attrs.has(kind):
        return {
            each.alias or each.name: (hints[each.name], each.default is attrs.NOTHING)
            for each in attrs.fields(kind)
            if each.init
        }
    if dataclasses.is_dataclass(kind):
        return {
            each.name: (
                hints[each.name],
                each.default is dataclasses.MISSING
                and each.default_factory is dataclasses.MISSING,
            )
            for each in dataclasses.fields(kind)
            if each.init
        }
    if is_typeddict(kind):
        needed = kind.__required_keys__  # type: ignore[attr-defined]
        return {name: (each, name in needed) for name, each in hints.items()}
    return None
