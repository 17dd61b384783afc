"""Tools on a session, against the local server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync import Session, connect
from realtime_sync.errors import ToolError
from realtime_sync.server import serve
from realtime_sync.server.agents.base import Call, Prompt

pytestmark = pytest.mark.usefixtures("arrangement")


class Model:
    """Calls what it is told to, then says what it was answered."""

    def __init__(self, *calls: Call) -> None:
        self.calls = calls
        self.outputs: list[Any] = []

    def __call__(self, prompt: Prompt) -> Any:
        outputs = [i for i in prompt.items if i["type"] == "function_call_output"]
        if not outputs:
            return list(self.calls)
        self.outputs = [json.loads(i["output"]) for i in outputs]
        return f"{len(outputs)} answers"


@pytest.fixture(params=["ga", "beta"])
def dialect(request: pytest.FixtureRequest) -> str:
    """Both dialects."""
    return str(request.param)


@pytest.fixture
def open_session(dialect: str) -> Iterator[Any]:
    """A function that opens a session with a model that calls tools."""
    opened = []

    def open_one(model: Model, **options: Any) -> Session:
        server = serve(agent=model)
        session = connect("m", base_url=server.url, dialect=dialect, **options)
        opened.append((server, session))
        return session

    yield open_one
    for server, session in opened:
        session.close()
        server.close()


def add(a: int, b: int) -> dict[str, int]:
    """Add two numbers."""
    return {"sum": a + b}


def test_all_calls_of_a_response_are_answered_by_one_response(
    open_session: Any,
) -> None:
    """Two calls in one response: two outputs, one response.create."""
    model = Model(Call("add", {"a": 1, "b": 2}), Call("add", {"a": 3, "b": 4}))
    session = open_session(model, tools=[add])
    created: list[Any] = []
    session.on("client.response.create", created.append)

    reply = session.ask("Add.", timeout=10)
    session.flush()

    assert "2 answers" == reply.text
    assert [{"sum": 3}, {"sum": 7}] == model.outputs
    assert 2 == len(created)
    assert 2 == len(reply.steps)


def boom() -> None:
    """Fail."""
    raise RuntimeError("it broke")


def refused(x: int = 0) -> int:
    """Be refused."""
    raise AssertionError("must not run")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (Call("boom", {}), "RuntimeError: it broke"),
        (Call("missing", {}), "no tool called"),
        (Call("add", "{not json"), "not JSON"),
        (Call("add", {"a": "x", "b": 1}), "$.a"),
        (Call("refused", {}), "not approved"),
    ],
)
def test_what_goes_wrong_is_told_to_the_model(
    open_session: Any, call: Call, words: str
) -> None:
    """Bad arguments, an unknown tool, an exception: an error output each time."""
    model = Model(call)
    session = open_session(model, tools=[add, boom])
    session.tool(refused, approve=lambda call: False)

    reply = session.ask("Go.", timeout=10)

    assert "1 answers" == reply.text
    assert words in model.outputs[0]["error"]


def test_a_tool_that_is_late_is_told_as_such(open_session: Any) -> None:
    """The deadline of a tool ends the wait for it, not the session."""
    release = threading.Event()

    def slow() -> str:
        """Wait."""
        release.wait(30)
        return "late"

    model = Model(Call("slow", {}))
    session = open_session(model)
    session.tool(slow, timeout=0.05)

    reply = session.ask("Go.", timeout=10)
    release.set()

    assert "1 answers" == reply.text
    assert "0.05 seconds" in model.outputs[0]["error"]


def test_a_hint_is_said_while_a_tool_takes_long(open_session: Any) -> None:
    """The hint is an out-of-band response, so it disturbs nothing."""
    release = threading.Event()

    def slow() -> str:
        """Wait."""
        release.wait(30)
        return json.dumps("done")

    session = open_session(Model(Call("slow", {})))
    session.tool(slow, hint="One moment.", hint_after=0.01)
    created: list[Any] = []

    def note(command: Any) -> None:
        created.append(command.response)
        if command.response.conversation == "none":
            release.set()

    session.on("client.response.create", note)

    reply = session.ask("Go.", timeout=10)
    session.flush()

    assert "1 answers" == reply.text
    assert any("One moment." in str(each.instructions) for each in created)


def test_a_call_runs_once_however_often_it_is_delivered(open_session: Any) -> None:
    """The same response.done twice is one execution."""
    ran: list[int] = []

    def count() -> str:
        """Count."""
        ran.append(1)
        return json.dumps(len(ran))

    session = open_session(Model(Call("count", {})), tools=[count])
    done: list[Any] = []
    session.on("response.done", done.append)
    session.ask("Go.", timeout=10)
    session.flush()

    session._tools._response_done(done[0])
    session.ask("Again.", timeout=10)

    assert [1] == ran


def test_a_second_tool_of_the_same_name_is_refused(open_session: Any) -> None:
    """Two functions cannot share a name; the same function may come again."""
    session = open_session(Model(), tools=[add])
    session.tool(add)

    with pytest.raises(ToolError, match="already"):
        session.tool(boom, name="add")
