"""A whole session against the local server: listening, waiting, asking."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from time import monotonic
from typing import Any, Callable

import pytest

import realtime_sync
from realtime_sync import Router, Session, connect, events
from realtime_sync.errors import (
    ActiveResponseConflict,
    CommandRejected,
    ConnectionClosed,
    ConnectionLost,
    ItemNotFound,
    LocalProtocolError,
    WaitTimeout,
    WouldDeadlock,
)
from realtime_sync.server import Prompt, Server, serve
from tests.rawserver import Peer, RawServer

pytestmark = pytest.mark.usefixtures("arrangement")

LONG = 10.0


@pytest.fixture
def echo() -> Iterator[Server]:
    """A server that repeats what it is told."""
    with serve(agent="echo") as server:
        yield server


@pytest.fixture(params=["ga", "beta"])
def dialect(request: Any) -> str:
    """Either dialect."""
    return str(request.param)


Open = Callable[..., Session]


@pytest.fixture
def open_session(echo: Server) -> Iterator[Open]:
    """Opens sessions that answer in text, closes them afterwards."""
    opened: list[Session] = []

    def open_one(**options: Any) -> Session:
        options.setdefault("router", Router())
        options.setdefault("timeout", LONG)
        options.setdefault("config", {"output_modalities": ["text"]})
        options.setdefault("base_url", echo.url)
        opened.append(connect("m", **options))
        return opened[-1]

    yield open_one
    for session in opened:
        session.close()


class Slow:
    """An agent that answers when it is let go."""

    def __init__(self) -> None:
        self.asked, self.release = threading.Semaphore(0), threading.Event()

    def __call__(self, prompt: Prompt) -> Any:
        self.asked.release()
        self.release.wait(LONG)
        return "late"


@pytest.fixture
def slow() -> Iterator[tuple[Slow, Server]]:
    """A server whose answers wait."""
    agent = Slow()
    with serve(agent=agent) as server:
        yield agent, server
        agent.release.set()


# -- asking ------------------------------------------------------------------


def test_a_question_is_answered(open_session: Open, dialect: str) -> None:
    """The shortest way; both items are in the conversation."""
    session = open_session(dialect=dialect)
    reply = session.ask("hello there")

    assert "hello there" == reply.text
    assert "completed" == reply.status
    assert ["user", "assistant"] == [item.role for item in session.snapshot.items]
    assert (reply,) == reply.steps or [reply.text] == [s.text for s in reply.steps]


def test_concurrent_questions_take_turns(open_session: Open) -> None:
    """Each gets its own answer, and the conversation alternates."""
    session = open_session()
    answers: dict[str, str] = {}

    def ask(question: str) -> None:
        answers[question] = session.ask(question).text

    threads = [threading.Thread(target=ask, args=(f"q{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)

    assert {f"q{n}": f"q{n}" for n in range(6)} == answers
    assert ["user", "assistant"] * 6 == [item.role for item in session.snapshot.items]


def test_a_turn_that_does_not_come_is_a_timeout(slow: Any, open_session: Open) -> None:
    """Within the deadline of the second question."""
    agent, server = slow
    session = open_session(base_url=server.url)
    first = threading.Thread(target=lambda: session.ask("one"))
    first.start()
    agent.asked.acquire(timeout=LONG)
    with pytest.raises(WaitTimeout):
        session.ask("two", timeout=0.1)
    waiting = first.is_alive()
    agent.release.set()
    first.join(LONG)

    assert waiting
    assert "late" == session.ask("three").text


def test_questions_out_of_band_run_in_parallel(slow: Any, open_session: Open) -> None:
    """And leave no trace in the conversation."""
    agent, server = slow
    session = open_session(base_url=server.url)
    replies = []

    def ask(number: int) -> None:
        replies.append(session.ask(f"q{number}", conversation="none"))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert agent.asked.acquire(timeout=LONG)
    agent.release.set()
    for thread in threads:
        thread.join(LONG)

    assert ["late"] * 3 == [reply.text for reply in replies]
    assert () == session.snapshot.items


def test_a_timeout_has_what_the_model_had_said(open_session: Open) -> None:
    """As a reply that is not finished."""

    def script(peer: Peer) -> None:
        peer.greet()
        command = peer.hear_until("response.create")
        response = {
            "id": "r",
            "status": "in_progress",
            "output": [],
            "metadata": command["response"]["metadata"],
        }
        peer.say({"type": "response.created", "event_id": "e", "response": response})
        delta = {"response_id": "r", "item_id": "i", "delta": "so far"}
        peer.say({"type": "response.output_text.delta", "event_id": "f", **delta})
        peer.answer_close()

    with RawServer(script) as server:
        session = connect("m", base_url=server.url, router=Router())
        with pytest.raises(WaitTimeout) as caught:
            session.ask("hello", timeout=0.3)
        session.close()

    assert "so far" == caught.value.partial.text


def test_a_refused_message_is_what_ask_raises(open_session: Open) -> None:
    """Not an answer to a conversation without it."""
    session = open_session()
    item = {"type": "message", "role": "user", "content": [{"type": "nonsense"}]}
    with pytest.raises(CommandRejected) as caught:
        session.ask(item)

    assert "conversation.item.create" == caught.value.command.type
    assert "hello" == session.ask("hello").text


def test_asking_in_a_queued_handler_works(open_session: Open) -> None:
    """It blocks other handlers, not the session."""
    session = open_session()
    answers: list[str] = []
    done = threading.Event()

    def handler(event: Any) -> None:
        answers.append(session.ask("from a handler").text)
        done.set()

    session.once("response.done", handler)
    session.ask("first")
    done.wait(LONG)

    assert ["from a handler"] == answers


@pytest.mark.shared
@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.ask("hello"),
        lambda s: s.ask("hello", conversation="none"),
        lambda s: s.wait_for("error"),
        lambda s: s.flush(),
        lambda s: s.response.create().result(),
        lambda s: next(s.events("error")),
        lambda s: s.wait_changed(10_000),
        lambda s: s.input_audio_buffer.clear().acknowledged(),
    ],
    ids=[
        "ask",
        "ask-out-of-band",
        "wait_for",
        "flush",
        "result",
        "events",
        "wait_changed",
        "acknowledged",
    ],
)
def test_waiting_in_an_inline_handler_is_refused(
    open_session: Open, call: Callable[[Session], Any]
) -> None:
    """The reader would wait for itself; the session goes on."""
    session = open_session()
    session.once("conversation.item.added", lambda e: call(session), inline=True)
    with session.expect("handler.failed") as failed:
        session.conversation.add_message("hello")

    assert WouldDeadlock is type(failed.result().error)
    assert session.is_open


def test_an_inline_handler_can_send_a_thousand_commands(open_session: Open) -> None:
    """The reader never waits for itself."""
    session = open_session()
    cleared = session.events("input_audio_buffer.cleared")

    def handler(event: Any) -> None:
        for _ in range(1000):
            session.input_audio_buffer.clear()

    session.on("input_audio_buffer.committed", handler, inline=True)
    session.input_audio_buffer.append(bytes(9600))
    session.input_audio_buffer.commit()
    for _ in range(1000):
        next(cleared)
    cleared.close()

    assert session.is_open


# -- conflicts ---------------------------------------------------------------


def test_a_second_response_is_refused_by_default(slow: Any, open_session: Open) -> None:
    """The handle of the second one raises it; the first goes on."""
    agent, server = slow
    session = open_session(base_url=server.url)
    first = session.response.create()
    first.acknowledged()
    with pytest.raises(ActiveResponseConflict):
        session.response.create().result()
    agent.release.set()

    assert "late" == first.result().text


def test_a_second_response_may_wait(slow: Any, open_session: Open) -> None:
    """It begins when the first has ended."""
    agent, server = slow
    session = open_session(base_url=server.url)
    first = session.response.create()
    first.acknowledged()
    with pytest.raises(WaitTimeout, match="still active"):
        session.response.create(on_conflict="wait", timeout=0.05)
    agent.release.set()
    second = session.response.create(on_conflict="wait")

    assert "late" == first.result().text == second.result().text


def test_a_second_response_may_cancel_the_first(slow: Any, open_session: Open) -> None:
    """Which ends as cancelled."""
    agent, server = slow
    session = open_session(base_url=server.url)
    first = session.response.create()
    first.acknowledged()
    agent.asked.acquire(timeout=LONG)
    threading.Timer(0.05, agent.release.set).start()
    second = session.response.create(on_conflict="cancel")

    assert "cancelled" == first.result(check=False).status
    assert "late" == second.result().text


# -- errors ------------------------------------------------------------------


def test_a_refusal_reaches_the_call_that_caused_it(
    open_session: Open, dialect: str
) -> None:
    """By the command's id; others are not affected."""
    session = open_session(dialect=dialect)
    good = session.conversation.add_message("hello")
    bad = session.conversation.item.delete("item_that_is_not")
    with pytest.raises(ItemNotFound) as caught:
        bad.acknowledged()

    assert bad.event_id == caught.value.event_id
    assert bad.command is caught.value.command
    assert "conversation.item.added" == good.acknowledged().type


