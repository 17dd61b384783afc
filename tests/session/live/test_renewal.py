"""A live session in the place of one that was lost; nothing pretends to resume."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy, errors
from realtime_sync.session.live import (
    LiveConfig,
    LiveRestoreReport,
    LiveSession,
    Responses,
    Task,
)
from realtime_sync.state.live.snapshot import LiveSnapshot
from realtime_sync.testing import Close

from .live_session import LiveServer, closed, delegated, live_session, said

POLICY = ReconnectPolicy(attempts=2, base=0.001, cap=0.001)
LONG = 10.0


class Numbered(LiveServer):
    """
    Gives each session another id; may refuse the starts that a test names.

    Attributes:
        refuses: how many of the next starts are refused.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.refuses = 0
        self.answer = self._start

    def _start(self, frame: dict[str, Any]) -> Any:
        if frame["type"] != "session.start":
            return None
        if self.count and self.refuses:
            self.refuses -= 1
            error = {"type": "invalid_request_error", "code": "forbidden"}
            told = {"type": "error", "error": {**error, "message": "No such source."}}
            return [told, Close(1000)]
        self.count += 1
        self.session["id"] = f"live_{self.count}"
        self.session.update(frame["session"])
        return {"type": "session.started", "session": self.session}


def lost(config: Any = None, **options: Any) -> Any:
    """A session that is renewed when it is lost."""
    return live_session(Numbered(), config=config, reconnect=POLICY, **options)


def reports_of(session: Any) -> list[LiveRestoreReport]:
    """What is told of renewals from now on."""
    reports: list[LiveRestoreReport] = []
    session.on("connection.restored", lambda event: reports.append(event.report))
    return reports


def test_session_that_is_not_stored_begins_anew_with_its_transcript() -> None:
    """With the same configuration, the rules that were added, and muted if it was."""
    config = LiveConfig(
        instructions="Be brief.",
        input=[
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Earlier."}],
            }
        ],
    )
    with lost(config) as (session, server):
        reports = reports_of(session)
        session.instruct("No jokes.").acknowledged()
        session.input_audio.mute().acknowledged()
        server.feed(said("user", "Which gate?", 200), said("assistant", "B12.", 900))
        server.feed(delegated("item_1"))
        server.transport.cut(1006)

        [report] = reports
        assert ("seed", "live_1", "live_2") == (
            report.way,
            report.previous_id,
            report.session_id,
        )
        assert (3, 0, 1) == (report.messages, report.left_out, report.instructions)
        assert ("item_1",) == report.abandoned
        _, again = server.sent("session.start")
        assert "Be brief.\nNo jokes." == again["session"]["instructions"]
        texts = [each["content"][0]["text"] for each in again["session"]["input"]]
        assert ["Earlier.", "Which gate?", "B12."] == texts
        assert 2 == len(server.sent("session.input_audio.mute"))
        snapshot = session.snapshot
        assert ("live_1", "live_2") == snapshot.epochs
        assert "abandoned" == snapshot.delegations["item_1"].state
        assert "Which gate?" == snapshot.user.text
        assert session.is_open


def test_stored_session_is_forked() -> None:
    """The history is there; nothing is sent of it."""
    with lost(LiveConfig(store=True)) as (session, server):
        reports = reports_of(session)
        server.feed(said("user", "Hello", 200))
        server.transport.cut(1011)

        [report] = reports
        assert ("fork", "live_2", 0) == (
            report.way,
            report.session_id,
            report.messages,
        )
        assert {} == server.sent("session.start")[1]["session"]


def test_fork_that_is_refused_gives_way_to_a_new_session() -> None:
    """The report says why."""
    with lost(LiveConfig(store=True)) as (session, server):
        reports = reports_of(session)
        server.feed(said("user", "Hello", 200))
        assert isinstance(server, Numbered)
        server.refuses = 1
        server.transport.cut(1006)

        [report] = reports
        assert ("seed", 1) == (report.way, report.messages)
        assert "No such source" in (report.refused or "")
        assert session.is_open


@pytest.mark.parametrize("reason", ["expired", "connection_lost"])
def test_end_that_nobody_asked_for_is_renewed(reason: str) -> None:
    """The service closes properly then, which is an end only by its code."""
    with lost() as (session, server):
        reports = reports_of(session)
        server.feed(closed(server.session, reason=reason))
        server.transport.cut(1000)

        assert ["seed"] == [report.way for report in reports]
        assert session.snapshot.state == "active"


