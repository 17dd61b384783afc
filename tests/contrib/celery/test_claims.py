"""Who has claimed a call, and what is said of one whose worker is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Optional

import pytest
from celery import Celery

from realtime_sync import RealtimeClient
from realtime_sync.contrib.celery import CallLost, CallOver, Fleet, NoAnswer, RemoteCall
from realtime_sync.contrib.celery.claims import (
    Claims,
    FolderClaims,
    RedisClaims,
    StateClaims,
    claims_in,
    new_claim_token,
    worker_of_claim,
)
from realtime_sync.contrib.celery.worker_presence import Presence
from realtime_sync.errors import ConfigurationError

from .answered_control import AnsweredControl

WAIT = 20.0


class FakeRedis:
    """As much of a client of Redis as claims take, in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def setnx(self, key: str, value: str) -> bool:
        """Is looked for."""
        raise AssertionError("set does that, with a time")

    def set(self, key: str, value: str, *, nx: bool, ex: int) -> Optional[bool]:
        """As Redis answers."""
        assert nx and ex > 0
        if key in self.kept:
            return None
        self.kept[key] = value.encode()
        return True

    def get(self, key: str) -> Optional[bytes]:
        """As Redis answers."""
        return self.kept.get(key)


class FakeBackend:
    """A backend with a client of Redis."""

    def __init__(self) -> None:
        self.client = FakeRedis()


@pytest.fixture(params=["redis", "folder"])
def claims(request: pytest.FixtureRequest, tmp_path: Path) -> Claims:
    """Claims that are made in one step."""
    if request.param == "redis":
        return claims_in(FakeBackend())
    app = Celery("claims", backend=tmp_path.as_uri(), set_as_current=False)
    return claims_in(app.backend)


ODD = ["calls:one", "calls:sip:a@pbx+1", "calls:" + "x" * 200, "a.b:c"]
"""Ids of tasks, as strange as they may be."""


@pytest.mark.parametrize("task", ODD)
def test_first_token_has_the_task_and_names_its_worker(
    claims: Claims, task: str
) -> None:
    """However often it asks; another worker, and another time of the same, has not."""
    mine, again = new_claim_token("a@host#1-x"), new_claim_token("a@host#1-x")
    nobody = claims.worker(task)
    answers = [claims.take(task, each, 60) for each in (mine, again, mine)]
    other = claims.take(task + "x", again, 60)

    assert None is nobody
    assert [True, False, True] == answers
    assert other
    assert "a@host#1-x" == claims.worker(task) == worker_of_claim(mine)


def test_claims_are_kept_where_the_backend_can(tmp_path: Path) -> None:
    """In one step where it has one, else by the state of the task."""
    folder = Celery("f", backend=tmp_path.as_uri(), set_as_current=False)
    cache = Celery("c", backend="cache+memory://", set_as_current=False)
    by_state = claims_in(cache.backend)
    first = by_state.take("calls:state", "w 1", 60)
    cache.backend.store_result("calls:state", {}, "STARTED")

    assert isinstance(claims_in(FakeBackend()), RedisClaims)
    assert isinstance(claims_in(folder.backend), FolderClaims)
    assert isinstance(by_state, StateClaims)
    assert (True, False) == (first, by_state.take("calls:state", "w 2", 60))
    assert None is by_state.worker("calls:state")
    with pytest.raises(ConfigurationError, match="needs a result backend"):
        claims_in(Celery("none", set_as_current=False).backend)


@pytest.fixture
def looked_up(tmp_path: Path) -> tuple[Celery, set[str], RemoteCall]:
    """A call, seen from a process that has nothing else to do with it."""
    app = Celery("claims", backend=tmp_path.as_uri(), set_as_current=False)
    there: set[str] = set()
    control = AnsweredControl(app, lambda: {each: {} for each in there})
    call = RemoteCall("one", "calls:one", control, Presence(control), app.backend)
    return app, there, call


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that does not answer is gone at once."""
    monkeypatch.setattr("realtime_sync.contrib.celery.worker_presence.GONE", 0.0)
    monkeypatch.setattr("realtime_sync.contrib.celery.worker_presence.FRESH", 0.0)


@pytest.mark.parametrize(
    "ask",
    [
        lambda call: call.result(WAIT),
        lambda call: call.wait_started(WAIT),
        lambda call: call.say("Good evening."),
        lambda call: call.stream_url(WAIT),
    ],
)
def test_call_whose_worker_died_before_it_began_is_lost(
    looked_up: tuple[Celery, set[str], RemoteCall],
    soon: None,
    ask: Callable[[RemoteCall], object],
) -> None:
    """It was claimed, so nobody else begins it: whoever waits is told."""
    app, _, call = looked_up
    claims_in(app.backend).take("calls:one", new_claim_token("dead@host#1-x"), 60)

    with pytest.raises(CallLost, match="worker dead@host#1-x is gone"):
        ask(call)
    assert "lost" == call.state


def test_call_whose_worker_is_about_to_begin_it_waits(
    looked_up: tuple[Celery, set[str], RemoteCall], soon: None
) -> None:
    """A claim is no begin, and no reason to give it up."""
    app, there, call = looked_up
    there.add("w@host#1-x")
    claims_in(app.backend).take("calls:one", new_claim_token("w@host#1-x"), 60)
    with pytest.raises(NoAnswer, match="goes on"):
        call.result(0.1)
    with pytest.raises(NoAnswer, match="no worker has taken"):
        call.wait_started(0.1)
    before = call.state
    app.backend.store_result("calls:one", {"worker": "w@host#1-x"}, "STARTED")

    assert ("waiting", "running") == (before, call.state)
    assert "w@host#1-x" == call.wait_started(WAIT)


@pytest.mark.parametrize(
    ("state", "ended"), [("REVOKED", "expired"), ("FAILURE", "failed")]
)
def test_call_that_no_worker_has_had_to_its_end_says_so(
    looked_up: tuple[Celery, set[str], RemoteCall], state: str, ended: str
) -> None:
    """One that nobody began in time is another thing than one that went wrong."""
    app, _, call = looked_up
    app.backend.store_result("calls:one", ValueError("why"), state)
    result = call.result(WAIT)

    assert ended == result.ended
    assert "why" in result.error
    with pytest.raises(CallOver):
        call.wait_started(WAIT)


def test_fleets_that_share_a_backend_have_calls_of_their_own(tmp_path: Path) -> None:
    """A call of one id in each is two calls."""
    fleets = {
        name: Fleet(
            Celery(name, backend=tmp_path.as_uri(), set_as_current=False),
            client=RealtimeClient,
            name=name,
        )
        for name in ("calls", "calls.b")
    }
    backend = fleets["calls"].app.backend
    claims_in(backend).take("calls:one", new_claim_token("w"), 60)
    backend.store_result("calls:one", {"id": "one", "ended": "returned"}, "SUCCESS")

    assert "returned" == fleets["calls"].call("one").result(WAIT).ended
    assert "waiting" == fleets["calls.b"].call("one").state


@pytest.mark.parametrize("odd", ["../up", "a/b", "", "a\nb", "x" * 201, "é"])
def test_id_that_no_call_can_have_is_refused_before_it_is_looked_up(
    tmp_path: Path, odd: str
) -> None:
    """A backend would make the name of a file of it."""
    app = Celery("odd", backend=tmp_path.as_uri(), set_as_current=False)
    fleet = Fleet(app, client=RealtimeClient)

    with pytest.raises(ConfigurationError, match="is no id of a call"):
        fleet.call(odd)
    assert ([], False) == (fleet.transcript(odd), fleet.hang_up(odd))