def test_an_unknown_event_is_no_trouble() -> None:
    """Nor is anything else that is no event."""
    seen: list[Any] = []

    def script(peer: Peer) -> None:
        peer.greet()
        peer.hear()
        peer.frame(b"not JSON")
        peer.frame(b"[1, 2, 3]")
        peer.frame(b"\xff\xfe", 0x2)
        peer.say({"type": "vendor.thing", "x": 1}, 0x2)
        peer.say({"type": "input_audio_buffer.cleared", "event_id": "e"})
        peer.answer_close()

    with RawServer(script) as server:
        session = connect("m", base_url=server.url, router=Router())
        session.on(events.UnknownEvent, lambda event: seen.append(event.type))
        session.input_audio_buffer.clear().acknowledged(LONG)
        session.flush()
        stats = session.stats
        session.close()

    assert ["", "", "", "vendor.thing"] == seen
    assert 1 == stats.unknown["vendor.thing"]


# -- handlers ----------------------------------------------------------------


def test_a_module_level_handler_reaches_open_sessions(echo: Server) -> None:
    """The default router is live."""
    seen: list[str] = []
    with connect("m", base_url=echo.url) as session:
        sub = realtime_sync.on("conversation.item.added", lambda e: seen.append(e.type))
        try:
            session.conversation.add_message("hello").acknowledged(LONG)
            session.flush()
        finally:
            sub.cancel()

    assert ["conversation.item.added"] == seen