@pytest.mark.parametrize("reason", ["content", "remote_hangup", "close_requested"])
def test_end_that_was_meant_is_the_end(reason: str) -> None:
    """A safety filter or a hangup is not to be got round."""
    with lost() as (session, server):
        server.feed(closed(server.session, reason=reason))
        server.transport.cut(1000)

        assert session.closed
        assert reason == session.close_report.reason
        assert 1 == len(server.sent("session.start"))


def test_sideband_attaches_to_the_same_session_again() -> None:
    """What is told once more by then is counted once."""
    with lost(call_id="live_u0_1") as (session, server):
        reports = reports_of(session)
        piece = said("user", "Hello", 200, event_id="e1")
        server.feed(piece)
        server.transport.cut(1006)
        server.feed(piece)

        assert ["attach"] == [report.way for report in reports]
        assert "Hello" == session.snapshot.user.text
        assert 1 == len(session.snapshot.epochs)
        assert [] == server.sent("session.start")


def test_without_a_policy_a_loss_ends_the_session_and_every_wait() -> None:
    """With the reason, and no confirmation of what is billed."""
    with live_session() as (session, server):
        server.silent |= {"session.commentary.append", "session.input_audio.mute"}
        handles = [session.say("Hello"), session.input_audio.mute()]
        expected = session.expect("session.output_transcript.delta")
        server.transport.cut(1006)

        for handle in handles:
            with pytest.raises(errors.ConnectionLost):
                handle.acknowledged(LONG)
        with pytest.raises(errors.ConnectionLost):
            expected.result(LONG)
        report = session.close()
        assert not report.confirmed
        assert report.reason is None
        assert isinstance(report.error, errors.ConnectionLost)


def test_seconds_of_a_session_that_was_lost_are_told_at_the_end() -> None:
    """They are billed as well."""
    with lost() as (session, server):
        server.feed({"type": "session.usage.updated", "usage": {"seconds": 14.0}})
        server.transport.cut(1006)
        server.feed(closed(server.session, reason="expired"))
        server.transport.cut(1000)
        report = session.close()

    assert (18.0, 32.0, 50.0) == (
        report.seconds,
        report.earlier_seconds,
        report.total_seconds,
    )
    assert report.confirmed


def test_refusal_of_every_attempt_ends_the_session() -> None:
    """With the last reason as its cause."""
    with lost() as (session, server):
        assert isinstance(server, Numbered)
        server.refuses = 9
        server.transport.cut(1006)

        error = session.close_report.error
        assert isinstance(error, errors.ConnectionLost)
        assert "No such source" in str(error.__cause__)


def test_answer_to_a_delegation_of_the_lost_session_becomes_a_note() -> None:
    """The new session does not know the id, and nobody runs the work twice."""
    began, go_on, over = Event(), Event(), Event()
    ran: list[str] = []

    def look_up(task: Task) -> str:
        ran.append(task.id)
        began.set()
        assert go_on.wait(LONG)
        return "Gate B12."

    with lost() as (session, server):
        session.delegate(look_up)
        session.on("delegation.finished", lambda event: over.set(), inline=True)
        server.feed(delegated("item_1"))
        assert began.wait(LONG)
        server.transport.cut(1006)
        go_on.set()
        assert over.wait(LONG)

        [note] = server.sent("session.thinking.append")
        assert ("Gate B12.", None) == (note["content"], note["delegation_id"])
        assert [] == server.sent("session.commentary.append")
        assert ["item_1"] == ran


def test_open_calls_of_the_backend_are_dropped_with_their_session() -> None:
    """The new backend asks anew if it still wants to know."""
    config = LiveConfig(delegation=Responses(model="gpt-5"))
    with lost(config) as (session, server):
        session.update(delegation=Responses(instructions="Short.")).acknowledged()
        response = {"id": "resp_1"}
        call = {"type": "function_call", "call_id": "call_1", "name": "theirs"}
        for inner in (
            {"type": "response.created", "response": response},
            {"type": "response.output_item.done", "item": {**call, "arguments": "{}"}},
        ):
            server.feed(
                {"type": "response.event", "delegation_id": "item_1", "event": inner}
            )
        server.transport.cut(1006)
        session.ask_backend("Look this up")

        assert 1 == len(server.sent("response.create"))
        responses = server.sent("session.start")[1]["session"]["delegation"]
        assert {"model": "gpt-5", "instructions": "Short."} == responses["responses"]


