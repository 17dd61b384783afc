"""
The small server of pages: what it serves, to whom, and what it survives.

Requests are written by hand, because libraries do not let one lie about ``Host``.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import trustme
import websocket
from websocket import ABNF

from realtime_sync.errors import ConfigurationError
from realtime_sync.web import Answer, Asked, Channel, WebHost
from realtime_sync.web.messages import decoded_web_message, encoded_web_message

Start = Callable[..., WebHost]


class Echo:
    """A page's other end that says back what it is told."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.heard: list[Mapping[str, Any]] = []
        self.closed = threading.Event()

    def receive(self, message: Mapping[str, Any], sound: bytes) -> None:
        """Say it back; one message fails."""
        self.heard.append(message)
        if message.get("kind") == "fail":
            raise RuntimeError("as asked")
        self.channel.send({"echo": message}, sound)

    def close(self) -> None:
        """Take note."""
        self.closed.set()


def echoing(host: WebHost) -> list[Echo]:
    """Have a host serve echoes, which are listed."""
    echoes: list[Echo] = []

    def serve(channel: Channel) -> Echo:
        echoes.append(Echo(channel))
        return echoes[-1]

    host.socket("/echo", serve)
    return echoes


def opened(served: WebHost, path: str = "/echo", **options: Any) -> websocket.WebSocket:
    """A WebSocket of a page; the caller closes it."""
    token = options.pop("token", served.access.token)
    url = f"ws://127.0.0.1:{served.port}{path}?token={token}"
    return websocket.create_connection(url, timeout=10, **options)


def said(
    host: WebHost, path: str, *, method: str = "GET", body: str = "", **headers: str
) -> tuple[int, dict[str, str], str]:
    """Status, headers and text that a request is answered with."""
    connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=10)
    try:
        connection.request(method, path, body or None, dict(headers))
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, dict(answer.getheaders()), text
    finally:
        connection.close()


def path_of(host: WebHost, path: str = "/") -> str:
    """A path with the token."""
    return f"{path}?token={host.access.token}"


def test_page_is_served_to_whoever_has_the_token(start_host: Start) -> None:
    """In the URL, as people open it, or in a header, as programs do."""
    host = start_host()
    host.page("/", "token.html")
    host.route("/n", lambda asked: Answer(body=json.dumps(asked.query["n"])))
    bearer = {"Authorization": f"Bearer {host.access.token}"}

    assert host.url() == f"http://127.0.0.1:{host.port}{path_of(host)}"
    assert 200 == said(host, path_of(host))[0]
    assert (200, '"7"') == said(host, path_of(host, "/n") + "&n=7")[::2]
    assert 200 == said(host, "/n?n=7", **bearer)[0]


@pytest.mark.parametrize("token", ["", "?token=", "?token=wrong", "?token=%ff&x=1"])
@pytest.mark.parametrize("path", ["/", "/nowhere", "/echo"])
def test_without_the_token_there_is_nothing(
    start_host: Start, path: str, token: str
) -> None:
    """Not even whether there is such a path."""
    host = start_host()
    host.page("/", "token.html")
    echoing(host)
    status, _, text = said(host, path + token)

    assert 403 == status
    assert "The token is missing" in text


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://localhost.evil.example"},
    ],
    ids=str,
)
def test_pages_of_other_sites_get_nothing_even_with_the_token(
    start_host: Start, headers: dict[str, str]
) -> None:
    """A name that was led here, and a page that sends requests here."""
    host = start_host()
    host.page("/", "token.html")
    echoes = echoing(host)
    status, _, _ = said(host, path_of(host), **headers)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    origin = "Origin" not in headers
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        opened(
            host,
            host=headers.get("Host"),
            header=[line for line in lines if line.startswith("Origin")],
            suppress_origin=True,
        )

    assert 403 == status
    assert 403 == refused.value.status_code
    assert [] == echoes
    assert origin or 403 == said(host, "/static/page.css", **headers)[0]


def test_style_and_scripts_need_no_token_and_nothing_else_is_a_file(
    start_host: Start,
) -> None:
    """Only what lies in the one folder, by its plain name."""
    host = start_host()
    status, headers, text = said(host, "/static/page.css")
    others = ["page.html", "__init__.py", "../host.py", "..%2fhost.py", "", "a/b.js"]

    assert (200, "text/css; charset=utf-8") == (status, headers["Content-Type"])
    assert "--accent" in text
    assert {404} == {said(host, f"/static/{name}")[0] for name in others}


