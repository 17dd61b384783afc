"""The host: one port, many clients, none of which can harm it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable

import pytest
import requests
import websocket

from realtime_sync.errors import ConfigurationError
from realtime_sync.server import ManualClock, Server, serve

from .clients import Client, client, opened
from .sounds import b64

Start = Callable[..., Server]


def test_listens_on_loopback_and_a_free_port(start: Start) -> None:
    """Nobody else can come in, and two servers do not collide."""
    first, second = start(), start()

    assert first.port != second.port
    assert f"http://127.0.0.1:{first.port}/v1" == first.url


def test_a_port_in_use_is_an_error_not_the_end_of_the_process(start: Start) -> None:
    """werkzeug would exit; a library must not."""
    with pytest.raises(ConfigurationError, match="cannot listen"):
        serve(port=start().port)


@pytest.mark.parametrize("arguments", [{"agent": "parrot"}, {"pice": 1}, {"agent": 3}])
def test_a_wrong_argument_is_refused(arguments: Any) -> None:
    """Mistakes show when the server is started."""
    with pytest.raises(ConfigurationError):
        serve(**arguments)


@pytest.mark.parametrize("port", [-1, 65_536, "8080"])
def test_what_is_no_port_is_refused(start: Start, port: Any) -> None:
    """Before a socket is made for it."""
    with pytest.raises(ConfigurationError, match="cannot listen"):
        start(port=port)


def test_rest_and_websocket_share_the_port(start: Start) -> None:
    """A POST and an upgrade on one port, at the same time."""
    server = start()
    with client(server) as one:
        reply = requests.post(server.url + "/realtime/client_secrets", timeout=5)

        assert "session.created" == one.receive()["type"]
        assert reply.json()["value"].startswith("ek_")


def test_the_subprotocol_realtime_is_chosen_when_it_is_offered(start: Start) -> None:
    """Browsers offer it together with their key."""
    offered = ["realtime", "openai-insecure-api-key.sk-1"]
    server = start(api_keys=["sk-1"])
    with client(server, subprotocols=offered) as one:
        assert "realtime" == one.protocol
        assert "session.created" == one.receive()["type"]


def test_the_beta_subprotocol_and_header_choose_the_dialect(start: Start) -> None:
    """Either is enough."""
    server = start()
    offered = ["realtime", "openai-beta.realtime-v1"]
    with client(server, subprotocols=offered) as one:
        assert "modalities" in one.receive()["session"]
    with client(server, path="/voice-live/realtime?model=m&api-version=1") as azure:
        assert "modalities" in azure.receive()["session"]
    with client(server, header=["OpenAI-Beta: realtime=v1"]) as two:
        assert "modalities" in two.receive()["session"]


@pytest.mark.parametrize(
    ("arguments", "path", "header", "close", "code"),
    [
        ({"api_keys": ["sk-1"]}, "?model=m", ["Authorization: Bearer no"], 3000, "key"),
        ({"api_keys": ["sk-1"]}, "?model=m", [], 3000, None),
        ({}, "?model=m", ["Authorization: Bearer ek_old"], 3000, "key"),
        ({}, "", [], 4000, "missing_model"),
        ({"models": ["a"]}, "?model=b", [], 4000, "invalid_model"),
        ({}, "?model=whisper-1", [], 4000, "invalid_model"),
        ({}, "?intent=transcription&model=m", [], 4000, "invalid_model"),
        ({}, "?intent=&model=m", [], 4000, "invalid_intent"),
        ({}, "?intent=", [], 4000, "invalid_intent"),
        ({}, "?intent=talk&model=m", [], 4000, "invalid_intent"),
        ({}, "?intent=Transcription", [], 4000, "invalid_intent"),
        ({"dialect": "ga"}, "?model=m", ["OpenAI-Beta: realtime=v1"], 4000, "beta"),
    ],
)
def test_refusals_come_after_the_upgrade(
    start: Start, arguments: Any, path: str, header: Any, close: int, code: Any
) -> None:
    """HTTP 101, one error, then the close code with the error as its reason."""
    one = opened(start(**arguments), "/v1/realtime" + path, header=header)
    error = one.receive()
    ending = one.receive()
    one.socket.shutdown()

    assert "error" == error["type"]
    assert (code is None) == (error["error"]["code"] is None)
    assert (code or "") in (error["error"]["code"] or "")
    assert close == ending[0]
    assert ending[1].startswith("invalid_request_error")


def test_refusals_can_come_before_the_upgrade(start: Start) -> None:
    """As Azure does it: HTTP 401."""
    server = start(api_keys=["sk-1"], refuse_early=True)
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        opened(server)

    assert 401 == caught.value.status_code


@pytest.mark.parametrize("path", ["/", "/v1/other?model=m"])
def test_other_paths_are_not_found(start: Start, path: str) -> None:
    """For WebSockets as for everything else."""
    server = start()
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        opened(server, path)
    reply = requests.get(f"http://127.0.0.1:{server.port}{path}", timeout=5)

    assert 404 == caught.value.status_code
    assert 404 == reply.status_code
    assert "error" in reply.json()


def test_binary_messages_are_refused_and_the_session_lives(start: Start) -> None:
    """Audio belongs into JSON."""
    with client(start()) as one:
        one.receive()
        one.socket.send_binary(b"\x00\x01")
        refused = one.receive()
        one.say("hello")

        assert "invalid_event" == refused["error"]["code"]
        assert "conversation.item.added" == one.receive()["type"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "null", '"x"', "{}", "[" * 100_000, '{"type":[]}']
)
def test_nonsense_is_answered_with_an_error(start: Start, text: str) -> None:
    """Whatever JSON it is, or none at all."""
    with client(start()) as one:
        one.receive()
        one.socket.send(text)
        answer = one.receive()
        one.say("hello")

        assert "error" == answer["type"]
        assert "conversation.item.added" == one.receive()["type"]


def test_frames_of_15_mb_pass_both_ways(start: Start) -> None:
    """The longest append, and its audio retrieved again."""
    pcm = bytes(range(256)) * (15 << 12)
    with client(start(), path="/v1/realtime?model=m") as one:
        one.receive()
        one.socket.frame_buffer.skip_utf8_validation = True
        one.socket.skip_utf8_validation = True
        one.socket.cont_frame.skip_utf8_validation = True
        session = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
        one.send("session.update", session=session)
        one.send("input_audio_buffer.append", audio=b64(pcm))
        one.send("input_audio_buffer.commit")
        item_id = one.until("conversation.item.done")[-1]["item"]["id"]
        one.send("conversation.item.retrieve", item_id=item_id)
        item = one.until("conversation.item.retrieved")[-1]["item"]

    assert b64(pcm) == item["content"][0]["audio"]


def test_too_large_a_frame_ends_the_connection_with_1009(start: Start) -> None:
    """Memory is bounded, and the other sessions do not notice."""
    server = start(max_frame_size=1000)
    with client(server) as other, client(server) as one:
        one.receive(), other.receive()
        one.say("x" * 2000)
        ending = one.receive()
        other.say("hello")

        assert 1009 == ending[0]
        assert "conversation.item.added" == other.receive()["type"]


def test_a_clean_close_is_echoed(start: Start) -> None:
    """The client's code comes back, and the session knows it."""
    server = start()
    one = opened(server)
    one.receive()
    one.socket.send_close(1000, b"bye")
    ending = one.receive()
    server.wait_closed(server.sessions[0])
    one.socket.shutdown()

    assert 1000 == ending[0]
    assert 1000 == server.sessions[0].close_code