def test_history_of_a_new_session_stays_within_the_limits() -> None:
    """And what was left out is counted; the mirror has it still."""
    with lost() as (session, server):
        reports = reports_of(session)
        for number in range(200):
            speaker = "user" if number % 2 else "assistant"
            server.feed(said(speaker, f"Number {number}.", number * 1000))
        server.transport.cut(1006)

        [report] = reports
        assert (128, 72) == (report.messages, report.left_out)
        assert 200 == len(session.snapshot.transcript())


def test_session_can_begin_with_the_mirror_of_another() -> None:
    """As with messages of the wire."""
    with live_session() as (session, server):
        server.feed(said("user", "Hello", 200))
        snapshot = session.snapshot
    assert isinstance(snapshot, LiveSnapshot)
    with live_session(config=LiveConfig(input=snapshot)) as (_, server):
        [start] = server.sent("session.start")

    [message] = start["session"]["input"]
    assert [{"type": "input_text", "text": "Hello"}] == message["content"]


@pytest.mark.parametrize("given", [0, 30_000, 40_000])
def test_rules_for_which_there_is_no_room_do_not_keep_a_session_from_starting(
    given: int,
) -> None:
    """The latest count; what is left out is told."""
    config = LiveConfig(instructions="x" * given) if given else None
    with lost(config) as (session, server):
        reports = reports_of(session)
        for number in range(40):
            session.instruct(f"Rule {number}. {'y' * 980}").acknowledged()
        server.transport.cut(1006)

        [report] = reports
        _, again = server.sent("session.start")
        text = again["session"].get("instructions", "")
        kept = text.count("Rule")
        assert len(text) <= max(32_768, given)
        assert (kept, 40 - kept) == (report.instructions, report.rules_left_out)
        assert {0: 32, 30_000: 2, 40_000: 0}[given] == pytest.approx(kept, abs=1)
        assert not kept or "Rule 39." in text
        assert session.is_open


@contextmanager
def lost_meanwhile(
    meanwhile: Callable[[Any], None], config: Any = None, **options: Any
) -> Iterator[tuple[Any, LiveServer]]:
    """A session of which something is asked while there is no connection."""
    found: list[Any] = []

    def hook(attempt: Any) -> None:
        meanwhile(found[0])

    policy = ReconnectPolicy(attempts=2, base=0.001, cap=0.001, hook=hook)
    made = live_session(Numbered(), config=config, reconnect=policy, **options)
    with made as (session, server):
        found.append(session)
        yield session, server


@pytest.mark.parametrize("verb", ["say", "note", "instruct"])
@pytest.mark.parametrize(("call_id", "named"), [(None, None), ("live_u0_1", "item_1")])
def test_text_for_work_of_a_lost_session_does_not_name_it_to_the_next(
    verb: str, call_id: str | None, named: str | None
) -> None:
    """It would be refused; from aside it is the same session, and the same work."""
    handles: list[Any] = []

    def meanwhile(session: Any) -> None:
        say = getattr(session, verb)
        handles.append(say("Gate B12.", delegation_id="item_1"))

    with lost_meanwhile(meanwhile, call_id=call_id) as (session, server):
        server.feed(delegated("item_1"))
        server.transport.cut(1006)

        handles[0].acknowledged(LONG)
        sent = [
            each for each in server.transport.sent if each.get("content") == "Gate B12."
        ]
        assert [named] == [each["delegation_id"] for each in sent]


def test_answer_that_comes_while_there_is_no_connection_is_not_lost() -> None:
    """The function is done when nobody can be told."""
    go_on, over, began = Event(), Event(), Event()

    def look_up(task: Task) -> str:
        began.set()
        assert go_on.wait(LONG)
        return "Gate B12."

    def meanwhile(session: Any) -> None:
        go_on.set()
        assert over.wait(LONG)

    with lost_meanwhile(meanwhile) as (session, server):
        session.delegate(look_up)
        session.on("delegation.finished", lambda event: over.set(), inline=True)
        server.feed(delegated("item_1"))
        assert began.wait(LONG)
        server.transport.cut(1006)

        [said_then] = server.sent("session.commentary.append")
        assert ("Gate B12.", None) == (said_then["content"], said_then["delegation_id"])


