"""Which key may go where."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from realtime_sync import Endpoint, RealtimeClient
from realtime_sync.errors import ConfigurationError
from realtime_sync.transport.credentials import (
    VENDORS,
    check_credentials_travel_safely,
    credentials_of_environment,
)

KEYS = {
    "OPENAI_API_KEY": "sk-openai",
    "AZURE_OPENAI_API_KEY": "azure",
    "XAI_API_KEY": "xai-key",
    "DASHSCOPE_API_KEY": "dashscope",
}


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with the keys of every vendor."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("wss://api.openai.com/v1/realtime", "sk-openai"),
        ("wss://EU.api.openai.com/v1/realtime", "sk-openai"),
        ("https://res.openai.azure.com/openai/v1", "azure"),
        ("https://res.cognitiveservices.azure.com/openai/v1", "azure"),
        ("wss://api.x.ai/v1", "xai-key"),
        ("wss://dashscope.aliyuncs.com/api-ws/v1", "dashscope"),
        ("ws://localhost:8000/v1", "sk-openai"),
        ("ws://127.0.0.1:8000/v1", "sk-openai"),
        ("ws://[::1]:8000/v1", "sk-openai"),
        ("wss://api.openai.com.evil.example/v1", None),
        ("wss://evilapi.openai.com.example/v1", None),
        ("wss://evil-api.openai.com/v1", None),
        ("wss://evil.example/api.openai.com", None),
        ("wss://api.openai.com@evil.example/v1", None),
        ("wss://localhost.evil.example/v1", None),
        ("wss://127.0.0.1.evil.example/v1", None),
        ("wss://h.example/v1", None),
    ],
)
def test_key_of_the_environment_goes_to_its_vendor_only(
    url: str, key: Optional[str]
) -> None:
    """To the vendor's hosts and to this machine, not to a name that looks alike."""
    assert key == credentials_of_environment(url)


@pytest.mark.usefixtures("keys")
def test_host_that_the_environment_names_gets_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever sets the base URL beside the key means them to go together."""
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example/openai")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://azure.example")

    assert "sk-openai" == credentials_of_environment(
        "wss://gateway.example/v1/realtime"
    )
    assert "azure" == credentials_of_environment(
        "wss://azure.example/openai/v1/realtime"
    )
    assert credentials_of_environment("wss://other.example/v1") is None


@pytest.mark.usefixtures("keys")
def test_gateway_of_two_vendors_gets_the_key_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One host may stand for both; the endpoint knows which it is."""
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example/openai")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://gateway.example")

    assert "azure" == Endpoint.azure().resolve_key()
    assert "sk-openai" == Endpoint.openai().resolve_key()


@pytest.mark.usefixtures("keys")
def test_vendor_on_this_machine_gets_its_own_key() -> None:
    """A local stand-in of a vendor is given what the vendor would be given."""
    endpoint = Endpoint.azure("http://127.0.0.1:8000")

    assert "azure" == endpoint.resolve_key()


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.hosts[0])
def test_vendor_that_needs_a_key_is_not_asked_without(vendor: Any) -> None:
    """The message names the variable."""
    endpoint = Endpoint.at(f"https://{vendor.hosts[0]}/v1")

    with pytest.raises(ConfigurationError, match=vendor.key_variable):
        endpoint.resolve_key()


def test_empty_key_means_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty key is not an invitation to look for another one."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")

    assert Endpoint.at("http://localhost:8000", api_key="").resolve_key() is None
    with pytest.raises(ConfigurationError, match="no key"):
        Endpoint.openai(key="").resolve_key()


def test_own_header_makes_a_key_unnecessary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who brings an Authorization header needs no key, and none is added."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    endpoint = Endpoint.openai(headers={"api-key": "mine"})

    made = endpoint.credentials(endpoint.websocket_url())
    assert {"api-key": "mine"} == made.headers


@pytest.mark.parametrize(
    "options",
    [
        {"key": "sk-explicit"},
        {"headers": {"Authorization": "Bearer abc"}},
        {"headers": {"api-key": "abc"}},
        {"headers": {"cookie": "session=abc"}},
        {"query": {"api_key": "abc"}},
        {"key": "ek_1", "subprotocol_auth": True},
    ],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_key_never_travels_in_clear_text(scheme: str, options: dict[str, Any]) -> None:
    """In whatever place it is; unless the caller insists."""
    endpoint = Endpoint(url=f"{scheme}://h.example/v1", **options)
    for url in (endpoint.websocket_url(), endpoint.http_url("/realtime/calls")):
        with pytest.raises(ConfigurationError, match="clear text.*insecure=True"):
            endpoint.credentials(url)

        assert endpoint.credentials(url, insecure=True).sent


def test_key_in_the_url_counts_as_one() -> None:
    """As a login, and as a parameter."""
    for url in ("ws://user:pw@h.example/v1", "ws://h.example/v1?token=abcdefgh"):
        endpoint = Endpoint.at(url)

        with pytest.raises(ConfigurationError, match="clear text"):
            endpoint.credentials(endpoint.websocket_url())


@pytest.mark.usefixtures("keys")
def test_key_of_the_environment_does_not_travel_in_clear_text_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not even to its vendor, and not to a host that the environment names."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gateway.example/v1")
    for endpoint in (Endpoint.openai(), Endpoint.at("ws://api.openai.com/v1")):
        with pytest.raises(ConfigurationError, match="clear text"):
            endpoint.credentials(endpoint.websocket_url())


