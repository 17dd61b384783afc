"""Where to connect, and what a connection says about who makes it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, Optional
from urllib.parse import parse_qs, urlsplit

import pytest

from realtime_sync import Endpoint, RealtimeClient, connect
from realtime_sync.errors import ConfigurationError
from realtime_sync.transport.proxies import proxy_for

OPENAI = "https://api.openai.com/v1"


def headers_of(endpoint: Endpoint, **options: Any) -> dict[str, str]:
    """Headers of a WebSocket connection to an endpoint."""
    url = endpoint.websocket_url(model="m")
    return dict(endpoint.credentials(url, **options).headers)


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        (Endpoint.openai(OPENAI), "wss://api.openai.com/v1/realtime?model=M"),
        (
            Endpoint.openai("https://eu.api.openai.com/v1"),
            "wss://eu.api.openai.com/v1/realtime?model=M",
        ),
        (
            Endpoint.azure("res"),
            "wss://res.openai.azure.com/openai/v1/realtime?model=M",
        ),
        (
            Endpoint.azure("https://res.openai.azure.com/", preview=True),
            "wss://res.openai.azure.com/openai/realtime"
            "?api-version=2025-04-01-preview&deployment=M",
        ),
        (Endpoint.xai(), "wss://api.x.ai/v1/realtime?model=M"),
        (
            Endpoint.dashscope(),
            "wss://dashscope-intl.aliyuncs.com/api-ws/v1/realtime?model=M",
        ),
        (
            Endpoint.dashscope(international=False),
            "wss://dashscope.aliyuncs.com/api-ws/v1/realtime?model=M",
        ),
        (
            Endpoint.at("http://localhost:8000/v1"),
            "ws://localhost:8000/v1/realtime?model=M",
        ),
        (
            Endpoint.at("ws://localhost:8000/v1/"),
            "ws://localhost:8000/v1/realtime?model=M",
        ),
        (
            Endpoint.at("wss://h.example/v1/realtime"),
            "wss://h.example/v1/realtime?model=M",
        ),
        (
            Endpoint.at("wss://h.example/v1?user=1"),
            "wss://h.example/v1/realtime?user=1&model=M",
        ),
        (Endpoint.at("wss://h.example/own", exact=True), "wss://h.example/own?model=M"),
        (Endpoint.at("http://[::1]:8000/v1"), "ws://[::1]:8000/v1/realtime?model=M"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_vendor_has_its_url(endpoint: Endpoint, url: str) -> None:
    """Whatever the base looks like, the path and the model are where they belong."""
    assert url == endpoint.websocket_url(model="M")


def test_openai_is_the_default() -> None:
    """Without arguments, and with nothing in the environment."""
    assert OPENAI == Endpoint.openai().url


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({"model": "M"}, {"model": ["M"]}),
        ({"model": "M", "call_id": "rtc_1"}, {"call_id": ["rtc_1"]}),
        (
            {"model": "M", "session_type": "transcription"},
            {"intent": ["transcription"]},
        ),
        ({}, {}),
        ({"model": "M", "extra_query": {"a": "b c"}}, {"model": ["M"], "a": ["b c"]}),
    ],
)
@pytest.mark.parametrize("base", [Endpoint.openai(OPENAI), Endpoint.azure("r", "D")])
def test_purpose_is_said_once(
    base: Endpoint, options: dict[str, Any], query: dict[str, list[str]]
) -> None:
    """A call, an intent and a model exclude each other, a deployment included."""
    if base.query and not options:
        query = {"model": ["D"]}
    made = urlsplit(base.websocket_url(**options)).query

    assert query == parse_qs(made)


def test_preview_of_azure_keeps_its_deployment() -> None:
    """The deployment of the preview is not a model, so it stays beside an intent."""
    url = Endpoint.azure("r", "D", preview=True).websocket_url(
        session_type="transcription"
    )

    assert {
        "api-version": ["2025-04-01-preview"],
        "deployment": ["D"],
        "intent": ["transcription"],
    } == parse_qs(urlsplit(url).query)


@pytest.mark.parametrize(
    "base",
    [
        "https://h.example/v1",
        "https://h.example/v1/realtime",
        "https://h.example/v1/realtime/translations",
    ],
)
def test_translations_have_a_path_of_their_own(base: str) -> None:
    """The path is right however much of it was given."""
    endpoint = Endpoint.at(base)

    url = endpoint.websocket_url(model="M", session_type="translation")
    assert "wss://h.example/v1/realtime/translations?model=M" == url
    assert "https://h.example/v1/realtime/calls" == endpoint.http_url("/realtime/calls")


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        (
            Endpoint.openai("wss://api.openai.com/v1/realtime?model=M"),
            "https://api.openai.com/v1/realtime/client_secrets",
        ),
        (
            Endpoint.azure("r", "D"),
            "https://r.openai.azure.com/openai/v1/realtime/client_secrets",
        ),
        (
            Endpoint.azure("r", "D", preview=True),
            "https://r.openai.azure.com/openai/realtime/client_secrets"
            "?api-version=2025-04-01-preview",
        ),
        (
            Endpoint.at("ws://localhost:8000/v1"),
            "http://localhost:8000/v1/realtime/client_secrets",
        ),
    ],
)
def test_rest_is_beside_the_websocket(endpoint: Endpoint, url: str) -> None:
    """Same host and base, HTTP's scheme, and no model in the query."""
    assert url == endpoint.http_url("/realtime/client_secrets")


