"""Which proxy a connection takes, and that it goes through it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

import pytest

from realtime_sync import RealtimeClient, connect
from realtime_sync.errors import ConfigurationError, ConnectFailed, RestError
from realtime_sync.server import Server, serve
from realtime_sync.transport import proxies
from realtime_sync.transport.proxies import need_socks_proxy, proxy_for
from tests.tinyproxy import TinyProxy


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that is reached through proxies only by another name."""
    with serve(agent="echo", allowed_hosts=["realtime.example"]) as made:
        yield made


@pytest.mark.parametrize(
    ("given", "proxy"),
    [
        ("http://p.example:3128", "http://p.example:3128"),
        ("p.example:3128", "http://p.example:3128"),
        ("http://p.example", "http://p.example:80"),
        ("socks5://p.example", "socks5://p.example:1080"),
        ("SOCKS5H://u:p@p.example:1", "socks5h://u:p@p.example:1"),
        ("http://[::1]:8", "http://[::1]:8"),
        ("", None),
    ],
)
def test_given_proxy_is_taken_in_any_case(given: str, proxy: Optional[str]) -> None:
    """Also to this machine; an empty one switches proxies off."""
    for url in ("wss://h.example", "ws://localhost:1", "https://h.example"):
        assert proxy == proxy_for(url, given)


@pytest.mark.parametrize("given", ["https://p.example", "ftp://p", "http://", "p:x"])
def test_proxy_of_another_kind_is_refused(given: str) -> None:
    """Better than a connection that fails without a reason."""
    with pytest.raises(ConfigurationError, match="prox"):
        proxy_for("wss://h.example", given)


