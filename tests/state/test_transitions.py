"""The tables of what may follow what."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from realtime_sync.state import transitions


@pytest.mark.parametrize("table", [transitions.RESPONSE, transitions.ITEM])
def test_every_state_that_can_be_reached_is_in_the_table(
    table: Mapping[str, frozenset[str]],
) -> None:
    """No transition leads out of the table."""
    assert set().union(*table.values()) <= set(table)


@pytest.mark.parametrize("status", ["completed", "cancelled", "failed", "incomplete"])
def test_the_end_of_a_response_is_terminal(status: str) -> None:
    """From the end there is no way on."""
    assert transitions.is_settled(transitions.RESPONSE, status)
    assert status in transitions.RESPONSE["in_progress"]


def test_a_status_that_nobody_knows_is_not_terminal() -> None:
    """A vendor's own word does not end anything."""
    assert not transitions.is_settled(transitions.RESPONSE, "pondering")
    assert not transitions.is_settled(transitions.ITEM, None)


@pytest.mark.parametrize(
    ("reported", "final"),
    [
        ("completed", "completed"),
        ("cancelled", "cancelled"),
        ("stopped", "stopped"),
        ("in_progress", "completed"),
        ("", "completed"),
        (None, "completed"),
    ],
)
def test_done_gives_a_final_status(reported: object, final: str) -> None:
    """`response.done` ends a response whatever it calls the status."""
    assert final == transitions.final_response_status("in_progress", reported)


@pytest.mark.parametrize(
    ("current", "reported", "following"),
    [
        (None, "in_progress", "in_progress"),
        ("in_progress", "completed", "completed"),
        ("in_progress", None, "in_progress"),
        ("completed", "in_progress", "completed"),
        ("incomplete", "completed", "incomplete"),
    ],
)
def test_an_item_never_goes_back(
    current: object, reported: object, following: object
) -> None:
    """A settled status stays, and saying nothing changes nothing."""
    assert following == transitions.next_item_status(current, reported)


def test_unfinished_items_end_with_their_response() -> None:
    """Items of a completed response are complete, others are not."""
    assert "completed" == transitions.item_status_after("completed")
    assert "incomplete" == transitions.item_status_after("cancelled")
    assert "incomplete" == transitions.item_status_after("failed")


@pytest.mark.parametrize("current", transitions.RESPONSE)
@pytest.mark.parametrize("reported", transitions.RESPONSE)
def test_no_response_takes_a_step_that_the_table_does_not_have(
    current: str, reported: str
) -> None:
    """A status that cannot follow says no more than that it is over."""
    possible = reported in transitions.RESPONSE[current]

    assert (reported if possible else "completed") == (
        transitions.final_response_status(current, reported)
    )
