"""Budgets of live sessions: by their seconds, and by the tokens of the backend."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest

from realtime_sync import live
from realtime_sync.deadline import Flag
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


def test_seconds_until_the_end_count() -> None:
    """The service tells them when it closes; those told before count once."""
    budget = Budget(100.0, measure=lambda tokens: tokens.seconds)
    for earlier in ((), (14.0,), (14.0, 18.0)):
        before = budget.spent
        with live_session() as (session, server):
            budget.guard(session)
            for seconds in earlier:
                told(server, seconds)

        assert 18.0 == budget.spent - before


def test_end_that_takes_too_much_is_told_and_closes_the_others() -> None:
    """The session that ends may be the one that crosses the limit."""
    budget = Budget(17.0, measure=lambda tokens: tokens.seconds)
    with live_session() as (other, _), live_session() as (session, _):
        budget.guard(other)
        budget.guard(session)
        session.close()

        assert not other.is_open
    assert 36.0 == budget.spent
    with pytest.raises(BudgetExceeded):
        budget.check()


def test_end_that_says_no_seconds_takes_none_away() -> None:
    """What was told before stays counted."""
    ending = {"type": "session.closed", "reason": "hangup", "session": SESSION}
    for usage in ({}, {"usage": {}}, {"usage": None}, {"usage": {"seconds": "18"}}):
        budget = Budget(100.0, measure=lambda tokens: tokens.seconds)
        with live_session() as (session, server):
            budget.guard(session)
            told(server, 14.0)
            server.feed({**ending, **usage})
            assert 14.0 == budget.spent


def test_budget_that_is_cancelled_counts_no_end_either() -> None:
    """One subscription is for all that the service tells."""
    budget = Budget(100.0)
    with live_session() as (session, server):
        counting = budget.guard(session)
        told(server, 14.0)
        counting.cancel()
        told(server, 16.0)

    assert 14.0 == budget.tokens.seconds


def test_budget_counts_what_an_unconfirmed_end_leaves_untold() -> None:
    """The tokens of the backend are known, though no usage was told since."""
    budget = Budget(1000)
    with live_session() as (session, server):
        budget.guard(session)
        worked(server, 40, 10)
        session.close(drain=False)

    assert 50 == budget.tokens.total


def test_measure_may_look_at_the_budget() -> None:
    """It is a function of the program, and called under no lock."""
    locked: list[bool] = []

    def measure(tokens: Any) -> float:
        looked = Flag()
        # In a thread: one that waits for the lock must not hold up the test.
        Thread(target=lambda: (budget.tokens, looked.set()), daemon=True).start()
        locked.append(not looked.wait(10))
        return float(tokens.seconds)

    budget = Budget(10, measure=measure)
    with live_session() as (session, server):
        budget.guard(session)
        server.feed({"type": "session.usage.updated", "usage": {"seconds": 4.0}})

    assert locked and not any(locked)
