"""The ledger of turns, tokens by kind, and the guard of a budget."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync import Router, Session, connect
from realtime_sync.errors import ConfigurationError
from realtime_sync.server import Server
from realtime_sync.telemetry import (
    Budget,
    BudgetExceeded,
    Ledger,
    Spread,
    Tokens,
    Turn,
)
from realtime_sync.testing import MemoryTransport

MODEL = "gpt-realtime-2.1"
USAGE = {
    "total_tokens": 10,
    "input_tokens": 7,
    "output_tokens": 3,
    "input_token_details": {
        "text_tokens": 5,
        "audio_tokens": 2,
        "cached_tokens": 4,
        "cached_tokens_details": {"text_tokens": 3, "audio_tokens": 1},
    },
    "output_token_details": {"text_tokens": 1, "audio_tokens": 2},
}


@pytest.fixture
def session(server: Server) -> Iterator[Session]:
    """A session with it."""
    with connect(MODEL, base_url=server.url, name="till") as opened:
        yield opened


def test_tokens_are_split_as_they_are_billed() -> None:
    """Text and audio, cached and not; two counts add up."""
    tokens = Tokens.of(USAGE)

    assert (7, 5, 2) == (tokens.input, tokens.input_text, tokens.input_audio)
    assert (4, 3, 1) == (tokens.cached, tokens.cached_text, tokens.cached_audio)
    assert 20 == Tokens.sum([tokens, tokens]).total


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"total_tokens": "many"},
        {"total_tokens": True},
        {"total_tokens": -5, "input_tokens": float("nan")},
        {"total_tokens": float("inf"), "output_tokens": -1e300},
        {"x": []},
        7,
    ],
)
def test_odd_usage_counts_as_nothing(usage: object) -> None:
    """Other servers leave it out, or fill it as they like; no budget is given back."""
    assert Tokens() == Tokens.of(usage)


def test_spread_of_nothing_has_no_figures() -> None:
    """It says so without raising."""
    assert Spread() == Spread.of([])


def test_ledger_has_the_turns_of_a_session(session: Session) -> None:
    """Times in milliseconds, tokens, the final status, and who it was."""
    seen: list[Turn] = []
    ledger = Ledger(on_turn=seen.append)
    ledger.watch(session)
    for word in ("one", "two", "three"):
        session.ask(word, timeout=10)
    session.flush()

    assert 3 == ledger.count == len(seen)
    assert {"till"} == {turn.session for turn in ledger.turns}
    assert {"completed"} == {turn.status for turn in ledger.turns}
    assert ledger.tokens == Tokens.sum(Tokens.of(turn.usage) for turn in ledger.turns)
    assert ledger.tokens.total == session.snapshot.usage.total_tokens > 0
    spread = ledger.spread("done_ms")
    assert 3 == spread.count
    assert 0 <= (spread.p50 or -1) <= (spread.p95 or -1) <= (spread.longest or -1)
    assert 3 == len(ledger.to_dict()["turns"])


def test_turns_are_rows_of_a_data_frame() -> None:
    """A column for each figure, and no cell that would have to be taken apart."""
    ledger = Ledger()
    usage = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
    ledger.add(Turn(response_id="a", usage=usage, moments={"first_audio": 0.25}))
    ledger.add(Turn(response_id="b", status="cancelled", interrupted=True))
    frame = ledger.to_dataframe()

    assert ["a", "b"] == list(frame["response_id"])
    assert 250.0 == frame["first_audio_ms"][0]
    assert [12, 0] == list(frame["total_tokens"])
    assert [7, 5] == [frame[name][0] for name in ("input_tokens", "output_tokens")]
    assert not any(isinstance(each, (dict, tuple)) for each in frame.iloc[0])


def test_without_pandas_there_are_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a sentence that says what is missing."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    ledger = Ledger()
    ledger.add(Turn(response_id="a"))

    assert "a" == ledger.rows()[0]["response_id"]
    with pytest.raises(ConfigurationError, match="pandas"):
        ledger.to_dataframe()


def test_one_ledger_has_the_turns_of_a_router(server: Server) -> None:
    """A service counts all of its sessions at once."""
    router, ledger = Router(), Ledger()
    ledger.watch(router)
    for name in ("a", "b"):
        with connect(MODEL, base_url=server.url, router=router, name=name) as session:
            session.ask("Hello", timeout=10)

    assert ["a", "b"] == [turn.session for turn in ledger.turns]


def test_ledger_keeps_the_latest_turns_and_all_sums() -> None:
    """Memory is bounded; nothing is lost from the totals."""
    ledger = Ledger(keep=2)
    for number in range(5):
        ledger.add(Turn(usage={"total_tokens": 1}, moments={"done": float(number)}))

    assert (5, 5) == (ledger.count, ledger.tokens.total)
    assert [3000.0, 4000.0] == [turn.after_ms("done") for turn in ledger.turns]


def test_unknown_time_is_refused() -> None:
    """A misspelt name is no empty spread."""
    with pytest.raises(ValueError, match="first_audio_ms"):
        Ledger().spread("first_sound")


def test_budget_that_is_passed_closes_the_session(session: Session) -> None:
    """The response that crosses the limit is completed; then it is over."""
    budget = Budget(1)
    budget.guard(session)
    over = threading.Event()
    session.on("connection.closed", lambda event: over.set())
    session.ask("Hello", timeout=10)

    assert over.wait(10)

    assert session.closed
    assert 0 == budget.left
    with pytest.raises(BudgetExceeded, match="budget of 1") as caught:
        budget.check()
    assert 1 == caught.value.limit < caught.value.spent


def test_budget_calls_back_once(session: Session) -> None:
    """With a callback the session goes on, and the callback is not repeated."""
    seen: list[BudgetExceeded] = []
    budget = Budget(
        0.000_01,
        measure=lambda tokens: tokens.output * 0.001,
        on_exceeded=seen.append,
    )
    budget.guard(session)
    for word in ("one", "two"):
        session.ask(word, timeout=10)
    session.flush()

    assert 1 == len(seen)
    assert session.is_open


def test_budget_that_is_not_passed_changes_nothing(session: Session) -> None:
    """What is left is told in the unit of the budget."""
    budget = Budget(1_000_000)
    budget.guard(session)
    session.ask("Hello", timeout=10)
    session.flush()
    budget.check()

    assert budget.left == 1_000_000 - budget.tokens.total
    assert session.is_open


def over(response_id: object, usage: object = USAGE) -> dict[str, Any]:
    """The end of a response that took 10 tokens."""
    response = {"id": response_id, "status": "completed", "usage": usage}
    return {"type": "response.done", "response": response}


@pytest.mark.parametrize(
    ("total", "said"),
    [
        (10, [over("r1"), over("r1")]),
        (10, [over("r1"), over("r1", None), over("r1")]),
        (10, [over("r1", None), over("r1")]),
        (20, [over("r1"), over("r2"), over("r1"), over("r2")]),
        (20, [over(None), over(None)]),
        (20, [over(""), over("")]),
    ],
    ids=["twice", "thrice", "late", "two by turns", "no id", "empty id"],
)
def test_budget_counts_a_response_once_however_often_it_is_over(
    total: int, said: list[dict[str, Any]]
) -> None:
    """Two that nothing tells apart are two; an end without usage counts nothing."""
    transport = MemoryTransport()
    budget = Budget(1_000)
    with connect("m", transport=transport, dispatch="inline") as session:
        budget.guard(session)
        transport.feed(*said)

        assert total == budget.tokens.total


def test_budget_counts_responses_of_one_name_in_two_sessions() -> None:
    """Ids are the server's, and there may be two servers."""
    budget = Budget(1_000)
    for _ in range(2):
        transport = MemoryTransport()
        with connect("m", transport=transport, dispatch="inline") as session:
            budget.guard(session)
            transport.feed(over("r1"))

    assert 20 == budget.tokens.total


def test_negative_budget_is_refused() -> None:
    """It would close every session at its first answer."""
    with pytest.raises(ValueError, match="-1"):
        Budget(-1)