def test_handlers_run_in_the_context_of_their_registration(open_session: Open) -> None:
    """A request id goes along; ``context=None`` opts out."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("v", default="none")
    seen: list[str] = []
    router = Router()
    router.on("conversation.item.added", lambda event: seen.append(variable.get()))
    variable.set("at connect")
    session = open_session(router=router)
    variable.set("at registration")
    session.on("conversation.item.added", lambda event: seen.append(variable.get()))
    without = open_session(router=Router(), context=None)
    without.on("conversation.item.added", lambda event: seen.append(variable.get()))
    variable.set("later")
    for each in (session, without):
        each.conversation.add_message("hello").acknowledged()
        each.flush()

    assert ["at connect", "at registration", "none"] == seen


def test_a_context_of_the_callers_holds_for_every_handler(open_session: Open) -> None:
    """Whatever was set where they were registered."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("w", default="none")
    given = contextvars.copy_context()
    given.run(variable.set, "given")
    seen: list[str] = []
    session = open_session(context=given)
    variable.set("at registration")
    session.on("conversation.item.added", lambda event: seen.append(variable.get()))
    session.conversation.add_message("hello").acknowledged()
    session.flush()

    assert ["given"] == seen


def test_the_snapshot_of_a_handler_is_as_of_its_event(open_session: Open) -> None:
    """The session's own is further on."""
    session = open_session()
    seen: list[tuple[int, Any]] = []
    session.on(
        "conversation.item.added",
        lambda event, ctx: seen.append((len(ctx.snapshot.items), ctx.item.id)),
    )
    for number in range(5):
        item = {
            "id": f"item_{number}",
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "x"}],
        }
        handle = session.conversation.item.create(item)
    handle.acknowledged()
    session.flush()

    assert [(n + 1, f"item_{n}") for n in range(5)] == seen