def test_without_a_key_clear_text_is_fine() -> None:
    """There is nothing to protect."""
    endpoint = Endpoint.at("ws://h.example/v1")

    assert not endpoint.credentials(endpoint.websocket_url()).sent


@pytest.mark.parametrize(
    ("url", "proxy", "safe"),
    [
        ("ws://localhost:1", None, True),
        ("ws://127.0.0.1:1", None, True),
        ("ws://[::1]:1", None, True),
        ("wss://h.example", "http://proxy.example:80", True),
        ("ws://localhost:1", "http://localhost:3128", True),
        ("ws://localhost:1", "http://proxy.example:80", False),
        ("ws://h.example", None, False),
        ("ws://localhost.example", None, False),
        ("ws://10.0.0.1", None, False),
    ],
)
def test_clear_text_stays_on_this_machine(
    url: str, proxy: Optional[str], safe: bool
) -> None:
    """What goes through another machine's proxy leaves this one."""
    if safe:
        check_credentials_travel_safely(url, insecure=False, proxy=proxy)
        return
    with pytest.raises(ConfigurationError):
        check_credentials_travel_safely(url, insecure=False, proxy=proxy)


@pytest.mark.parametrize(
    "key", ["sk-one\nsk-two", "sk-a\r\nX-Evil: 1", "schlüssel", "two words", "a\0b"]
)
def test_key_that_no_header_can_carry_is_refused(key: str) -> None:
    """At the caller's line, and without saying the key."""
    endpoint = Endpoint.at("https://h.example", api_key=key)

    with pytest.raises(ConfigurationError, match="no header can carry") as caught:
        endpoint.resolve_key()
    assert key not in str(caught.value)


def test_line_break_at_the_end_of_a_key_is_dropped() -> None:
    """Keys are read from files."""
    assert "sk-1" == Endpoint.at("https://h.example", api_key="sk-1\n").resolve_key()


@pytest.mark.parametrize("key", [" ", "\n", " \t\r\n"], ids=repr)
def test_blank_key_is_none(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a variable that was set to nothing: no server is asked with it."""
    assert Endpoint.at("http://localhost:8000", api_key=key).resolve_key() is None
    monkeypatch.setenv("OPENAI_API_KEY", key)
    for endpoint in (Endpoint.openai(), Endpoint.openai(key=key)):
        with pytest.raises(ConfigurationError, match="no key for api.openai.com"):
            endpoint.resolve_key()


@pytest.mark.parametrize("key", [b"sk-1", 42, ["sk-1"]])
def test_key_that_is_no_text_is_refused(key: Any) -> None:
    """The message says what came instead."""
    endpoint = Endpoint.at("https://h.example", api_key=lambda: key)

    with pytest.raises(ConfigurationError, match=type(key).__name__):
        endpoint.resolve_key()


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "a\r\nX-Evil: 1"},
        {"X-A": "a\x1b[2J"},
        {"X-A": "a\x7f"},
        {"X-A": "a\ud800"},
        {"X-A": "日本"},
        {"X-A\n": "a"},
        {"X-A: b": "a"},
        {"X-A ": "a"},
        {"X-A\u00fc": "a"},
        {"X-A": 7},
        {"X-A": None},
    ],
)
def test_malformed_header_is_refused_without_its_value(headers: dict[str, Any]) -> None:
    """It would add headers of somebody else's choice, or fail far from here."""
    endpoint = Endpoint.at("https://h.example")

    with pytest.raises(ConfigurationError, match="header 'X-A") as caught:
        endpoint.credentials(endpoint.websocket_url(), extra_headers=headers)
    assert "Evil" not in str(caught.value)


@pytest.mark.usefixtures("keys")
def test_refused_connection_is_told_that_a_key_stayed_behind() -> None:
    """Else one looks for the mistake in the key that was never sent."""
    endpoint = Endpoint.at("https://h.example/v1")

    made = endpoint.credentials(endpoint.websocket_url())
    assert "OPENAI_API_KEY does not go to this host" in made.advice


def test_refused_connection_without_any_key_is_told_to_pass_one() -> None:
    """The other reason for which no key was sent."""
    endpoint = Endpoint.at("https://h.example/v1")

    made = endpoint.credentials(endpoint.websocket_url())
    assert "no key was sent: pass api_key" == made.advice


@pytest.mark.parametrize(
    "evil", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\x9bb", "a\udc00", "\u202eb"]
)
def test_end_user_organization_and_project_cannot_add_headers(evil: str) -> None:
    """The message names the field, and keeps what is in it to itself."""
    endpoint = Endpoint.at("https://h.example")
    url = endpoint.http_url("/realtime/calls")

    with pytest.raises(ConfigurationError, match="safety_identifier") as caught:
        endpoint.credentials(url, safety_identifier=evil)
    assert evil not in caught.value.args[0]
    for option, name in (("organization", "Organization"), ("project", "Project")):
        client = RealtimeClient(base_url="http://127.0.0.1:9", **{option: evil})
        with pytest.raises(ConfigurationError, match=f"OpenAI-{name}"):
            client.connect("m")
        with pytest.raises(ConfigurationError, match=f"OpenAI-{name}"):
            client.client_secrets.create()


def test_accents_of_latin_1_may_stand_in_a_header() -> None:
    """HTTP has always carried them."""
    endpoint = Endpoint.at("https://h.example")
    sent = endpoint.credentials("https://h.example", safety_identifier="Zoë\tB")

    assert "Zoë\tB" == sent.headers["OpenAI-Safety-Identifier"]