def test_answers_forbid_what_a_page_has_no_use_for(start_host: Start) -> None:
    """What a model says cannot become code, whatever a page does with it."""
    host = start_host()
    host.page("/", "token.html")
    _, headers, text = said(host, path_of(host))
    policy = headers["Content-Security-Policy"]
    near = f"127.0.0.1:{host.port}"

    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert f"connect-src 'self' ws://{near} wss://{near}" in policy
    assert "unsafe" not in policy
    assert "nosniff" == headers["X-Content-Type-Options"]
    assert "no-referrer" == headers["Referrer-Policy"]
    assert "no-store" == headers["Cache-Control"]
    assert not re.search(r"<script>|\son\w+=|style=", text)


def test_socket_brings_objects_and_bytes_both_ways(start_host: Start) -> None:
    """Text alone as text, with bytes as one binary message."""
    host = start_host()
    echoes = echoing(host)
    socket = opened(host)
    socket.send('{"kind":"hello"}')
    first = decoded_web_message(socket.recv())
    socket.send_binary(encoded_web_message({"kind": "sound"}, b"\x01\x02"))
    second = decoded_web_message(socket.recv())
    socket.shutdown()

    assert ({"echo": {"kind": "hello"}}, b"") == first
    assert ({"echo": {"kind": "sound"}}, b"\x01\x02") == second
    assert echoes[0].closed.wait(10)


@pytest.mark.parametrize("token", ["", "wrong"])
def test_socket_without_the_token_is_refused(start_host: Start, token: str) -> None:
    """As a page is."""
    host = start_host()
    echoes = echoing(host)
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        opened(host, token=token)

    assert 403 == refused.value.status_code
    assert [] == echoes


def test_socket_of_an_unknown_path_is_not_found(start_host: Start) -> None:
    """With the token one may know."""
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        opened(start_host(), "/nowhere")

    assert 404 == refused.value.status_code


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"x" * (10 << 20), 1009), (b"no message", 1007), (b"\x0f\0\0\0", 1007)],
    ids=["10 MB", "no message", "cut off"],
)
def test_bad_message_ends_its_own_page_only(
    start_host: Start, data: bytes, code: int
) -> None:
    """Another page goes on as if nothing had been."""
    host = start_host()
    echoing(host)
    other, bad = opened(host), opened(host)
    try:
        bad.send_binary(data)
    except OSError:
        pass  # It is closed before the end of what is too long.
    try:
        closed = int.from_bytes(bad.recv_data()[1][:2], "big")
    except OSError:
        closed = code  # A reset overtook the close frame.
    other.send('{"kind":"still here"}')

    assert code == closed
    assert ({"echo": {"kind": "still here"}}, b"") == decoded_web_message(other.recv())
    bad.shutdown()
    other.shutdown()


def test_message_in_pieces_arrives_whole_and_one_without_end_is_refused(
    start_host: Start,
) -> None:
    """The bound is of a message, not of a piece; another page goes on."""
    host = start_host()
    echoing(host)
    other, bad = opened(host), opened(host)
    pieces = [b'{"kind":"', *([b""] * 1000), b"in ", b"pieces", b'"}']
    for number, piece in enumerate(pieces):
        last = int(number == len(pieces) - 1)
        bad.send_frame(ABNF(fin=last, opcode=0 if number else 1, data=piece))
    whole = decoded_web_message(bad.recv())
    try:
        for number in range(40):
            opcode = ABNF.OPCODE_CONT if number else ABNF.OPCODE_BINARY
            bad.send_frame(ABNF(fin=0, opcode=opcode, data=bytes(60_000)))
    except OSError:
        pass  # It is closed before the end.
    try:
        closed = int.from_bytes(bad.recv_data()[1][:2], "big")
    except OSError:
        closed = 1009  # A reset overtook the close frame.
    other.send('{"kind":"still here"}')

    assert ({"echo": {"kind": "in pieces"}}, b"") == whole
    assert 1009 == closed
    assert ({"echo": {"kind": "still here"}}, b"") == decoded_web_message(other.recv())
    bad.shutdown()
    other.shutdown()


