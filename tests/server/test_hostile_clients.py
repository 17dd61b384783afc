"""Clients that mean harm: none takes the server away from one that behaves."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Any, Callable

import pytest
import requests

from realtime_sync.cli.main import main
from realtime_sync.errors import ConfigurationError
from realtime_sync.server import Server, serve
from realtime_sync.server.host import calls, listener, secrets
from realtime_sync.server.host.secrets import EphemeralSecrets

from .clients import client

Start = Callable[..., Server]
DEEP = [
    b"[" * 100_000,
    b"[" * 900 + b"]" * 900,
    b'{"session":' + b'{"a":' * 500 + b"1" + b"}" * 501,
    b'{"session":{"type":"realtime","tools":' + b"[" * 300 + b"]" * 300 + b"}}",
]
NO_NUMBERS = [b"NaN", b"Infinity", b"-Infinity", b"1e999"]


def post(server: Server, path: str, data: bytes, **headers: str) -> Any:
    """POST bytes as JSON."""
    headers = {"Content-Type": "application/json", **headers}
    return requests.post(server.url + path, data=data, headers=headers, timeout=5)


@pytest.mark.parametrize("body", DEEP)
@pytest.mark.parametrize("path", ["/client_secrets", "/sessions", "/calls/c/accept"])
def test_deep_json_is_a_bad_request(start: Start, path: str, body: bytes) -> None:
    """400 and one sentence, whatever it was posted to; never a traceback."""
    reply = post(start(), "/realtime" + path, body)

    assert 400 == reply.status_code
    assert "Traceback" not in reply.text
    assert "error" in reply.json()


def test_a_deep_session_in_a_form_is_a_bad_request(start: Start) -> None:
    """The other way in which JSON comes over HTTP."""
    form = {"sdp": (None, "v=0"), "session": (None, DEEP[1], "application/json")}
    url = start().url + "/realtime/calls"
    reply = requests.post(url, files=form, timeout=5)

    assert 400 == reply.status_code


@pytest.mark.parametrize("frame", DEEP)
def test_a_deep_frame_is_an_error_and_not_the_end(start: Start, frame: bytes) -> None:
    """The session goes on."""
    with client(start()) as one:
        one.receive()
        one.socket.send(frame)
        refused = one.receive()
        one.socket.send('{"type": "nothing"}')

        assert "error" == refused["type"] == one.receive()["type"]


@pytest.mark.parametrize("number", NO_NUMBERS)
def test_what_is_no_number_is_refused(start: Start, number: bytes) -> None:
    """Over HTTP and in a frame: JSON has no such numbers, and no speed is one."""
    session = b'{"type":"realtime","audio":{"output":{"speed":%b}}}' % number
    server = start()
    reply = post(server, "/realtime/client_secrets", b'{"session":%b}' % session)
    with client(server) as one:
        one.receive()
        one.socket.send(b'{"type":"session.update","session":%b}' % session)
        refused = one.receive()

    assert 400 == reply.status_code
    assert "error" == refused["type"]


def test_what_fails_inside_is_told_without_a_traceback(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has it; the client learns that it was not to blame."""

    def broken(*arguments: Any) -> None:
        raise RuntimeError("inside")

    server = start()
    monkeypatch.setattr(EphemeralSecrets, "create", broken)
    reply = post(server, "/realtime/client_secrets", b"{}")

    assert 500 == reply.status_code
    assert "inside" not in reply.text
    assert "inside" in caplog.text


DRIPS = [
    b"",
    b"G",
    b"GET /v1/realtime HTTP/1.1\r\nUpgrade: websocket\r\nX: ",
    b"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
]


@pytest.mark.parametrize("said", DRIPS)
def test_a_client_that_drips_is_dropped_when_its_time_is_up(
    start: Start, said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far it has come with its request, and though it still says a bit."""
    monkeypatch.setattr(listener, "_HEAD_SECONDS", 0.1)
    with socket.create_connection(("127.0.0.1", start().port), timeout=5) as slow:
        slow.sendall(said)
        try:
            ended = slow.recv(4096)
            while ended and b"HTTP/1.1" in ended:  # An answer, and then the end.
                ended = slow.recv(4096)
        except ConnectionError:
            ended = b""

    assert b"" == ended


def test_many_that_drip_are_bounded_and_others_are_served(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each one more the oldest goes, so one that behaves is never the last."""
    monkeypatch.setattr(listener, "MOST_WAITING", 20)
    server = start()
    with ExitStack() as stack:
        for _ in range(90):
            one = socket.create_connection(("127.0.0.1", server.port), timeout=5)
            stack.enter_context(one).sendall(b"GET / HT")
        with client(server) as good:
            assert "session.created" == good.receive()["type"]
        waiting = len(server._listener._waiting)

    assert waiting <= 20


def test_a_session_that_says_nothing_is_not_slow(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only requests have a time to be complete in."""
    monkeypatch.setattr(listener, "_HEAD_SECONDS", 0.0)
    monkeypatch.setattr(listener, "_POLL_SECONDS", 0.01)
    server = start()
    server._listener.drop_slow()
    monkeypatch.setattr(listener, "_HEAD_SECONDS", 10.0)
    with client(server) as one:
        one.receive()
        monkeypatch.setattr(listener, "_HEAD_SECONDS", 0.0)
        server._listener.drop_slow()
        one.socket.send('{"type": "nothing"}')

        assert "error" == one.receive()["type"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "host.example"])
def test_where_others_come_in_a_key_is_needed(host: str) -> None:
    """Before the port is opened."""
    with pytest.raises(ConfigurationError, match="api_keys"):
        serve(host=host)


def test_with_a_key_others_may_come_in(start: Start) -> None:
    """The key is needed on this machine as well."""
    server = start(host="0.0.0.0", api_keys=["sk-1"])
    url = f"http://127.0.0.1:{server.port}/v1/realtime/client_secrets"
    headers = {"Content-Type": "application/json"}
    statuses = [
        requests.post(url, headers={**headers, **more}, timeout=5).status_code
        for more in ({}, {"Authorization": "Bearer sk-2"}, {"api-key": "sk-1"})
    ]

    assert [401, 401, 200] == statuses


def test_the_command_line_says_which_option_is_missing(capsys: Any) -> None:
    """One line, and the code of bad input."""
    assert 2 == main(["serve", "--host", "0.0.0.0", "--port", "0"])
    assert "--api-key" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["sk-", "sk-12", "SK-1", "", "sk-1\xe9", "\udc80"])
def test_only_the_whole_key_is_one(start: Start, key: str) -> None:
    """Beginnings, other cases and what is no text are refused alike."""
    gate = start(api_keys=["sk-1"])._gate

    assert gate._is_known("sk-1")
    assert not gate._is_known(key)
    assert not gate._is_known(None)


def test_ephemeral_keys_and_calls_are_bounded(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest go first; what is kept of a key is its digest."""
    monkeypatch.setattr(secrets, "MOST_KEYS", 3)
    monkeypatch.setattr(calls, "MOST_CALLS", 3)
    kept, server = EphemeralSecrets(), start()
    keys = [kept.create({"n": number}, 100.0, 0.0) for number in range(5)]
    rung = [server.ring() for _ in range(5)]

    assert [None, None] == [kept.session(key, 1.0) for key in keys[:2]]
    assert [2, 3, 4] == [(kept.session(key, 1.0) or {})["n"] for key in keys[2:]]
    assert not set(keys) & set(kept._keys)
    assert [None, None] == [server.calls.find(each) for each in rung[:2]]
    assert server.calls.find(rung[4])