@pytest.mark.parametrize(
    "url", ["api.openai.com/v1", "ftp://h/v1", "https://", "http://h:port/v1", ""]
)
def test_url_that_is_none_is_refused(url: str) -> None:
    """The message says what a URL needs."""
    with pytest.raises(ConfigurationError, match="URL"):
        Endpoint.at(url).websocket_url()


def test_resource_of_azure_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the argument or from the environment."""
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_ENDPOINT"):
        Endpoint.azure()
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://named.example")

    assert "https://named.example/openai/v1" == Endpoint.azure().url


@pytest.mark.parametrize(
    ("endpoint", "name", "value"),
    [
        (Endpoint.openai(key="sk-1"), "Authorization", "Bearer sk-1"),
        (Endpoint.azure("r", api_key="k"), "api-key", "k"),
        (
            Endpoint.azure("r", token_provider=lambda: "token"),
            "Authorization",
            "Bearer token",
        ),
        (Endpoint.xai(api_key="xk"), "Authorization", "Bearer xk"),
        (Endpoint.dashscope(api_key="dk"), "Authorization", "Bearer dk"),
        (Endpoint.at("https://h.example", api_key="k"), "Authorization", "Bearer k"),
    ],
)
def test_key_is_sent_the_vendors_way(endpoint: Endpoint, name: str, value: str) -> None:
    """Azure has a header of its own for keys, but not for tokens."""
    found = {
        key: sent for key, sent in headers_of(endpoint).items() if sent.endswith(value)
    }

    assert {name: value} == found


def test_callable_key_is_asked_at_every_connection() -> None:
    """Tokens grow old; the provider knows the new one."""
    tokens = iter(["first", "second"])
    endpoint = Endpoint.at("https://h.example", api_key=lambda: next(tokens))

    assert "Bearer first" == headers_of(endpoint)["Authorization"]
    assert "Bearer second" == headers_of(endpoint)["Authorization"]


@pytest.mark.parametrize("nothing", ["", None])
def test_provider_without_a_token_does_not_bring_in_another_key(
    nothing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key of the environment is not a token, and would be sent as one."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "an-api-key")
    endpoint = Endpoint.azure("r", token_provider=lambda: nothing)

    with pytest.raises(ConfigurationError, match="no key"):
        headers_of(endpoint)


@pytest.mark.parametrize(
    ("endpoint", "variable", "told"),
    [
        (Endpoint(url="https://api.openai.com/v1"), "OPENAI_API_KEY", True),
        (Endpoint(url="https://eu.api.openai.com/v1"), "OPENAI_API_KEY", True),
        (Endpoint.azure("r"), "AZURE_OPENAI_API_KEY", False),
    ],
)
def test_who_has_no_key_of_openai_is_told_of_the_local_server(
    endpoint: Endpoint, variable: str, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook or service that was started without the variable looks like that."""
    monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match=variable) as caught:
        headers_of(endpoint)

    assert told == ("base_url or OPENAI_BASE_URL" in str(caught.value))


