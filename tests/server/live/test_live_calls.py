"""Sessions that begin over REST, telephone calls, and what the server remembers."""

from __future__ import annotations

import logging
from typing import Any, Callable

import pytest
import requests

from realtime_sync.errors import ConfigurationError
from realtime_sync.server import Call, ManualClock, Server
from realtime_sync.server.host import live as host_live
from realtime_sync.server.host.handshake import AdmissionRefused

from ..clients import Client, client
from ..sounds import b64, loud, silence
from .live_talk import QUESTION, check, of, only, said

PATH = "/v1/live/sessions"
CONFIG = {"type": "live", "model": "gpt-live-1"}
SDP = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
CREATE = {
    "session": {"model": "gpt-live-1"},
    "transport": {"type": "webrtc", "sdp": SDP},
}


def post(server: Server, path: str, body: Any = None) -> requests.Response:
    """Ask the REST side."""
    return requests.post(server.url + "/live/sessions" + path, json=body, timeout=10)


def called(server: Server) -> str:
    """A telephone call that was accepted; returns the session's id."""
    session_id = server.ring_live()

    assert 200 == post(server, f"/{session_id}/accept", {"session": CONFIG}).status_code
    return session_id


def attached(server: Server, session_id: str) -> Any:
    """Attach to a session for a block."""
    return client(server, path=f"{PATH}/{session_id}/attach?")


def until_said(one: Client, words: str) -> list[dict[str, Any]]:
    """Receive until the model has said so much; every frame is checked."""
    frames: list[dict[str, Any]] = []
    while words not in said(frames):
        frames.append(check(one.receive(), "attached"))
    return frames


def test_a_caller_is_heard_and_answered(start: Callable[..., Server]) -> None:
    """The other side of a call can be spoken for; who is attached hears both."""
    server = start(agent=["Good morning."], replay_seconds=60.0)
    session_id = called(server)
    with attached(server, session_id) as side:
        side.until("session.started")
        server.live.speak(session_id, QUESTION)
        frames = until_said(side, "Good morning.")

    assert "1600 ms of audio" == said(frames, "input")
    assert "session.input_audio.append" in {frame["type"] for frame in frames}


def test_nobody_can_be_spoken_for_who_is_not_there(
    start: Callable[..., Server],
) -> None:
    """A call that only rings, or one that nobody knows: told to the program."""
    server = start()
    for session_id in (server.ring_live(), "live_nobody"):
        with pytest.raises(ConfigurationError, match=session_id):
            server.live.speak(session_id, b"")


def test_keys_go_both_ways(start: Callable[..., Server]) -> None:
    """Sent with an acknowledgement, received with none."""
    server = start(replay_seconds=60.0)
    session_id = called(server)
    with attached(server, session_id) as side:
        side.until("session.started")
        side.send("transport.dtmf.send", event_id="k", event="#")
        sent = check(side.until("transport.dtmf.sent")[-1], "attached")
        server.live.press(session_id, "5")
        received = check(side.until("transport.dtmf.received")[-1], "attached")

    assert ("k", "#") == (sent["client_event_id"], sent["event"])
    assert "5" == received["event"]


@pytest.mark.parametrize("key", ["", "E", "12", 5])
def test_a_key_that_there_is_not_is_refused(
    start: Callable[..., Server], key: Any
) -> None:
    """One of sixteen, one at a time."""
    server = start(replay_seconds=60.0)
    with attached(server, called(server)) as side:
        side.until("session.started")
        side.send("transport.dtmf.send", event=key)

        assert "event" == side.until("error")[-1]["error"]["param"]


def test_only_a_telephone_has_keys(start: Callable[..., Server]) -> None:
    """A session of a browser has none, and cannot be referred."""
    server = start(replay_seconds=60.0)
    session_id = post(server, "", CREATE).json()["session"]["id"]
    with attached(server, session_id) as side:
        side.until("session.started")
        side.send("transport.dtmf.send", event="1")
        error = side.until("error")[-1]["error"]
    refused = post(server, f"/{session_id}/refer", {"target_uri": "tel:+1"})

    assert "invalid_request_error" == error["code"]
    assert 400 == refused.status_code


def test_a_referred_call_has_ended_here(start: Callable[..., Server]) -> None:
    """Those who are attached are told that the other side has left."""
    server = start(replay_seconds=60.0)
    session_id = called(server)
    with attached(server, session_id) as side:
        side.until("session.started")
        post(server, f"/{session_id}/refer", {"target_uri": "tel:+1"})
        closed = check(side.until("session.closed")[-1], "attached")

    assert "remote_hangup" == closed["reason"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {"session": {"model": "gpt-live-1"}}, "transport"),
        ("", {**CREATE, "transport": {"type": "sip"}}, "transport.type"),
        ("", {**CREATE, "transport": {"type": "webrtc"}}, "transport.sdp"),
        ("", {**CREATE, "session": {}}, "session.model"),
        (
            "",
            {**CREATE, "session": {**CREATE["session"], "audio": {"format": {}}}},
            "session.audio.format",
        ),
        ("/x/accept", {"session": {"model": "gpt-live-1"}}, "session.type"),
        ("/x/reject", {}, "status_code"),
        ("/x/reject", {"status_code": 299}, "status_code"),
        ("/x/refer", {"target_uri": ""}, "target_uri"),
    ],
)
def test_a_bad_request_names_the_field(
    start: Callable[..., Server], path: str, body: Any, param: str
) -> None:
    """Before the session is looked for."""
    answer = post(start(), path, body)

    assert 400 == answer.status_code
    assert param == answer.json()["error"]["param"]


