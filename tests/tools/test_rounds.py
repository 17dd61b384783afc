"""What becomes of a round of calls when something comes in between."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy, Session, connect
from realtime_sync.deadline import Deadline, Flag
from realtime_sync.errors import ConnectionLost, ToolError, WaitTimeout
from realtime_sync.server import Call, serve
from realtime_sync.server.agents.base import Prompt
from realtime_sync.testing import MemoryTransport, faults, frames
from realtime_sync.tools import ToolCall, tool_round
from realtime_sync.tools.tool_round import RunningToolCall

pytestmark = pytest.mark.usefixtures("arrangement")

OUTPUT = "function_call_output"


class Sent:
    """What a session has sent, to be waited for from another thread."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.changed = threading.Condition()
        self.after_output: list[dict[str, Any]] = []

    def __call__(self, frame: dict[str, Any]) -> Any:
        """Note a command, and answer one that asks for a response."""
        with self.changed:
            self.frames.append(frame)
            self.changed.notify_all()
        if frame["type"] == "response.create":
            return frames.answer("Well.")(frame)
        if frame.get("item", {}).get("type") == OUTPUT:
            return self.after_output
        return None

    def outputs(self) -> list[Any]:
        """The outputs of tools, decoded."""
        items = [f["item"] for f in self.frames if "item" in f]
        return [json.loads(i["output"]) for i in items if i["type"] == OUTPUT]

    def asked(self) -> int:
        """How many responses were asked for."""
        return sum(f["type"] == "response.create" for f in self.frames)

    def wait(self, outputs: int, asked: int) -> None:
        """Wait until so much was sent."""
        with self.changed:
            assert self.changed.wait_for(
                lambda: len(self.outputs()) >= outputs and self.asked() >= asked, 10
            )


@pytest.fixture
def sent() -> Sent:
    """Everything that the session sends."""
    return Sent()


@pytest.fixture
def transport(sent: Sent) -> MemoryTransport:
    """A server that says what the test feeds."""
    return MemoryTransport(on_send=sent)


@pytest.fixture(params=["inline", "thread", "manual"])
def session(
    request: pytest.FixtureRequest, transport: MemoryTransport
) -> Iterator[Session]:
    """A session in each way of calling handlers."""
    with connect(
        "m", transport=transport, dispatch=request.param, timeout=5
    ) as session:
        yield session


def rounds_over(session: Session) -> None:
    """Wait until nothing of the rounds runs."""
    for each in tuple(session.tools._rounds.values()):
        assert each.done.wait(10)


def double(x: int) -> int:
    """Double a number."""
    return 2 * x


@pytest.mark.parametrize("status", ["cancelled", "incomplete", "failed"])
def test_calls_of_a_response_that_did_not_complete_are_answered_and_not_run(
    session: Session, transport: MemoryTransport, sent: Sent, status: str
) -> None:
    """The model is told; whoever ended the response decides how to go on."""
    ran: list[int] = []

    @session.tool
    def never(x: int) -> None:
        """Must not run."""
        ran.append(x)

    transport.feed(*frames.answer(calls=[("never", {"x": 1})], status=status)({}))
    sent.wait(1, 0)
    rounds_over(session)

    assert [] == ran
    assert status in sent.outputs()[0]["error"]
    assert 0 == sent.asked()


def test_a_call_that_the_conversation_does_not_have_is_not_answered(
    session: Session, transport: MemoryTransport, sent: Sent
) -> None:
    """Cancelled before its item was added: an output would be refused."""
    session.tool(double)
    *_, done = frames.answer(calls=[("double", {"x": 1})], status="cancelled")({})
    done["response"]["output"] = [
        {k: v for k, v in item.items() if k != "id"}
        for item in done["response"]["output"]
    ]
    transport.feed(done)
    rounds_over(session)

    assert [] == sent.outputs()


def nameless(call_id: object, *names: str) -> list[dict[str, Any]]:
    """Calls of `double` under ids that do not tell them apart, as items."""
    return [
        {
            "id": f"item_{index}",
            "type": "function_call",
            "call_id": call_id,
            "name": name,
            "arguments": json.dumps({"x": index}),
            "status": "completed",
        }
        for index, name in enumerate(names, 1)
    ]