def test_server_without_keys_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the environment is for its vendor, not for whoever is asked."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")

    assert {} == headers_of(Endpoint.at("https://h.example/v1"))
    assert {} == headers_of(Endpoint(url="https://api.openai.com/v1", auth="none"))


def test_ephemeral_key_travels_as_a_subprotocol() -> None:
    """As browsers do it: then it is in no header, and the beta says so there too."""
    endpoint = Endpoint.openai(key="ek_1", subprotocol_auth=True)
    url = endpoint.websocket_url(model="m")

    ga = endpoint.credentials(url)
    beta = endpoint.credentials(url, dialect="beta")
    assert ("realtime", "openai-insecure-api-key.ek_1") == ga.subprotocols
    assert "openai-beta.realtime-v1" == beta.subprotocols[-1]
    assert {} == ga.headers
    rest = endpoint.credentials(endpoint.http_url("/realtime/calls"))
    assert {"Authorization": "Bearer ek_1"} == rest.headers


@pytest.mark.parametrize(("dialect", "sent"), [("ga", None), ("beta", "realtime=v1")])
def test_dialect_is_told_by_one_header(dialect: str, sent: Optional[str]) -> None:
    """GA connections must not have it; REST has none."""
    endpoint = Endpoint.openai(key="k")
    rest = endpoint.credentials(endpoint.http_url("/realtime/calls"), dialect=dialect)

    assert sent == headers_of(endpoint, dialect=dialect).get("OpenAI-Beta")
    assert "OpenAI-Beta" not in rest.headers


def test_organization_project_and_end_user_are_told() -> None:
    """The client's arguments become the service's headers."""
    client = RealtimeClient(api_key="k", organization="org_1", project="proj_1")

    sent = headers_of(client.endpoint, safety_identifier="user-7")
    assert "org_1" == sent["OpenAI-Organization"]
    assert "proj_1" == sent["OpenAI-Project"]
    assert "user-7" == sent["OpenAI-Safety-Identifier"]


def test_organization_of_the_environment_is_for_openai_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another vendor has no business with it."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org_1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj_1")

    openai = Endpoint.openai(key="k")
    assert {
        "OpenAI-Organization": "org_1",
        "OpenAI-Project": "proj_1",
    } == openai.headers
    assert {} == Endpoint.openai("https://h.example/v1").headers
    monkeypatch.setenv("OPENAI_BASE_URL", "https://h.example/v1")
    assert "org_1" == Endpoint.openai().headers["OpenAI-Organization"]


@pytest.mark.parametrize("spelt", ["Authorization", "authorization", "AUTHORIZATION"])
def test_header_of_the_caller_wins(spelt: str) -> None:
    """However it is spelt, so that no two of one name are sent."""
    endpoint = Endpoint.openai(key="sk-1")

    sent = headers_of(endpoint, extra_headers={spelt: "Basic abc"})
    assert {spelt: "Basic abc"} == sent


def test_login_in_the_url_becomes_a_header() -> None:
    """As with requests; the URL that is used no longer has it."""
    endpoint = Endpoint.at("https://user:pa%20ss@h.example/v1")

    sent = headers_of(endpoint)["Authorization"]
    assert f"Basic {base64.b64encode(b'user:pa ss').decode()}" == sent
    assert "wss://h.example/v1/realtime" == endpoint.websocket_url()
    assert "https://h.example/v1/realtime" == endpoint.http_url("/realtime")


def test_base_url_and_endpoint_exclude_each_other() -> None:
    """Two answers to one question are a mistake."""
    with pytest.raises(ConfigurationError, match="not both"):
        RealtimeClient(base_url="https://h.example", endpoint=Endpoint.openai())


