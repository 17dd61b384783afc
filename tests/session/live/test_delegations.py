"""Client delegations, answered by functions that block."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest

from realtime_sync import errors
from realtime_sync.session.live import LiveConfig, LiveSession, Responses, Task
from realtime_sync.session.live.delegations import MOST_WAITING

from .live_session import LiveServer, delegated, live_session, said

LONG = 10.0


@contextmanager
def answered(
    function: Callable[[Task], Any], **options: Any
) -> Iterator[tuple[LiveSession, LiveServer, list[Any], Callable[[int], None]]]:
    """A session whose delegations a function answers, and what became of them."""
    finished: list[Any] = []
    came = Event()
    with live_session() as (session, server):
        session.delegate(**options)(function)

        @session.on("delegation.finished", inline=True)
        def note(event: Any) -> None:
            finished.append(event)
            came.set()

        def wait(count: int) -> None:
            while len(finished) < count:
                assert came.wait(LONG)
                came.clear()

        yield session, server, finished, wait


def commentary(server: LiveServer) -> list[tuple[str, Any]]:
    """What was said, and for which delegation."""
    return [
        (each["content"], each["delegation_id"])
        for each in server.sent("session.commentary.append")
    ]


def test_function_that_blocks_answers_while_the_conversation_goes_on() -> None:
    """It is given what was said since the delegation before."""
    asked: list[Any] = []
    go_on, began = Event(), Event()

    def look_up(task: Task) -> str:
        asked.append((task.text, task.transcript, task.offset_ms, task.revision))
        task.note("still looking")
        began.set()
        assert go_on.wait(LONG)
        return "Gate B12, on time."

    with answered(look_up) as (session, server, finished, wait):
        server.feed(said("assistant", "Hello.", 0))
        server.feed(said("user", "Which", 600), said("user", " gate?", 800))
        server.feed(delegated("item_1"))
        assert began.wait(LONG)
        server.feed(said("assistant", "Let me look.", 1200))
        assert [] == commentary(server)
        go_on.set()
        wait(1)

    transcript = (("assistant", "Hello."), ("user", "Which gate?"))
    assert [("Which gate?", transcript, 3800, 1)] == asked
    assert [("Gate B12, on time.", "item_1")] == commentary(server)
    [note] = server.sent("session.thinking.append")
    assert ("still looking", "item_1") == (note["content"], note["delegation_id"])
    assert ["answered"] == [each.outcome for each in finished]


def test_each_delegation_is_answered_once_and_in_order() -> None:
    """However often it is told, as to whoever attaches again."""
    ran: list[str] = []

    def note(task: Task) -> None:
        ran.append(task.id)

    with answered(note) as (session, server, finished, wait):
        for name in ("item_1", "item_2", "item_1", "item_3", "item_3"):
            server.feed(delegated(name))
        wait(3)

    assert ["item_1", "item_2", "item_3"] == ran
    assert ["nothing"] * 3 == [each.outcome for each in finished]
    assert [] == commentary(server)


def test_work_of_others_is_left_to_them() -> None:
    """The backend's delegations are not the program's."""
    ran: list[str] = []
    with answered(lambda task: ran.append(task.id)) as (session, server, _, wait):
        server.feed(delegated("item_1", "responses", response_id="resp_1"))
        server.feed(delegated("item_2", "decisions"))
        server.feed(delegated("item_3"))
        wait(1)

    assert ["item_3"] == ran


@pytest.mark.parametrize(
    ("on_stale", "said_then", "noted"),
    [
        ("note", ["for three"], ["for two"]),
        ("say", ["for two", "for three"], []),
        ("drop", ["for three"], []),
    ],
)
def test_answer_that_a_correction_has_overtaken_is_not_said(
    on_stale: str, said_then: list[str], noted: list[str]
) -> None:
    """The voice would confirm what the user has just taken back."""
    go_on, began = Event(), Event()
    stale: list[bool] = []

    def book(task: Task) -> str:
        if task.revision == 1:
            began.set()
            assert go_on.wait(LONG)
            stale.append(task.stale)
            return "for two"
        stale.append(task.stale)
        return "for three"

    with answered(book, on_stale=on_stale) as (session, server, finished, wait):
        server.feed(delegated("item_1"))
        assert began.wait(LONG)
        server.feed(delegated("item_2"))
        go_on.set()
        wait(2)
        session.close()

    assert [True, False] == stale
    assert said_then == [text for text, _ in commentary(server)]
    thought = server.sent("session.thinking.append")
    assert noted == [each["content"] for each in thought]


def test_time_that_is_up_is_said_and_the_next_one_runs() -> None:
    """A function that never returns holds up nobody."""
    hang, seen = Event(), Event()

    def slow(task: Task) -> str:
        if task.revision == 2:
            return "Done."
        assert task.stopped.wait(LONG)
        seen.set()
        assert hang.wait(LONG)
        return "Too late."

    with answered(slow, timeout=0.02, on_timeout="Not now.") as (
        session,
        server,
        finished,
        wait,
    ):
        server.feed(delegated("item_1"))
        wait(1)
        assert seen.wait(LONG)
        server.feed(delegated("item_2"))
        wait(2)
        hang.set()

    assert ["timeout", "answered"] == [each.outcome for each in finished]
    assert "Too late." not in [text for text, _ in commentary(server)]


@pytest.mark.parametrize(
    "fails",
    [
        lambda task: 1 / 0,
        lambda task: {"not": "text"},
        lambda task: (_ for _ in ()).throw(SystemExit(1)),
    ],
)
def test_function_that_fails_is_seen_and_answered(fails: Any) -> None:
    """The user hears something, and the program learns of it."""
    failed: list[Any] = []
    told = Event()

    def note(event: Any) -> None:
        failed.append(event)
        told.set()

    with answered(fails, on_error="Sorry.") as (session, server, finished, wait):
        session.on("handler.failed", note)
        server.feed(delegated("item_1"))
        wait(1)
        assert told.wait(LONG)

    assert ["failed"] == [each.outcome for each in finished]
    assert [("Sorry.", "item_1")] == commentary(server)
    assert isinstance(failed[0].error, (ZeroDivisionError, TypeError, SystemExit))


@pytest.mark.parametrize("refused", ["delegation", "delegation deadline"])
def test_delegation_for_which_there_is_no_thread_has_failed(
    monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """The next one is answered, over the same connection."""
    start, refusals = Thread.start, [refused]

    def refuse(thread: Thread) -> None:
        if refusals and thread.name.endswith(refusals[0]):
            refusals.clear()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(Thread, "start", refuse)
    with answered(lambda task: "Done.", on_error="Sorry.") as scene:
        session, server, finished, wait = scene
        server.feed(delegated("item_1"))
        wait(1)
        server.feed(delegated("item_2"))
        wait(2)
        still_open = session.is_open

    assert still_open
    assert ["failed", "answered"] == [each.outcome for each in finished]
    assert [("Sorry.", "item_1"), ("Done.", "item_2")] == commentary(server)


def test_close_tells_what_still_runs_that_nobody_waits() -> None:
    """Its answer goes nowhere."""
    began, stopped = Event(), Event()

    def slow(task: Task) -> str:
        began.set()
        assert task.stopped.wait(LONG)
        stopped.set()
        return "Nobody hears this."

    with answered(slow) as (session, server, finished, wait):
        server.feed(delegated("item_1"), delegated("item_2"))
        assert began.wait(LONG)
        session.close()
        assert stopped.wait(LONG)

    assert ["cancelled"] * 2 == [each.outcome for each in finished]
    assert [] == commentary(server)


def test_several_run_at_a_time_if_asked() -> None:
    """As many as were allowed."""
    both = Event()
    running: list[str] = []

    def meet(task: Task) -> None:
        running.append(task.id)
        if len(running) == 2:
            both.set()
        assert both.wait(LONG)

    with answered(meet, parallel=2) as (session, server, finished, wait):
        server.feed(delegated("item_1"), delegated("item_2"))
        wait(2)

    assert {"item_1", "item_2"} == set(running)


def test_task_waits_until_the_sentence_is_finished() -> None:
    """The notice came up to three seconds early in a measurement."""
    texts: list[str] = []
    began = Event()

    def look_up(task: Task) -> None:
        began.set()
        texts.append(task.settle(0.05, timeout=LONG))

    with answered(look_up) as (session, server, finished, wait):
        server.feed(said("user", "Which", 600), delegated("item_1"))
        assert began.wait(LONG)
        server.feed(said("user", " gate?", 800))
        wait(1)

    assert texts in (["Which gate?"], ["Which"])


def test_quiet_waits_for_answers_and_not_for_what_needs_none() -> None:
    """A task that says nothing is settled all the same."""
    with answered(lambda task: None) as (session, server, finished, wait):
        server.feed(delegated("item_1"))
        wait(1)
        session.wait_quiet(0.0, timeout=LONG)


def test_delegation_that_nobody_answers_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The voice holds on for ever."""
    with live_session() as (session, server):
        with caplog.at_level(logging.WARNING):
            server.feed(delegated("item_1"))

    assert "session.delegate" in caplog.text


