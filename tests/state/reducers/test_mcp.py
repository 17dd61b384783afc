"""Tools of MCP servers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.state.mirror_builder import Mirror

LISTING = {"id": "l", "type": "mcp_list_tools", "server_label": "maps", "tools": []}
CALL = {
    "id": "m",
    "type": "mcp_call",
    "server_label": "maps",
    "name": "route",
    "arguments": "",
}


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_a_listing_may_begin_before_its_item(end: str) -> None:
    """Its status is told by events of its own."""
    mirror = Mirror()
    mirror.tell("mcp_list_tools.in_progress", item_id="l")
    assert ("mcp_list_tools", True) == (
        mirror.item("l").type,
        mirror.item("l").announced,
    )

    mirror.added(LISTING)
    mirror.done(LISTING)
    assert "in_progress" == mirror.item("l").status

    mirror.tell(f"mcp_list_tools.{end}", item_id="l")
    mirror.tell("mcp_list_tools.in_progress", item_id="l")

    assert (end, ["l"]) == (mirror.item("l").status, mirror.order)


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_a_call_is_made_by_the_server(end: str) -> None:
    """Arguments grow, the status follows, the output comes with the item."""
    mirror = Mirror()
    mirror.created()
    mirror.started(CALL)
    mirror.added(CALL)
    mirror.about("response.mcp_call_arguments.delta", "m", delta='{"to"')
    mirror.about("response.mcp_call_arguments.done", "m", arguments='{"to": "x"}')
    mirror.tell("response.mcp_call.in_progress", item_id="m", output_index=0)
    mirror.tell(f"response.mcp_call.{end}", item_id="m", output_index=0)
    over: dict[str, Any] = {**CALL, "arguments": '{"to": "x"}', "output": "left"}
    mirror.done(over)
    mirror.ended(over)

    item = mirror.item("m")
    assert (end, "left", '{"to": "x"}', "r") == (
        item.status,
        item.output,
        item.arguments,
        item.response_id,
    )
    assert ["disagreement"] == mirror.kinds


def test_an_event_about_no_item_is_noted() -> None:
    """The id is missing, or the item was deleted."""
    mirror = Mirror()
    mirror.tell("mcp_list_tools.failed")
    mirror.tell("conversation.item.deleted", item_id="l")
    mirror.tell("mcp_list_tools.failed", item_id="l")

    assert ["late_event", "unknown_item", "late_event"] == mirror.kinds


@pytest.mark.parametrize("begun", [False, True])
def test_a_call_may_fail_after_its_response_has_ended(begun: bool) -> None:
    """What the server says later wins over what was concluded."""
    mirror = Mirror()
    mirror.created()
    mirror.started(CALL)
    if begun:
        mirror.tell("response.mcp_call.in_progress", item_id="m")
    mirror.ended(CALL)
    assert "completed" == mirror.item("m").status

    mirror.tell("response.mcp_call.in_progress", item_id="m")
    assert "completed" == mirror.item("m").status
    mirror.tell("response.mcp_call.failed", item_id="m")
    mirror.tell("response.mcp_call.completed", item_id="m")

    assert "failed" == mirror.item("m").status


def test_a_call_with_an_error_has_failed() -> None:
    """Though no event of its own says so."""
    mirror = Mirror()
    mirror.created()
    mirror.ended({**CALL, "error": {"type": "http_error", "code": 500}})

    assert "failed" == mirror.item("m").status
