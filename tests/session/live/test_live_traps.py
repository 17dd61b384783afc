"""
What users of GPT-Live have run into, one test each, by its number in the protocol's
list. More on too early a `response.create` (2), on calls that are told three times
(4), results that are too large (5) and answers that a correction has overtaken (7) is
where tools and delegations are tested.
"""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync import RealtimeClient, ReconnectPolicy, errors, webhooks
from realtime_sync.protocol.live.registry import CLIENT, SERVER
from realtime_sync.session.live import LiveConfig, Responses
from realtime_sync.session.live.idle_audio import PATIENCE, PIECE, IdleAudio
from realtime_sync.testing import MemoryTransport

from .live_session import LiveServer, delegated, live_session, said

BACKEND = LiveConfig(delegation=Responses(model="gpt-5"))


def test_1_silence_is_due_where_the_program_sends_nothing() -> None:
    """Text-only sessions hang without it; a burst lasts as long as it plays."""
    now = [0.0]
    idle = IdleAudio(lambda: now[0])
    assert not idle.take() and idle.wait() is None
    idle.start()
    assert PATIENCE == idle.wait()
    idle.sent(1.0)
    now[0] = 1.0 + PATIENCE - 0.01
    assert not idle.take()
    now[0] = 1.0 + PATIENCE
    assert idle.take() and not idle.take()
    assert PIECE == pytest.approx(idle.wait())
    now[0] += 10  # A process that was suspended.
    # No burst for all the time that nothing was sent.
    assert 2 == [idle.take() for _ in range(9)].count(True)
    idle.stop()
    assert not idle.take()
    idle.sent(1.0)
    assert idle.wait() is None


def test_1_burst_after_silence_is_ahead_of_its_time() -> None:
    """Silence has taken the place of what came late: all that follows is heard late."""
    now = [0.0]
    idle = IdleAudio(lambda: now[0])
    idle.sent(1.0)
    assert 0 == idle.ahead()
    idle.start()
    idle.sent(0.1)
    assert 0.1 == idle.ahead()
    now[0] = 0.1
    assert 0 == idle.ahead()
    now[0] = 1.1
    assert idle.take()
    assert 0 == idle.ahead()
    idle.sent(1.0)
    assert 1.0 == pytest.approx(idle.ahead())
    for _ in range(5):
        # In step from then on, it stays late.
        now[0] += 0.1
        idle.sent(0.1)
    assert 1.0 == pytest.approx(idle.ahead())
    idle.stop()
    assert 0 == idle.ahead()


def test_1_session_says_how_far_its_audio_is_ahead() -> None:
    """And one that sends no silence has nothing to be late against."""
    with live_session() as (session, _):
        session.input_audio.append(bytes(48_000 * 60))
        assert 30 < session.input_audio.ahead <= 60
        assert not session.is_attached
    with live_session(idle_audio=None) as (session, _):
        session.input_audio.append(bytes(48_000 * 60))
        assert 0 == session.input_audio.ahead
    with live_session(call_id="live_1") as (session, _):
        assert session.is_attached


def nested(kind: str, **fields: Any) -> dict[str, Any]:
    """What the backend says."""
    event = {"type": kind, **fields}
    return {"type": "response.event", "delegation_id": "item_1", "event": event}


@pytest.mark.parametrize("end", ["completed", "failed", "incomplete"])
def test_2_late_end_of_a_response_does_not_end_its_continuation(end: str) -> None:
    """One continuation for a batch of calls, and nothing is asked before it is over."""
    with live_session(config=BACKEND) as (session, server):
        item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
        output = {"type": "function_call_output", "call_id": "c", "output": "{}"}
        first = nested(f"response.{end}", response={"id": "resp_1", "output": []})
        server.feed(
            delegated("item_1", "responses", response_id="resp_1"),
            nested("response.created", response={"id": "resp_1"}),
            nested("response.output_item.done", item=item),
        )
        session.send({"type": "response.item.create", "item": output})
        session.send({"type": "response.create"})
        server.feed(nested("response.created", response={"id": "resp_2"}))
        server.feed(first)
        session.ask_backend("And another thing")

        assert 1 == len(server.sent("response.create"))
        server.feed(nested("response.completed", response={"id": "resp_2"}))
        assert 2 == len(server.sent("response.create"))


def test_3_empty_output_of_a_completed_response_is_not_the_end_of_the_work() -> None:
    """What it called is open, whatever its end repeats."""
    with live_session(config=BACKEND) as (session, server):
        item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
        server.feed(
            delegated("item_1", "responses", response_id="resp_1"),
            nested("response.created", response={"id": "resp_1"}),
            nested("response.output_item.done", item=item),
            nested("response.completed", response={"id": "resp_1", "output": []}),
        )

        assert "open" == session.snapshot.delegations["item_1"].state
        with pytest.raises(errors.WaitTimeout, match="work is open"):
            session.wait_quiet(0.0, timeout=0.01)
        assert [] == server.sent("response.create")