@pytest.mark.parametrize("dispatch", ["thread", "inline"])
def test_flush_waits_for_the_event_that_is_being_handed_over(
    open_session: Open, dispatch: str
) -> None:
    """Whoever has been told of an event knows that its handlers ran, then."""
    session, go = open_session(dispatch=dispatch), threading.Event()
    seen: list[str] = []
    session.on("conversation.item.added", lambda e: go.wait(LONG), inline=True)
    session.on("conversation.item.added", lambda e: seen.append(e.item.id))
    added = session.conversation.add_message("hello").acknowledged()

    with pytest.raises(WaitTimeout):
        session.flush(timeout=0.05)
    go.set()
    session.flush()

    assert [added.item.id] == seen


def test_plain_blinker_receivers_are_called(open_session: Open) -> None:
    """With the session, and keywords."""
    session = open_session()
    seen: list[Any] = []

    def receiver(sender: Any, *, event: Any, ctx: Any) -> None:
        seen.append((sender, event.type))

    session.signal("conversation.item.created").connect(receiver)
    session.conversation.add_message("hello").acknowledged()
    session.flush()

    assert [(session, "conversation.item.added")] == seen


# -- manual dispatch ---------------------------------------------------------


def test_in_manual_mode_waiting_pumps(open_session: Open) -> None:
    """Handlers run in this thread, also while it asks."""
    session = open_session(dispatch="manual")
    threads: set[int] = set()
    session.on(
        "response.output_text.delta", lambda e: threads.add(threading.get_ident())
    )
    reply = session.ask("hello there")
    session.flush()

    assert "hello there" == reply.text
    assert {threading.get_ident()} == threads


def test_in_manual_mode_nothing_runs_unless_pumped(open_session: Open) -> None:
    """Until `pump` is called."""
    session = open_session(dispatch="manual")
    seen: list[Any] = []
    session.on("conversation.item.added", seen.append)
    asker = threading.Thread(target=session.ask, args=("hello",))
    asker.start()
    asker.join(LONG)
    before = list(seen)
    session.pump(LONG)

    assert [] == before
    assert 2 == len(seen)


def test_asking_in_a_handler_that_runs_while_asking_is_refused(
    open_session: Open,
) -> None:
    """In manual mode the same thread would wait for its own turn."""
    session = open_session(dispatch="manual")
    failures: list[Any] = []
    session.once("response.created", lambda event: session.ask("nested"))
    session.on("handler.failed", failures.append)
    session.ask("hello")
    session.flush()
    # What failed in there is published behind it.
    session.flush()

    assert [WouldDeadlock] == [type(failure.error) for failure in failures]


def test_pumping_is_for_manual_mode(open_session: Open) -> None:
    """The mistake is named."""
    with pytest.raises(LocalProtocolError, match="manual"):
        open_session().pump()


def test_run_forever_ends_with_the_session(open_session: Open) -> None:
    """Handlers have seen everything then."""
    for mode in ("manual", "thread"):
        session = open_session(dispatch=mode)
        seen: list[str] = []
        session.on("response.done", lambda event: session.close())
        session.on("connection.closed", lambda event: seen.append("closed"))
        session.conversation.add_message("hello")
        session.response.create()
        session.run_forever()

        assert ["closed"] == seen
        assert session.closed


# -- looking -----------------------------------------------------------------


@pytest.mark.parametrize("inline", [True, False])
def test_who_is_told_of_the_end_finds_the_session_closed(
    open_session: Open, inline: bool
) -> None:
    """And how it ended; whether a handler is told or a wait."""
    session = open_session()
    told: list[tuple[bool, Any]] = []

    def note(event: Any) -> None:
        told.append((session.closed, session.close_report.code))

    session.on("connection.closed", note, inline=inline)
    with session.expect("connection.closed") as end:
        session.close(code=4001)
        end.result(LONG)
    note(None)

    assert [(True, 4001)] * 2 == told


