"""The table of a session's life, and what the code makes of it."""

from __future__ import annotations

import pytest

from realtime_sync import RealtimeClient, Router, connect
from realtime_sync.errors import ConnectionClosedOK, LocalProtocolError
from realtime_sync.session.lifecycle import LIFE, LifecycleStep, State
from realtime_sync.testing import MemoryTransport


def test_every_state_has_a_row_and_is_reached() -> None:
    """A state that nothing leads to would be a lie in the table."""
    reached = {after for row in LIFE.values() for after in row.values()}

    assert set(State) == set(LIFE)
    assert set(State) - {State.NEW} <= reached


def test_what_is_over_is_not_opened_again() -> None:
    """From the end only a fork leads elsewhere, and from there nothing."""
    assert {State.CLOSED, State.FORKED} == set(LIFE[State.CLOSED].values())
    assert {} == LIFE[State.FORKED]


def test_a_fork_is_possible_everywhere_but_in_the_child() -> None:
    """A process may be forked at any moment."""
    assert {s for s, row in LIFE.items() if LifecycleStep.FORK not in row} == {
        State.FORKED
    }


def test_the_code_follows_the_table_from_the_first_step_to_the_last() -> None:
    """New, open, closed; and opened only once."""
    session = connect(
        "m", transport=MemoryTransport(), dispatch="inline", router=Router()
    )
    opened = session.is_open, session.closed
    with pytest.raises(LocalProtocolError, match="once"):
        session.open()
    report = session.close()

    assert (True, False) == opened
    assert (False, True) == (session.is_open, session.closed)
    assert report.complete


def test_a_close_while_the_connection_is_made_is_carried_out() -> None:
    """The closing thread finds no connection yet; the opening one sees to it."""

    def dial() -> MemoryTransport:
        session.close()
        return MemoryTransport()

    session = RealtimeClient(api_key="k").session(
        "m", transport=dial, router=Router(), dispatch="inline"
    )
    with pytest.raises(ConnectionClosedOK):
        session.open().input_audio_buffer.clear()

    assert (False, True) == (session.is_open, session.closed)