def test_message_that_fails_ends_its_page_and_is_told(
    start_host: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """With a code, so that the page can say so."""
    host = start_host()
    echoes = echoing(host)
    page = opened(host)
    page.send('{"kind":"fail"}')
    opcode, data = page.recv_data()
    page.shutdown()

    assert (8, 1011) == (opcode, int.from_bytes(data[:2], "big"))
    assert echoes[0].closed.wait(10)
    assert "could not be served" in caplog.text


def test_thousand_half_open_sockets_leave_pages_alone(start_host: Start) -> None:
    """They say half a request and wait; whoever says a whole one is served."""
    host = start_host()
    echoing(host)
    host.page("/", "token.html")
    page = opened(host)
    half = []
    for _ in range(1000):
        one = socket.create_connection(("127.0.0.1", host.port), timeout=10)
        one.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        half.append(one)
    page.send('{"kind":"still here"}')

    assert ({"echo": {"kind": "still here"}}, b"") == decoded_web_message(page.recv())
    assert 200 == said(host, path_of(host))[0]
    page.shutdown()
    for one in half:
        one.close()


def test_page_that_does_not_read_is_let_go(start_host: Start) -> None:
    """What waits for it has a bound."""
    host = start_host()
    echoes = echoing(host)
    page = opened(host)
    page.send('{"kind":"hello"}')
    page.recv()
    for _ in range(40):
        echoes[0].channel.send({"kind": "sound"}, bytes(1 << 20))

    assert echoes[0].closed.wait(10)
    page.shutdown()


def test_closing_ends_pages_with_a_word(start_host: Start) -> None:
    """1001, by which a page knows that the program has ended."""
    host = start_host()
    echoing(host)
    page = opened(host)
    host.close()
    opcode, data = page.recv_data()
    page.shutdown()

    assert (8, 1001) == (opcode, int.from_bytes(data[:2], "big"))
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", host.port), timeout=10)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"host": "0.0.0.0"}, "other machines"),
        ({"host": "0.0.0.0", "password": "long enough"}, "tls"),
        ({"host": "192.0.2.1"}, "other machines"),
        ({"password": "long enough"}, "tls"),
        ({"token": "short"}, "token"),
        ({"port": 1 << 16}, "port"),
        ({"allowed_hosts": "evil.example"}, "allowed_hosts"),
    ],
    ids=str,
)
def test_what_would_let_others_in_is_refused(
    start_host: Start, options: dict[str, Any], word: str
) -> None:
    """At the line that asks for it, with what to do instead."""
    with pytest.raises(ConfigurationError, match=word):
        start_host(**options)


def test_path_is_served_once(start_host: Start) -> None:
    """Two rooms that take the same path are told, and neither hides the other."""
    host = start_host()
    host.page("/", "token.html")

    for path in ("/", "/static/x", "x"):
        with pytest.raises(ConfigurationError, match=path):
            host.page(path, "token.html")


def test_route_that_fails_says_nothing_of_why(start_host: Start) -> None:
    """What went wrong may hold a key."""

    def fails(asked: Asked) -> Answer:
        raise RuntimeError("sk-secret")

    host = start_host()
    host.route("/fails", fails)

    assert (500, "Internal Server Error") == said(host, path_of(host, "/fails"))[::2]
    assert 405 == said(host, path_of(host, "/fails"), method="DELETE")[0]
    assert 404 == said(host, path_of(host, "/nowhere"))[0]


ELSEWHERE = (
    "/%09/evil.example",
    "/%2Fevil.example/",
    "/%5Cevil.example",
    "/a%0d%0aX-Evil:%201",
)
"""Paths that a redirection to them would lead away from this machine."""


def test_token_and_password_are_in_no_log(
    start_host: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests are logged with their address, and the token is in it."""
    caplog.set_level(1)
    host = start_host()
    host.page("/", "token.html")
    echoing(host)
    said(host, path_of(host))
    said(host, path_of(host, "/nowhere"))
    said(host, path_of(host), Origin="http://evil.example")
    opened(host).shutdown()
    host.close()

    assert "GET /nowhere" in caplog.text
    assert host.access.token not in caplog.text


def test_password_lets_in_and_ten_wrong_ones_lock(start_host: Start) -> None:
    """By TLS, which other machines have to speak."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    host = start_host(tls=server, password="correct horse")
    host.page("/", "token.html")
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    def post(password: str, path: str = "/") -> tuple[int, str, str]:
        connection = http.client.HTTPSConnection(
            "localhost", host.port, timeout=10, context=client
        )
        connection.request("POST", path, f"password={password}", form)
        answer = connection.getresponse()
        told = answer.status, answer.getheader("Location", ""), answer.read().decode()
        connection.close()
        return told

    right = post("correct+horse")
    led = [post("correct+horse", path)[1] for path in ELSEWHERE]
    wrong = [post("wrong") for _ in range(10)]
    late = post("correct+horse")

    assert (303, path_of(host)) == right[:2]
    assert {path_of(host)} == set(led)
    assert {(403, "")} == {each[:2] for each in wrong}
    assert "Wrong password." in wrong[0][2]
    assert 403 == late[0]
    assert "Too many wrong passwords." in late[2]
    assert host.url().startswith("https://")