@pytest.mark.parametrize(
    ("variable", "url", "found"),
    [
        ("https_proxy", "wss://h.example/v1", True),
        ("HTTPS_PROXY", "wss://h.example/v1", True),
        ("https_proxy", "https://h.example/v1", True),
        ("wss_proxy", "wss://h.example/v1", True),
        ("all_proxy", "wss://h.example/v1", True),
        ("ALL_PROXY", "https://h.example/v1", True),
        ("http_proxy", "ws://h.example/v1", True),
        ("HTTP_PROXY", "http://h.example/v1", True),
        ("http_proxy", "wss://h.example/v1", False),
        ("https_proxy", "ws://h.example/v1", False),
        ("all_proxy", "ws://localhost:8000/v1", False),
        ("all_proxy", "ws://127.0.0.1:8000/v1", False),
        ("http_proxy", "ws://[::1]:8000/v1", False),
    ],
)
def test_environment_chooses_by_scheme(
    variable: str, url: str, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for other programs; what stays on this machine needs no proxy."""
    monkeypatch.setenv(variable, "socks5://p.example")

    assert ("socks5://p.example:1080" if found else None) == proxy_for(url, None)


@pytest.mark.parametrize(
    ("exempt", "found"),
    [
        ("*", False),
        ("h.example", False),
        (".example", False),
        ("h.example:443", False),
        ("other.example", True),
        ("", True),
    ],
)
def test_exceptions_of_the_environment_hold(
    exempt: str, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``no_proxy`` names hosts, endings or everything; not for a given proxy."""
    monkeypatch.setenv("https_proxy", "http://p.example:1")
    monkeypatch.setenv("no_proxy", exempt)
    url = "wss://h.example:443/v1"

    assert ("http://p.example:1" if found else None) == proxy_for(url, None)
    assert "http://q.example:2" == proxy_for(url, "http://q.example:2")


def test_client_of_a_web_server_cannot_choose_our_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under CGI, a request's ``Proxy`` header becomes ``HTTP_PROXY``."""
    monkeypatch.setenv("HTTP_PROXY", "http://evil.example:1")
    monkeypatch.setenv("REQUEST_METHOD", "GET")

    assert proxy_for("ws://h.example/v1", None) is None


def test_what_socks_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the extra to install."""
    monkeypatch.setattr(proxies, "find_spec", lambda name: None)

    need_socks_proxy("http://p.example:1")
    with pytest.raises(ConfigurationError, match=r"pip install .*\[socks\]"):
        need_socks_proxy("socks5://p.example:1")


@pytest.mark.parametrize("kind", ["http", "socks5h", "socks5"])
def test_session_goes_through_a_proxy(kind: str, server: Server) -> None:
    """The proxy is asked for the server's name, and the session works."""
    # Names are resolved here by socks5, and this one is none.
    host = "127.0.0.1" if kind == "socks5" else "realtime.example"
    with TinyProxy(server.port) as proxy:
        with connect(
            "gpt-realtime",
            base_url=f"http://{host}:80/v1",
            proxy=f"{kind}://127.0.0.1:{proxy.port}",
        ) as session:
            assert "Hello" in session.ask("Hello").text

        assert [(host, 80)] == proxy.asked


def test_proxy_of_the_environment_is_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an argument."""
    with TinyProxy(server.port) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        connect("gpt-realtime", base_url="http://realtime.example/v1").close()

        assert [("realtime.example", 80)] == proxy.asked


def test_proxy_may_want_a_login(server: Server) -> None:
    """From the proxy's URL; its special characters are percent-encoded."""
    with TinyProxy(server.port, login="user:p@ss") as proxy:
        url = f"http://user:p%40ss@127.0.0.1:{proxy.port}"
        connect(
            "gpt-realtime", base_url="http://realtime.example/v1", proxy=url
        ).close()

        assert 1 == len(proxy.asked)


def test_proxy_that_refuses_is_an_error_of_connect(server: Server) -> None:
    """The login is not in the message."""
    with TinyProxy(server.port, login="user:right") as proxy:
        with pytest.raises(ConnectFailed, match="407") as caught:
            connect(
                "gpt-realtime",
                base_url="http://realtime.example/v1",
                proxy=f"http://user:wrong-password@127.0.0.1:{proxy.port}",
            )
    assert "wrong-password" not in str(caught.value)


@pytest.mark.parametrize("kind", ["http", "socks5h"])
def test_proxy_that_is_not_there_is_an_error_of_connect(kind: str) -> None:
    """Whatever the library underneath raises."""
    with pytest.raises(ConnectFailed):
        connect(
            "gpt-realtime",
            base_url="http://realtime.example/v1",
            proxy=f"{kind}://127.0.0.1:9",
        )


def test_socks_proxy_that_refuses_is_an_error_of_connect() -> None:
    """The library for SOCKS has exceptions of its own."""
    from tests.rawserver import Peer, RawServer

    def refuse(peer: Peer) -> None:
        peer.read_some()
        peer.raw(b"\x05\xff")

    with RawServer(refuse) as proxy:
        with pytest.raises(ConnectFailed):
            connect(
                "gpt-realtime",
                base_url="http://realtime.example/v1",
                proxy=f"socks5h://127.0.0.1:{proxy.port}",
            )


@pytest.mark.parametrize("kind", ["socks5h", "socks5"])
def test_rest_goes_through_a_proxy(kind: str, server: Server) -> None:
    """By the same option; plain HTTP proxies do not tunnel plain requests."""
    host = "127.0.0.1" if kind == "socks5" else "realtime.example"
    with TinyProxy(server.port) as proxy:
        client = RealtimeClient(
            base_url=f"http://{host}:80/v1",
            proxy=f"{kind}://127.0.0.1:{proxy.port}",
        )
        client.client_secrets.create(session={"model": "gpt-realtime"})
        client.close()

        assert [(host, 80)] == proxy.asked


def test_rest_reaches_encrypted_servers_through_a_tunnel(server: Server) -> None:
    """The server has no TLS, so it ends there; but the tunnel was asked for."""
    with TinyProxy(server.port) as proxy:
        client = RealtimeClient(
            api_key="k",
            base_url="https://realtime.example/v1",
            proxy=f"http://127.0.0.1:{proxy.port}",
        )
        with pytest.raises(RestError, match="encrypted"):
            client.client_secrets.create()
        client.close()

        assert [("realtime.example", 443)] == proxy.asked
