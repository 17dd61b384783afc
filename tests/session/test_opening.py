"""From an endpoint to an open session, or to the error that says why not."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Optional
from urllib.parse import quote

import pytest

from realtime_sync import Endpoint, RealtimeClient, connect
from realtime_sync.errors import (
    AuthenticationFailed,
    CommandRejected,
    ConfigurationError,
    ConnectFailed,
    ConnectionClosed,
    ConnectRateLimited,
    DialectMismatch,
    RealtimeError,
    WaitTimeout,
)
from realtime_sync.server import serve
from tests.rawserver import GREETING, Peer, RawServer

KEY = "a-key-without-any-prefix-0123456789"
MODEL = "gpt-realtime"


def failure(server: Any, **options: Any) -> RealtimeError:
    """What `connect` raises; far sooner than its deadline."""
    options = {"connect_timeout": 30.0, "base_url": server.url, **options}
    with pytest.raises(RealtimeError) as caught:
        connect(MODEL, **options)
    return caught.value


# -- refused before the upgrade --------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        ("400 Bad Request", ConnectFailed, False),
        ("401 Unauthorized", AuthenticationFailed, False),
        ("403 Forbidden", AuthenticationFailed, False),
        ("404 Not Found", ConnectFailed, False),
        ("426 Upgrade Required", ConnectFailed, False),
        ("429 Too Many Requests", ConnectRateLimited, True),
        ("500 Internal Server Error", ConnectFailed, True),
        ("503 Service Unavailable", ConnectFailed, True),
        ("200 OK", ConnectFailed, False),
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b'{"error":{"message":"Because."}}', b"Because."]
)
def test_http_status_becomes_its_error(
    status: str, kind: type[ConnectFailed], retryable: bool, body: bytes
) -> None:
    """With the status as an attribute, and the server's words in the message."""
    with RawServer(lambda peer: peer.refuse(status, body=body)) as server:
        error = failure(server)

    assert isinstance(error, ConnectFailed)
    assert kind is type(error)
    assert (int(status[:3]), retryable) == (error.status, error.retryable)
    assert f"HTTP {status[:3]}" in str(error)
    assert ("Because." in str(error)) == bool(body)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Retry-After: 7", 7.0),
        ("Retry-After: 0.5", 0.5),
        ("retry-after-ms: 1500", 1.5),
        ("Retry-After: Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Retry-After: soon", None),
        ("X-Other: 1", None),
    ],
)
def test_limit_says_when_to_come_back(header: str, seconds: Optional[float]) -> None:
    """In seconds, as a number or a date; None if the server does not say."""
    with RawServer(lambda peer: peer.refuse("429 Too Many", header)) as server:
        error = failure(server)

    assert isinstance(error, ConnectRateLimited)
    assert seconds == error.retry_after


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
def test_redirect_is_not_followed(status: str) -> None:
    """The key stays with the host it was meant for."""
    elsewhere = RawServer(lambda peer: peer.refuse("404 Not Found"))

    def redirect(peer: Peer) -> None:
        peer.refuse(f"{status} Moved", f"Location: {elsewhere.url}/realtime")

    with elsewhere, RawServer(redirect) as server:
        error = failure(server, api_key=KEY)

    assert [] == elsewhere.heads
    assert isinstance(error, ConnectFailed)
    assert int(status) == error.status
    assert "redirects are not followed" in str(error)


@pytest.mark.parametrize(
    ("body", "hint"), [("", True), ('{"error": {"message": "No such model."}}', False)]
)
def test_path_that_is_not_there_is_hinted_at(body: str, hint: bool) -> None:
    """Most often ``/v1`` is missing; a server that says why needs no help."""
    answer = f"HTTP/1.1 404 Not Found\r\nContent-Length: {len(body)}\r\n\r\n{body}"

    def refuse(peer: Peer) -> None:
        peer.read_head()
        peer.raw(answer.encode())

    with RawServer(refuse) as server:
        error = failure(server)

    assert hint == ("/v1" in str(error))


def test_wrong_proof_of_the_upgrade_is_refused() -> None:
    """Whoever answers without having read the key is no WebSocket server."""

    def answer(peer: Peer) -> None:
        peer.read_head()
        right = peer.accepted().decode()
        start = right.index("Accept: ") + 8
        peer.raw((right[:start] + "AAAA" + right[start + 4 :]).encode())

    with RawServer(answer) as server:
        error = failure(server)

    assert "handshake" in str(error)