def test_6_error_does_not_close_the_session() -> None:
    """Nor does one of work that the close has cancelled spoil the report."""
    server = LiveServer()
    error = {"type": "server_error", "code": None, "message": "cancelled"}

    def answer(frame: dict[str, Any]) -> Any:
        if frame["type"] == "session.close":
            server.feed({"type": "error", "error": error})
        return None

    with live_session(server) as (session, server):
        server.feed({"type": "error", "error": error})
        assert session.is_open
        server.answer = answer
        report = session.close()

        assert report.confirmed
        assert report.error is None


def test_8_program_may_greet_first() -> None:
    """Nobody waits for the other: what is said is said without a word of the user."""
    with live_session() as (session, server):
        session.say("Welcome!").acknowledged()

        [sent] = server.sent("session.commentary.append")
        assert sent["delegation_id"] is None
        assert [] == server.sent("response.create")


def test_9_names_of_the_alpha_are_not_spoken() -> None:
    """Old code is full of them."""
    names = {
        name
        for table in (CLIENT, SERVER)
        for rows in table.values()
        for name, _ in rows
    }

    assert not {name for name in names if name.startswith("delegation.")}
    with live_session() as (session, server):
        server.feed({"type": "delegation.function_call_output.created"})
        assert session.stats.unknown == {"delegation.function_call_output.created": 1}


def test_10_silent_audio_is_not_speech() -> None:
    """It never ends, so nothing that waits for silence may hear it."""
    with live_session() as (session, server):
        heard = session.output_audio(skip_silence=True, timeout=0.01)
        for _ in range(5):
            server.feed({"type": "session.output_audio.delta", "delta": "AAA="})
        session.wait_quiet(0.0, timeout=1)

        with pytest.raises(errors.WaitTimeout):
            next(heard)


def test_11_usage_is_the_whole_of_it_each_time() -> None:
    """Never to be summed."""
    with live_session() as (session, server):
        for seconds in (12.0, 25.0):
            usage = {"seconds": seconds}
            server.feed({"type": "session.usage.updated", "usage": usage})

        assert 25.0 == session.snapshot.usage.seconds
        assert 18.0 == session.close().seconds


def test_12_tools_of_a_session_that_delegates_to_the_program_are_refused() -> None:
    """They would never run, and nobody would say so."""

    def tool() -> str:
        """Anything."""
        return ""

    with live_session() as (session, server):
        with pytest.raises(errors.ConfigurationError, match="delegates to 'client'"):
            session.tool(tool)


def test_13_model_is_found_out_by_its_name_before_anything_is_dialled() -> None:
    """Keyed on the prefix alone, the wrong endpoint is opened."""
    client = RealtimeClient(base_url="ws://127.0.0.1:9", api_key="k")
    for model, live in (
        ("gpt-live-1", True),
        ("gpt-live-1.1", True),
        ("gpt-live-transcribe", False),
        ("gpt-realtime-2.1", False),
    ):
        session: Any = client.session(model, transport=MemoryTransport())
        assert live == ("Live" in type(session).__name__)


def test_webhook_of_a_call_says_which_protocol_it_is_for() -> None:
    """One call announces itself twice, under two ids."""
    assert webhooks.LiveTransportIncoming is not webhooks.RealtimeCallIncoming


def test_back_channel_is_an_overlap_and_no_end_of_the_users_turn() -> None:
    """The model says "mm-hm" while the user speaks, by design."""
    with live_session() as (session, server):
        server.feed(said("user", "Then we", 0), said("assistant", "mhm", 100))
        server.feed(said("user", " went home", 400))
        snapshot = session.snapshot

        assert 1 == len(snapshot.overlaps())
        assert ["Then we went home"] == [each.text for each in snapshot.segments]
        assert "mhm" in snapshot.assistant.text


def test_14_server_of_recordings_that_is_told_something_else_ends_in_words() -> None:
    """It takes what is spelled out only, says so in an event of its own, and closes."""
    config = LiveConfig(format="pcm16", rate=24_000, delegation="client")
    policy = ReconnectPolicy(attempts=3, base=0.001, cap=0.001)
    with live_session(config=config, reconnect=policy) as (session, server):
        [start] = server.sent("session.start")
        told = {"type": "aimock.error", "message": "audio bytes differ"}
        server.silent.add("session.commentary.append")
        handle = session.say("Hello")
        server.feed(told)
        server.transport.cut(1008)

        assert {"type": "audio/pcm", "rate": 24_000} == start["session"]["audio"][
            "format"
        ]
        assert {"type": "client"} == start["session"]["delegation"]
        assert session.stats.unknown == {"aimock.error": 1}
        with pytest.raises(errors.ConnectionLost, match="1008"):
            handle.acknowledged(10)
        assert 1 == len(server.sent("session.start"))
