"""What scenarios and cassettes answer to clients that do not speak properly."""

from __future__ import annotations

import math
from typing import Any

import pytest

from realtime_sync import connect
from realtime_sync.errors import SessionExpired
from realtime_sync.server import serve
from realtime_sync.testing import MemoryTransport, Scenario
from realtime_sync.testing.scripted_engine import PlayedEngine


def played(scenario: Scenario) -> PlayedEngine:
    """The server's side for one client."""
    return scenario.engine(now=0.0, model="m", session_type="realtime", dialect="ga")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("no json", "not JSON"), ("[1]", "not an object"), (b"\xff", "not JSON")],
)
def test_message_that_is_no_command_is_an_error(text: Any, problem: str) -> None:
    """The client is told, and the scenario goes on."""
    engine = played(Scenario())
    [answer] = engine.receive_text(text, 0.0)

    assert ("error", problem) == (answer["type"], answer["error"]["message"])
    assert "binary message" == engine.receive_binary(0.0)[0]["error"]["message"]


def test_nothing_happens_by_itself() -> None:
    """A played part has no time of its own and no work."""
    engine = played(Scenario())

    assert math.inf == engine.deadline()
    assert [] == engine.tick(1.0) == engine.take_jobs() == list(engine.settle(1.0))
    assert [] == engine.job_output(None, None, 1.0) == engine.job_done(None, None, 1.0)
    assert "scenario_1" == engine.session_id


def test_expiry_is_a_fault_like_any_other() -> None:
    """The server can let the time of a scripted session be up."""
    scenario = Scenario()
    scenario.expect("response.create").reply({"type": "vendor.last"})
    with serve(agent=scenario, faults=["expire:vendor.last"]) as server:
        with connect("m", base_url=server.url) as session:
            with pytest.raises(SessionExpired):
                session.response.create().result(5)


def test_session_of_translation_is_spelt_as_it_is() -> None:
    """It has one dialect only."""
    scenario = Scenario()
    scenario.expect("session.input_audio_buffer.append", times=None).reply(
        {"type": "session.output_transcript.delta", "delta": "Hola"}
    )
    session = connect(
        transport=MemoryTransport(scenario, session_type="translation"),
        session_type="translation",
        dispatch="inline",
        timeout=0.2,
    )
    heard: list[str] = []
    session.on("session.output_transcript.delta", lambda e: heard.append(e.delta))
    session.input_audio_buffer.append(bytes(480))

    scenario.verify()
    assert ["Hola"] == heard
    assert ["session.input_audio_buffer.append"] == [
        getattr(c, "type", None) for c in scenario.received
    ]