def test_functions_run_in_the_context_of_the_session() -> None:
    """As handlers do."""
    variable = contextvars.ContextVar("variable", default="none")
    variable.set("ours")
    seen: list[str] = []
    with answered(lambda task: seen.append(variable.get())) as (_, server, __, wait):
        server.feed(delegated("item_1"))
        wait(1)

    assert ["ours"] == seen


async def coroutine(task: Task) -> None:
    """What no thread can call."""


@pytest.mark.parametrize(
    ("function", "options", "problem"),
    [
        (coroutine, {}, TypeError),
        (lambda: None, {}, TypeError),
        (lambda task: None, {"timeout": 0}, errors.ConfigurationError),
        (lambda task: None, {"parallel": 0}, errors.ConfigurationError),
        (lambda task: None, {"on_stale": "shout"}, errors.ConfigurationError),
        (lambda task: None, {"on_error": 5}, errors.ConfigurationError),
        (lambda task: None, {"on_error": " "}, errors.ConfigurationError),
        (lambda task: None, {"on_timeout": b"late"}, errors.ConfigurationError),
        (lambda task: None, {"on_error": "\ud800"}, errors.ConfigurationError),
        (lambda task: None, {"settle": -1.0}, errors.ConfigurationError),
        (lambda task: None, {"timeout": float("nan")}, errors.ConfigurationError),
    ],
)
def test_mistakes_fail_at_the_decorator(
    function: Any, options: dict[str, Any], problem: type[Exception]
) -> None:
    """Not when the first delegation comes."""
    with live_session() as (session, server):
        with pytest.raises(problem):
            session.delegate(**options)(function)