@pytest.mark.parametrize("name", ["accept", "reject", "refer", "hangup", "fork"])
def test_a_session_that_there_is_not_is_404(
    start: Callable[..., Server], name: str
) -> None:
    """With the service's own words for it."""
    bodies: dict[str, Any] = {
        "accept": {"session": CONFIG},
        "reject": {"status_code": 486},
        "refer": {"target_uri": "tel:+1"},
        "fork": {"transport": CREATE["transport"]},
    }
    answer = post(start(), f"/live_nobody/{name}", bodies.get(name))
    error = answer.json()["error"]

    assert 404 == answer.status_code
    assert ("session_id_not_found", "session_id", "invalid_request_error") == (
        error["code"],
        error["param"],
        error["type"],
    )


def test_a_session_of_a_browser_may_have_what_others_may_not(
    start: Callable[..., Server],
) -> None:
    """When to pause, and what its page may do; it tells no format."""
    server = start(replay_seconds=60.0)
    session = {
        "model": "gpt-live-1",
        "wake_policy": {"type": "speech", "vad_threshold": 0.4},
        "idle_timeout_s": 30,
        "client": {"data_channel": {"allowed_client_events": []}},
    }
    made = post(server, "", {**CREATE, "session": session})
    with attached(server, made.json()["session"]["id"]) as side:
        shown = check(side.until("session.started")[-1], "attached")["session"]

    assert 201 == made.status_code
    assert {"output"} == set(shown["audio"])
    assert session["client"] == shown["client"]


def test_a_recording_has_the_user_left_and_the_model_right(
    start: Callable[..., Server],
) -> None:
    """Of stored sessions only."""
    server = start()
    ids = []
    for store in (True, False):
        with client(server, path=PATH + "?") as one:
            one.send("session.start", session={"model": "gpt-live-1", "store": store})
            ids.append(one.receive()["session"]["id"])
            one.send("session.input_audio.append", audio=b64(loud(200)))
            one.send("session.close")
            one.until("session.closed")
    stored, other = (
        requests.get(f"{server.url}/live/sessions/{each}/content", timeout=10)
        for each in ids
    )
    samples = stored.content[44:]

    assert [200, 404] == [stored.status_code, other.status_code]
    assert loud(200)[:2] == samples[0:2]
    assert loud(200)[2:4] == samples[4:6]
    assert bytes(2) == samples[2:4]


def test_sessions_that_nobody_ended_end_with_their_time(
    start: Callable[..., Server],
) -> None:
    """The next that begins finds them."""
    clock = ManualClock()
    server = start(clock=clock)
    session_id = post(server, "", CREATE).json()["session"]["id"]
    clock.advance(7201)
    post(server, "", CREATE)

    assert 404 == post(server, f"/{session_id}/hangup").status_code


def test_old_sessions_are_forgotten_and_running_ones_are_not(
    start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a server may run for weeks; too many that run are refused."""
    monkeypatch.setattr(host_live, "MOST_SESSIONS", 3)
    server = start()
    ids = [post(server, "", CREATE).json()["session"]["id"] for _ in range(3)]
    full = post(server, "", CREATE)
    post(server, f"/{ids[0]}/hangup")
    post(server, "", CREATE)
    with pytest.raises(AdmissionRefused):
        server.live.find(ids[0])

    assert 429 == full.status_code
    assert server.live.find(ids[1]).running


def test_live_turns_are_logged_in_words(
    start: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    """What each side said, what was handed on, how it ended; a line each."""
    caplog.set_level(logging.INFO, "realtime_sync.server.turns")
    server = start(agent=["Good morning to you.", Call("f", {"a": 1})])
    backend = {"model": "m", "tools": [{"type": "function", "name": "f"}]}
    session = {
        "model": "gpt-live-1",
        "delegation": {"type": "responses", "responses": backend},
    }
    with client(server, path=PATH + "?") as one:
        one.send("session.start", session=session)
        for _ in range(2):
            one.send("session.input_audio.append", audio=b64(QUESTION + silence(3000)))
        frames = [one.receive()]
        while not of(frames, "response.completed"):
            frames.append(one.receive())
        one.send("session.close")
        one.until("session.closed")
    lines = [line.split(" ", 1)[1] for line in caplog.messages if line[:1] == "["]

    assert [
        "user (spoken): 1600 ms of audio",
        "assistant: Good morning to you.",
        "user (spoken): 1600 ms of audio",
        "assistant hands on to: responses",
        'assistant calls: f({"a": 1})',
        "closed: close_requested",
    ] == lines
    assert (
        "responses"
        == only(frames, "session.delegation.created")["delegation"]["target"]
    )
