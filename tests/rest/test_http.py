"""REST: what is sent, what is made of answers, and what is tried again."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Optional

import pytest
import requests
import responses

from realtime_sync import Endpoint, RealtimeClient, SessionConfig, connect
from realtime_sync.errors import ConfigurationError, RestError
from realtime_sync.protocol.audio_config import AudioConfig, AudioOutput
from realtime_sync.protocol.sessions import (
    Expiry,
    RealtimeSession,
    TranscriptionConfig,
    TranscriptionSession,
    TranslationSession,
)
from realtime_sync.rest.calls import Calls
from realtime_sync.rest.http import Rest
from realtime_sync.rest.resources import ClientSecrets
from realtime_sync.server import serve
from realtime_sync.session.options import SessionOptions
from realtime_sync.types import UNSET
from tests.certificates import tls_pair
from tests.rawserver import Peer, RawServer
from tests.tinyproxy import TinyProxy

BASE = "https://api.openai.com/v1"
SECRETS = f"{BASE}/realtime/client_secrets"
KEY = "sk-a-key-of-the-tests"
SECRET: dict[str, Any] = {
    "value": "ek_a_short_lived_key",
    "expires_at": 1_760_000_000,
    "session": {
        "type": "realtime",
        "id": "sess_1",
        "object": "realtime.session",
        "model": "gpt-realtime",
        "audio": {"output": {"voice": "marin"}},
    },
}


@pytest.fixture
def service() -> Iterator[responses.RequestsMock]:
    """Answers instead of the service; everything registered must be used."""
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client() -> Iterator[RealtimeClient]:
    """A client of the service that is not there."""
    made = RealtimeClient(api_key=KEY)
    yield made
    made.close()


class Naps:
    """Waits of a `Rest`, without waiting."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


@pytest.fixture
def naps() -> Naps:
    """Where the waits are noted."""
    return Naps()


@pytest.fixture
def rest(naps: Naps) -> Iterator[Rest]:
    """A `Rest` that does not really wait."""
    made = Rest(Endpoint.openai(key=KEY), SessionOptions(), rng=Random(1), sleep=naps)
    yield made
    made.close()


def body_of(service: responses.RequestsMock) -> Any:
    """The decoded body of the last request."""
    return json.loads(service.calls[-1].request.body)


# -- what is sent ----------------------------------------------------------------


def test_client_secret_is_asked_for_and_read(
    service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """Typed in and out; the key is a plain attribute and not in the repr."""
    service.post(SECRETS, json=SECRET)

    secret = client.client_secrets.create(
        session={"model": "gpt-realtime", "voice": "marin"}, expires_after=60
    )
    assert {
        "session": {
            "type": "realtime",
            "model": "gpt-realtime",
            "audio": {"output": {"voice": "marin"}},
        },
        "expires_after": {"anchor": "created_at", "seconds": 60},
    } == body_of(service)
    sent = service.calls[-1].request.headers
    assert f"Bearer {KEY}" == sent["Authorization"]
    assert "application/json" == sent["Content-Type"]
    assert ("ek_a_short_lived_key", 1_760_000_000) == (secret.value, secret.expires_at)
    assert isinstance(secret.session, RealtimeSession)
    assert isinstance(secret.session.audio, AudioConfig)
    assert SECRET == secret.raw
    assert "ek_a" not in repr(secret)


@pytest.mark.parametrize(
    "session",
    [
        SessionConfig(audio=AudioConfig(output=AudioOutput(voice="marin"))),
        {"audio": {"output": {"voice": "marin"}}},
        {"voice": "marin"},
        {"type": "realtime", "voice": "marin"},
        {"voice": "marin", "instructions": UNSET},
    ],
)
def test_session_may_be_given_in_any_shape(
    session: Any, service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """An object, or a mapping in either dialect's spelling; GA is sent."""
    service.post(SECRETS, json=SECRET)

    client.client_secrets.create(session=session)
    assert {
        "session": {"type": "realtime", "audio": {"output": {"voice": "marin"}}}
    } == body_of(service)


@pytest.mark.parametrize(
    "expires",
    [60, Expiry(seconds=60), {"seconds": 60}, {"anchor": None, "seconds": 60}],
)
def test_expiry_has_its_anchor(
    expires: Any, service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """The beta insists on it, and there is but one."""
    service.post(SECRETS, json=SECRET)

    client.client_secrets.create(expires_after=expires)
    assert {"expires_after": {"anchor": "created_at", "seconds": 60}} == body_of(
        service
    )


def test_secret_without_a_session_sends_nothing_about_it(
    service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """The server has defaults for everything."""
    service.post(SECRETS, json=SECRET)

    client.client_secrets.create()
    assert {} == body_of(service)


@pytest.mark.parametrize(
    "session",
    [
        TranscriptionConfig(include=["item.input_audio_transcription.logprobs"]),
        {
            "type": "transcription",
            "include": ["item.input_audio_transcription.logprobs"],
        },
    ],
)
def test_secret_of_a_transcription_session(
    session: Any, service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """The type decides which class is sent, and which comes back."""
    service.post(
        SECRETS,
        json={**SECRET, "session": {"type": "transcription", "id": "sess_1"}},
    )

    secret = client.client_secrets.create(session=session)
    assert "transcription" == body_of(service)["session"]["type"]
    assert isinstance(secret.session, TranscriptionSession)
    assert "sess_1" == secret.session.id


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"audio": {"output": {"voice": "marin"}}}, "audio.output.voice"),
        ({"voice": "marin"}, "audio.output.voice"),
        ({"audio": {"output": {"speed": 1.1}}}, "audio.output.speed"),
        ({"output_modalities": ["text"]}, "output_modalities"),
    ],
)
def test_secret_of_a_transcription_session_that_is_to_speak_is_refused(
    config: Any, words: str, client: RealtimeClient
) -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigurationError, match=words):
        client.client_secrets.create(session={"type": "transcription", **config})