def test_delegation_has_one_answering_function_and_fits_the_session() -> None:
    """Two would both answer; a backend answers by itself."""

    def first(task: Task) -> None:
        """One."""

    def second(task: Task) -> None:
        """Another."""

    with live_session() as (session, server):
        assert session.delegate(first) is first
        session.delegate(first)
        with pytest.raises(errors.ConfigurationError, match="first"):
            session.delegate(second)
    config = LiveConfig(delegation=Responses(model="gpt-5"))
    with live_session(config=config) as (session, server):
        with pytest.raises(errors.ConfigurationError, match="session.tool"):
            session.delegate(first)


def test_decisions_reach_their_functions_by_name() -> None:
    """By the name in the answer, else by the order of the questions."""
    questions = [
        {"type": "predicate", "name": name, "instructions": "?"}
        for name in ("cabin", "mood")
    ]
    decisions = {"model": "m", "questions": questions}
    server = LiveServer()
    server.session["delegation"] = {"type": "decisions", "decisions": decisions}
    answers: list[Any] = []
    every: list[Any] = []
    config = {"delegation": {"type": "decisions", "decisions": decisions}}
    with live_session(server, config=config) as (session, server):
        session.decision("cabin")(answers.append)
        session.decision()(every.append)
        named = {"type": "predicate", "probability": 0.9, "name": "cabin"}
        first = {"type": "predicate", "probability": 0.2}
        other = {**named, "name": "mood", "probability": 0.5}
        for each in ([other, named], [first]):
            done = {"model": "m", "answers": each, "usage": {}}
            event = {"type": "decision.completed", "decision": done}
            server.feed({"type": "decision.event", "event": event})

    assert [0.9, 0.2] == [answer.probability for answer in answers]
    assert [2, 1] == [len(each) for each in every]


@pytest.mark.parametrize("answer", ["\ud800", "Gate \udfff B12", "x\ud83d"])
def test_answer_that_cannot_be_written_down_holds_up_nobody(answer: str) -> None:
    """Half of a character; what is open is over all the same, and the next one runs."""

    def look_up(task: Task) -> str:
        return answer if task.revision == 1 else "Done."

    with answered(look_up, on_error="Sorry.") as (session, server, finished, wait):
        server.feed(delegated("item_1"))
        wait(1)
        server.feed(delegated("item_2"))
        wait(2)

    assert ["failed", "answered"] == [each.outcome for each in finished]
    assert ["Sorry.", "Done."] == [text for text, _ in commentary(server)]
    assert ["item_1", "item_2"] == [each.delegation_id for each in finished]


def test_task_that_had_to_wait_hears_what_was_said_meanwhile() -> None:
    """Its sentence is not over because another task took long."""
    first, go_on = Event(), Event()
    heard: list[float] = []
    created: list[float] = []

    def look_up(task: Task) -> None:
        if task.revision == 1:
            first.set()
            assert go_on.wait(LONG)
            return
        heard.append(task.heard_at)

    with answered(look_up) as (session, server, finished, wait):
        server.feed(delegated("item_1"))
        assert first.wait(LONG)
        server.feed(delegated("item_2"))
        created.append(monotonic())
        server.feed(said("user", "No, for three", 800))
        go_on.set()
        wait(2)

    assert heard[0] >= created[0]


def test_delegations_that_nobody_gets_to_are_bounded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A service that delegates without end fills no memory; what goes is told."""
    first, go_on = Event(), Event()

    def look_up(task: Task) -> None:
        first.set()
        assert go_on.wait(LONG)

    with answered(look_up) as (session, server, finished, wait):
        server.feed(delegated("item_0"))
        assert first.wait(LONG)
        for number in range(1, MOST_WAITING + 3):
            server.feed(delegated(f"item_{number}"))
        early = [each.delegation_id for each in finished]
        go_on.set()
        wait(MOST_WAITING + 3)

    assert ["item_1", "item_2"] == early
    assert {"dropped"} == {each.outcome for each in finished[:2]}
    assert "item_1" in caplog.text
