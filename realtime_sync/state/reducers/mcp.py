"""Tools of MCP servers: listed and called by the server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union

from ..frozen_records import evolve_record
from ..items import Item
from ..snapshot import Snapshot
from ..snapshot_changes import find_item, note_anomaly, put_items, text_or_none
from ..transitions import next_item_status

if TYPE_CHECKING:
    from ...protocol import events

McpReport = Union[
    "events.McpListToolsInProgress",
    "events.McpListToolsCompleted",
    "events.McpListToolsFailed",
    "events.ResponseMcpCallInProgress",
    "events.ResponseMcpCallCompleted",
    "events.ResponseMcpCallFailed",
]
"""How far the server has come with something of an MCP server."""

LISTING = "mcp_list_tools"
CALL = "mcp_call"


def mcp_listing_in_progress(
    snapshot: Snapshot, event: events.McpListToolsInProgress
) -> Snapshot:
    """`mcp_list_tools.in_progress`: may come before the item."""
    return _reported_by_mcp(snapshot, event, LISTING, "in_progress")


def mcp_listing_completed(
    snapshot: Snapshot, event: events.McpListToolsCompleted
) -> Snapshot:
    """`mcp_list_tools.completed`: the tools can be used."""
    return _reported_by_mcp(snapshot, event, LISTING, "completed")


def mcp_listing_failed(
    snapshot: Snapshot, event: events.McpListToolsFailed
) -> Snapshot:
    """`mcp_list_tools.failed`: the MCP server could not be asked."""
    return _reported_by_mcp(snapshot, event, LISTING, "failed")


def mcp_call_in_progress(
    snapshot: Snapshot, event: events.ResponseMcpCallInProgress
) -> Snapshot:
    """`response.mcp_call.in_progress`: the server is calling the tool."""
    return _reported_by_mcp(snapshot, event, CALL, "in_progress")


def mcp_call_completed(
    snapshot: Snapshot, event: events.ResponseMcpCallCompleted
) -> Snapshot:
    """`response.mcp_call.completed`: the output comes with the item."""
    return _reported_by_mcp(snapshot, event, CALL, "completed")


def mcp_call_failed(
    snapshot: Snapshot, event: events.ResponseMcpCallFailed
) -> Snapshot:
    """`response.mcp_call.failed`: the error comes with the item."""
    return _reported_by_mcp(snapshot, event, CALL, "failed")


def _reported_by_mcp(
    snapshot: Snapshot, event: McpReport, kind: str, status: str
) -> Snapshot:
    """MCP items carry no status; these events are the only ones to tell it."""
    item_id = text_or_none(event.item_id)
    if item_id is None or item_id in snapshot._order.dead:
        detail = "there is no item that this can be about"
        return note_anomaly(
            snapshot, event, "late_event", detail, item_id=event.item_id
        )
    item = find_item(snapshot, item_id) or Item(id=item_id, type=kind, announced=True)
    changes: dict[str, Any] = {
        "status": next_item_status(item.status, status, concluded=item.concluded),
        "concluded": item.concluded and status == "in_progress",
    }
    return put_items(snapshot, evolve_record(item, changes))
