"""Budgets of live sessions: by their seconds, and by the tokens of the backend."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync import live
from realtime_sync.telemetry import Budget, BudgetExceeded, Tokens
from tests.session.live.live_session import SESSION, LiveServer, live_session


def told(server: LiveServer, seconds: float) -> None:
    """The service says what the session has taken so far, all of it."""
    usage = {"seconds": seconds}
    server.feed({"type": "session.usage.updated", "usage": usage})


def worked(server: LiveServer, taken: int, given: int) -> None:
    """The backend has answered."""
    usage = {"input_tokens": taken, "output_tokens": given}
    response = {"id": "r", "model": "m", "usage": usage}
    event = {"type": "response.completed", "response": response}
    server.feed({"type": "response.event", "delegation_id": "item_1", "event": event})


def test_session_that_takes_too_long_is_closed() -> None:
    """What was told before is not counted again."""
    budget = Budget(30.0, measure=lambda tokens: tokens.seconds)
    with live_session() as (session, server):
        budget.guard(session)
        for seconds in (14.0, 29.0):
            told(server, seconds)
        assert (29.0, 1.0) == (budget.spent, budget.left)
        assert session.is_open
        told(server, 44.0)

        assert 44.0 == budget.spent
        with pytest.raises(BudgetExceeded):
            budget.check()
        session.run_forever()
        assert session.close_report.confirmed


def test_tokens_of_the_backend_count() -> None:
    """Each once, whoever guards how many sessions."""
    exceeded: list[Any] = []
    budget = Budget(100, on_exceeded=exceeded.append)
    with live_session() as (one, first), live_session() as (other, second):
        budget.guard(one)
        budget.guard(other)
        worked(first, 40, 10)
        told(first, 14.0)
        told(first, 29.0)
        worked(second, 30, 5)
        told(second, 14.0)
        before = list(exceeded)
        worked(first, 30, 5)
        told(first, 44.0)

    assert [] == before
    assert 1 == len(exceeded)
    assert (120, 100, 20, 58.0) == (
        budget.tokens.total,
        budget.tokens.input,
        budget.tokens.output,
        budget.tokens.seconds,
    )


def test_seconds_of_a_session_that_took_the_place_of_another_are_added() -> None:
    """Its clock begins at zero; the tokens of its backend do not."""
    budget = Budget(1000)
    with live_session(config=live.LiveConfig()) as (session, server):
        budget.guard(session)
        worked(server, 4, 1)
        told(server, 14.0)
        again = {**SESSION, "id": "live_u0_2"}
        server.feed({"type": "session.started", "session": again})
        worked(server, 6, 2)
        told(server, 10.0)

    assert Tokens(total=13, input=10, output=3, seconds=24.0) == budget.tokens