@pytest.mark.parametrize("lost", [False, True])
def test_the_end_itself_can_be_waited_for(lost: bool) -> None:
    """A wait for `connection.closed` is answered by it, not failed by it."""

    def script(peer: Peer) -> None:
        peer.greet()
        peer.hear()
        if not lost:
            peer.close(1000, "thanks")

    server = RawServer(script)
    session = connect("m", base_url=server.url, router=Router(), timeout=LONG)
    ended = session.expect("connection.closed")
    session.input_audio_buffer.clear()

    assert (1006 if lost else 1000) == ended.result().code
    session.close()
    server.stop()


def test_wait_changed_returns_a_newer_snapshot(open_session: Open) -> None:
    """At once if there is one already."""
    session = open_session()
    before = session.snapshot.version
    session.conversation.add_message("hello")
    changed = session.wait_changed(before)

    assert changed.version > before
    assert session.wait_changed(before).version > before
    with pytest.raises(WaitTimeout):
        session.wait_changed(session.snapshot.version + 10_000, timeout=0.02)


def test_a_session_says_what_it_is(open_session: Open) -> None:
    """Its repr, its name, its state."""
    session = open_session(name="kitchen")

    assert "kitchen" == session.name
    assert "open" in repr(session)
    session.close()
    assert "closed" in repr(session)


def test_a_session_opens_once(open_session: Open) -> None:
    """A second `open` is a mistake."""
    with pytest.raises(LocalProtocolError, match="once"):
        open_session().open()


# -- under fire --------------------------------------------------------------


@pytest.mark.parametrize(
    "commands",
    [1_000, pytest.param(10_000, marks=[pytest.mark.deep, pytest.mark.alone])],
)
def test_every_wait_ends_when_the_connection_is_cut_under_load(commands: int) -> None:
    """
    Eight threads, mixed waits and commands, and a cut in the middle of it.

    Every wait ends within a tenth of a second of the cut, with the reason; no
    acknowledgement that came before it is lost.
    """
    cut: list[float] = []
    handled = threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        for number in range(commands):
            command = peer.hear()
            if command["type"] == "input_audio_buffer.commit":
                kind, extra = "input_audio_buffer.committed", {"item_id": f"i{number}"}
            else:
                kind, extra = "input_audio_buffer.cleared", {}
            peer.say({"type": kind, "event_id": f"e{number}", **extra})
        handled.set()
        for _ in range(6):  # But for two that may wait for others, each sends one more.
            peer.hear()
        cut.append(monotonic())
        peer.drop()

    ends: list[tuple[BaseException, float]] = []
    acknowledged = [0] * 8

    def work(name: int, session: Session) -> None:
        try:
            while True:
                if name % 4 == 0:
                    session.input_audio_buffer.commit().acknowledged(None)
                elif name % 4 == 1:
                    with session.expect("input_audio_buffer.cleared") as got:
                        handle = session.input_audio_buffer.clear()
                    got.result(None)
                    handle.acknowledged(None)
                elif name % 4 == 2:
                    handle = session.input_audio_buffer.clear()
                    session.wait_for("input_audio_buffer.*", timeout=None)
                    handle.acknowledged(None)
                else:
                    before = session.snapshot.version
                    handle = session.input_audio_buffer.clear()
                    session.wait_changed(before, timeout=None)
                    handle.acknowledged(None)
                acknowledged[name] += 1
        except ConnectionClosed as exc:
            ends.append((exc, monotonic()))

    with RawServer(script) as server:
        session = connect("m", base_url=server.url, router=Router())
        threads = [threading.Thread(target=work, args=(n, session)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        report = session.close()

    assert handled.is_set()
    assert 8 == len(ends)
    assert {ConnectionLost} == {type(error) for error, _ in ends}
    if commands > 1_000:  # Bounds of time hold where nothing else runs.
        assert max(when for _, when in ends) - cut[0] < 0.1 + 0.3
    assert min(acknowledged) > 0
    assert isinstance(report.error, ConnectionLost)
