"""Pages of other sites get nothing; programs and pages of this machine do."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any, Callable, Optional

import pytest

from realtime_sync.errors import ConfigurationError
from realtime_sync.server import Server
from realtime_sync.server.host.origin import (
    AllowedOrigins,
    RequestOrigin,
    origin_body_refusal,
    origin_refusal,
)

Start = Callable[..., Server]
SECRETS = "/v1/realtime/client_secrets"
ALLOWED = AllowedOrigins.of(
    "0.0.0.0",
    ["Box.local", "10.0.0.7", "fd00::7"],
    ["app.example", "https://one.example:8443", "null"],
)


def served(
    host: str,
    *origins: str,
    allowed: AllowedOrigins = AllowedOrigins(),
    address: str = "127.0.0.1",
) -> bool:
    """Tell whether a request with one host is served."""
    caller = RequestOrigin(hosts=[host], origins=origins, address=address)
    return origin_refusal(caller, allowed) is None


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost.", "a.b.localhost", "127.0.0.1"]
    + ["127.9.8.7", "[::1]", "[0:0:0:0:0:0:0:1]"],
)
@pytest.mark.parametrize("port", ["", ":80", ":65535"])
def test_loopback_is_served_by_every_name(host: str, port: str) -> None:
    """On any port: a forwarded one differs from ours."""
    assert served(host + port)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8765", "localhost.evil.example", "notlocalhost"]
    + ["127.0.0.1.evil.example", "128.0.0.1", "192.168.1.2", "0.0.0.0", "[::2]"]
    + ["[::1", "::1", "[127.0.0.1]", "2130706433", "0x7f.1", "127.1", "", " "]
    + ["localhost,evil.example", "localhost, localhost", "evil@localhost"]
    + ["localhost:evil", "localhost/", "localhost#", "local host", "lоcalhost"],
)
def test_foreign_or_malformed_host_is_refused(host: str) -> None:
    """A page whose name was led to this address shows its own name here."""
    assert not served(host)


@pytest.mark.parametrize(
    "hosts", [[], ["localhost"] * 2, ["localhost", "evil.example"]]
)
def test_host_must_be_there_once(hosts: list[str]) -> None:
    """With two, somebody on the way may have read the other one."""
    caller = RequestOrigin(hosts=hosts, origins=[], address="127.0.0.1")

    assert f"got {len(hosts)}" in str(origin_refusal(caller, AllowedOrigins()))


@pytest.mark.parametrize(
    "host",
    ["box.local:80", "BOX.LOCAL", "10.0.0.7:1", "[fd00::7]", "[FD00:0::7]:80"]
    + ["0.0.0.0:8765", "192.168.1.5:8765"],
)
def test_allowed_bound_and_own_hosts_are_served(host: str) -> None:
    """The last is the address at which the request arrived."""
    assert served(host, allowed=ALLOWED, address="192.168.1.5")
    assert not served(host, address="127.0.0.1")


@pytest.mark.parametrize(
    ("origin", "fine"),
    [
        ("http://localhost:3000", True),
        ("https://127.0.0.1", True),
        ("http://[::1]:5173", True),
        ("http://tauri.localhost", True),
        ("http://app.example", True),
        ("https://app.example:444", True),
        ("https://one.example:8443", True),
        ("null", True),
        ("https://evil.example", False),
        ("https://one.example", False),
        ("http://one.example:8443", False),
        ("https://localhost.evil.example", False),
        ("https://sub.app.example", False),
        ("https://localhost@evil.example", False),
        ("https://localhost/x", False),
        ("file://", False),
        ("evil://localhost", False),
        ("localhost", False),
        ("", False),
        ("http://[::1", False),
    ],
)
def test_origin_is_loopback_or_allowed(origin: str, fine: bool) -> None:
    """In any other case the page is somebody else's."""
    assert fine == served("localhost", origin, allowed=ALLOWED)


def test_sandboxed_pages_are_refused_unless_allowed() -> None:
    """Their origin is ``null``, and every site can have one."""
    assert not served("localhost", "null")


def test_page_of_the_server_itself_is_served() -> None:
    """Same host and port; not another port of that host."""
    own = "box.local:8765"

    assert served(own, f"http://{own}", allowed=ALLOWED)
    assert not served(own, "http://box.local:9000", allowed=ALLOWED)
    assert not served("evil.example", "http://evil.example", allowed=ALLOWED)


def test_second_origin_is_refused() -> None:
    """Browsers send one."""
    assert not served("localhost", "http://localhost", "https://evil.example")
    assert not served("localhost", "http://localhost", "http://localhost")


