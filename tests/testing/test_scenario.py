"""Scenarios: what must come, what is answered, and what is said of a miss."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from realtime_sync import Session, connect, events
from realtime_sync.errors import CommandRejected, ConfigurationError, ConnectionLost
from realtime_sync.protocol.escape import one_line
from realtime_sync.server import serve
from realtime_sync.testing import (
    Close,
    MemoryTransport,
    Scenario,
    ScenarioFailed,
    frames,
)

Open = Callable[..., AbstractContextManager[Session]]


@contextmanager
def in_memory(scenario: Scenario, dialect: Any = "ga", **options: Any) -> Iterator[Any]:
    """A session with a scenario, without a socket."""
    transport = MemoryTransport(scenario, dialect=dialect)
    with connect(
        transport=transport, dispatch="inline", timeout=0.2, dialect=dialect, **options
    ) as session:
        yield session


@contextmanager
def on_a_socket(scenario: Scenario, **options: Any) -> Iterator[Any]:
    """The same over a real socket."""
    with serve(agent=scenario) as server:
        with connect("m", base_url=server.url, timeout=5, **options) as session:
            yield session


@pytest.fixture(params=[in_memory, on_a_socket], ids=["memory", "socket"])
def opened(request: pytest.FixtureRequest) -> Open:
    """Opens a session with a scenario, in either way."""
    way: Open = request.param
    return way


def test_scripted_answer_is_given(opened: Open) -> None:
    """Expected commands are answered, and the scenario is content."""
    scenario = Scenario()
    scenario.expect("conversation.item.create").acknowledge()
    scenario.expect(events.ResponseCreate).reply(frames.answer("Lima."))
    with opened(scenario) as session:
        reply = session.ask("What is the capital of Peru?")

    scenario.verify()
    assert ("Lima.", "completed") == (reply.text, reply.status)
    assert ["conversation.item.create", "response.create"] == [
        getattr(command, "type", None) for command in scenario.received
    ]


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_scenario_is_spelt_for_the_client(opened: Open, dialect: Any) -> None:
    """It is written once, in GA or beta names, for clients of either dialect."""
    scenario = Scenario().allow("conversation.item.create", "session.update")
    like = {"response": {"output_modalities": ["text"]}}
    scenario.expect("response.create", like=like).reply(
        frames.answer(spoken="Lima.", audio=bytes(9000))
    )
    heard: list[Any] = []
    with opened(scenario, dialect=dialect) as session:
        session.on("*", lambda event: heard.append(event.raw["type"]))
        reply = session.ask("Capital of Peru?", output_modalities=["text"])
        session.flush()

    scenario.verify()
    assert "Lima." == reply.text
    assert reply.audio is not None and 9000 == len(reply.audio.data)
    beta = "response.audio.delta" in heard
    assert (dialect == "beta") == beta


def test_miss_lists_every_expectation_with_its_reason(opened: Open) -> None:
    """In the exception at the caller's line, and again when it is verified."""
    scenario = Scenario()
    scenario.expect("session.update").acknowledge()
    scenario.expect(
        "conversation.item.create",
        like={"item": {"role": "user", "content": [{"text": "Hello"}]}},
    )
    scenario.expect("response.create", where=lambda command: command.response.voice)
    scenario.expect("response.create", where=lambda command: command.response)
    scenario.expect("response.cancel", times=None, anywhere=True)
    with opened(scenario, config={"instructions": "Be brief."}) as session:
        with pytest.raises(CommandRejected) as caught:
            session.conversation.add_message("Goodbye").acknowledged()
        with pytest.raises(CommandRejected) as again:
            session.response.create().acknowledged()
    text = str(caught.value)

    assert "conversation.item.create was not expected, as command number 2" in text
    assert "1. session.update: it is conversation.item.create" in text
    assert "item.content[0].text is 'Goodbye', not 'Hello'" in text
    assert "3. response.create, where" in text
    assert "5. response.cancel, any number of times: it is conv" in text
    assert "where raised AttributeError" in str(again.value)
    assert "its turn is behind conversation.item.create" in str(again.value)
    with pytest.raises(ScenarioFailed) as failed:
        scenario.verify()
    assert text.partition(" [")[0] in one_line(str(failed.value))
    assert "3 of 5 expectations were not met" in str(failed.value)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ({"item": {"id": "item_1"}}, "item.id is 'item_2', not 'item_1'"),
        ({"previous_item_id": "root"}, "there is no previous_item_id"),
        ({"item": {"content": []}}, "item.content has 1 elements, not 0"),
        ({"item": {"content": [{"text": "a"}]}}, "item.content[0].text is 'b'"),
        ({"item": {"content": [{"text": "b"}]}}, None),
    ],
)
def test_like_names_the_first_difference(pattern: Any, reason: Any) -> None:
    """By the path into the command; more than the pattern is allowed."""
    scenario = Scenario()
    expectation = scenario.expect("conversation.item.create", like=pattern)
    part = {"type": "input_text", "text": "b"}
    item = {"id": "item_2", "type": "message", "role": "user", "content": [part]}
    problem = expectation.problem({"type": "conversation.item.create", "item": item})

    assert (problem is None) == (reason is None)
    assert reason is None or str(problem).startswith(reason)