EVIL = ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\x1bb", "a\x85b", "a\ud800", "a\u2028b"]


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("model", lambda evil: {"model": evil}),
        ("call_id", lambda evil: {"call_id": evil}),
        ("extra", lambda evil: {"extra_query": {"extra": evil}}),
        ("name of a query parameter", lambda evil: {"extra_query": {evil: "1"}}),
    ],
)
def test_what_no_url_may_hold_is_refused_by_its_name(
    field: str, options: Any, evil: str
) -> None:
    """Encoded or not: it is a mistake, or somebody else's choice."""
    with pytest.raises(ConfigurationError, match=field) as caught:
        Endpoint.at("wss://h.example/v1").websocket_url(**options(evil))
    assert evil not in caught.value.args[0]


@pytest.mark.parametrize("evil", [*EVIL, "a b", "a\tb"])
@pytest.mark.parametrize("place", ["wss://h{}.example/v1", "wss://h.example/v{}", "{}"])
def test_url_with_a_control_or_a_space_is_refused(place: str, evil: str) -> None:
    """The standard library would drop the control, and send the space."""
    url = place.format(evil)

    with pytest.raises(ConfigurationError, match="the server's URL"):
        Endpoint.at(url).websocket_url()
    with pytest.raises(ConfigurationError, match="the server's URL"):
        Endpoint.at(url).http_url("/realtime/client_secrets")


@pytest.mark.parametrize("evil", [*EVIL, "a b"])
def test_path_and_query_of_a_request_are_held_to_the_same(evil: str) -> None:
    """REST has no other way around."""
    endpoint = Endpoint.at("https://h.example/v1")

    with pytest.raises(ConfigurationError, match="path"):
        endpoint.http_url(f"/realtime/calls/{evil}/accept")
    own = Endpoint(url="https://h.example/v1", query={"key": evil + "\n"})
    with pytest.raises(ConfigurationError, match="'key'"):
        own.http_url("/realtime/calls")


def test_ordinary_text_may_stand_in_a_query() -> None:
    """Spaces, accents and other scripts are encoded."""
    url = Endpoint.at("wss://h.example/v1").websocket_url(
        model="a model", extra_query={"who": "Zoë 日本"}
    )

    assert url.endswith("?model=a+model&who=Zo%C3%AB+%E6%97%A5%E6%9C%AC")


@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("R", "wss://R.openai.azure.com/openai/v1/realtime?model=D"),
        ("r.openai.azure.com/", "wss://r.openai.azure.com/openai/v1/realtime?model=D"),
        ("https://r.example/openai/v1/", "wss://r.example/openai/v1/realtime?model=D"),
        ("https://r.example/openai", "wss://r.example/openai/v1/realtime?model=D"),
        ("https://r.example/OpenAI/V1/", "wss://r.example/openai/v1/realtime?model=D"),
        (" https://r.example/openai/v1", "wss://r.example/openai/v1/realtime?model=D"),
        ("https://r.example//openai//", "wss://r.example/openai/v1/realtime?model=D"),
        (
            "wss://r.example/openai/v1/realtime?model=D",
            "wss://r.example/openai/v1/realtime?model=D",
        ),
        (
            "https://gateway.example/team/openai/v1",
            "wss://gateway.example/team/openai/v1/realtime?model=D",
        ),
        (
            "https://r.example/openai/realtime?api-version=2024-10-01-preview"
            "&deployment=D",
            "wss://r.example/openai/realtime?api-version=2024-10-01-preview"
            "&deployment=D",
        ),
        (
            "https://r.example/openai/deployments/D/chat/completions"
            "?api-version=2024-10-21",
            "wss://r.example/openai/v1/realtime?model=D",
        ),
    ],
)
def test_azure_takes_every_form_that_the_portal_shows(resource: str, url: str) -> None:
    """A URL is taken apart, not lengthened."""
    named = "D" in resource.replace("Deployments", "")
    endpoint = Endpoint.azure(resource, None if named else "D", api_key="k")

    assert url == endpoint.websocket_url()