def test_null_is_sent_and_unset_is_not(
    service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """None switches turn detection off; that is not the same as leaving it out."""
    service.post(SECRETS, json=SECRET)

    client.client_secrets.create(session={"turn_detection": None})
    session = body_of(service)["session"]
    assert {"input": {"turn_detection": None}} == session["audio"]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda c: c.client_secrets.create(session={"voise": "m"}), TypeError, "voice"),
        (lambda c: c.client_secrets.create(session=7), TypeError, "mapping"),
        (lambda c: c.client_secrets.create(expires_after="1"), TypeError, "seconds"),
        (lambda c: c.client_secrets.create(expires_after=True), TypeError, "seconds"),
        (lambda c: c.sessions.create(instrutions="x"), TypeError, "instructions"),
        (lambda c: c.calls.create(b"v=0"), TypeError, "sdp"),
        (lambda c: c.calls.refer("rtc_1", 7), TypeError, "target_uri"),
        (lambda c: c.calls.reject("rtc_1", status_code="x"), TypeError, "status_code"),
        (
            lambda c: c.calls.accept("rtc_1", {"type": "transcription"}),
            ConfigurationError,
            "must be realtime",
        ),
        (
            lambda c: c.client_secrets.create(session={"type": "translation"}),
            ConfigurationError,
            "realtime or transcription",
        ),
        (
            lambda c: c.translations.client_secrets.create(session={}),
            ConfigurationError,
            "needs a model",
        ),
        (lambda c: c.calls.hangup(""), ConfigurationError, "id of a call"),
        (lambda c: c.calls.hangup(".."), ConfigurationError, "id of a call"),
        (lambda c: c.calls.hangup(None), ConfigurationError, "id of a call"),
    ],
)
def test_mistake_fails_at_the_callers_line(
    make: Callable[[Any], Any],
    error: type[Exception],
    words: str,
    service: responses.RequestsMock,
    client: RealtimeClient,
) -> None:
    """Before anything is sent, with a hint."""
    with pytest.raises(error, match=words):
        make(client)


