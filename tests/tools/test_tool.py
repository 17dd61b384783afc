"""One tool: its arguments and its result."""

from __future__ import annotations

import contextvars
import dataclasses
import enum
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Optional, TypedDict, Union

import attrs
import pytest

from realtime_sync.errors import ToolError
from realtime_sync.tools import Tool, ToolCall
from realtime_sync.tools.tool import BadArguments, tool_result_text


@attrs.define
class Place:
    """A town."""

    city: str
    zip: Optional[int] = None


def find(place: Place, unit: Literal["C", "F"] = "C", deep: bool = False) -> Any:
    """Find something."""
    return {"place": place, "unit": unit, "deep": deep}


def test_arguments_are_structured() -> None:
    """Nested objects become the classes that the annotations name."""
    arguments = Tool.of(find).arguments('{"place": {"city": "Lima"}}')

    assert {"place": Place("Lima"), "unit": "C", "deep": False} == arguments


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[1]", "must be a JSON object"),
        ("{}", r"place"),
        ('{"place": {"city": 5}}', r"\$\.place\.city"),
        ('{"place": {"city": "x"}, "unit": "K"}', r"\$\.unit"),
        ('{"place": {"city": "x"}, "deep": "false"}', r"\$\.deep"),
        ('{"place": {"city": "x"}, "more": 1}', "more"),
        ('{"place": {"city": "x", "zip": "1"}}', r"\$\.place\.zip"),
        ('{"place": "x"}', r"an object, not 'x' @ \$\.place"),
        ('{"place": {"city": "x"}, "deep": NaN}', "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_bad_arguments_are_told_with_their_path(text: str, words: str) -> None:
    """The model learns which argument was wrong, and why."""
    with pytest.raises(BadArguments, match=words):
        Tool.of(find).arguments(text)


def test_results_become_text() -> None:
    """Text goes as it is, everything else as JSON."""
    assert "plain" == tool_result_text("plain")
    assert '{"place": {"city": "Lima", "zip": null}}' == tool_result_text(
        {"place": Place("Lima")}
    )


def test_a_tool_runs_in_the_context_of_its_registration() -> None:
    """A context variable set at the decorator is seen by the tool."""
    tenant = contextvars.ContextVar("tenant", default="nobody")
    token = tenant.set("acme")
    tool = Tool.of(lambda_tool(tenant))
    tenant.reset(token)

    assert "acme" == tool.run(ToolCall(name="who", call_id="c", arguments={}))


def lambda_tool(tenant: contextvars.ContextVar[str]) -> Any:
    """A tool that looks at a context variable."""

    def who() -> str:
        return tenant.get()

    return who


def test_coroutine_functions_are_refused() -> None:
    """Tools run in threads."""

    async def later() -> str:
        return ""

    with pytest.raises(ToolError, match="coroutine"):
        Tool.of(later)


def test_what_is_not_callable_is_refused() -> None:
    """The mistake fails at the line that makes it."""
    with pytest.raises(ToolError, match="callable"):
        Tool.of(5)  # type: ignore[arg-type]


def shaped(kind: Any) -> Tool:
    """A tool with one parameter of a type."""

    def take(x):  # type: ignore[no-untyped-def]
        return x

    take.__annotations__ = {"x": kind}
    return Tool.of(take)


class Colour(enum.Enum):
    """One of two."""

    RED = "r"
    BLUE = "b"


@dataclasses.dataclass
class Span:
    """From, to."""

    start: int
    end: Optional[int] = None


class Flags(TypedDict, total=False):
    """What may be said."""

    loud: bool


@attrs.define
class Private:
    """A field whose name for others has no underscore."""

    _secret: int


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Union[int, str], "a", "a"),
        (Union[float, int], 1, 1),
        (Union[list[int], str], [1], [1]),
        (Union[Place, Span, None], {"start": 1}, Span(1)),
        (Optional[Place], None, None),
        (int, 3.0, 3),
        (float, 3, 3.0),
        (Colour, "b", Colour.BLUE),
        (list[list[Span]], [[{"start": 1}]], [[Span(1)]]),
        (tuple[int, str], [1, "a"], (1, "a")),
        (tuple[int, ...], [1, 2], (1, 2)),
        (set[int], [1, 1], {1}),
        (Sequence[str], ["a"], ["a"]),
        (Mapping[str, Span], {"a": {"start": 1}}, {"a": Span(1)}),
        (dict, {"a": [1]}, {"a": [1]}),
        (list, [1, "a"], [1, "a"]),
        (Flags, {"loud": True}, {"loud": True}),
        (Private, {"secret": 1}, Private(1)),
        (Any, [1], [1]),
        (object, 5, 5),
        (None, None, None),
    ],
)
def test_what_the_schema_allows_is_taken(kind: Any, value: Any, expected: Any) -> None:
    """Whatever has a schema can be structured."""
    arguments = shaped(kind).arguments(json.dumps({"x": value}))

    assert {"x": expected} == arguments
    assert type(expected) is type(arguments["x"])


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (list[str], "abc", r"expected an array, not 'abc' @ \$\.x"),
        (list[Span], [{"start": 1}, {"start": "a"}], r"\$\.x\[1\]\.start"),
        (Mapping[str, int], {"a": "b"}, r"\$\.x\['a'\]"),
        (Mapping[str, int], [1], "expected an object"),
        (tuple[int, str], [1], "expected 2 elements, not 1"),
        (Union[int, str], [1], "fits nothing of"),
        (Optional[int], "1", r"a whole number, not '1' @ \$\.x"),
        (bool, 1, "true or false"),
        (int, True, "whole number"),
        (None, 1, "expected null"),
        (Colour, "g", "one of 'r', 'b'"),
        (Literal["a", 1], True, "one of 'a', 1"),
        (Flags, {"quiet": True}, "quiet"),
        (str, ["x" * 100], r"\.\.\. @"),
    ],
)
def test_nothing_is_made_to_fit(kind: Any, value: Any, words: str) -> None:
    """A misfit is told in words that the model can act on."""
    with pytest.raises(BadArguments, match=words):
        shaped(kind).arguments(json.dumps({"x": value}))


def test_a_function_may_look_at_its_call() -> None:
    """A parameter for the ToolCall is not the model's."""

    def who(x: int, call: ToolCall) -> str:
        return f"{call.call_id} {x}"

    who.__annotations__ = {"x": int, "call": ToolCall}
    tool = Tool.of(who)
    call = ToolCall(name="who", call_id="c", arguments=tool.arguments('{"x": 1}'))

    assert ["x"] == list(tool.parameters["properties"])
    assert "c 1" == tool.run(call)


def test_partials_and_callable_objects_are_tools_once_they_have_a_name() -> None:
    """What has no name of its own needs one."""

    class Doubler:
        """Doubles."""

        def __call__(self, x: int) -> int:
            return 2 * x

    Doubler.__call__.__annotations__["x"] = int
    partial = functools.partial(find, deep=True)

    assert {"x": 1} == Tool.of(Doubler(), name="twice").arguments('{"x": 1}')
    assert ["place"] == Tool.of(partial, name="dig").parameters["required"]
    with pytest.raises(ToolError, match="needs a name"):
        Tool.of(partial)
    with pytest.raises(ToolError, match="needs a name"):
        Tool.of(lambda: None)


def test_results_that_cannot_be_sent_are_made_sendable() -> None:
    """Generators are run to their end; half a surrogate pair is replaced."""
    assert "[1, 2]" == tool_result_text(each for each in (1, 2))
    assert "?" == tool_result_text("\ud800")