def test_a_client_that_vanishes_leaves_nothing_behind(start: Start) -> None:
    """No close frame, no thread."""
    server = start()
    one = opened(server)
    one.receive()
    one.socket.shutdown()
    server.wait_closed(server.sessions[0])

    assert [] == server.open_sessions()


def test_half_a_frame_and_garbage_harm_only_their_sender(start: Start) -> None:
    """Bytes that are no frames, and a request that never ends."""
    server = start()
    slow = socket.create_connection(("127.0.0.1", server.port))
    slow.sendall(b"GET /v1/realtime?model=m HTTP/1.1\r\nHost: x\r\n")
    bad = opened(server)
    bad.receive()
    bad.socket.sock.sendall(b"\xff\xff\xff\xff\xff\xff")
    server.wait_closed(server.sessions[0])
    with client(server) as one:
        assert "session.created" == one.receive()["type"]
    slow.close()
    bad.socket.shutdown()


def test_text_that_is_not_utf8_is_an_error(start: Start) -> None:
    """Strict UTF-8, as JSON demands; the session lives."""
    with client(start()) as one:
        one.receive()
        frame = websocket.ABNF.create_frame(b'{"type":"\xff"}', 1)
        one.socket.send_frame(frame)
        answer = one.receive()

        assert "invalid_json" == answer["error"]["code"]