BACKEND = LiveConfig(delegation=Responses(model="gpt-5"))


def backend_calls(call_id: str) -> list[dict[str, Any]]:
    """A response that calls a function, and ends."""
    call = {"type": "function_call", "call_id": call_id, "name": "look_up"}
    response = {"id": "resp_1", "output": []}
    return [
        {"type": "response.event", "delegation_id": "item_1", "event": inner}
        for inner in (
            {"type": "response.created", "response": response},
            {"type": "response.output_item.done", "item": {**call, "arguments": "{}"}},
            {"type": "response.completed", "response": response},
        )
    ]


def test_output_of_a_call_of_a_lost_session_is_not_given_to_the_next() -> None:
    """Nor is its backend asked to go on with nothing."""
    go_on, came, began = Event(), Event(), Event()

    def look_up() -> str:
        """Look something up."""
        began.set()
        assert go_on.wait(LONG)
        return "B12"

    def meanwhile(session: Any) -> None:
        go_on.set()
        assert came.wait(LONG)

    with lost_meanwhile(meanwhile, BACKEND) as (session, server):
        session.tool(look_up)
        session.on("client.response.create", lambda event: came.set(), inline=True)
        server.feed(*backend_calls("call_1"))
        assert began.wait(LONG)
        server.transport.cut(1006)

        assert [] == server.sent("response.item.create")
        assert [] == server.sent("response.create")
        session.ask_backend("Look this up")
        assert 1 == len(server.sent("response.create"))


def ask_by_hand(session: Any, text: str) -> None:
    """Ask the backend as a program does that knows the wire."""
    part = {"type": "input_text", "text": text}
    item = {"type": "message", "role": "user", "content": [part]}
    session.send({"type": "response.item.create", "item": item})
    session.send({"type": "response.create"})


@pytest.mark.parametrize("ask", [LiveSession.ask_backend, ask_by_hand])
@pytest.mark.parametrize(
    "before", [[], backend_calls("call_1")[:1], backend_calls("c")]
)
def test_question_that_was_asked_without_a_connection_is_asked_once(
    before: list[dict[str, Any]], ask: Callable[[Any, str], object]
) -> None:
    """Whatever the backend of the lost session was doing."""

    def meanwhile(session: Any) -> None:
        ask(session, "Look this up")

    with lost_meanwhile(meanwhile, BACKEND) as (session, server):
        server.feed(*before)
        server.transport.cut(1006)

        assert 1 == len(server.sent("response.item.create"))
        assert 1 == len(server.sent("response.create"))
        kinds = [each["type"] for each in server.transport.sent]
        assert kinds.index("response.item.create") < kinds.index("response.create")


def test_backend_seen_from_aside_goes_on_after_an_end_that_nobody_told() -> None:
    """The response ended while there was no connection."""
    began, go_on = Event(), Event()
    came = Event()

    def look_up() -> str:
        """Look something up."""
        began.set()
        assert go_on.wait(LONG)
        return "B12"

    server = LiveServer()
    server.session["delegation"] = {"type": "responses", "responses": {"model": "m"}}
    options: Any = {"call_id": "live_u0_1", "reconnect": POLICY}
    with live_session(server, **options) as (session, server):
        session.on("client.response.create", lambda event: came.set(), inline=True)
        session.tool(look_up)
        server.feed(*backend_calls("call_1")[:2])
        assert began.wait(LONG)
        server.transport.cut(1006)
        go_on.set()

        assert came.wait(LONG)
        assert 1 == len(server.sent("response.item.create"))


