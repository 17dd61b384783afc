"""Live sessions over REST, against the local server."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_sync import RealtimeClient, errors, live
from realtime_sync.server import Server

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
LONG = 10.0
CONFIG = live.LiveConfig(instructions="Be brief.", store=True)


@pytest.fixture
def client(server: Server) -> Iterator[RealtimeClient]:
    """A client of it."""
    made = RealtimeClient(base_url=server.url, api_key="k", timeout=LONG)
    yield made
    made.close()


def test_browser_is_started_for_and_followed_from_aside(client: RealtimeClient) -> None:
    """The answer is for the browser, the id to attach to."""
    made = client.live.create(SDP, CONFIG, model="gpt-live-1")

    assert (made.session_id or "").startswith("live_")
    assert "v=0" in (made.sdp or "")
    with client.live.attach(made.session_id or "") as session:
        assert isinstance(session, live.LiveSession)
        assert made.session_id == session.id
        session.say("Welcome to the show.")
    client.live.hangup(made.session_id or "")
    with pytest.raises(errors.RestError) as caught:
        client.live.hangup(made.session_id or "")
    assert (404, "session_id_not_found") == (caught.value.status, caught.value.code)


def test_call_is_accepted_once_and_handed_on(
    client: RealtimeClient, server: Server
) -> None:
    """A second decision on it is refused."""
    call = server.ring_live()
    client.live.accept(call, CONFIG, model="gpt-live-1")
    with pytest.raises(errors.RestError) as caught:
        client.live.reject(call, status_code=486)
    assert "decision_already_made" == caught.value.code
    with client.live.attach(call) as session:
        session.send_dtmf("1")[0].acknowledged(LONG)
        client.live.refer(call, "tel:+14155550123")
    other = server.ring_live()
    client.live.reject(other)


def test_stored_session_can_be_forked_and_its_recording_had(
    client: RealtimeClient, tmp_path: Path
) -> None:
    """By a socket or for a browser; what is not there leaves no file."""
    with client.connect("gpt-live-1", config=CONFIG) as session:
        session.say("Welcome to the show.").acknowledged(LONG)
        source = session.id or ""
    path = tmp_path / "call.wav"
    size = client.live.download(source, path)

    assert size == path.stat().st_size
    with wave.open(str(path)) as recording:
        assert 2 == recording.getnchannels()
    with client.live.fork(source) as fork:
        assert source != fork.id
    assert client.live.fork_webrtc(source, SDP).session_id not in (None, source)
    with pytest.raises(errors.RestError):
        client.live.download("live_none", tmp_path / "none.wav")
    assert ["call.wav"] == [each.name for each in tmp_path.iterdir()]


def test_attaching_to_a_session_that_is_over_says_so(client: RealtimeClient) -> None:
    """With the code of the service."""
    with pytest.raises(errors.ConnectFailed) as caught:
        client.live.attach("live_none")

    assert 404 == caught.value.status


@pytest.mark.parametrize("session_id", ["", ".", "..", "a\nb"])
def test_id_that_is_none_is_not_sent(client: RealtimeClient, session_id: str) -> None:
    """It comes from a webhook, that is from outside."""
    with pytest.raises(errors.ConfigurationError):
        client.live.hangup(session_id)


def test_wrong_configuration_fails_at_the_call(client: RealtimeClient) -> None:
    """Before anything is sent; what only REST takes is taken."""
    with pytest.raises(TypeError, match="no field"):
        client.live.create(SDP, {"model": "gpt-live-1", "tools": []})
    with pytest.raises(errors.ConfigurationError, match="300 to 699"):
        client.live.reject("live_1", status_code=200)
    made = client.live.create(
        SDP,
        CONFIG,
        model="gpt-live-1",
        wake_policy={"type": "speech"},
        idle_timeout_s=30,
    )
    assert made.session_id


def test_socket_is_opened_with_the_type_that_a_checker_wants(
    client: RealtimeClient,
) -> None:
    """Also for a deployment, whose name says nothing."""
    with client.live.connect("my-voice") as session:
        assert "my-voice" == session.snapshot.session.model