def answered(sent: Sent) -> dict[str, Any]:
    """The outputs of tools by the id that they name."""
    items = [f["item"] for f in sent.frames if "item" in f]
    found = [i for i in items if i["type"] == OUTPUT]
    outputs = {i["call_id"]: json.loads(i["output"]) for i in found}
    assert len(found) == len(outputs)
    return outputs


@pytest.mark.parametrize("call_id", [None, "", 7, {}], ids=repr)
def test_calls_without_a_call_id_are_run_and_answered_under_their_items(
    session: Session, transport: MemoryTransport, sent: Sent, call_id: object
) -> None:
    """The model would wait for them for ever; two rounds, each call once."""
    session.tool(double)
    calls = nameless(call_id, "double", "double")
    said = list(frames.answer(calls=calls)({}))
    transport.feed(*said, said[-1])
    sent.wait(2, 1)
    rounds_over(session)

    assert {"item_1": 2, "item_2": 4} == answered(sent)
    assert 1 == sent.asked()


def test_that_call_ids_are_missing_is_said_once(
    session: Session,
    transport: MemoryTransport,
    sent: Sent,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A server that leaves one out leaves all of them out."""
    session.tool(double)
    first, second = nameless(None, "double", "double")
    transport.feed(*frames.answer(calls=[first])({}))
    sent.wait(1, 1)
    transport.feed(*frames.answer(calls=[second])({}))
    sent.wait(2, 2)
    rounds_over(session)

    assert {"item_1": 2, "item_2": 4} == answered(sent)
    assert 1 == sum("no call_id" in record.message for record in caplog.records)


def test_calls_without_any_id_are_answered_under_their_places(
    session: Session, transport: MemoryTransport, sent: Sent
) -> None:
    """All that is left to tell them apart is where they stand in the response."""
    session.tool(double)
    items = [{**each, "id": None} for each in nameless(None, "double", "double")]
    transport.feed(
        {"type": "response.created", "response": {"id": "r1"}},
        {
            "type": "response.done",
            "response": {"id": "r1", "status": "completed", "output": items},
        },
    )
    sent.wait(2, 1)
    rounds_over(session)

    assert {"r1/0": 2, "r1/1": 4} == answered(sent)


@pytest.mark.parametrize("name", [None, "", 5], ids=repr)
def test_a_call_that_names_no_function_is_told_so(
    session: Session, transport: MemoryTransport, sent: Sent, name: Any
) -> None:
    """In words, and not in those of this library."""
    session.tool(double)
    transport.feed(*frames.answer(calls=nameless("c1", name))({}))
    sent.wait(1, 1)
    rounds_over(session)

    assert {"c1": {"error": "the call names no function"}} == answered(sent)


def test_what_the_end_of_a_response_leaves_out_of_a_call_was_said_before(
    session: Session, transport: MemoryTransport, sent: Sent
) -> None:
    """Earlier events have named the function, and given its arguments."""
    session.tool(double)
    whole = nameless("c1", "double")
    *before, done = frames.answer(calls=whole)({})
    done["response"]["output"] = [{"id": "item_1", "type": "function_call"}]
    transport.feed(*before, done)
    sent.wait(1, 1)
    rounds_over(session)

    assert {"c1": 2} == answered(sent)


def test_calls_out_of_band_are_never_answered(
    session: Session, transport: MemoryTransport, sent: Sent
) -> None:
    """There is no conversation that an output could go to."""
    session.tool(double)
    aside = {"response": {"conversation": "none"}}
    transport.feed(*frames.answer(calls=[("double", {"x": 1})])(aside))
    rounds_over(session)

    assert [] == sent.outputs()
    assert 0 == sent.asked()


def test_a_function_of_somebody_else_is_left_to_them(
    session: Session, transport: MemoryTransport, sent: Sent
) -> None:
    """What the configuration declares beside the tools, others answer."""
    theirs = {"type": "function", "name": "theirs", "parameters": {"type": "object"}}
    session.update(tools=[theirs])
    session.tool(double)
    calls = [("theirs", {}), ("double", {"x": 4})]
    transport.feed(*frames.answer(calls=calls)({}))
    sent.wait(1, 0)
    rounds_over(session)

    assert [8] == sent.outputs()
    assert 0 == sent.asked()


def test_tools_come_and_go_while_the_session_is_open(
    session: Session, transport: MemoryTransport, sent: Sent
) -> None:
    """Other people's tools, secrets included, stay beside them."""
    mcp = {"type": "mcp", "server_label": "deep", "authorization": "secret"}
    session.update(tools=[mcp])
    session.tool(double)
    both = transport.commands("session.update")[-1]["session"]["tools"]
    session.tools.remove(double)
    alone = transport.commands("session.update")[-1]["session"]["tools"]
    transport.feed(*frames.answer(calls=[("double", {"x": 4})])({}))
    sent.wait(1, 1)

    assert [None, "double"] == [tool.get("name") for tool in both]
    assert "secret" == both[0]["authorization"]
    assert [mcp] == alone
    assert "no tool called" in sent.outputs()[0]["error"]
    assert "double" not in session.tools
    with pytest.raises(ToolError, match="no tool"):
        session.tools.remove("double")
    rounds_over(session)


def test_a_session_that_is_closed_waits_for_no_tool(
    session: Session, transport: MemoryTransport, sent: Sent
) -> None:
    """The function learns that nobody waits for it, and nothing is sent."""
    began, told = threading.Event(), threading.Event()

    @session.tool
    def slow(call: ToolCall) -> str:
        """Wait."""
        began.set()
        if call.abandoned.wait(20):
            told.set()
        return "late"

    transport.feed(*frames.answer(calls=[("slow", {})])({}))
    assert began.wait(10)
    session.close()

    assert told.wait(10)
    assert [] == sent.outputs()


def test_a_session_that_is_closed_as_a_round_begins_to_wait_ends_it(
    session: Session, transport: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its word comes between the look for it and the wait, and is not lost."""
    ended, go = threading.Event(), threading.Event()
    closed: list[bool] = []

    class Stirred(Flag):
        """Closes the session when it is cleared first."""

        def clear(self) -> None:
            name = threading.current_thread().name
            if not closed and (name.endswith(" tools") or " round " in name):
                closed.append(True)
                session.close()
                ended.set()
            super().clear()

    def slow() -> None:
        """Take as long as it likes."""
        go.wait(20)

    monkeypatch.setattr(tool_round, "Flag", Stirred)
    session.tool(slow, timeout=3600.0)
    transport.feed(*frames.answer(calls=[("slow", {})])({}))
    assert ended.wait(10)
    rounds_over(session)
    go.set()

    assert session.closed


def speech(kind: str, **fields: Any) -> dict[str, Any]:
    """An event about the user's voice."""
    return {"type": f"input_audio_buffer.{kind}", "item_id": "item_user", **fields}


@pytest.mark.parametrize("ends", ["committed", "cleared"])
def test_a_user_who_speaks_meanwhile_is_not_talked_over(
    session: Session, transport: MemoryTransport, sent: Sent, ends: str
) -> None:
    """The response to the user's turn sees the outputs; there is none beside it."""
    session.update(turn_detection={"type": "server_vad", "create_response": True})
    release = threading.Event()

    @session.tool
    def slow() -> str:
        """Wait."""
        release.wait(20)
        return json.dumps("there")

    transport.feed(*frames.answer(calls=[("slow", {})])({}))
    transport.feed(speech("speech_started", audio_start_ms=0))
    release.set()
    sent.wait(1, 0)
    before = sent.asked()
    if ends == "committed":
        transport.feed(speech("speech_stopped", audio_end_ms=900))
        transport.feed(speech("committed", previous_item_id=None))
    else:
        transport.feed({"type": "input_audio_buffer.cleared"})
        sent.wait(1, 1)
    if ends == "committed":
        rounds_over(session)

    assert ["there"] == sent.outputs()
    assert (0, int(ends == "cleared")) == (before, sent.asked())
    session.close()
    rounds_over(session)


@pytest.mark.parametrize("told", [[], ["speech_stopped"]])
def test_a_turn_that_ends_as_the_output_is_sent_is_answered_once(
    session: Session, transport: MemoryTransport, sent: Sent, told: list[str]
) -> None:
    """Its response sees the output, whenever the library looks."""
    session.update(turn_detection={"type": "server_vad", "create_response": True})
    release = threading.Event()
    rest = [kind for kind in ("speech_stopped", "committed") if kind not in told]
    sent.after_output = [speech(kind) for kind in rest]
    session.tool(lambda: release.wait(20), name="slow", description="Wait.")
    transport.feed(*frames.answer(calls=[("slow", {})])({}))
    transport.feed(speech("speech_started", audio_start_ms=0), *map(speech, told))
    release.set()
    rounds_over(session)

    assert [True] == sent.outputs()
    assert 0 == sent.asked()


def test_a_turn_that_is_never_committed_does_not_leave_the_model_silent(
    session: Session,
    transport: MemoryTransport,
    sent: Sent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some servers tell that speech has stopped and no more of it."""
    monkeypatch.setattr(tool_round, "_COMMIT_FOLLOWS", 0.02)
    session.update(turn_detection={"type": "server_vad", "create_response": True})
    release = threading.Event()
    session.tool(lambda: release.wait(20), name="slow", description="Wait.")
    transport.feed(*frames.answer(calls=[("slow", {})])({}))
    transport.feed(speech("speech_started", audio_start_ms=0))
    transport.feed(speech("speech_stopped", audio_end_ms=900))
    release.set()
    sent.wait(1, 1)
    rounds_over(session)


def test_a_call_for_which_there_is_no_thread_is_answered(
    transport: MemoryTransport, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so are the others; the model is asked to go on."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.endswith("tool broken"):
            raise RuntimeError("can't start new thread")
        start(thread)

    def broken() -> None:
        """Never run."""

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with connect("m", transport=transport, threads=None, timeout=5) as session:
        session.tool(broken)
        session.tool(double)
        calls = [("broken", {}), ("double", {"x": 4})]
        transport.feed(*frames.answer(calls=calls)({}))
        sent.wait(2, 1)
        rounds_over(session)

    assert [{"error": "can't start new thread"}, 8] == sent.outputs()


@pytest.fixture
def no_thread_for_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system gives no thread in which calls would be waited for."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.endswith(" tools"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.usefixtures("no_thread_for_rounds")
@pytest.mark.parametrize("dispatch", ["inline", "thread", "manual"])
def test_calls_that_nobody_could_wait_for_are_answered_once(
    transport: MemoryTransport, sent: Sent, dispatch: str
) -> None:
    """Each of them, also when the response is told again; the model goes on."""
    ran: list[int] = []

    def note(x: int) -> None:
        """Note a number."""
        ran.append(x)

    with connect(
        "m", transport=transport, threads=None, dispatch=dispatch, timeout=5
    ) as session:
        session.tool(note)
        calls = [("note", {"x": 1}), ("note", {"x": 2})]
        events = list(frames.answer(calls=calls)({}))
        transport.feed(*events)
        transport.feed(events[-1])
        asked = sent.asked()

    assert [{"error": "can't start new thread"}] * 2 == sent.outputs()
    assert 1 == asked
    assert [] == ran


@pytest.mark.usefixtures("no_thread_for_rounds")
@pytest.mark.parametrize("policy", [None, ReconnectPolicy()], ids=["plain", "lasting"])
def test_a_question_whose_tools_have_no_thread_gets_its_answer(
    policy: ReconnectPolicy | None,
) -> None:
    """On the loop of a real connection, which waits for nobody."""

    def now() -> str:
        """Tell the time."""
        return "noon"

    def model(prompt: Prompt) -> Any:
        last = prompt.items[-1]
        return last["output"] if last["type"] == OUTPUT else Call("now", {})

    with serve(agent=model) as server:
        with connect(
            "m", base_url=server.url, threads=None, reconnect=policy, tools=[now]
        ) as session:
            answer = session.ask("How late is it?", timeout=10)

    assert "can't start new thread" in answer.text


@pytest.mark.usefixtures("no_thread_for_rounds")
def test_calls_without_a_thread_do_not_talk_over_a_user(
    transport: MemoryTransport, sent: Sent
) -> None:
    """The server answers his turn, with the outputs before its eyes."""
    with connect("m", transport=transport, threads=None, timeout=5) as session:
        session.update(turn_detection={"type": "server_vad", "create_response": True})
        session.tool(double)
        transport.feed(speech("speech_started", audio_start_ms=0))
        transport.feed(*frames.answer(calls=[("double", {"x": 4})])({}))

    assert [{"error": "can't start new thread"}] == sent.outputs()
    assert 0 == sent.asked()


@pytest.mark.usefixtures("no_thread_for_rounds")
def test_calls_of_a_cancelled_response_without_a_thread_are_told_so(
    transport: MemoryTransport, sent: Sent
) -> None:
    """Their output was settled before, and nothing further is asked for."""
    with connect("m", transport=transport, threads=None, timeout=5) as session:
        session.tool(double)
        *begun, done = frames.answer(calls=[("double", {"x": 4})])({})
        done["response"]["status"] = "cancelled"
        transport.feed(*begun, done)

    (output,) = sent.outputs()
    assert "cancelled" in output["error"]
    assert 0 == sent.asked()


def test_an_approval_that_comes_too_late_runs_nothing(
    session: Session, transport: MemoryTransport, sent: Sent
) -> None:
    """The model was told that nothing came of it."""
    ran: list[int] = []
    approved = threading.Event()

    def late(call: ToolCall) -> bool:
        call.abandoned.wait(20)
        approved.set()
        return True

    def act() -> None:
        """Act."""
        ran.append(1)

    session.tool(act, approve=late, timeout=0.02)
    transport.feed(*frames.answer(calls=[("act", {})])({}))
    sent.wait(1, 1)
    assert approved.wait(10)

    assert [] == ran
    assert "0.02 seconds" in sent.outputs()[0]["error"]
    session.close()
    rounds_over(session)


class Caller:
    """A model that calls a tool until it has been answered so often."""

    def __init__(self, times: int = 1) -> None:
        self.times = times
        self.answered: list[Any] = []

    def __call__(self, prompt: Prompt) -> Any:
        """Call, or say how often it was answered."""
        outputs = [i for i in prompt.items if i["type"] == OUTPUT]
        self.answered = [json.loads(i["output"]) for i in outputs]
        if len(outputs) < self.times:
            return Call("count", {})
        return f"{len(outputs)} answers"


@pytest.mark.parametrize("dialect", ["ga", "beta"])
@pytest.mark.parametrize(
    "fault",
    [
        "drop_after:response.done",
        "drop_after:conversation.item.done",
        "drop_before:response.done",
    ],
)
def test_an_output_reaches_the_connection_that_comes_after(
    dialect: str, fault: str
) -> None:
    """The connection is lost right behind the call: run once, answered once."""
    model, ran = Caller(), []
    restored, answered = threading.Event(), threading.Event()

    def count() -> int:
        """Count."""
        ran.append(1)
        assert restored.wait(10)
        return len(ran)

    if dialect == "beta":
        fault = fault.replace("item.done", "item.created")
    with serve(agent=model, faults=[fault]) as server:

        def heal(attempt: Any) -> None:
            server.faults = []

        policy = ReconnectPolicy(base=0.001, cap=0.002, hook=heal)
        with connect(
            "m", base_url=server.url, dialect=dialect, reconnect=policy, tools=[count]
        ) as session:
            session.on("connection.restored", lambda event: restored.set())

            def finished(event: Any) -> None:
                if "answers" in session.snapshot.response(event.response.id).text:
                    answered.set()

            session.on("response.done", finished)
            session.conversation.add_message("Count.").acknowledged(5)
            session.response.create(output_modalities=["text"])
            assert restored.wait(10)
            if "before" in fault or "item" in fault:
                return  # The call was not said, so it is not to be run.
            assert answered.wait(10)

    assert [1] == ran
    assert [1] == model.answered


def test_an_output_that_a_connection_swallowed_is_sent_again() -> None:
    """Lost between the output and its acknowledgement."""
    model, ran = Caller(), []
    restored, answered = threading.Event(), threading.Event()

    def count() -> int:
        """Count."""
        ran.append(1)
        return len(ran)

    with serve(agent=model) as server:

        def heal(attempt: Any) -> None:
            server.faults = []

        server.faults = [faults.stall("rate_limits.updated")]
        policy = ReconnectPolicy(base=0.001, cap=0.002, hook=heal)
        with connect(
            "m",
            base_url=server.url,
            reconnect=policy,
            tools=[count],
            config={"output_modalities": ["text"]},
        ) as session:
            session.on("connection.restored", lambda event: restored.set())
            session.on(
                "response.text.done",
                lambda event: answered.set() if "answers" in event.text else None,
            )
            outputs: list[Any] = []

            @session.on("client.conversation.item.create")
            def swallowed(command: Any) -> None:
                if command.item.type == OUTPUT:
                    outputs.append(command)
                    if len(outputs) == 1:
                        server.open_sessions()[-1].drop()

            session.conversation.add_message("Count.").acknowledged(5)
            session.response.create()
            assert restored.wait(10)
            assert answered.wait(10)

    assert [1] == ran
    assert [1] == model.answered
    assert 2 == len(outputs)


@pytest.mark.parametrize("most", [0, 1, 3])
def test_a_question_is_followed_so_far_and_no_further(most: int) -> None:
    """The last calls are answered, and no response is asked for any more."""
    model, ran = Caller(times=10), []

    def count() -> int:
        """Count."""
        ran.append(1)
        return len(ran)

    with serve(agent=model) as server:
        with connect("m", base_url=server.url, tools=[count]) as session:
            created: list[Any] = []
            session.on("client.response.create", created.append)
            reply = session.ask("Count.", max_tool_rounds=most, timeout=10)
            rounds_over(session)
            session.flush()

    assert most + 1 == len(reply.steps)
    assert most + 1 == len(ran)
    assert most + 1 == len(created)
    assert 1 == len(reply.tool_calls)


def test_a_model_that_calls_for_ever_is_stopped() -> None:
    """Without a question the set's own limit holds."""
    model, ran, ended = Caller(times=100), [], threading.Event()

    def count() -> int:
        """Count."""
        ran.append(1)
        if len(ran) == 9:
            ended.set()
        return len(ran)

    with serve(agent=model) as server:
        with connect("m", base_url=server.url, tools=[count]) as session:
            session.conversation.add_message("Count.")
            session.response.create()
            assert ended.wait(10)
            rounds_over(session)

    assert 9 == len(ran)


@pytest.mark.parametrize("dispatch", ["thread", "manual"])
def test_a_question_ends_with_the_session_while_its_tool_runs(dispatch: str) -> None:
    """Whoever asked learns at once why no answer will come."""

    def lose(call: ToolCall) -> None:
        """Lose the connection and wait for the end."""
        server.open_sessions()[-1].drop()
        call.abandoned.wait(20)

    with serve(agent=lambda prompt: Call("lose", {})) as server:
        with connect(
            "m", base_url=server.url, tools=[lose], dispatch=dispatch
        ) as session:
            with pytest.raises(ConnectionLost):
                session.ask("Lose it.", timeout=20)


def test_a_question_that_pumps_learns_that_its_tools_are_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also when everything that the server says has been handled before."""
    handled, pause = threading.Event(), threading.Event()

    def count() -> int:
        """Count."""
        return 1

    def late(running: Any) -> None:
        assert handled.wait(10)
        pause.wait(0.05)

    monkeypatch.setattr(RunningToolCall, "abandon", late)
    deadline = Deadline(5)
    with serve(agent=Caller(times=1)) as server:
        with connect(
            "m", base_url=server.url, tools=[count], dispatch="manual"
        ) as session:
            session.on(
                "rate_limits.updated",
                lambda event: handled.set(),
                where=lambda event: len(session.snapshot.responses) > 1,
            )
            assert "completed" == session.ask("Count.", timeout=5).status

    assert not deadline.passed


def test_a_question_whose_tool_takes_too_long_says_what_there_was() -> None:
    """The deadline of the question is not that of the tool."""
    heard = threading.Event()

    def slow(call: ToolCall) -> None:
        """Wait."""
        call.abandoned.wait(20)

    with serve(agent=lambda prompt: Call("slow", {})) as server:
        with connect(
            "m", base_url=server.url, tools=[slow], dispatch="manual"
        ) as session:
            session.on("response.done", lambda event: heard.set())
            with pytest.raises(WaitTimeout, match="tools were not done") as caught:
                session.ask("Wait.", timeout=0.3)

    assert "slow" == caught.value.partial.tool_calls[0].name
    assert heard.is_set()


def test_hints_of_parallel_calls_do_not_wait_for_each_other(
    session: Session, transport: MemoryTransport, sent: Sent
) -> None:
    """The second one's is said while the first is waited for."""

    def wait(call: ToolCall) -> None:
        """Wait."""
        call.abandoned.wait(20)

    session.tool(wait, name="first", timeout=20)
    session.tool(wait, name="second", timeout=20, hint="Soon.", hint_after=0.01)
    transport.feed(*frames.answer(calls=[("first", {}), ("second", {})])({}))
    sent.wait(0, 1)
    session.close()
    rounds_over(session)

    hint = next(f for f in sent.frames if f["type"] == "response.create")
    assert "Soon." in hint["response"]["instructions"]
    assert "none" == hint["response"]["conversation"]
