"""Tools of a live session: the backend calls, functions answer, it goes on once."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Barrier, Event, Thread
from typing import Any

import pytest

from realtime_sync import RealtimeClient, errors, live
from realtime_sync.testing import MemoryTransport
from realtime_sync.tools import ToolCall

pytestmark = pytest.mark.usefixtures("arrangement")

LONG = 10.0
CONFIG = live.LiveConfig(delegation=live.Responses(model="gpt-5"))


def nested(kind: str, work: str = "item_1", **fields: Any) -> dict[str, Any]:
    """What the backend says."""
    event = {"type": kind, **fields}
    return {"type": "response.event", "delegation_id": work, "event": event}


def created(name: str) -> dict[str, Any]:
    """A response begins."""
    return nested("response.created", response={"id": name, "status": "in_progress"})


def ended(name: str, status: str = "completed") -> dict[str, Any]:
    """A response ends; what it has made is not repeated."""
    response = {"id": name, "status": status, "output": [], "tools": []}
    return nested(f"response.{status}", response=response)


def called(call_id: str, name: str = "forecast", **more: Any) -> dict[str, Any]:
    """A call is complete."""
    arguments = more.pop("arguments", '{"city": "Lima"}')
    item = {
        "type": "function_call",
        "id": f"fc_{call_id}",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        "status": "completed",
        **more,
    }
    return nested("response.output_item.done", item=item)


class Scene:
    """
    A live session with a backend that the test speaks for.

    Attributes:
        session: the session.
        transport: feeds it.
    """

    def __init__(self, session: live.LiveSession, transport: MemoryTransport) -> None:
        self.session = session
        self.transport = transport
        self._sent = Event()
        for kind in ("response.item.create", "response.create"):
            session.on(f"client.{kind}", lambda event: self._sent.set(), inline=True)

    def feed(self, *frames: dict[str, Any]) -> None:
        """Let the backend say something."""
        self.transport.feed(*frames)

    def outputs(self, count: int) -> dict[str, str]:
        """What calls have given, once there are so many."""
        self._until(lambda: len(self._items()) >= count)
        return {item["call_id"]: item["output"] for item in self._items()}

    def creations(self, count: int) -> int:
        """How often the backend was asked to go on, once it is so often."""
        self._until(lambda: len(self.transport.commands("response.create")) >= count)
        return len(self.transport.commands("response.create"))

    def asked(self) -> int:
        """How often it was asked until now."""
        return len(self.transport.commands("response.create"))

    def _items(self) -> list[dict[str, Any]]:
        sent = self.transport.commands("response.item.create")
        return [each["item"] for each in sent if "call_id" in each["item"]]

    def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            assert self._sent.wait(LONG)
            self._sent.clear()


@contextmanager
def scene(*tools: Any, config: Any = CONFIG, **options: Any) -> Iterator[Scene]:
    """An open session with tools."""
    transport = MemoryTransport(session_type="live")
    client = RealtimeClient(base_url="ws://127.0.0.1:9", api_key="k")
    session = client.session(
        "gpt-live-1",
        transport=transport,
        config=config,
        dispatch="inline",
        tools=tools,
        close_timeout=1.0,
        timeout=LONG,
        **options,
    )
    with session:
        yield Scene(session, transport)


def forecast(city: str) -> str:
    """The weather of a city."""
    return f"Rain in {city}."


def test_tools_are_in_the_backend_of_the_first_command() -> None:
    """The voice has none; and a tool that comes later is added to those."""

    def later() -> str:
        """Another."""
        return ""

    with scene(forecast) as play:
        play.session.tool(later)

        [start] = play.transport.commands("session.start")
        [update] = play.transport.commands("session.update")
        backend = start["session"]["delegation"]["responses"]
        assert ["gpt-5"] == [backend["model"]]
        assert ["forecast"] == [each["name"] for each in backend["tools"]]
        assert "tools" not in start["session"]
        offered = update["session"]["delegation"]["responses"]["tools"]
        assert ["forecast", "later"] == [each["name"] for each in offered]
        play.session.tools.remove("forecast")
        assert ["later"] == [tool.name for tool in play.session.tools]


def test_call_is_run_when_it_is_done_and_the_backend_goes_on_once() -> None:
    """It arrives three times; its response ends with nothing in its output."""
    ran: list[str] = []

    def forecast(city: str) -> str:
        """The weather."""
        ran.append(city)
        return f"Rain in {city}."

    with scene(forecast) as play:
        item = {"type": "function_call", "call_id": "call_1", "name": "forecast"}
        added = nested("response.output_item.added", item={**item, "arguments": ""})
        args = nested("response.function_call_arguments.done", arguments="{}")
        play.feed(created("resp_1"), added, args)
        assert [] == ran
        play.feed(called("call_1"), called("call_1"))

        assert {"call_1": "Rain in Lima."} == play.outputs(1)
        assert 0 == play.asked()

        play.feed(ended("resp_1"))
        assert 1 == play.creations(1)
        play.feed(created("resp_2"), ended("resp_2"))
        assert 1 == play.asked()
        assert ["Lima"] == ran


def test_two_calls_are_answered_before_the_backend_is_asked() -> None:
    """Too early a question stops it for good."""
    go_on = Event()

    def slow() -> str:
        """Takes long."""
        assert go_on.wait(LONG)
        return "slow"

    def fast() -> str:
        """Takes no time."""
        return "fast"

    with scene(slow, fast) as play:
        play.feed(created("resp_1"))
        play.feed(called("call_1", "slow", arguments="{}"))
        play.feed(called("call_2", "fast", arguments="{}"))
        assert {"call_2": "fast"} == play.outputs(1)
        play.feed(ended("resp_1"))
        assert 0 == play.asked()
        go_on.set()

        assert {"call_1": "slow", "call_2": "fast"} == play.outputs(2)
        assert 1 == play.creations(1)


def test_call_that_was_cut_off_is_never_run() -> None:
    """Its arguments may be half of what was meant."""
    ran: list[str] = []

    def forecast(city: str) -> str:
        """The weather."""
        ran.append(city)
        return ""

    with scene(forecast) as play:
        play.feed(created("resp_1"), called("call_1", status="incomplete"))
        play.feed(ended("resp_1", "incomplete"))
        play.feed(created("resp_2"), called("call_2"), ended("resp_2"))

        assert {"call_2": ""} == play.outputs(1)
        assert ["Lima"] == ran


@pytest.mark.parametrize("status", ["failed", "incomplete"])
def test_calls_of_a_response_that_failed_are_dropped(status: str) -> None:
    """Outputs for them would be refused; the next delegation works."""
    began, over = Event(), Event()

    def waits(call: ToolCall) -> str:
        """Waits until nobody wants it."""
        began.set()
        assert call.abandoned.wait(LONG)
        over.set()
        return "late"

    with scene(waits, forecast) as play:
        play.feed(created("resp_1"), called("call_1", "waits", arguments="{}"))
        assert began.wait(LONG)
        play.feed(ended("resp_1", status))
        assert over.wait(LONG)
        play.feed(created("resp_2"), called("call_2"), ended("resp_2"))

        assert {"call_2": "Rain in Lima."} == play.outputs(1)
        assert 1 == play.creations(1)


def test_failure_that_only_an_error_tells_frees_the_backend() -> None:
    """No end of the response comes then."""
    error = {"type": "server_error", "code": None}
    told = {**error, "message": "Responses handoff incomplete."}
    with scene(forecast) as play:
        play.feed(created("resp_1"), {"type": "error", "error": told})
        play.feed(created("resp_2"), called("call_2"), ended("resp_2"))

        assert 1 == play.creations(1)


def test_session_that_is_closed_waits_for_no_tool() -> None:
    """The function learns that nobody waits for it, whatever time it has."""
    begun, told = Event(), Event()

    def slow(call: ToolCall) -> str:
        """Wait."""
        begun.set()
        if call.abandoned.wait(LONG):
            told.set()
        return "late"

    with scene(slow) as at:
        at.feed(created("r1"), called("c1", "slow", arguments="{}"))
        assert begun.wait(LONG)

    assert told.wait(LONG)
    assert {} == at.outputs(0)


def test_large_result_is_cut_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """One of 17 kB has silenced a real call for 82 seconds."""

    def long() -> str:
        """Too much."""
        return "ä" * 10_000

    with scene(long) as play:
        with caplog.at_level(logging.WARNING):
            play.feed(created("resp_1"), called("call_1", "long", arguments="{}"))
            [output] = play.outputs(1).values()

    assert len(output.encode()) <= 8_000
    assert output.endswith("[cut: it had 20000 bytes]")
    assert "is cut to 8000" in caplog.text


def test_queue_that_is_full_gets_a_placeholder() -> None:
    """Before the service says so; a call that stays open would block all others."""

    def long() -> str:
        """Nearly too much."""
        return "x" * 7_900

    with scene(long) as play:
        play.feed(created("resp_1"))
        for number in range(5):
            play.feed(called(f"call_{number}", "long", arguments="{}"))
        outputs = play.outputs(5)
        play.feed(ended("resp_1"))

        assert 1 == play.creations(1)
        sizes = sorted(len(each) for each in outputs.values())
        assert sizes[1] < 100 and sizes[2:] == [7_900] * 3
        assert sum(sizes) < 32_768


def test_result_that_the_service_has_no_room_for_is_replaced() -> None:
    """Its refusal names the command; the call is open until then."""
    with scene(forecast) as play:
        play.feed(created("resp_1"), called("call_1"))
        play.outputs(1)
        [item] = play.transport.commands("response.item.create")
        error = {
            "type": "invalid_request_error",
            "code": "response_input_buffer_full",
            "message": "full",
            "client_event_id": item["event_id"],
        }
        play.feed({"type": "error", "error": error})

        assert "too large" in play.outputs(2)["call_1"]
        play.feed(ended("resp_1"))
        assert 1 == play.creations(1)


def test_refused_continuation_is_asked_for_again_when_the_call_is_answered() -> None:
    """A call that we had not heard of was open."""
    with scene(forecast) as play:
        play.feed(created("resp_1"), called("call_1"))
        play.outputs(1)
        play.feed(ended("resp_1"))
        assert 1 == play.creations(1)
        [create] = play.transport.commands("response.create")
        error = {
            "type": "invalid_request_error",
            "code": "function_call_outputs_required",
            "message": "call_2",
            "client_event_id": create["event_id"],
        }
        play.feed({"type": "error", "error": error}, called("call_2"))
        play.outputs(2)

        assert 2 == play.creations(2)


def test_tool_that_fails_and_one_that_is_unknown_are_answered() -> None:
    """The backend can make something of it."""

    def broken() -> str:
        """Fails."""
        raise ValueError("no such city")

    with scene(broken, forecast) as play:
        play.feed(created("resp_1"), called("call_1", "broken", arguments="{}"))
        play.feed(called("call_2", "nothing"), called("call_3", arguments="[]"))
        play.feed(ended("resp_1"))
        outputs = play.outputs(3)

        problems = {name: json.loads(text)["error"] for name, text in outputs.items()}
        assert "no such city" in problems["call_1"]
        assert "no tool" in problems["call_2"]
        assert "JSON object" in problems["call_3"]
        assert 1 == play.creations(1)


@pytest.mark.parametrize("refused", ["tool slow", "tool slow answer"])
def test_call_for_which_there_is_no_thread_is_answered(
    monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """The backend is told, and the next call goes over the same connection."""

    def slow(call: ToolCall) -> str:
        """Wait."""
        assert call.abandoned.wait(LONG)
        return "late"

    start, refusals = Thread.start, [refused]

    def refuse(thread: Thread) -> None:
        if refusals and thread.name.endswith(refusals[0]):
            refusals.clear()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(Thread, "start", refuse)
    with scene(slow, forecast, threads=None) as play:
        play.feed(created("resp_1"), called("call_1", "slow", arguments="{}"))
        first = play.outputs(1)
        play.feed(called("call_2"), ended("resp_1"))
        both = play.outputs(2)
        assert 1 == play.creations(1)

    assert "can't start new thread" in json.loads(first["call_1"])["error"]
    assert ["call_1", "call_2"] == list(both)
    assert "new thread" not in both["call_2"]


def test_function_that_others_declared_is_left_to_them() -> None:
    """The backend is asked when they have answered as well."""
    tool = {"type": "function", "name": "theirs", "parameters": {}}
    config = live.LiveConfig(delegation=live.Responses(model="m", tools=[tool]))
    with scene(forecast, config=config) as play:
        play.feed(created("resp_1"), called("call_1", "theirs"), called("call_2"))
        play.outputs(1)
        play.feed(ended("resp_1"))
        assert 0 == play.asked()
        item = {"type": "function_call_output", "call_id": "call_1", "output": "{}"}
        play.session.send({"type": "response.item.create", "item": item})

        assert 1 == play.creations(1)
        [start] = play.transport.commands("session.start")
        names = start["session"]["delegation"]["responses"]["tools"]
        assert ["theirs", "forecast"] == [each["name"] for each in names]


def test_rounds_without_end_are_ended(caplog: pytest.LogCaptureFixture) -> None:
    """A forced choice of tools calls in every response, the last one included."""
    with scene(forecast) as play:
        for number in range(10):
            play.feed(created(f"resp_{number}"), called(f"call_{number}"))
            play.outputs(number + 1)
            play.feed(ended(f"resp_{number}"))
            if number < 8:
                play.creations(number + 1)

        assert 8 == play.asked()


def test_message_for_the_backend_waits_until_no_call_is_open() -> None:
    """And is asked for once, with what the call gave."""
    go_on = Event()

    def slow() -> str:
        """Takes long."""
        assert go_on.wait(LONG)
        return "slow"

    with scene(slow) as play:
        play.feed(created("resp_1"), called("call_1", "slow", arguments="{}"))
        play.session.ask_backend("Look this up", image="data:image/png;base64,AA==")
        play.feed(ended("resp_1"))
        assert 0 == play.asked()
        go_on.set()
        play.outputs(1)

        assert 1 == play.creations(1)
        play.feed(created("resp_2"), ended("resp_2"))
        play.session.ask_backend("And this")
        assert 2 == play.creations(2)


def test_session_without_a_backend_refuses_tools() -> None:
    """They would never run, and nobody would say so."""
    with pytest.raises(errors.ConfigurationError, match="live.Responses"):
        with scene(forecast, config=live.LiveConfig()):
            pass
    with scene(config=None) as play:
        with pytest.raises(errors.ConfigurationError, match="delegates to 'client'"):
            play.session.tool(forecast)
        with pytest.raises(errors.ConfigurationError, match="note"):
            play.session.ask_backend("x")


def test_hint_of_a_slow_tool_is_said() -> None:
    """As commentary: a live session has no response beside the conversation."""
    said, go_on = Event(), Event()

    def slow() -> str:
        """Takes long."""
        assert go_on.wait(LONG)
        return ""

    with scene() as play:
        play.session.tool(slow, hint="One moment.", hint_after=0.01)
        play.session.on(
            "client.session.commentary.append", lambda event: said.set(), inline=True
        )
        play.feed(created("resp_1"), called("call_1", "slow", arguments="{}"))
        assert said.wait(LONG)
        go_on.set()
        play.outputs(1)

        [hint] = play.transport.commands("session.commentary.append")
        assert "One moment." == hint["content"]


def test_server_that_tells_nothing_of_its_responses_but_their_calls() -> None:
    """No begin and no end: both calls are answered, and it goes on once."""
    both = Barrier(2, timeout=LONG)

    def waits(city: str) -> str:
        """Runs beside another."""
        both.wait()
        return city

    with scene(waits) as play:
        play.feed(called("call_1", "waits"), called("call_2", "waits"))

        assert {"call_1", "call_2"} == play.outputs(2).keys()
        assert 1 == play.creations(1)
