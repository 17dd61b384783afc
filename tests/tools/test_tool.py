"""One tool: its arguments and its result."""

from __future__ import annotations

import contextvars
from typing import Any, Literal, Optional

import attrs
import pytest

from realtime_sync.errors import ToolError
from realtime_sync.tools import Tool, ToolCall
from realtime_sync.tools.tool import BadArguments, as_text


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
    ],
)
def test_bad_arguments_are_told_with_their_path(text: str, words: str) -> None:
    """The model learns which argument was wrong, and why."""
    with pytest.raises(BadArguments, match=words):
        Tool.of(find).arguments(text)


def test_results_become_text() -> None:
    """Text goes as it is, everything else as JSON."""
    assert "plain" == as_text("plain")
    assert '{"place": {"city": "Lima", "zip": null}}' == as_text(
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
