"""The backend of a live session, where its service is at its limits or in disorder."""

from __future__ import annotations

import logging
from threading import Event
from typing import Any

import pytest

from realtime_sync.session.live import LiveConfig, LiveSession, Responses

from .live_session import LiveServer, live_session

BACKEND = LiveConfig(delegation=Responses(model="gpt-5"))
LONG = 10.0


def nested(kind: str, **fields: Any) -> dict[str, Any]:
    """What the backend says."""
    event = {"type": kind, **fields}
    return {"type": "response.event", "delegation_id": "item_1", "event": event}


def created(name: str) -> dict[str, Any]:
    """A response begins."""
    return nested("response.created", response={"id": name})


def completed(name: str) -> dict[str, Any]:
    """A response ends."""
    return nested("response.completed", response={"id": name, "output": []})


def called(call_id: Any, **more: Any) -> dict[str, Any]:
    """A call is complete."""
    item = {
        "type": "function_call",
        "call_id": call_id,
        "name": "look_up",
        "arguments": "{}",
        "status": "completed",
        **more,
    }
    return nested("response.output_item.done", item=item)


def refusal(code: str, command: dict[str, Any]) -> dict[str, Any]:
    """The service takes a command not."""
    error = {"type": "invalid_request_error", "code": code, "message": code}
    return {"type": "error", "error": {**error, "client_event_id": command["event_id"]}}


def ask(session: LiveSession, server: LiveServer, text: str) -> dict[str, Any]:
    """Ask the backend something; what was sent to let it work."""
    session.ask_backend(text)
    return server.sent("response.create")[-1]


def answer_call(session: LiveSession, call_id: str) -> None:
    """Answer a call as a program does that runs its functions itself."""
    item = {"type": "function_call_output", "call_id": call_id, "output": "{}"}
    session.send({"type": "response.item.create", "item": item})


def told(session: LiveSession, call_id: str) -> Event:
    """Is set when a call is answered."""
    came = Event()

    @session.on("client.response.item.create", inline=True)
    def note(command: Any) -> None:
        if command.item.get("call_id") == call_id:
            came.set()

    return came


@pytest.mark.parametrize(
    "code", ["rate_limit_exceeded", "server_error", "function_call_outputs_required"]
)
def test_what_is_given_while_a_refusal_is_on_its_way_is_asked_for(code: str) -> None:
    """The refusal is about what was there before."""
    with live_session(config=BACKEND) as (session, server):
        first = ask(session, server, "One thing")
        session.ask_backend("Another")
        assert 1 == len(server.sent("response.create"))
        server.feed(refusal(code, first))

        assert 2 == len(server.sent("response.create"))


def test_refusal_of_a_question_alone_is_not_repeated() -> None:
    """Else two that do not understand each other talk for ever."""
    with live_session(config=BACKEND) as (session, server):
        first = ask(session, server, "One thing")
        server.feed(refusal("function_call_outputs_required", first))
        server.feed(refusal("rate_limit_exceeded", first))

        assert 1 == len(server.sent("response.create"))


@pytest.mark.parametrize("code", ["response_input_buffer_full", "invalid_call_id"])
def test_placeholder_that_is_refused_too_is_not_sent_for_ever(
    code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A queue of 128 items has no room for a short one either."""
    server = LiveServer()

    def refuse(frame: dict[str, Any]) -> Any:
        if frame["type"] != "response.item.create":
            return None
        assert len(server.sent("response.item.create")) < 5
        return refusal(code, frame)

    server.answer = refuse
    with live_session(server, config=BACKEND) as (session, server):
        session.tool(look_up)
        came = told(session, "call_1")
        with caplog.at_level(logging.WARNING):
            server.feed(created("resp_1"), called("call_1"))
            assert came.wait(LONG)
            session.flush()
    more = {"response_input_buffer_full": 2, "invalid_call_id": 1}[code]

    assert more == len(server.sent("response.item.create"))


@pytest.mark.parametrize("call_id", [7, None, "", ["a"], True], ids=repr)
def test_call_without_an_id_is_answered_by_the_id_of_its_item(
    call_id: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a session of Realtime; that a server counts them so is told once."""
    asked = Event()
    with live_session(config=BACKEND) as (session, server):
        session.on("client.response.create", lambda event: asked.set(), inline=True)
        session.tool(look_up)
        done = [told(session, name) for name in ("item_1", "item_2", "call_3")]
        with caplog.at_level(logging.WARNING):
            server.feed(
                created("resp_1"),
                called(call_id, id="item_1"),
                called(call_id, id="item_2"),
                called("call_3", id="item_3"),
                called(call_id, id="item_1"),
                completed("resp_1"),
            )
            for each in done:
                assert each.wait(LONG)
            assert asked.wait(LONG)
        given = [each["item"] for each in server.sent("response.item.create")]

    assert {"item_1", "item_2", "call_3"} == {each["call_id"] for each in given}
    assert 3 == len(given)
    assert 1 == caplog.text.count("outputs name their items instead")


@pytest.mark.parametrize("item_id", [None, "", 7, ["a"]], ids=repr)
@pytest.mark.parametrize("call_id", [None, "", 7], ids=repr)
def test_call_that_no_output_could_name_is_told_and_the_others_are_answered(
    call_id: Any, item_id: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The backend waits for it for ever; the log is where one looks for the reason."""
    ran: list[str] = []

    def note_city(city: str) -> str:
        """
        Note a city.

        Args:
            city: its name.
        """
        ran.append(city)
        return city

    lost = {"name": "note_city", "arguments": '{"city": "Rome"}', "id": item_id}
    kept = {"name": "note_city", "arguments": '{"city": "Paris"}'}
    with live_session(config=BACKEND) as (session, server):
        session.tool(note_city)
        done = told(session, "call_2")
        with caplog.at_level(logging.WARNING):
            server.feed(created("resp_1"), called(call_id, **lost))
            server.feed(called("call_2", **kept), completed("resp_1"))
            assert done.wait(LONG)
        assert session.is_open

    assert ["Paris"] == ran
    assert "a call of note_city has neither a call_id nor an id" in caplog.text


def look_up() -> str:
    """Look something up."""
    return "B12"


@pytest.mark.parametrize("name", [None, 7, ["a"], ""])
@pytest.mark.parametrize("field", ["name", "call_id", "arguments", "status"])
def test_call_in_disorder_harms_nobody(field: str, name: Any) -> None:
    """The reader lives, and a call in order after it is run."""
    with live_session(config=BACKEND) as (session, server):
        session.tool(look_up)
        done = told(session, "call_2")
        server.feed(created("resp_1"), called(**{"call_id": "call_1", field: name}))
        server.feed(called("call_2"))

        assert done.wait(LONG)
        assert session.is_open