VERSION = "?api-version=2026-07-15"
LIVE = "wss://res.services.ai.azure.com/voice-live/realtime"


@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("res", LIVE + VERSION),
        ("res.services.ai.azure.com", LIVE + VERSION),
        ("https://res.services.ai.azure.com/", LIVE + VERSION),
        ("wss://res.services.ai.azure.com/voice-live/realtime", LIVE + VERSION),
        (LIVE + "?api-version=2025-10-01", LIVE + "?api-version=2025-10-01"),
        (
            "https://res.cognitiveservices.azure.com/voice-live/",
            "wss://res.cognitiveservices.azure.com/voice-live/realtime" + VERSION,
        ),
    ],
)
def test_voice_live_takes_every_form_of_its_address(resource: str, url: str) -> None:
    """A name, a host, the base, and what the portal shows."""
    endpoint = Endpoint.voice_live(resource, api_key="k")

    assert url + "&model=M" == endpoint.websocket_url(model="M")
    assert "beta" == endpoint.dialect
    assert "k" == headers_of(endpoint)["api-key"]


def test_voice_live_has_variables_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """For its address and its key; without one of them it says what it needs."""
    for name in ("VOICELIVE_ENDPOINT", "VOICELIVE_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(f"AZURE_{name}", raising=False)
    with pytest.raises(ConfigurationError, match="AZURE_VOICELIVE_API_KEY"):
        Endpoint.voice_live("res").resolve_key()
    with pytest.raises(ConfigurationError, match="AZURE_VOICELIVE_ENDPOINT"):
        Endpoint.voice_live()
    monkeypatch.setenv("AZURE_VOICELIVE_ENDPOINT", "https://res.services.ai.azure.com")
    monkeypatch.setenv("AZURE_VOICELIVE_API_KEY", "from-outside")
    endpoint = Endpoint.voice_live()

    assert endpoint.websocket_url(model="M").startswith(LIVE)
    assert "from-outside" == headers_of(endpoint)["api-key"]
    assert (
        "Bearer t"
        == headers_of(Endpoint.voice_live(token_provider=lambda: "t"))["Authorization"]
    )


MALFORMED = [
    "http://[::1/v1",
    "http://]/v1",
    "wss://[1::2::3]/v1",
    "wss://[::1].example.com/v1",
    "https://host:port/v1",
    "https://host:99999/v1",
    "http://ho\u2100st/v1",
]


@pytest.mark.parametrize("url", MALFORMED)
def test_what_cannot_be_parsed_is_a_wrong_configuration(url: str) -> None:
    """At the line where it is given, in every way in which it can be."""
    for make in (
        lambda: RealtimeClient(base_url=url, api_key="sk-1"),
        lambda: connect("m", base_url=url, api_key="sk-1"),
        lambda: Endpoint.at(url),
        lambda: Endpoint.openai(url),
        lambda: Endpoint(url=url),
    ):
        with pytest.raises(ConfigurationError):
            make()


@pytest.mark.parametrize("url", MALFORMED)
def test_what_the_environment_has_is_checked_too(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a base URL; and it never lends a key to another server."""
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    with pytest.raises(ConfigurationError):
        RealtimeClient()

    assert Endpoint.at("wss://example.com").resolve_key() is None


@pytest.mark.parametrize("proxy", ["http://[::1", "socks5://[1::2::3]:1", "[", "h:x"])
def test_a_proxy_that_cannot_be_parsed_is_a_wrong_configuration(proxy: str) -> None:
    """For WebSocket and REST alike."""
    with pytest.raises(ConfigurationError):
        proxy_for("https://example.com", proxy)


@pytest.mark.parametrize("url", [b"wss://example.com/v1", 5, Path("example.com")])
def test_an_address_that_is_no_text_is_a_wrong_configuration(url: Any) -> None:
    """At the line where it is given."""
    with pytest.raises(ConfigurationError, match="must be text"):
        connect("m", base_url=url, api_key="sk-1")
    with pytest.raises(ConfigurationError, match="must be text"):
        Endpoint.at(url)