@pytest.mark.parametrize("protocol", ["realtime", "something-else", None])
def test_subprotocol_of_the_answer_does_not_matter(protocol: Optional[str]) -> None:
    """Servers echo it, invent one, or say nothing."""
    extra = [f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []

    def answer(peer: Peer) -> None:
        peer.read_head()
        peer.raw(peer.accepted(*extra))
        peer.say(GREETING)
        peer.answer_close()

    with RawServer(answer) as server:
        endpoint = Endpoint(url=server.url, key="ek_1", subprotocol_auth=True)
        connect(MODEL, endpoint=endpoint).close()
        (head,) = server.heads

    assert (
        "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.ek_1"
        in head.split("\r\n")
    )
    assert "Authorization" not in head


# -- refused after the upgrade ---------------------------------------------------


def refusing(error: Any, code: Optional[int]) -> Any:
    """A script that accepts, says an error, and closes with a code."""

    def script(peer: Peer) -> None:
        peer.upgrade()
        if error is not None:
            peer.say({"type": "error", "error": error})
        if code == 1006:
            peer.drop()
        elif code is not None:
            peer.close(code, "invalid_request_error.code")
            peer.rest()
        else:
            peer.rest()

    return script


def told(code: Optional[str], message: str = "Because.") -> dict[str, Any]:
    """The error of an error event."""
    return {"type": "invalid_request_error", "code": code, "message": message}


@pytest.mark.parametrize(
    ("error", "close", "kind", "code", "words"),
    [
        (
            told("invalid_api_key"),
            3000,
            AuthenticationFailed,
            "invalid_api_key",
            "Because.",
        ),
        (told("invalid_api_key"), None, AuthenticationFailed, "invalid_api_key", ""),
        (told(None), 3000, AuthenticationFailed, 3000, "Because."),
        (None, 3000, AuthenticationFailed, 3000, "3000"),
        (told("invalid_model"), 4000, ConnectFailed, "invalid_model", "Because."),
        (told("invalid_model"), None, ConnectFailed, "invalid_model", "Because."),
        (told("missing_model"), 4000, ConnectFailed, "missing_model", "Because."),
        (told("something_new"), 4000, ConnectFailed, "something_new", "Because."),
        ("Because.", 4000, ConnectFailed, 4000, "Because."),
        (None, 4000, ConnectFailed, 4000, "4000"),
        (None, 1008, ConnectFailed, 1008, "1008"),
        (told("session_limit_reached"), 1008, ConnectFailed, None, "Because."),
        (None, 1000, ConnectFailed, 1000, "1000"),
        (None, 1011, ConnectFailed, 1011, "1011"),
        (None, 1006, ConnectFailed, 1006, "1006"),
        (
            told("beta_api_shape_disabled"),
            4000,
            DialectMismatch,
            "beta_api_shape_disabled",
            'dialect="ga"',
        ),
        (
            told("rate_limit_exceeded"),
            4000,
            ConnectRateLimited,
            "rate_limit_exceeded",
            "Because.",
        ),
    ],
)
def test_error_behind_the_upgrade_is_an_error_of_connect(
    error: Any, close: Optional[int], kind: type[ConnectFailed], code: Any, words: str
) -> None:
    """HTTP 101, an error event, a close: at once, and typed like a refusal."""
    with RawServer(refusing(error, close)) as server:
        found = failure(server)

    assert isinstance(found, ConnectFailed)
    assert kind is type(found)
    assert words in str(found)
    if code is not None:
        assert code == found.code
    assert (close in (1006, 1011)) == found.retryable or kind is ConnectRateLimited


@pytest.mark.parametrize("code", ["something_new", None])
def test_error_may_be_followed_by_the_greeting(code: Optional[str]) -> None:
    """Some servers complain first and work all the same."""

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.say({"type": "error", "error": told(code)})
        peer.say(GREETING)
        peer.answer_close()

    with RawServer(script) as server:
        with connect(MODEL, base_url=server.url) as session:
            assert session.is_open


def test_silent_server_is_a_timeout() -> None:
    """Nothing was refused, but nothing was said either."""
    with RawServer(refusing(None, None)) as server:
        error = failure(server, connect_timeout=0.2)

    assert isinstance(error, WaitTimeout)


def test_error_before_the_silence_is_told() -> None:
    """At the deadline, what the server had complained about is the reason."""
    with RawServer(refusing(told("something_new"), None)) as server:
        error = failure(server, connect_timeout=0.2)

    assert isinstance(error, ConnectFailed)
    assert ("something_new", True) == (error.code, "Because." in str(error))


def test_server_without_a_greeting_can_be_used() -> None:
    """If one says so."""
    with RawServer(refusing(None, None)) as server:
        with connect(
            MODEL, base_url=server.url, wait_created=False, close_timeout=0.2
        ) as session:
            assert session.is_open


# -- against the local server ----------------------------------------------------


@pytest.mark.parametrize("early", [False, True])
def test_wrong_key_is_told_either_way(early: bool) -> None:
    """As OpenAI does, behind the upgrade; and as Azure does, by HTTP 401."""
    with serve(agent="echo", api_keys=["right"], refuse_early=early) as server:
        for key in ("a-wrong-key-it-is", None):
            error = failure(server, api_key=key)

            assert isinstance(error, AuthenticationFailed)
            assert (401 if early else None) == error.status
        connect(MODEL, api_key="right", base_url=server.url).close()


def test_unknown_model_is_told() -> None:
    """The server's code says what is wrong."""
    with serve(agent="echo", models=["other"]) as server:
        error = failure(server)

    assert isinstance(error, ConnectFailed)
    assert "invalid_model" == error.code


@pytest.mark.parametrize("early", [False, True])
def test_refused_beta_names_the_fix(early: bool) -> None:
    """The header is refused; whoever asked for it learns what to write instead."""
    with serve(agent="echo", dialect="ga", refuse_early=early) as server:
        error = failure(server, dialect="beta")

    assert isinstance(error, DialectMismatch)
    assert 'dialect="ga"' in str(error)


def test_too_many_sessions_are_told() -> None:
    """HTTP 429 is a limit, and may pass."""
    with serve(agent="echo", max_sessions=1) as server:
        with connect(MODEL, base_url=server.url):
            error = failure(server)

    assert isinstance(error, ConnectRateLimited)


def test_unknown_path_is_told() -> None:
    """HTTP 404 has the server's words."""
    with serve(agent="echo") as server:
        error = failure(server, base_url=server.url + "/elsewhere")

    assert isinstance(error, ConnectFailed)
    assert 404 == error.status


@pytest.mark.parametrize(
    "config",
    [
        {"output_modalities": ["audio", "text"]},
        {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
    ],
)
def test_rejected_config_is_an_error_of_connect(config: dict[str, Any]) -> None:
    """And the connection does not stay behind."""
    with serve(agent="echo") as server:
        error = failure(server, config=config)

        assert isinstance(error, CommandRejected)
        assert error.param
        server.wait_closed(server.sessions[-1])
        assert [] == server.open_sessions()


def test_config_is_in_force_when_connect_returns() -> None:
    """Its acknowledgement was waited for."""
    with serve(agent="echo") as server:
        with connect(
            MODEL, base_url=server.url, config={"instructions": "Be brief."}
        ) as session:
            assert "Be brief." == session.config.instructions


@pytest.mark.parametrize(
    ("options", "session_type"),
    [
        ({}, "realtime"),
        ({"session_type": "transcription"}, "transcription"),
        ({"session_type": "translation"}, "translation"),
        ({"session_type": "transcription", "dialect": "beta"}, "transcription"),
    ],
)
def test_session_type_reaches_the_server(
    options: dict[str, Any], session_type: str
) -> None:
    """By intent or by path."""
    model = None if session_type == "transcription" else MODEL
    with serve(agent="echo") as server:
        connect(model, base_url=server.url, **options).close()
        (session,) = server.sessions

    assert session_type == session.admission.session_type


def test_call_id_reaches_the_server() -> None:
    """In the query, where a sideband has no model of its own."""

    def script(peer: Peer) -> None:
        peer.greet()
        peer.answer_close()

    with RawServer(script) as server:
        connect(MODEL, base_url=server.url, call_id="rtc_1").close()
        (head,) = server.heads

    assert head.startswith("GET /v1/realtime?call_id=rtc_1 HTTP/1.1")


@pytest.mark.parametrize("key", ["bearer", "subprotocol", "api-key"])
def test_ephemeral_key_opens_a_session(key: str) -> None:
    """In every place that the service takes one from."""
    with serve(agent="echo", api_keys=["right-key-of-the-test"]) as server:
        maker = RealtimeClient(api_key="right-key-of-the-test", base_url=server.url)
        secret = maker.client_secrets.create(session={"model": MODEL})
        maker.close()
        endpoint = Endpoint(
            url=server.url,
            key=secret.value,
            subprotocol_auth=key == "subprotocol",
            auth="api-key" if key == "api-key" else "bearer",
        )
        with connect(endpoint=endpoint) as session:
            assert session.is_open


# -- keys never show -------------------------------------------------------------


def echoing(peer: Peer) -> None:
    """Accept, and say the whole request back in an error and in the reason."""
    peer.upgrade()
    peer.say({"type": "error", "error": told("invalid_api_key", peer.head)})
    peer.close(3000, f"no {peer.head[:80]}")
    peer.rest()


def echoing_early(peer: Peer) -> None:
    """Say the whole request back in the body of a refusal."""
    head = peer.read_head()
    body = json.dumps({"error": {"message": head, "code": "c"}}).encode()
    peer.raw(b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def echoing_in_the_reason(peer: Peer) -> None:
    """Greet, then close with the key as the reason."""
    peer.greet()
    peer.close(1008, f"bad {KEY}")
    peer.rest()


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": KEY},
        {"api_key": KEY, "dialect": "beta"},
        {"extra_headers": {"Authorization": f"Bearer {KEY}"}},
        {"extra_headers": {"api-key": KEY}},
        {"extra_query": {"api_key": KEY}},
        {"login": True},
        {"subprotocol": True},
    ],
    ids=["key", "beta", "bearer", "api-key", "query", "login", "subprotocol"],
)
@pytest.mark.parametrize("script", [echoing, echoing_early])
def test_key_that_the_server_says_back_is_hidden(
    options: dict[str, Any], script: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in the error, nor in what caused it, nor in any log."""
    caplog.set_level(logging.DEBUG)
    options = dict(options)
    with RawServer(script) as server:
        url = server.url
        if options.pop("login", False):
            url = url.replace("ws://", f"ws://user:{quote(KEY)}@")
        if options.pop("subprotocol", False):
            options["endpoint"] = Endpoint(url=url, key=KEY, subprotocol_auth=True)
            url = None
        error: Optional[BaseException] = failure(server, **options, base_url=url)

        assert KEY in server.heads[0] or "Basic" in server.heads[0]
    assert isinstance(error, AuthenticationFailed)
    while error is not None:
        assert KEY not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    assert KEY not in caplog.text


def test_key_in_the_reason_of_a_close_is_hidden(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A session that ends later is no different."""
    caplog.set_level(logging.DEBUG)
    with RawServer(echoing_in_the_reason) as server:
        session = connect(MODEL, base_url=server.url, api_key=KEY)
        with pytest.raises(ConnectionClosed) as caught:
            session.run_forever()
        report = session.close()

    assert KEY not in f"{caught.value} {caught.value!r} {session!r} {report!r}"
    assert KEY not in caplog.text


def test_key_that_the_server_says_back_is_not_recorded(tmp_path: Path) -> None:
    """Recordings are handed to others."""

    def script(peer: Peer) -> None:
        peer.greet()
        peer.say({"type": "error", "error": told("c", f"not with {KEY}")})
        peer.close(1000)
        peer.rest()

    path = tmp_path / "session.jsonl"
    with RawServer(script) as server:
        client = RealtimeClient(base_url=server.url, api_key=KEY)
        session = client.session(MODEL)
        session.record(path)
        session.open()
        session.run_forever()
        session.close()
    text = path.read_text()

    assert "not with <secret>" in text
    assert KEY not in text


def test_key_in_clear_text_never_leaves() -> None:
    """Beyond this machine; it is refused before a connection is tried."""
    with pytest.raises(ConfigurationError, match="clear text"):
        connect(MODEL, base_url="ws://h.example/v1", api_key=KEY)


def test_whole_conversation_is_logged_without_the_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The most talkative log of every library involved."""
    caplog.set_level(logging.DEBUG)
    with serve(agent="echo", api_keys=[KEY]) as server:
        with connect(MODEL, base_url=server.url, api_key=KEY) as session:
            session.ask("Hello")

    assert caplog.records
    assert KEY not in caplog.text