def test_leftovers_fail_at_the_end() -> None:
    """What never came is named; also by the context manager."""
    with pytest.raises(ScenarioFailed, match=r"2\. response\.cancel: came 0 times"):
        with Scenario() as scenario:
            scenario.expect("response.create", times=None)
            scenario.expect("response.cancel")
    with pytest.raises(KeyError):
        with Scenario() as scenario:
            scenario.expect("response.cancel")
            raise KeyError("the first error is the one that is seen")


def test_order_counts_unless_it_does_not() -> None:
    """By default commands come in the order of their expectations."""

    def played(scenario: Scenario) -> Scenario:
        scenario.expect("input_audio_buffer.clear")
        scenario.expect("response.create")
        with in_memory(scenario) as session:
            session.response.create()
            session.input_audio_buffer.clear()
            session.response.create()
        return scenario

    with pytest.raises(ScenarioFailed, match="behind input_audio_buffer.clear"):
        played(Scenario()).verify()
    with pytest.raises(ScenarioFailed, match="it has come already"):
        played(Scenario(ordered=False)).verify()
    spoken = Scenario(ordered=False)
    spoken.expect("response.create", times=1)
    played(spoken).verify()


def test_expectation_may_come_several_times() -> None:
    """Exactly so many times, or any number of times."""
    scenario = Scenario()
    scenario.expect("input_audio_buffer.append", times=None)
    commits = scenario.expect("input_audio_buffer.commit", times=2).acknowledge()
    with in_memory(scenario) as session:
        for _ in range(2):
            session.input_audio_buffer.append(bytes(48))
            session.input_audio_buffer.append(bytes(48))
            session.input_audio_buffer.commit().acknowledged()
        with pytest.raises(CommandRejected, match="2 times: it has come already"):
            session.input_audio_buffer.commit().acknowledged()

    assert 2 == commits.met
    assert 7 == len(scenario.received)


def test_replies_come_in_every_form() -> None:
    """Frames, events, functions of the command, iterables of these, nothing."""

    def twice(command: Any) -> Any:
        yield {"type": "vendor.b", "id": command.event_id}
        yield lambda again: {"type": "vendor.c", "id": again.event_id}

    scenario = Scenario()
    scenario.expect("response.create").reply(
        {"type": "vendor.a"},
        twice,
        lambda command: None,
        [events.ResponseTextDelta(delta="Hi")],
    ).reply(b"no json")
    heard: list[Any] = []
    with in_memory(scenario) as session:
        session.on("*", heard.append)
        handle = session.response.create()

    assert ["vendor.a", "vendor.b", "vendor.c", "response.output_text.delta", ""] == [
        event.type for event in heard
    ]
    assert handle.event_id == heard[1].raw["id"] == heard[2].raw["id"]
    assert ["event_2", "event_3"] == [event.event_id for event in heard[:2]]


def test_reply_that_is_none_is_refused_where_it_is_written() -> None:
    """Text is none: it is most likely meant to be an answer."""
    with pytest.raises(TypeError, match="cannot reply 'Lima.'"):
        Scenario().expect("response.create").reply("Lima.")
    with pytest.raises(TypeError, match="cannot reply 7"):
        Scenario().expect("response.create").reply(7)  # type: ignore[arg-type]


def test_reply_that_raises_is_a_miss(opened: Open) -> None:
    """The test fails with the reason; the server goes on."""
    scenario = Scenario()
    scenario.expect("response.create").reply(lambda command: command.nonsense)
    with opened(scenario) as session:
        with pytest.raises(CommandRejected, match="no attribute 'nonsense'"):
            session.response.create().acknowledged()

    with pytest.raises(ScenarioFailed, match="the reply to response.create failed"):
        scenario.verify()


