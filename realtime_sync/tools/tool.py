"""One function that the model may call."""

from __future__ import annotations

import contextvars
import inspect
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Optional, ParamSpec, TypeVar

import attrs
from attrs import frozen

from ..errors import ToolError
from .argument_types import ArgumentMisfit, argument_converter, structured_argument
from .calls import ToolCall
from .schema import function_schema, schema_parameters, summary_for_schema

Given = ParamSpec("Given")
Result = TypeVar("Result")

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


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
        timeout: seconds that it may take, the approval included.
        approve: asked with the `ToolCall` before it runs, in the same thread;
            what is not true refuses, and so does an exception.
        hint: said to the user when it takes longer than `hint_after`, by an
            out-of-band response.
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
    _takes_call: Optional[str] = None
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
            ToolError: it is a coroutine function, it has no name that the
                service takes, or a parameter cannot be described.
        """
        if not callable(function):
            raise ToolError(f"a tool must be callable, not {function!r}")
        name = name or getattr(function, "__name__", None) or ""
        if not _NAME.fullmatch(name):
            raise ToolError(
                f"{function!r} needs a name of letters, digits, _ and -, at most 64: "
                'tool(..., name="...")'
            )
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)
        ):
            raise ToolError(
                f"{name} is a coroutine function; tools are plain functions, called "
                "in a thread"
            )
        described = description or summary_for_schema(inspect.getdoc(function) or "")
        return cls(
            function=function,
            name=name,
            description=described,
            parameters=function_schema(function),
            record=_tool_record(function),
            takes_call=_tool_call_parameter(function),
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
            given = json.loads(text or "{}", parse_constant=_refuse_constant_for_tool)
        except (ValueError, RecursionError) as exc:
            raise BadArguments(f"the arguments are not JSON: {exc}") from exc
        if not isinstance(given, dict):
            raise BadArguments("the arguments must be a JSON object")
        try:
            record = structured_argument(_converter, given, self._record)
        except ArgumentMisfit as exc:
            raise BadArguments(str(exc)) from exc
        return {
            each.name: getattr(record, each.name) for each in attrs.fields(self._record)
        }

    def approves(self, call: ToolCall) -> bool:
        """
        Whether a call may run, by the hook.
        """
        return self.approve is None or bool(self._within(self.approve, call))

    def run(self, call: ToolCall) -> str:
        """
        Call the function and give its result as text.
        """
        arguments = dict(call.arguments)
        if self._takes_call is not None:
            arguments[self._takes_call] = call
        return tool_result_text(self._within(self.function, **arguments))

    def _within(
        self,
        function: Callable[Given, Result],
        *args: Given.args,
        **kwargs: Given.kwargs,
    ) -> Result:
        """Call in a fresh copy of the context that the tool was registered in."""
        context = (self._context or contextvars.copy_context()).copy()
        return context.run(function, *args, **kwargs)


def tool_result_text(value: object) -> str:
    """
    A result in the form that the model reads: text as it is, the rest as JSON.
    """
    if inspect.isgenerator(value):
        value = list(value)
    text = value
    if not isinstance(text, str):
        plain = _converter.unstructure(value)
        text = json.dumps(plain, ensure_ascii=False, default=str)
    # Half a surrogate pair cannot be sent.
    return str(text).encode("utf-8", "replace").decode("utf-8")


def _tool_record(function: Callable[..., Any]) -> Any:
    fields = {}
    for name, kind, default in schema_parameters(function):
        if kind is ToolCall:
            continue
        empty = default is inspect.Parameter.empty
        fields[name] = attrs.field(
            type=kind, default=attrs.NOTHING if empty else default, alias=name
        )
    return attrs.make_class("Arguments", fields, kw_only=True)


def _tool_call_parameter(function: Callable[..., Any]) -> Optional[str]:
    found = [name for name, kind, _ in schema_parameters(function) if kind is ToolCall]
    if len(found) > 1:
        raise ToolError(f"{found[1]!r} is a second parameter for the ToolCall")
    return found[0] if found else None


def _refuse_constant_for_tool(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_converter = argument_converter()
