"""Keys out of what people read."""

from __future__ import annotations

import pytest

from realtime_sync import Endpoint, RealtimeClient
from realtime_sync.rest.bodies import (
    ClientSecretCreated,
    TranslationClientSecretCreated,
)
from realtime_sync.session.options import SessionOptions
from realtime_sync.transport import redaction
from realtime_sync.transport.endpoint import Credentials
from realtime_sync.transport.redaction import (
    HIDDEN,
    redact,
    redacted_url,
    remember_for_redaction,
)
from realtime_sync.transport.websocket import Address

SECRET = "correct-horse-battery-staple"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that other tests have used are not known."""
    monkeypatch.setattr(redaction, "_known", ())


@pytest.mark.parametrize(
    "secret", ["sk-proj-abcDEF123_456", "ek_68af296e8e408191", "xai-abcdefghijklmnop"]
)
@pytest.mark.parametrize(
    "text", ["bad key {}.", "'{}'", '{{"key":"{}"}}', "{}", "={}&"]
)
def test_what_looks_like_a_key_is_hidden(text: str, secret: str) -> None:
    """Also one that this process has never seen."""
    assert text.format(HIDDEN) == redact(text.format(secret))


@pytest.mark.parametrize(
    "text",
    [
        "Missing bearer or basic authentication in header",
        "risk_assessment_of_everything",
        "Incorrect API key provided: sk-***.",
        "task-oriented dialogue",
        "",
    ],
)
def test_other_words_stay(text: str) -> None:
    """A message must remain readable."""
    assert text == redact(text)


def test_token_behind_bearer_is_hidden() -> None:
    """Tokens have no prefix of their own."""
    text = redact("got Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc from you")

    assert f"got Authorization: Bearer {HIDDEN} from you" == text


def test_known_key_is_hidden_whatever_it_looks_like() -> None:
    """Keys that were sent are known, also as a URL would spell them."""
    remember_for_redaction("pass word/+=&")
    remember_for_redaction(SECRET)

    assert f"no {HIDDEN}!" == redact(f"no {SECRET}!")
    assert f"?k={HIDDEN}" == redact("?k=pass%20word%2F%2B%3D%26")


def test_longest_key_is_hidden_whole() -> None:
    """One key may begin like another."""
    remember_for_redaction("abcdef-123")
    remember_for_redaction("abcdef-123-456")

    assert HIDDEN == redact("abcdef-123-456")


def test_words_that_are_no_keys_are_not_remembered() -> None:
    """Servers without keys are given ``none`` or ``EMPTY``."""
    remember_for_redaction("none")

    assert "none of it" == redact("none of it")


def test_memory_of_keys_is_bounded() -> None:
    """A service that makes a key per user must not grow for ever."""
    remember_for_redaction("the-first-key")
    for number in range(300):
        remember_for_redaction(f"a-later-key-{number}")

    assert "the-first-key" == redact("the-first-key")
    assert HIDDEN == redact("a-later-key-299")


def test_url_is_shown_without_login_and_without_unknown_parameters() -> None:
    """What is harmless stays, so that the URL is of some use."""
    url = f"wss://user:{SECRET}@h.example:8/v1?model=m&api_key={SECRET}&x=1"

    shown = redacted_url(url)
    assert f"wss://h.example:8/v1?model=m&api_key={HIDDEN}&x={HIDDEN}" == shown


@pytest.mark.parametrize(
    "value",
    [
        Endpoint.openai(key=SECRET),
        Endpoint.at("https://h.example", headers={"Authorization": SECRET}),
        Endpoint.at(f"https://user:{SECRET}@h.example/v1?token={SECRET}"),
        Endpoint(url="https://h.example", query={"api_key": SECRET}),
        Endpoint.openai(key=SECRET).credentials("wss://api.openai.com/v1"),
        Credentials(headers={"api-key": SECRET}, subprotocols=(SECRET,)),
        RealtimeClient(api_key=SECRET),
        RealtimeClient(base_url=f"https://u:{SECRET}@h.example/v1?key={SECRET}"),
        RealtimeClient(api_key=SECRET).session("m"),
        RealtimeClient(api_key=SECRET)._requests(),
        SessionOptions(
            proxy=f"http://u:{SECRET}@proxy",
            extra_headers={"x": SECRET},
            extra_query={"x": SECRET},
            config={"tools": [{"type": "mcp", "authorization": SECRET}]},
        ),
        Address(url=f"wss://h.example?key={SECRET}", headers={"x": SECRET}),
        ClientSecretCreated(value=SECRET, raw={"value": SECRET}),
        TranslationClientSecretCreated(value=SECRET, raw={"value": SECRET}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_repr_holds_no_secret(value: object) -> None:
    """Reprs end in logs and in screenshots."""
    assert SECRET not in repr(value)
    assert SECRET not in str(value)