@pytest.mark.parametrize(
    ("name", "advice"),
    [("response.crate", "response.create"), ("session.updat", "session.update")],
)
def test_misspelt_command_is_refused(name: str, advice: str) -> None:
    """At the line of the expectation, with a proposal."""
    with pytest.raises(ConfigurationError, match=advice):
        Scenario().expect(name)


def test_commands_are_named_in_either_spelling_or_by_class() -> None:
    """And vendors' commands as they like."""
    scenario = Scenario()
    scenario.expect("transcription_session.update").acknowledge()
    scenario.expect("acme.sing")
    with in_memory(scenario) as session:
        session.update(instructions="x").acknowledged()
        session.send({"type": "acme.sing"})

    scenario.verify()
    with pytest.raises(TypeError, match="command"):
        scenario.expect(7)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [1011, 1006])
def test_scenario_can_end_the_connection(opened: Open, code: int) -> None:
    """With a close frame, or without one, behind what was said before."""
    scenario = Scenario()
    scenario.expect("response.create").reply({"type": "vendor.last"}).close(code, "")
    heard: list[str] = []
    with opened(scenario) as session:
        session.on("vendor.*", lambda event: heard.append(event.type), unknown=True)
        with pytest.raises(ConnectionLost) as caught:
            session.response.create().result()

    assert code == caught.value.code
    assert ["vendor.last"] == heard
    scenario.verify()


def test_scenario_can_greet_in_its_own_way() -> None:
    """With other fields, or with a refusal."""
    with in_memory(Scenario(greeting=frames.session_created(id="sess_mine"))) as mine:
        assert "sess_mine" == mine.id
    scenario = Scenario(greeting=[{"type": "vendor.hello"}, Close(4000, "no")])
    with pytest.raises(Exception, match="no"):
        with in_memory(scenario):
            pass


def test_clients_share_the_expectations() -> None:
    """Several sessions, in several threads, are one story."""
    scenario = Scenario(ordered=False).allow("conversation.item.create")
    scenario.expect("response.create", times=6).reply(frames.answer("Yes."))
    answers: list[str] = []

    def ask(url: str) -> None:
        with connect("m", base_url=url, timeout=5) as session:
            answers.extend(session.ask("Well?").text for _ in range(2))

    with serve(agent=scenario) as server:
        threads = [threading.Thread(target=ask, args=(server.url,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    scenario.verify()
    assert ["Yes."] * 6 == answers


def test_tool_call_is_scripted_and_followed_up() -> None:
    """The client runs the function; the scenario checks what came of it."""
    scenario = Scenario().allow("session.update")
    item = "conversation.item.create"
    scenario.expect(item).acknowledge()
    scenario.expect("response.create").reply(
        frames.answer(calls=[("add", {"a": 2, "b": 3})])
    )
    output = {"item": {"type": "function_call_output", "output": "5"}}
    scenario.expect(item, like=output).acknowledge()
    scenario.expect("response.create").reply(frames.answer("Five."))

    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    with on_a_socket(scenario, tools=[add]) as session:
        reply = session.ask("Two and three?")

    scenario.verify()
    assert "Five." == reply.text


def test_faults_apply_to_scenarios() -> None:
    """A scripted server misbehaves like any other."""
    scenario = Scenario().allow("conversation.item.create", "session.update")
    scenario.expect("response.create").reply(frames.answer("Never heard."))
    faults = ["late_deltas", "swap_transcripts", "drop_before:response.done"]
    with serve(agent=scenario, faults=faults) as server:
        with connect("m", base_url=server.url) as session:
            with pytest.raises(ConnectionLost):
                session.ask("Well?", timeout=5)

    assert "Never heard." == session.snapshot.items[-1].text


def test_frames_that_are_no_event_go_as_they_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The server's log does not stumble over them either."""
    caplog.set_level("INFO", logger="realtime_sync.server.turns")
    scenario = Scenario()
    scenario.expect("response.create").reply(
        {"no": "type"}, {"type": "response.done"}, {"type": "error", "error": {}}
    )
    with serve(agent=scenario) as server:
        with connect("m", base_url=server.url, timeout=5) as session:
            with session.expect(events.UnknownEvent) as unknown:
                session.response.create()
            found = unknown.result()

    assert "no" in found.raw
    assert "odd: response.done" in caplog.text