def test_sessions_are_limited(start: Start) -> None:
    """One more is refused with 429 and told when to come back."""
    server = start(max_sessions=2)
    with client(server) as one, client(server) as two:
        one.receive(), two.receive()
        with pytest.raises(websocket.WebSocketBadStatusException) as caught:
            opened(server)

        assert 429 == caught.value.status_code
        assert "1" == caught.value.resp_headers["retry-after"]


def test_many_sessions_at_once(start: Start) -> None:
    """Fifty clients talk at the same time, each hears its own answer."""
    server = start(agent=lambda prompt: f"you said {prompt.text}")
    clients = [opened(server) for _ in range(50)]
    for number, one in enumerate(clients):
        one.receive()
        one.say(f"number {number}")
        one.send("response.create", response={"output_modalities": ["text"]})
    answers = [one.until("response.output_text.done")[-1]["text"] for one in clients]
    for one in clients:
        one.socket.shutdown()

    assert [f"you said number {number}" for number in range(50)] == answers


def test_closing_the_server_ends_sessions_with_1001(start: Start) -> None:
    """And every thread: the fixture looks."""
    server = start()
    one = opened(server)
    one.receive()
    closer = threading.Thread(target=server.close)
    closer.start()
    ending = one.receive()
    one.socket.shutdown()
    closer.join()
    server.close()

    assert 1001 == ending[0]


def test_closing_does_not_wait_for_a_client_that_does_not_read(start: Start) -> None:
    """A client may sleep; the server's end is bounded."""
    server = start(agent=["word " * 5])
    one = opened(server)
    server.wait_for_sessions(1)
    server.close(timeout=2.0)
    one.socket.shutdown()

    assert [] == server.open_sessions()


def test_pings_come_while_nothing_else_happens(start: Start) -> None:
    """Liveness, on the server's own clock."""
    clock = ManualClock()
    server = start(clock=clock)
    one = opened(server)
    one.receive()
    clock.advance(20.5)
    opcode, _ = one.socket.recv_data(control_frame=True)
    one.socket.shutdown()

    assert websocket.ABNF.OPCODE_PING == opcode


def test_a_session_expires_with_1001(start: Start) -> None:
    """After sixty minutes: an error, then the close code."""
    clock = ManualClock()
    server = start(clock=clock)
    one = opened(server)
    one.receive()
    clock.advance(3601)
    error = one.receive()
    ending = one.receive()
    one.socket.shutdown()

    assert "session_expired" == error["error"]["code"]
    assert 1001 == ending[0]