@pytest.mark.parametrize(
    ("media_type", "has_body", "fine"),
    [
        ("application/json", True, True),
        ("application/json", False, True),
        ("", False, True),
        ("", True, False),
        ("text/plain", True, False),
        ("text/plain", False, False),
        ("application/x-www-form-urlencoded", True, False),
        ("multipart/form-data", True, False),
        ("text/json", True, False),
    ],
)
def test_body_has_a_type_that_the_endpoint_takes(
    media_type: str, has_body: bool, fine: bool
) -> None:
    """Those that a browser sends without asking first are refused."""
    assert fine == (
        origin_body_refusal(media_type, has_body, ["application/json"]) is None
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"allowed_hosts": "box.local"},
        {"allowed_hosts": ["box.local:80"]},
        {"allowed_hosts": ["*"]},
        {"allowed_hosts": [""]},
        {"allowed_hosts": [None]},
        {"allowed_origins": "https://app.example"},
        {"allowed_origins": ["https://app.example/"]},
        {"allowed_origins": ["*"]},
        {"allowed_origins": ["https://"]},
        {"allowed_origins": [1]},
    ],
)
def test_what_can_never_match_is_a_mistake(start: Start, arguments: Any) -> None:
    """It shows when the server is started."""
    with pytest.raises(ConfigurationError, match=next(iter(arguments))):
        start(**arguments)


def asked(
    server: Server,
    path: str = SECRETS,
    body: Optional[bytes] = None,
    **headers: Optional[str],
) -> tuple[int, bytes]:
    """POST with exactly these headers; None leaves ``Host`` out."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    peer = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    peer.putrequest("POST", path, skip_host=True, skip_accept_encoding=True)
    for name, value in {"Host": "localhost", **named}.items():
        if value is not None:
            peer.putheader(name, value)
    peer.putheader("Content-Length", str(len(body or b"")))
    peer.endheaders(body)
    answer = peer.getresponse()
    content = answer.read()
    peer.close()
    return answer.status, content


def upgraded(
    server: Server, *lines: str, target: str = "/v1/realtime?model=m"
) -> bytes:
    """Ask for a WebSocket; returns what comes until the head and one error are in."""
    head = [
        f"GET {target} HTTP/1.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        *lines,
    ]
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as peer:
        peer.sendall("\r\n".join([*head, "", ""]).encode())
        with peer.makefile("rb") as answer:
            status = answer.readline()
            return status if b" 101 " in status else status + answer.read()


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost.evil.example"},
    {"Host": "evil.example"},
    {"Host": "evil.example:80", "Origin": "http://evil.example:80"},
    {"Host": "localhost, evil.example"},
    {"Host": None},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_foreign_request_gets_no_key(start: Start, headers: dict[str, Any]) -> None:
    """403 and a short body, whatever the path."""
    server = start()
    for path in (SECRETS, "/v1/realtime/calls", "/nowhere"):
        status, content = asked(server, path, **headers)

        assert 403 == status
        assert "forbidden" == json.loads(content)["error"]["code"]
        assert b"ek_" not in content


@pytest.mark.parametrize("headers", FOREIGN)
def test_foreign_request_gets_no_session(start: Start, headers: dict[str, Any]) -> None:
    """The same answer, and no engine behind it."""
    server = start()
    given = {"Host": "localhost", **headers}
    answer = upgraded(server, *(f"{n}: {v}" for n, v in given.items() if v is not None))

    assert answer.startswith(b"HTTP/1.1 403 ") or answer.startswith(b"HTTP/1.0 403 ")
    assert "forbidden" == json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"]
    assert [] == server.sessions


def test_host_twice_is_refused_behind_an_absolute_target(start: Start) -> None:
    """The target's host would hide them from a reader of the environment."""
    server = start()
    lines = ("Host: localhost", "Host: evil.example")

    assert b" 403 " in upgraded(server, *lines)
    assert b" 403 " in upgraded(server, *lines, target="http://localhost/v1/realtime")


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded"]
    + ["multipart/form-data; boundary=x", None],
)
def test_page_cannot_post_what_needs_no_question(
    start: Start, kind: Optional[str]
) -> None:
    """Also from loopback: another program's page may be anybody's."""
    body = b'{"session": {"type": "realtime"}}'
    headers = {"Origin": "http://localhost:1", "Content_Type": kind}
    status, content = asked(start(), body=body, **headers)

    assert 403 == status
    assert b"ek_" not in content


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost:3000"},
        {"Content_Type": "application/json; charset=utf-8"},
        {"Host": "box.local:8765", "Origin": "https://app.example"},
    ],
)
def test_programs_and_allowed_pages_are_served(
    start: Start, headers: dict[str, Any]
) -> None:
    """Over REST and WebSocket alike."""
    server = start(allowed_hosts=["box.local"], allowed_origins=["app.example"])
    given = {"Host": "localhost", **headers}
    status, content = asked(server, **headers)

    assert (200, True) == (status, b"ek_" in content)
    assert b" 101 " in upgraded(server, *(f"{n}: {v}" for n, v in given.items()))
