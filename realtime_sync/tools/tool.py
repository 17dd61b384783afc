"""One function that the model may call."""

from __future__ import annotations

import contextvars
import enum
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, Optional

import attrs
import cattrs
from attrs import frozen
from cattrs.errors import BaseValidationError

from ..errors import ToolError
from .schema import function_schema, parameters_of, summary


class BadArguments(Exception):
    """The model's arguments do not fit; the message goes back to it."""


@frozen(kw_only=True, eq=False)
class Tool:
    """
    A function with what the model is told of it.

    Attributes:
        function: runs in a worker thread.
        name: by which the model calls it.
        description: what it is good for.
        parameters: JSON schema of its parameters.
        timeout: seconds that it may take.
        approve: asked with the `ToolCall` before it runs; False refuses.
        hint: said to the user when it takes longer than `hint_after`.
        hint_after: seconds.
    """

    function: Callable[..., Any]
    name: str
    description: str
    parameters: Mapping[str, Any]
    timeout: float = 30.0
    approve: Optional[Callable[[Any], Any]] = None
    hint: Optional[str] = None
    hint_after: float = 2.0
    _record: Any = None
    _context: Optional[contextvars.Context] = None

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        *,
        name: Optional[str] = None,
        description: Optional[str] = None,
        **options: Any,
    ) -> Tool:
        """
        Describe a function.

        Raises:
            ToolError: it is a coroutine function, or a parameter cannot be
                described.
        """
        if not callable(function):
            raise ToolError(f"a tool must be callable, not {function!r}")
        if inspect.iscoroutinefunction(function):
            raise ToolError(
                f"{function.__name__} is a coroutine function; tools are plain "
                "functions, called in a thread"
            )
        return cls(
            function=function,
            name=name or function.__name__,
            description=description or summary(inspect.getdoc(function) or ""),
            parameters=function_schema(function),
            record=_record_of(function),
            context=contextvars.copy_context(),
            **options,
        )

    def definition(self) -> dict[str, Any]:
        """
        The tool as `session.update` takes it.
        """
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": dict(self.parameters),
        }

    def arguments(self, text: Optional[str]) -> dict[str, Any]:
        """
        The keyword arguments in what the model sent.

        Raises:
            BadArguments: it is not JSON, or does not fit the parameters.
        """
        try:
            given = json.loads(text or "{}")
        except ValueError as exc:
            raise BadArguments(f"the arguments are not JSON: {exc}") from exc
        if not isinstance(given, dict):
            raise BadArguments("the arguments must be a JSON object")
        try:
            record = _converter.structure(given, self._record)
        except BaseValidationError as exc:
            raise BadArguments("; ".join(cattrs.transform_error(exc))) from exc
        return {
            each.name: getattr(record, each.name) for each in attrs.fields(self._record)
        }

    def run(self, arguments: Mapping[str, Any]) -> str:
        """
        Call the function and give its result as text.
        """
        context = (self._context or contextvars.copy_context()).copy()
        return as_text(context.run(self.function, **arguments))


def as_text(value: Any) -> str:
    """
    A result in the form that the model reads: text as it is, the rest as JSON.
    """
    if isinstance(value, str):
        return value
    return json.dumps(_converter.unstructure(value), ensure_ascii=False, default=str)


def _record_of(function: Callable[..., Any]) -> Any:
    fields = {}
    for name, kind, default in parameters_of(function):
        empty = default is inspect.Parameter.empty
        fields[name] = attrs.field(
            type=kind, default=attrs.NOTHING if empty else default, alias=name
        )
    return attrs.make_class(function.__name__, fields, kw_only=True)


def _strict(*allowed: type) -> Callable[[Any, Any], Any]:
    def structure(value: Any, kind: Any) -> Any:
        if type(value) not in allowed:
            names = " or ".join(each.__name__ for each in allowed)
            raise ValueError(f"expected {names}, not {value!r}")
        return kind(value)

    return structure


def _structure_enum(value: Any, kind: Any) -> Any:
    return kind(value)


def _new_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(str, _strict(str))
    converter.register_structure_hook(bool, _strict(bool))
    converter.register_structure_hook(int, _strict(int))
    converter.register_structure_hook(float, _strict(int, float))
    converter.register_structure_hook_func(
        lambda kind: isinstance(kind, type) and issubclass(kind, enum.Enum),
        _structure_enum,
    )
    return converter


_converter = _new_converter()