def test_vendors_fields_go_through_extra(
    service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """What the protocol does not have is sent when it is asked for by that name."""
    service.post(SECRETS, json=SECRET)

    client.client_secrets.create(session={"extra": {"enable_search": True}})
    assert body_of(service)["session"]["enable_search"] is True


BETA_ANSWER = {
    "id": "sess_1",
    "object": "realtime.session",
    "modalities": ["text", "audio"],
    "voice": "alloy",
    "input_audio_format": "pcm16",
    "temperature": 0.8,
    "client_secret": {"value": "ek_a_beta_key", "expires_at": 1_760_000_000},
}


def test_session_of_the_beta_is_flat(
    service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """Sent as the beta spells it, read into the canonical shape."""
    service.post(f"{BASE}/realtime/sessions", json=BETA_ANSWER)

    session = client.sessions.create(
        model="gpt-4o-realtime-preview",
        audio={"output": {"voice": "alloy", "format": {"type": "audio/pcmu"}}},
        turn_detection=None,
        temperature=0.8,
        expires_after=30,
    )
    assert {
        "model": "gpt-4o-realtime-preview",
        "voice": "alloy",
        "output_audio_format": "g711_ulaw",
        "turn_detection": None,
        "temperature": 0.8,
        "client_secret": {
            "expires_after": {"anchor": "created_at", "seconds": 30},
        },
    } == body_of(service)
    assert isinstance(session.audio, AudioConfig)
    assert isinstance(session.audio.output, AudioOutput)
    assert "alloy" == session.audio.output.voice
    assert session.client_secret
    assert "ek_a_beta_key" == session.client_secret.value
    assert "ek_a_beta_key" not in repr(session)


def test_transcription_session_of_the_beta_is_flat(
    service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """Its wish for an expiry has another name than that of other sessions."""
    service.post(f"{BASE}/realtime/transcription_sessions", json=BETA_ANSWER)

    session = client.transcription_sessions.create(
        input_audio_transcription={"model": "whisper-1"}, expires_after=30
    )
    assert {
        "input_audio_transcription": {"model": "whisper-1"},
        "client_secret": {"expires_at": {"anchor": "created_at", "seconds": 30}},
    } == body_of(service)
    assert isinstance(session, TranscriptionSession)
    assert session.client_secret
    assert "ek_a_beta_key" == session.client_secret.value


def test_secret_of_a_translation_session(
    service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """A translation session has no type, but a model and a language."""
    service.post(
        f"{BASE}/realtime/translations/client_secrets",
        json={
            "value": "ek_a_translation_key",
            "expires_at": 1,
            "session": {
                "id": "sess_1",
                "type": "translation",
                "model": "gpt-realtime-translate",
                "expires_at": 2,
                "audio": {"output": {"language": "es"}},
            },
        },
    )
    session = {
        "model": "gpt-realtime-translate",
        "audio": {"output": {"language": "es"}},
    }

    secret = client.translations.client_secrets.create(
        session=session, expires_after={"anchor": "created_at", "seconds": 10}
    )
    assert {
        "session": session,
        "expires_after": {"anchor": "created_at", "seconds": 10},
    } == body_of(service)
    assert isinstance(secret.session, TranslationSession)
    assert "gpt-realtime-translate" == secret.session.model


# -- calls -----------------------------------------------------------------------

OFFER, ANSWER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n",
    "v=0\r\no=- 2 2 IN IP4 1.2.3.4\r\n",
)


@pytest.mark.parametrize(
    ("location", "call_id"),
    [
        ("/v1/realtime/calls/rtc_1", "rtc_1"),
        ("https://api.openai.com/v1/realtime/calls/rtc_1?x=1", "rtc_1"),
        ("/elsewhere", None),
        (None, None),
    ],
)
def test_call_is_taken_up(
    location: Optional[str],
    call_id: Optional[str],
    service: responses.RequestsMock,
    client: RealtimeClient,
) -> None:
    """A form with the offer and the session; the answer, and the id from a header."""
    service.post(
        f"{BASE}/realtime/calls",
        status=201,
        body=ANSWER,
        content_type="application/sdp",
        headers={"Location": location} if location else {},
    )

    call = client.calls.create(OFFER, {"model": "gpt-realtime", "voice": "marin"})
    assert (ANSWER, call_id) == (call.sdp, call.call_id)
    request = service.calls[-1].request
    assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert "application/sdp" == request.headers["Accept"]
    body = request.body.decode()
    assert f"Content-Type: application/sdp\r\n\r\n{OFFER}" in body
    session = body.partition("Content-Type: application/json\r\n\r\n")[2]
    assert {
        "type": "realtime",
        "model": "gpt-realtime",
        "audio": {"output": {"voice": "marin"}},
    } == json.loads(session.partition("\r\n--")[0])


@pytest.mark.parametrize("kind", ["calls", "translations/calls"])
def test_offer_alone_is_sent_as_it_is(
    kind: str, service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """With a short-lived key, which has a session already."""
    service.post(f"{BASE}/realtime/{kind}", status=201, body=ANSWER)
    calls = client.calls if kind == "calls" else client.translations.calls

    assert ANSWER == calls.create(OFFER).sdp
    request = service.calls[-1].request
    assert "application/sdp" == request.headers["Content-Type"]
    assert OFFER == request.body.decode()


@pytest.mark.parametrize(
    ("act", "verb", "body"),
    [
        (
            lambda calls: calls.accept("rtc_1", instructions="Hi", voice="marin"),
            "accept",
            {
                "type": "realtime",
                "instructions": "Hi",
                "audio": {"output": {"voice": "marin"}},
            },
        ),
        (
            lambda calls: calls.accept("rtc_1", {"model": "m"}, instructions="Hi"),
            "accept",
            {"type": "realtime", "model": "m", "instructions": "Hi"},
        ),
        (
            lambda calls: calls.accept("rtc_1", SessionConfig(instructions="Hi")),
            "accept",
            {"type": "realtime", "instructions": "Hi"},
        ),
        (lambda calls: calls.reject("rtc_1"), "reject", {}),
        (
            lambda calls: calls.reject("rtc_1", status_code=486),
            "reject",
            {"status_code": 486},
        ),
        (
            lambda calls: calls.refer("rtc_1", "tel:+14155550123"),
            "refer",
            {"target_uri": "tel:+14155550123"},
        ),
        (lambda calls: calls.hangup("rtc_1"), "hangup", None),
    ],
)
def test_call_is_acted_upon(
    act: Callable[[Calls], None],
    verb: str,
    body: Any,
    service: responses.RequestsMock,
    client: RealtimeClient,
) -> None:
    """Each verb has its path and its body; the answers are empty."""
    service.post(f"{BASE}/realtime/calls/rtc_1/{verb}", body=b"")

    act(client.calls)
    sent = service.calls[-1].request.body
    assert body == (None if sent is None else json.loads(sent))


def test_call_id_cannot_leave_its_place_in_the_path(
    service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """It comes from a webhook, that is from outside."""
    service.post(f"{BASE}/realtime/calls/..%2F..%2Fadmin%3Fx/hangup", body=b"")

    client.calls.hangup("../../admin?x")


# -- errors ----------------------------------------------------------------------


def test_refusal_says_all_there_is_to_know(
    service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """Status, code, message and request id, as attributes and in the text."""
    service.post(
        SECRETS,
        status=400,
        headers={"x-request-id": "req_1"},
        json={
            "error": {
                "type": "invalid_request_error",
                "code": "unknown_parameter",
                "message": "Unknown parameter: 'session.x'.",
                "param": "session.x",
            }
        },
    )

    with pytest.raises(RestError) as caught:
        client.client_secrets.create()
    error = caught.value
    assert (400, "unknown_parameter", "req_1", False, None) == (
        error.status,
        error.code,
        error.request_id,
        error.retryable,
        error.retry_after,
    )
    assert (
        "POST /v1/realtime/client_secrets on api.openai.com: HTTP 400, "
        "Unknown parameter: 'session.x'. [unknown_parameter] (request id req_1)"
    ) == str(error)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": "no"}', "HTTP 400, no"),
        (b'{"detail": "no"}', "HTTP 400, no"),
        (b'{"message": "no", "statusCode": 400}', "HTTP 400, no"),
        (b"<h1>no</h1>", "HTTP 400, <h1>no</h1>"),
        (b"", "HTTP 400"),
        (b"[1]", "HTTP 400"),
        (b'{"error": [1]}', "HTTP 400"),
        (b'{"error": {"message": 5, "code": 5}}', "HTTP 400"),
        (b"\xff\xfe", "HTTP 400"),
        (b"[" * 100_000, "HTTP 400"),
    ],
)
def test_refusal_of_any_shape_is_read(
    body: bytes, words: str, service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """Gateways answer as they like."""
    service.post(SECRETS, status=400, body=body)

    with pytest.raises(RestError, match=words):
        client.client_secrets.create()


def test_key_that_comes_back_in_an_error_is_hidden(
    service: responses.RequestsMock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither the message nor the log may hold it, though the server said it."""
    key = "a-key-without-any-prefix-0123456789"
    client = RealtimeClient(api_key=key)
    caplog.set_level("DEBUG")
    service.post(
        SECRETS, status=401, json={"error": {"message": f"Wrong: {key} (Bearer {key})"}}
    )

    with pytest.raises(RestError, match="check the api_key") as caught:
        client.client_secrets.create()
    assert key not in str(caught.value) + repr(caught.value) + caplog.text


def test_key_of_the_answer_is_never_logged(
    service: responses.RequestsMock,
    client: RealtimeClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What comes back is a key, too."""
    caplog.set_level("DEBUG")
    service.post(SECRETS, json=SECRET)

    client.client_secrets.create()
    assert "realtime_sync.rest" in {record.name for record in caplog.records}
    assert SECRET["value"] not in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[]", b'{"expires_at": 1}', b'{"value": null}']
)
def test_answer_without_a_key_is_an_error(
    body: bytes, service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """Nobody can do anything with it; what it holds is not shown."""
    service.post(SECRETS, body=body)

    with pytest.raises(RestError, match="answer"):
        client.client_secrets.create()


def test_odd_answer_is_read_as_far_as_it_goes(
    service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """As with events: the rest stays usable, and there is a note."""
    session = {"type": "realtime", "id": 7, "voice": "marin", "new": 1}
    service.post(SECRETS, json={**SECRET, "expires_at": "soon", "session": session})

    secret = client.client_secrets.create()
    assert SECRET["value"] == secret.value
    assert secret.expires_at is UNSET
    assert isinstance(secret.session, RealtimeSession)
    assert isinstance(secret.session.audio, AudioConfig)
    assert {"new": 1} == secret.session.extra
    assert (
        "expires_at: expected an integer, got text",
        "session.id: expected text or None, got an integer",
    ) == secret.problems


def test_redirect_is_not_followed(
    service: responses.RequestsMock, client: RealtimeClient
) -> None:
    """The key must not go where a server points to."""
    service.post(SECRETS, status=307, headers={"Location": "https://evil.example/"})

    with pytest.raises(RestError, match="redirects are not followed"):
        client.client_secrets.create()


# -- trying again ----------------------------------------------------------------

OK: dict[str, Any] = {"json": SECRET}


def failing(service: responses.RequestsMock, *answers: Any, url: str = SECRETS) -> None:
    """Register answers that come one after the other."""
    for answer in answers:
        if isinstance(answer, int):
            answer = {"status": answer}
        elif isinstance(answer, Exception):
            answer = {"body": answer}
        service.add(responses.POST, url, **answer)


def after(seconds: str, status: int = 429) -> dict[str, Any]:
    """An answer that asks to come back later."""
    return {"status": status, "headers": {"Retry-After": seconds}}


@pytest.mark.parametrize(
    "first", [408, 425, 429, 500, 502, 503, 504, requests.ConnectionError("lost")]
)
def test_making_a_key_is_tried_again(
    first: Any, service: responses.RequestsMock, rest: Rest, naps: Naps
) -> None:
    """A key too many does no harm, so whatever may pass is waited out."""
    failing(service, first, OK)

    assert SECRET["value"] == ClientSecrets(rest).create().value
    assert 1 == len(naps.taken)
    assert 0 <= naps.taken[0] <= 0.5


@pytest.mark.parametrize("first", [400, 401, 403, 404, 409, 422, 501])
def test_final_refusals_are_not_tried_again(
    first: int, service: responses.RequestsMock, rest: Rest, naps: Naps
) -> None:
    """They would be given again."""
    failing(service, first)

    with pytest.raises(RestError) as caught:
        ClientSecrets(rest).create()
    assert (first, False, []) == (
        caught.value.status,
        caught.value.retryable,
        naps.taken,
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 429, "json": {"error": {"code": "insufficient_quota"}}},
        {"status": 500, "headers": {"x-should-retry": "false"}},
    ],
)
def test_hopeless_cases_are_not_tried_again(
    answer: dict[str, Any], service: responses.RequestsMock, rest: Rest
) -> None:
    """The account is empty, or the server says that it is no use."""
    failing(service, answer)

    with pytest.raises(RestError) as caught:
        ClientSecrets(rest).create()
    assert not caught.value.retryable


def test_attempts_are_counted(
    service: responses.RequestsMock, rest: Rest, naps: Naps
) -> None:
    """Two retries by default; then the last error, which is retryable."""
    failing(service, 500, 502, 503)

    with pytest.raises(RestError) as caught:
        ClientSecrets(rest).create()
    assert (503, True, 2) == (
        caught.value.status,
        caught.value.retryable,
        len(naps.taken),
    )
    assert naps.taken[1] <= 1.0


@pytest.mark.parametrize(
    ("value", "header", "seconds"),
    [
        ("3", "Retry-After", 3.0),
        ("0", "Retry-After", 0.0),
        ("1.5", "Retry-After", 1.5),
        ("250", "retry-after-ms", 0.25),
        ("-5", "Retry-After", 0.0),
    ],
)
def test_server_says_when_to_come_back(
    value: str,
    header: str,
    seconds: float,
    service: responses.RequestsMock,
    rest: Rest,
    naps: Naps,
) -> None:
    """Then neither earlier nor later."""
    failing(service, {"status": 503, "headers": {header: value}}, OK)

    ClientSecrets(rest).create()
    assert [seconds] == naps.taken


@pytest.mark.parametrize("value", ["soon", "", "nan", "inf"])
def test_nonsense_in_retry_after_is_ignored(
    value: str, service: responses.RequestsMock, rest: Rest, naps: Naps
) -> None:
    """The usual wait is taken."""
    failing(service, after(value, 503), OK)

    ClientSecrets(rest).create()
    assert naps.taken[0] <= 0.5


def test_wait_beyond_the_deadline_is_not_begun(
    service: responses.RequestsMock, rest: Rest, naps: Naps
) -> None:
    """The caller learns at once how long it would be."""
    failing(service, after("3600"))

    with pytest.raises(RestError) as caught:
        ClientSecrets(rest).create(timeout=5)
    assert (3600, True, []) == (
        caught.value.retry_after,
        caught.value.retryable,
        naps.taken,
    )


def test_date_of_retry_after_is_understood(
    service: responses.RequestsMock, rest: Rest, naps: Naps
) -> None:
    """The header may hold a date; one in the past means now."""
    failing(service, after("Wed, 21 Oct 2015 07:28:00 GMT", 503), OK)

    ClientSecrets(rest).create()
    assert [0.0] == naps.taken


CALLS: list[Callable[[Calls], Any]] = [
    lambda calls: calls.create(OFFER),
    lambda calls: calls.accept("rtc_1"),
    lambda calls: calls.reject("rtc_1"),
    lambda calls: calls.refer("rtc_1", "tel:1"),
    lambda calls: calls.hangup("rtc_1"),
]
PATHS = ["", "/rtc_1/accept", "/rtc_1/reject", "/rtc_1/refer", "/rtc_1/hangup"]


@pytest.mark.parametrize(("act", "path"), list(zip(CALLS, PATHS)), ids=PATHS)
@pytest.mark.parametrize("first", [500, 502, 503, requests.ConnectionError("lost")])
def test_calls_are_never_acted_upon_twice(
    first: Any,
    act: Callable[[Calls], Any],
    path: str,
    service: responses.RequestsMock,
    rest: Rest,
) -> None:
    """The server may have done it before it failed."""
    failing(service, first, url=f"{BASE}/realtime/calls{path}")

    with pytest.raises(RestError):
        act(Calls(rest))


@pytest.mark.parametrize(("act", "path"), list(zip(CALLS, PATHS)), ids=PATHS)
def test_call_that_was_refused_unseen_is_tried_again(
    act: Callable[[Calls], Any],
    path: str,
    service: responses.RequestsMock,
    rest: Rest,
    naps: Naps,
) -> None:
    """429 says that the server has done nothing."""
    url = f"{BASE}/realtime/calls{path}"
    failing(service, after("2"), {"body": ANSWER}, url=url)

    act(Calls(rest))
    assert [2.0] == naps.taken


# -- over real sockets -----------------------------------------------------------


def free_port() -> int:
    """A port that nobody listens on."""
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def local(url: str, naps: Naps, **options: Any) -> Rest:
    """A `Rest` for a server on this machine."""
    endpoint = Endpoint.at(url, api_key=KEY)
    return Rest(endpoint, SessionOptions(**options), rng=Random(1), sleep=naps)


def test_call_is_tried_again_when_nothing_listens(naps: Naps) -> None:
    """A connection that was never there cannot have done anything."""
    rest = local(f"http://127.0.0.1:{free_port()}/v1", naps)

    with pytest.raises(RestError, match="cannot connect") as caught:
        Calls(rest).hangup("rtc_1")
    assert (None, True, 2) == (
        caught.value.status,
        caught.value.retryable,
        len(naps.taken),
    )
    assert caught.value.__cause__ is not None
    rest.close()


def test_silent_server_is_left_at_the_deadline(naps: Naps) -> None:
    """A call is not repeated then, and the message says why that matters."""

    def silent(peer: Peer) -> None:
        peer.read_head()
        peer.rest()

    with RawServer(silent) as server:
        rest = local(server.url, naps)

        with pytest.raises(ConfigurationError, match="timeout must be seconds"):
            Calls(rest).hangup("rtc_1", timeout=float("nan"))
        with pytest.raises(RestError, match="may have been done") as caught:
            Calls(rest).hangup("rtc_1", timeout=0.2)
        rest.close()
    assert not caught.value.retryable
    assert 1 == len(server.heads)


def test_dropped_connection_is_tried_again_for_keys_only(naps: Naps) -> None:
    """The server may have done it, which is harmless for a key."""

    def drop(peer: Peer) -> None:
        peer.read_head()
        peer.drop()

    with RawServer(drop) as server:
        rest = local(server.url, naps)
        with pytest.raises(RestError, match="no answer"):
            ClientSecrets(rest).create()
        assert 3 == len(server.heads)
        with pytest.raises(RestError, match="may have been done"):
            Calls(rest).hangup("rtc_1")
        rest.close()
    assert 4 == len(server.heads)


def test_secret_of_the_local_server_opens_a_session() -> None:
    """From the first request to a session with the configuration of the key."""
    with serve(agent="echo", api_keys=[KEY]) as server:
        client = RealtimeClient(api_key=KEY, base_url=server.url)
        secret = client.client_secrets.create(
            session={"model": "gpt-realtime", "instructions": "Be brief."}
        )
        client.close()
        with connect(api_key=secret.value, base_url=server.url) as session:
            assert "Be brief." == session.config.instructions


def test_local_server_refuses_a_wrong_key() -> None:
    """As the service does."""
    with serve(agent="echo", api_keys=[KEY]) as server:
        client = RealtimeClient(api_key="sk-wrong-wrong", base_url=server.url)

        with pytest.raises(RestError, match="check the api_key") as caught:
            client.client_secrets.create()
        client.close()
    assert (401, "invalid_api_key") == (caught.value.status, caught.value.code)


def test_connections_are_pooled_across_threads() -> None:
    """One pool per client: requests one after the other share a connection."""
    body = json.dumps(SECRET).encode()
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    connections = []

    def answer(peer: Peer) -> None:
        connections.append(peer)
        while True:
            peer.read_head()
            assert "content-length: 2" in peer.head.lower()
            peer._take(2)
            peer.raw(reply)

    with RawServer(answer) as server:
        client = RealtimeClient(api_key=KEY, base_url=server.url)
        for _ in range(3):
            asker = threading.Thread(target=client.client_secrets.create)
            asker.start()
            asker.join()
        client.close()
    assert (1, 3) == (len(connections), len(server.heads))


def test_cookies_and_netrc_are_left_alone(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, naps: Naps
) -> None:
    """requests would replace our key by what a file says, and return cookies."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    monkeypatch.setenv("NETRC", str(netrc))

    def answer(peer: Peer) -> None:
        peer.refuse("400 No", "Set-Cookie: a=1; Path=/", "Connection: close")

    with RawServer(answer) as server:
        rest = local(server.url, naps)
        for _ in range(2):
            with pytest.raises(RestError):
                ClientSecrets(rest).create()
        rest.close()
    for head in server.heads:
        assert f"Authorization: Bearer {KEY}" in head
        assert "Cookie" not in head


def test_safety_identifier_and_extra_headers_are_sent(naps: Naps) -> None:
    """What is set for the client's sessions holds for its requests as well."""
    with RawServer(lambda peer: peer.refuse("400 No")) as server:
        rest = local(
            server.url,
            naps,
            safety_identifier="user-7",
            extra_headers={"X-Mine": "1"},
            extra_query={"q": "2"},
        )
        with pytest.raises(RestError):
            ClientSecrets(rest).create()
        rest.close()
    (head,) = server.heads
    assert head.startswith("POST /v1/realtime/client_secrets?q=2 HTTP/1.1")
    assert "OpenAI-Safety-Identifier: user-7" in head
    assert "X-Mine: 1" in head


def test_key_in_clear_text_is_refused_before_anything_is_sent(naps: Naps) -> None:
    """The same rule as for WebSockets."""
    rest = local("http://h.example/v1", naps)

    with pytest.raises(ConfigurationError, match="clear text"):
        ClientSecrets(rest).create()


def no_thanks(peer: Peer) -> None:
    """Refuse one request, properly."""
    peer.refuse("400 No", "Connection: close")


def test_own_tls_settings_are_used(naps: Naps) -> None:
    """The caller's authorities, and no others."""
    server_side, client_side = tls_pair()
    with RawServer(no_thanks, tls=server_side) as server:
        trusting = local(server.url, naps, ssl_context=client_side)
        with pytest.raises(RestError, match="HTTP 400"):
            ClientSecrets(trusting).create()
        trusting.close()

        strange = local(server.url, naps, ssl_context=ssl.create_default_context())
        with pytest.raises(RestError, match="encrypted") as caught:
            ClientSecrets(strange).create()
        strange.close()
    assert (False, []) == (caught.value.retryable, naps.taken)


def test_unknown_authority_is_refused(naps: Naps) -> None:
    """Without any settings, certificates are checked."""
    server_side, _ = tls_pair()
    with RawServer(no_thanks, tls=server_side) as server:
        rest = local(server.url, naps)
        with pytest.raises(RestError, match="encrypted"):
            ClientSecrets(rest).create()
        rest.close()


def test_own_tls_settings_hold_behind_a_proxy(naps: Naps) -> None:
    """The tunnel ends at the server, and so does the encryption."""
    server_side, client_side = tls_pair()
    with RawServer(no_thanks, tls=server_side) as server:
        with TinyProxy(server.port) as proxy:
            rest = local(
                "https://localhost/v1",
                naps,
                ssl_context=client_side,
                proxy=f"http://127.0.0.1:{proxy.port}",
            )
            with pytest.raises(RestError, match="HTTP 400"):
                ClientSecrets(rest).create()
            rest.close()

            assert [("localhost", 443)] == proxy.asked


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_authorities_of_the_environment_are_used(
    name: str, naps: Naps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As requests does by itself."""
    server_side, client_side = tls_pair()
    (authority,) = [
        ssl.DER_cert_to_PEM_cert(each)
        for each in client_side.get_ca_certs(binary_form=True)
        if b"trustme" in each
    ]
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    bundle = tmp_path / "authorities.pem"
    bundle.write_text(authority)
    monkeypatch.setenv(name, str(bundle))
    with RawServer(no_thanks, tls=server_side) as server:
        rest = local(server.url, naps)
        with pytest.raises(RestError, match="HTTP 400"):
            ClientSecrets(rest).create()
        rest.close()


def test_forked_child_gets_connections_of_its_own(
    service: responses.RequestsMock, rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes on one socket would read each other's answers."""
    service.post(SECRETS, json=SECRET)
    ClientSecrets(rest).create()
    parents = rest._requests()
    monkeypatch.setattr(os, "getpid", lambda: -1)

    childs = rest._requests()
    assert parents is not childs
    assert childs is rest._requests()
    parents.close()


def test_requests_is_loaded_by_the_first_request_only() -> None:
    """Whoever only talks does not pay for it."""
    code = (
        "import sys; from realtime_sync import RealtimeClient, connect, webhooks;"
        "client = RealtimeClient(api_key='k'); client.session('m');"
        "webhooks.unwrap; assert 'requests' not in sys.modules;"
        "client.calls; assert 'requests' in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