@pytest.mark.parametrize("kind", ["instructions", "thinking", "commentary"])
def test_text_that_was_sent_just_before_a_loss_is_accounted_for(kind: str) -> None:
    """The mirror has it as lost, the report names it, its handle fails."""
    with lost(LiveConfig()) as (session, server):
        reports = reports_of(session)
        session.note("Known.").acknowledged()
        server.silent.add(f"session.{kind}.append")
        say = {"instructions": "instruct", "thinking": "note", "commentary": "say"}
        handle = getattr(session, say[kind])("Gone.")
        server.transport.cut(1006)

        [report] = reports
        known, gone = session.snapshot.context
        assert ("Known.", True, False) == (
            known.content,
            known.acknowledged,
            known.lost,
        )
        assert ("Gone.", kind, True, False) == (
            gone.content,
            gone.kind,
            gone.lost,
            gone.pending,
        )
        assert ["Gone."] == [each.content for each in report.unconfirmed]
        with pytest.raises(errors.ConnectionLost):
            handle.acknowledged()


def test_text_that_is_lost_for_good_is_in_the_mirror() -> None:
    """Also where no session takes the place of the lost one."""
    with live_session(idle_audio=None) as (session, server):
        server.silent.add("session.thinking.append")
        session.note("Gone.")
        session.input_audio.append(bytes(480))
        server.transport.cut(1006)

        [gone] = session.snapshot.context
        assert ("Gone.", True) == (gone.content, gone.unanswered)
        assert 480 == session.snapshot.audio.sent_bytes


def test_sideband_that_attaches_again_has_lost_nothing() -> None:
    """It is the same session: the answer may still come, and counts."""
    with live_session(call_id="live_u0_1", reconnect=POLICY) as (session, server):
        reports = reports_of(session)
        server.silent.add("session.thinking.append")
        handle = session.note("Known.")
        server.transport.cut(1006)
        [report] = reports
        [before] = session.snapshot.context
        name = handle.handles[0].event_id
        times = {"start_ms": 600, "end_ms": 800, "client_event_id": name}
        server.feed({"type": "session.thinking.appended", "event_id": "e", **times})
        [after] = session.snapshot.context

    assert () == report.unconfirmed
    assert (True, False) == (before.pending, before.lost)
    assert after.acknowledged


def test_text_that_waited_for_the_next_session_is_there_once() -> None:
    """It was never sent to the lost one."""
    with lost(LiveConfig()) as (session, server):

        @session.on("connection.lost", inline=True)
        def say(event: Any) -> None:
            session.note("Meanwhile.")

        server.transport.cut(1006)
        [only] = session.snapshot.context

        assert ("Meanwhile.", 1, True) == (only.content, only.epoch, only.acknowledged)


def test_output_that_was_given_just_before_a_loss_is_no_open_call() -> None:
    """The mirror has it as answered, and the session as abandoned."""
    config = LiveConfig(delegation=Responses(model="m"))
    item = {"type": "function_call", "call_id": "call_1", "name": "f"}
    done = {"type": "response.output_item.done", "item": {**item, "arguments": "{}"}}
    with lost(config) as (session, server):
        server.feed(delegated("item_1", "responses", response_id="r"))
        event = {"type": "response.event", "delegation_id": "item_1", "event": done}
        server.feed(event)
        output = {"type": "function_call_output", "call_id": "call_1", "output": "1"}
        session.send({"type": "response.item.create", "item": output})
        server.transport.cut(1006)
        work = session.snapshot.delegations["item_1"]

        assert ("abandoned", "answered") == (work.state, work.calls["call_1"].state)


def test_what_is_delegated_while_it_attaches_again_is_answered_once() -> None:
    """The session goes on before the new connection is in use."""
    asked: list[str] = []
    over = Event()

    def answer(frame: dict[str, Any]) -> Any:
        if frame["type"] != "session.update":
            return None
        # What was told before the loss is told again, with what is new.
        return [
            {"type": "session.updated", "session": server.session},
            *(delegated(name) for name in names),
        ]

    names: list[str] = []
    server = LiveServer(answer)
    with live_session(server, call_id="live_u0_1", reconnect=POLICY) as (session, _):
        server.feed(delegated("unanswered"))
        session.delegate(lambda task: asked.append(task.id))

        @session.on("delegation.finished", inline=True)
        def ended(event: Any) -> None:
            if event.delegation_id == "last":
                over.set()

        server.feed(delegated("known"))
        names += ["unanswered", "known", "new"]
        server.transport.cut(1006)
        server.feed(delegated("last"), delegated("new"))
        # One after the other, so that this is the end of all.
        assert over.wait(LONG)

    assert ["known", "new", "last"] == asked
