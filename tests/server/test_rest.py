"""REST beside the WebSocket: ephemeral keys and calls."""

from __future__ import annotations

from typing import Any, Callable

import pytest
import requests
from openai import NotFoundError, OpenAI

from realtime_sync.server import ManualClock, Server

from .clients import client, opened

Start = Callable[..., Server]
OFFER = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\nm=application 9 UDP x\r\n"


def post(server: Server, path: str, body: Any = None, **headers: str) -> Any:
    """POST JSON to the server's base URL."""
    return requests.post(server.url + path, json=body, headers=headers, timeout=5)


def test_an_ephemeral_key_opens_its_session(start: Start) -> None:
    """Again and again, until it expires; its configuration holds."""
    clock = ManualClock()
    server = start(api_keys=["sk-1"], clock=clock)
    session = {"type": "realtime", "model": "gpt-realtime-2", "instructions": "Hum."}
    reply = post(
        server,
        "/realtime/client_secrets",
        {"session": session, "expires_after": {"anchor": "created_at", "seconds": 60}},
        Authorization="Bearer sk-1",
    ).json()
    header = ["Authorization: Bearer " + reply["value"]]
    for _ in range(2):
        with client(server, path="/v1/realtime", header=header) as one:
            created = one.receive()["session"]

            assert ("gpt-realtime-2", "Hum.") == (
                created["model"],
                created["instructions"],
            )
    clock.advance(61)
    late = opened(server, "/v1/realtime", header=header)
    refused = late.receive()
    late.socket.shutdown()

    assert "Hum." == reply["session"]["instructions"]
    assert "invalid_api_key" == refused["error"]["code"]


def test_keys_are_checked_for_rest_too(start: Start) -> None:
    """401 with the error in the body."""
    reply = post(start(api_keys=["sk-1"]), "/realtime/client_secrets")

    assert 401 == reply.status_code
    assert "Missing bearer" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"session": {}}, "session.type"),
        ({"session": {"type": "realtime", "x": 1}}, "session.x"),
        ({"expires_after": {"seconds": 5}}, "expires_after.seconds"),
        ([1], None),
    ],
)
def test_a_bad_request_names_its_field(start: Start, body: Any, param: Any) -> None:
    """400, in the words of the error catalogue."""
    reply = post(start(), "/realtime/client_secrets", body)

    assert 400 == reply.status_code
    assert param == reply.json()["error"]["param"]


def test_beta_sessions_have_their_key_inside(start: Start) -> None:
    """Flat, complete, with a client_secret."""
    reply = post(
        start(), "/realtime/sessions", {"voice": "sage", "modalities": ["text"]}
    )
    session = reply.json()

    assert ("sage", ["text"], "pcm16") == (
        session["voice"],
        session["modalities"],
        session["input_audio_format"],
    )
    assert session["client_secret"]["value"].startswith("ek_")


def test_beta_transcription_sessions(start: Start) -> None:
    """The key opens a transcription session."""
    server = start()
    body = {"input_audio_transcription": {"model": "whisper-1"}}
    session = post(server, "/realtime/transcription_sessions", body).json()
    header = ["Authorization: Bearer " + session["client_secret"]["value"]]
    with client(server, path="/v1/realtime", header=header) as one:
        created = one.receive()["session"]

    assert "transcription" == created["type"]
    assert "whisper-1" == created["audio"]["input"]["transcription"]["model"]


def test_translation_keys(start: Start) -> None:
    """Their own endpoint, their own kind of session."""
    server = start()
    body = {
        "session": {
            "model": "gpt-realtime-translate",
            "audio": {"output": {"language": "fr"}},
        }
    }
    reply = post(server, "/realtime/translations/client_secrets", body).json()
    header = ["Authorization: Bearer " + reply["value"]]
    with client(server, path="/v1/realtime/translations", header=header) as one:
        created = one.receive()["session"]

    assert "fr" == created["audio"]["output"]["language"]
    assert "translation" == reply["session"]["type"]


def test_a_call_is_created_controlled_and_hung_up(start: Start) -> None:
    """With the official SDK; the sideband connection ends with the call."""
    server = start()
    with OpenAI(api_key="sk", base_url=server.url, max_retries=0) as sdk:
        reply = sdk.realtime.calls.create(
            sdp=OFFER, session={"type": "realtime", "instructions": "Sing."}
        )
        answer = reply.text
        call_id = reply.response.headers["Location"].rsplit("/", 1)[1]
        one = opened(server, f"/v1/realtime?call_id={call_id}")
        created = one.receive()["session"]
        sdk.realtime.calls.refer(call_id, target_uri="tel:+15550100")
        sdk.realtime.calls.hangup(call_id)
        ending = one.receive()
        one.socket.shutdown()

    assert "m=audio 0 UDP/TLS/RTP/SAVPF 111" in answer
    assert "Sing." == created["instructions"]
    assert 1000 == ending[0]
    assert "ended" == getattr(server.calls.find(call_id), "status")


def test_an_incoming_call_is_accepted_or_rejected(start: Start) -> None:
    """Once; a call that nobody knows is not found."""
    server = start()
    first, second = server.ring(), server.ring()
    with OpenAI(api_key="sk", base_url=server.url, max_retries=0) as sdk:
        sdk.realtime.calls.accept(first, type="realtime", model="gpt-realtime")
        sdk.realtime.calls.reject(second, status_code=486)
        with pytest.raises(NotFoundError):
            sdk.realtime.calls.hangup("rtc_nobody")

    again = post(server, f"/realtime/calls/{first}/accept", {"type": "realtime"})

    assert 400 == again.status_code
    assert 486 == getattr(server.calls.find(second), "detail")
    one = opened(server, f"/v1/realtime?call_id={second}")
    refused = one.receive()
    one.socket.shutdown()

    assert "call_not_found" == refused["error"]["code"]


def test_other_methods_are_not_allowed(start: Start) -> None:
    """GET where only POST is."""
    url = start().url + "/realtime/client_secrets"

    assert 405 == requests.get(url, timeout=5).status_code