def test_logs_hold_what_was_said(start: Start) -> None:
    """A test can look at both directions, and at the engine."""
    server = start(agent=["Fine."])
    with client(server) as one:
        one.receive()
        one.say("How are you?")
        one.answer()
        server.wait_idle()
        session = server.sessions[0]
        kinds = [frame["type"] for frame in session.received]

        assert ["conversation.item.create", "response.create"] == kinds
        assert "session.created" == session.sent[0]["type"]
        assert ["How are you?", "Fine."] == [
            item["text"] for item in session.engine.truth()["items"]
        ]


def test_an_agent_that_fails_ends_its_response_only(start: Start) -> None:
    """The exception becomes the response's error."""

    def agent(prompt: Any) -> str:
        raise LookupError("no idea")

    with client(start(agent=agent)) as one:
        one.receive()
        failed = one.answer()[-1]["response"]
        one.say("still there?")

        assert "failed" == failed["status"]
        assert "no idea" in failed["status_details"]["error"]["message"]


def test_a_slow_agent_does_not_keep_the_session_from_listening(start: Start) -> None:
    """Commands are answered while the agent thinks; cancelling works."""
    thinking, go_on = threading.Event(), threading.Event()

    def agent(prompt: Any) -> str:
        thinking.set()
        go_on.wait(10)
        return "late"

    with client(start(agent=agent)) as one:
        one.receive()
        one.send("response.create", response={"output_modalities": ["text"]})
        one.until("response.created")
        thinking.wait(10)
        one.send("response.cancel")
        cancelled = one.until("response.done")[-1]["response"]
        go_on.set()

        assert "cancelled" == cancelled["status"]
        assert [] == cancelled["output"]


# -- TLS -------------------------------------------------------------------------

CERTIFICATE = str(Path(__file__).parent / "localhost.pem")
TRUSTING = {"sslopt": {"ca_certs": CERTIFICATE}}


def test_tls_for_clients_that_speak_nothing_else(start: Start) -> None:
    """REST and WebSocket, large frames in both directions, and a clean end."""
    server = start(agent=["Fine."], tls=(CERTIFICATE, CERTIFICATE))
    url = server.url.replace("https", "wss") + "/realtime?model=m"
    one = Client(websocket.create_connection(url, timeout=10, **TRUSTING))
    one.receive()
    session = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    one.send("session.update", session=session)
    one.send("input_audio_buffer.append", audio=b64(bytes(2 << 20)))
    one.send("input_audio_buffer.commit")
    item_id = one.until("conversation.item.done")[-1]["item"]["id"]
    one.send("conversation.item.retrieve", item_id=item_id)
    item = one.until("conversation.item.retrieved")[-1]["item"]
    answer = one.answer()[-1]["response"]
    one.until("rate_limits.updated")
    secret = requests.post(
        server.url + "/realtime/client_secrets", timeout=5, verify=CERTIFICATE
    )
    server.close()
    ending = one.receive()
    one.socket.shutdown()

    assert b64(bytes(2 << 20)) == item["content"][0]["audio"]
    assert "completed" == answer["status"]
    assert 200 == secret.status_code
    assert 1001 == ending[0]


def test_a_client_that_does_not_speak_tls_harms_nobody(start: Start) -> None:
    """Plain bytes where a handshake should be, or none at all."""
    server = start(tls=(CERTIFICATE, CERTIFICATE))
    idle = socket.create_connection(("127.0.0.1", server.port))
    plain = socket.create_connection(("127.0.0.1", server.port))
    plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
    with suppress(ConnectionError):
        while plain.recv(1000):
            pass
    plain.close()
    url = server.url.replace("https", "wss") + "/realtime?model=m"
    one = Client(websocket.create_connection(url, timeout=10, **TRUSTING))
    first = one.receive()
    one.socket.shutdown()
    server.close()
    idle.close()

    assert "session.created" == first["type"]


@pytest.mark.parametrize("tls", [("none.pem", "none.pem"), ("a",), (1, 2, 3, 4)])
def test_a_certificate_that_cannot_be_used(tls: Any) -> None:
    """Is refused when the server is started."""
    with pytest.raises(ConfigurationError):
        serve(tls=tls)
