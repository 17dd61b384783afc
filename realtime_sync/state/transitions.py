"""
What may follow what: responses, items.

The tables are the specification, and the documentation draws its diagrams from
them. A state without a way out is terminal and absorbs whatever comes later.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Optional, Union

from ..types import Unset

RESPONSE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "in_progress": frozenset({"completed", "cancelled", "failed", "incomplete"}),
        "completed": frozenset(),
        "cancelled": frozenset(),
        "failed": frozenset(),
        "incomplete": frozenset(),
    }
)
"""Status of a response -> the statuses that may come next."""

ITEM: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "in_progress": frozenset({"completed", "incomplete", "failed"}),
        "completed": frozenset(),
        "incomplete": frozenset(),
        "failed": frozenset(),
    }
)
"""Status of an item -> the statuses that may come next; MCP calls may fail."""


def is_settled(table: Mapping[str, frozenset[str]], status: Optional[str]) -> bool:
    """Say whether a status is terminal; statuses that nobody knows are not."""
    return status is not None and status in table and not table[status]


def final_response_status(current: str, reported: Union[str, None, Unset]) -> str:
    """
    Return the status in which `response.done` leaves a response.

    Statuses are an open set, so one that `RESPONSE` does not have is kept. A
    server that leaves the status out, or names one that cannot follow, such as
    ``in_progress``, says by ``done`` alone that the response came to its end.
    """
    if not reported:
        return "completed"
    possible = reported not in RESPONSE or reported in RESPONSE[current]
    return reported if possible else "completed"


def item_status_after(response_status: str) -> str:
    """Return what becomes of an unfinished item when its response has ended."""
    return "completed" if response_status == "completed" else "incomplete"


def next_item_status(
    current: Optional[str], reported: Optional[str], *, concluded: bool = False
) -> Optional[str]:
    """
    Return the status of an item after a report; a settled one stays.

    Args:
        current: the status so far.
        reported: what the server says.
        concluded: nobody has said the status so far; a later end holds then.
    """
    if not reported:
        return current
    if is_settled(ITEM, current) and not (concluded and is_settled(ITEM, reported)):
        return current
    return reported
