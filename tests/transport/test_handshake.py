"""The way to an open WebSocket, and the ways to fail on it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, Optional

import pytest
import websocket._core
from attrs import evolve

from realtime_sync import connect as connect_session
from realtime_sync.deadline import Cancellation, Deadline
from realtime_sync.errors import (
    AuthenticationFailed,
    ConnectFailed,
    ConnectRateLimited,
)
from realtime_sync.transport.handshake import (
    Address,
    HandshakeRefused,
    handshaken_socket,
)
from tests.certificates import tls_pair
from tests.rawserver import Peer, RawServer
from tests.tinyproxy import TinyProxy

KEY = "sk-test-1234567890abcdef"
SHORT = 0.3
SLACK = 5.0
"""Seconds that a busy machine may take longer."""


def dial(server: RawServer, timeout: float = 5.0, **fields: Any) -> Any:
    """The socket of a finished handshake with a server."""
    fields.setdefault("headers", {"Authorization": f"Bearer {KEY}"})
    return handshaken_socket(
        Address(url=f"{server.url}/realtime?model=m", **fields), Deadline(timeout)
    )


def test_the_request_asks_for_the_upgrade_with_our_headers() -> None:
    """One request: path and query, key, and no ``Origin``, which browsers send."""
    with RawServer(Peer.upgrade) as server:
        dial(server).close()

    (head,) = server.heads
    assert head.startswith("GET /v1/realtime?model=m HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}" in head
    assert "Origin" not in head


@pytest.mark.parametrize("echoed", [None, "realtime", "something-else"])
def test_any_sub_protocol_in_the_answer_is_accepted(echoed: Optional[str]) -> None:
    """Some servers echo none, some one that was not offered."""

    def script(peer: Peer) -> None:
        peer.read_head()
        extra = () if echoed is None else (f"Sec-WebSocket-Protocol: {echoed}",)
        peer.raw(peer.accepted(*extra))

    with RawServer(script) as server:
        dial(server, subprotocols=["realtime", "openai-insecure-api-key.k"]).close()

    assert "realtime, openai-insecure-api-key.k" in server.heads[0]


@pytest.mark.parametrize(
    "status", ["400 Bad Request", "404 Not Found", "500 Internal Server Error"]
)
def test_a_status_in_the_place_of_the_upgrade_is_a_refusal(status: str) -> None:
    """With status, headers by lower-case name, and body."""
    with RawServer(lambda p: p.refuse(status, "X-Why: so", body=b"no")) as server:
        with pytest.raises(HandshakeRefused) as caught:
            dial(server)

    assert int(status[:3]) == caught.value.status
    assert "so" == caught.value.headers["x-why"]
    assert b"no" == caught.value.body


def test_a_redirect_is_not_followed() -> None:
    """The key never goes to a host that somebody else has chosen."""
    with RawServer(Peer.upgrade) as elsewhere:
        target = f"Location: {elsewhere.url}/realtime"
        with RawServer(lambda p: p.refuse("302 Found", target)) as server:
            with pytest.raises(HandshakeRefused) as caught:
                dial(server)

    assert 302 == caught.value.status
    assert [] == elsewhere.heads


def test_a_wrong_accept_key_is_refused() -> None:
    """Something answered that does not speak WebSocket, a cache for example."""

    def script(peer: Peer) -> None:
        peer.read_head()
        accepted = peer.accepted()
        at = accepted.index(b"Accept: ") + 8
        other = b"A" if accepted[at : at + 1] != b"A" else b"B"
        peer.raw(accepted[:at] + other + accepted[at + 1 :])

    with RawServer(script) as server:
        with pytest.raises(ConnectFailed) as caught:
            dial(server)

    assert not caught.value.retryable


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 101", b"\x00\xff\xfe\r\n\r\n", b"SSH-2.0-x\r\n\r\n"]
)
def test_an_answer_that_is_no_answer_is_a_failure(answer: bytes) -> None:
    """Garbage, or half an answer and the end of the connection."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw(answer)

    with RawServer(script) as server:
        with pytest.raises(ConnectFailed, match="handshake|connect"):
            dial(server)


INTERIM = {
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n",
    "processing": b"HTTP/1.1 102 Processing\r\n\r\n",
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n",
    "one that nobody knows": b"HTTP/1.1 199 Whatever\nX-A: b\n\n",
    "no reason": b"HTTP/1.0 100\r\n\r\n",
    "many": b"HTTP/1.1 102 Processing\r\n\r\n" * 10,
}


@pytest.mark.parametrize("before", INTERIM.values(), ids=INTERIM)
def test_interim_answers_are_read_over(before: bytes) -> None:
    """And nothing of the frames that come with the answer that counts."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw(before + peer.accepted() + b"frames")
        peer.rest()

    with RawServer(script) as server:
        sock = dial(server)
        assert b"frames" == sock.recv(100)
        sock.close()


@pytest.mark.parametrize("before", INTERIM.values(), ids=INTERIM)
def test_a_refusal_after_interim_answers_is_a_refusal(before: bytes) -> None:
    """Its status, its headers and its body are those that count."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw(before + b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")

    with RawServer(script) as server:
        with pytest.raises(HandshakeRefused) as caught:
            dial(server)

    assert (401, b"no") == (caught.value.status, caught.value.body)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 11, "interim answers"),
        (b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"a" * 300_000, "bytes"),
        (b"HTTP/1.1 103 Early Hints\r\nX: " + b"a" * 300_000, "bytes"),
        (b"a" * 300_000, "bytes"),
        (
            b"HTTP/1.1 500 Broken\r\nContent-Length: 9000000\r\n\r\n" + b"a" * 300_000,
            "bytes",
        ),
    ],
    ids=["interim answers", "header", "interim header", "no answer", "refusal"],
)
def test_an_answer_without_an_end_is_given_up(answer: bytes, words: str) -> None:
    """Before the time is up, and before it has filled the memory."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw(answer)
        peer.rest()

    with RawServer(script) as server:
        with pytest.raises(ConnectFailed, match=words):
            dial(server, 60)


def test_nobody_listening_is_a_failure_that_may_pass() -> None:
    """The message names the host, not the key."""
    with RawServer(Peer.upgrade) as server:
        pass
    with pytest.raises(ConnectFailed) as caught:
        dial(server)

    assert caught.value.retryable
    assert f"127.0.0.1:{server.port}" in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_silent_server_is_given_up_at_the_deadline() -> None:
    """It takes the connection and says nothing."""
    with RawServer(Peer.rest) as server:
        started = monotonic()
        with pytest.raises(ConnectFailed) as caught:
            dial(server, SHORT)
        took = monotonic() - started

    assert caught.value.retryable
    assert SHORT * 0.9 <= took < SHORT + SLACK


def test_an_answer_byte_by_byte_is_given_up_at_the_deadline() -> None:
    """
    The deadline holds for the whole, not for each read.

    Every byte comes well within the deadline, and there is no end of them.
    """

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw(b"HTTP/1.1 101 Switching Protocols\r\nX-Slow: ")
        while not server.stopping.wait(SHORT / 10):
            peer.raw(b"z")

    with RawServer(script) as server:
        started = monotonic()
        with pytest.raises(ConnectFailed):
            dial(server, SHORT)
        took = monotonic() - started

    assert took < SHORT + SLACK


def test_an_abandoned_handshake_leaves_no_thread() -> None:
    """Its socket is shut down, so that its thread ends as well."""
    with RawServer(Peer.rest) as server:
        with pytest.raises(ConnectFailed):
            dial(server, 0.05)
        left = [t for t in threading.enumerate() if t.name == "realtime-sync handshake"]
        for thread in left:
            thread.join(2)

        assert [] == [thread for thread in left if thread.is_alive()]


def test_giving_up_while_it_connects_leaves_no_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is no socket to shut yet; it is shut as soon as it is there."""
    real = websocket._core.connect
    connected, go_on = threading.Event(), threading.Event()

    def held(*args: Any, **kwargs: Any) -> Any:
        taken = real(*args, **kwargs)
        connected.set()
        go_on.wait(5)
        return taken

    monkeypatch.setattr(websocket._core, "connect", held)
    given_up = Cancellation()
    with RawServer(Peer.rest) as server:
        address = Address(url=f"{server.url}/realtime", headers={})

        def dial_in_vain() -> None:
            with pytest.raises(ConnectFailed):
                handshaken_socket(address, Deadline(60), given_up)

        caller = threading.Thread(target=dial_in_vain)
        caller.start()
        connected.wait(5)
        given_up.cancel()
        caller.join(5)
        go_on.set()
        left = [t for t in threading.enumerate() if t.name == "realtime-sync handshake"]
        for thread in left:
            thread.join(5)

        assert [] == [thread for thread in left if thread.is_alive()]


def test_tls_is_verified() -> None:
    """A certificate nobody vouches for is refused, and trying again is no use."""
    with RawServer(Peer.upgrade, tls=tls_pair()[0]) as server:
        with pytest.raises(ConnectFailed, match="(?i)certificate") as caught:
            dial(server)

    assert [] == server.heads
    assert not caught.value.retryable


def test_tls_with_the_users_settings_is_accepted() -> None:
    """A context of the caller's own, for a private authority."""
    with RawServer(Peer.upgrade, tls=tls_pair()[0]) as server:
        dial(server, ssl_context=tls_pair()[1]).close()

    assert 1 == len(server.heads)


def test_a_server_that_never_answers_tls_is_given_up_at_the_deadline() -> None:
    """A plain server behind a ``wss`` URL, for example."""
    with RawServer(Peer.rest) as server:
        address = Address(
            url=server.url.replace("ws:", "wss:"),
            headers={},
            ssl_context=tls_pair()[1],
        )
        started = monotonic()
        with pytest.raises(ConnectFailed):
            handshaken_socket(address, Deadline(SHORT))
        took = monotonic() - started

    assert took < SHORT + SLACK


def test_an_address_shows_no_secret() -> None:
    """Its repr may end up in a log."""
    address = Address(
        url=f"wss://u:{KEY}@h/v1?api_key={KEY}&model=m", headers={"api-key": KEY}
    )

    assert KEY not in repr(address)
    assert "model=m" in repr(address)


# -- the same as `connect` tells it ------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        ("401 Unauthorized", AuthenticationFailed, False),
        ("403 Forbidden", AuthenticationFailed, False),
        ("404 Not Found", ConnectFailed, False),
        ("400 Bad Request", ConnectFailed, False),
        ("302 Found", ConnectFailed, False),
        ("429 Too Many Requests", ConnectRateLimited, True),
        ("500 Internal Server Error", ConnectFailed, True),
        ("503 Service Unavailable", ConnectFailed, True),
    ],
)
def test_connect_tells_what_a_status_means(
    status: str, kind: type[ConnectFailed], retryable: bool
) -> None:
    """The class, the status, whether to try again, and the server's words."""
    body = b'{"error": {"message": "words of the server", "code": "some_code"}}'
    headers = ("Retry-After: 7", "Location: ws://127.0.0.1:9/")
    with RawServer(lambda peer: peer.refuse(status, *headers, body=body)) as server:
        with pytest.raises(ConnectFailed) as caught:
            connect_session("m", base_url=server.url, api_key=KEY)

    error = caught.value
    assert kind is type(error)
    assert int(status[:3]) == error.status
    assert retryable == error.retryable
    assert KEY not in str(error)
    if kind is ConnectRateLimited:
        assert 7.0 == error.retry_after  # type: ignore[attr-defined]


def test_connect_keeps_a_key_that_the_server_says_back_to_itself() -> None:
    """Error pages show the request's headers sometimes."""

    def script(peer: Peer) -> None:
        peer.refuse("401 Unauthorized", body=f"bad key: {KEY}".encode())

    with RawServer(script) as server:
        with pytest.raises(AuthenticationFailed) as caught:
            connect_session("m", base_url=server.url, api_key=KEY)

    assert "bad key" in str(caught.value)
    assert KEY not in str(caught.value)


def test_connect_timeout_holds_for_a_slow_handshake() -> None:
    """And the session can be opened again afterwards."""
    with RawServer(Peer.rest) as server:
        started = monotonic()
        with pytest.raises(ConnectFailed):
            connect_session(
                "m", base_url=server.url, api_key=KEY, connect_timeout=SHORT
            )

        assert monotonic() - started < SHORT + SLACK


def test_the_socket_of_a_handshake_is_closed_by_who_is_at_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Whoever gives up only shuts it down.

    The number of a closed socket is given to the next connection, and the thread of
    the handshake would write the rest of its request there.
    """
    near, far = socket.socketpair()
    at_it, go_on = threading.Event(), threading.Event()

    def connect(client: Any, url: str, **options: Any) -> None:
        client.sock = near
        at_it.set()
        go_on.wait(5)
        raise OSError("it was shut down")

    monkeypatch.setattr(websocket.WebSocket, "connect", connect)
    given_up = Cancellation()
    address = Address(url="ws://127.0.0.1:1", headers={})
    watcher = threading.Thread(target=lambda: at_it.wait(5) and given_up.cancel())
    watcher.start()
    with pytest.raises(ConnectFailed):
        handshaken_socket(address, Deadline(5), given_up)
    number = near.fileno()
    rest = far.recv(1)
    go_on.set()
    watcher.join(5)
    for thread in threading.enumerate():
        if thread.name == "realtime-sync handshake":
            thread.join(5)

    assert -1 != number
    assert b"" == rest
    assert -1 == near.fileno()
    far.close()


# -- through a proxy ----------------------------------------------------------


def drip(before: bytes, end: Callable[[], threading.Event]) -> Callable[[Peer], None]:
    """A proxy that begins an answer and goes on with it byte by byte."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw(before)
        while not end().wait(SHORT / 10):
            peer.raw(b"z")

    return script


ENDLESS = {
    "its head": b"HTTP/1.1 200 OK\r\nX-Slow: ",
    "its first line": b"HTTP/1.1 200 ",
    "an interim answer": b"HTTP/1.1 103 Early Hints\r\nX-Slow: ",
    "no answer at all": b"",
}


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("before", ENDLESS.values(), ids=ENDLESS)
def test_a_proxy_whose_answer_never_ends_is_given_up_at_the_deadline(
    before: bytes, scheme: str
) -> None:
    """Its thread ends as well: the socket is shut, whatever it is at."""
    with RawServer(drip(before, lambda: server.stopping)) as server:
        address = Address(
            url=f"{scheme}://far.example/v1",
            headers={},
            proxy=f"http://127.0.0.1:{server.port}",
        )
        started = monotonic()
        with pytest.raises(ConnectFailed) as caught:
            handshaken_socket(address, Deadline(SHORT))
        took = monotonic() - started

        assert [] == handshakes_after(2)
    assert took < SHORT + SLACK
    assert caught.value.retryable


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_a_proxy_that_says_nothing_is_given_up_when_it_is_not_wanted(
    scheme: str,
) -> None:
    """`close` does not wait for ``connect_timeout``."""
    given_up, asked = Cancellation(), threading.Event()

    def script(peer: Peer) -> None:
        peer.read_some()
        asked.set()
        peer.rest()

    with RawServer(script) as server:
        proxy = f"{scheme}://127.0.0.1:{server.port}"
        address = Address(url="ws://far.example/v1", headers={}, proxy=proxy)

        def dial_in_vain() -> None:
            with pytest.raises(ConnectFailed):
                handshaken_socket(address, Deadline(60), given_up)

        caller = threading.Thread(target=dial_in_vain)
        caller.start()
        assert asked.wait(5)
        given_up.cancel()
        caller.join(5)

        assert not caller.is_alive()
        assert [] == handshakes_after(5)


def test_a_server_behind_a_proxy_that_never_answers_tls_is_given_up() -> None:
    """The tunnel is there, and nothing comes through it."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw(b"HTTP/1.1 200 OK\r\n\r\n")
        peer.rest()

    with RawServer(script) as server:
        proxy = f"http://127.0.0.1:{server.port}"
        address = Address(url="wss://far.example/v1", headers={}, proxy=proxy)
        with pytest.raises(ConnectFailed):
            handshaken_socket(address, Deadline(SHORT))

        assert [] == handshakes_after(2)


REFUSALS = {
    "login": (b"HTTP/1.1 407 Authentication Required\r\n\r\n", "407", False),
    "forbidden": (b"HTTP/1.1 403 No\r\n\r\n", "403", False),
    "no answer": (b"SSH-2.0-x\r\n\r\n", "proper answer", False),
    "hung up": (b"HTTP/1.1 2", "ended the connection", True),
    "half an answer": (b"HTTP/1.1 200 OK\r\nVia: x\r\n", "ended the connection", True),
    "endless": (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000, "bytes", True),
}


@pytest.mark.parametrize(
    ("answer", "words", "retryable"), REFUSALS.values(), ids=REFUSALS
)
def test_a_proxy_that_does_not_connect_is_a_failure(
    answer: bytes, words: str, retryable: bool
) -> None:
    """Which says what the proxy said; what is lasting is not tried again."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw(answer)

    with RawServer(script) as server:
        proxy = f"http://u:{KEY}@127.0.0.1:{server.port}"
        address = Address(url="ws://far.example/v1", headers={}, proxy=proxy)
        with pytest.raises(ConnectFailed, match=words) as caught:
            handshaken_socket(address, Deadline(5))

    assert retryable == caught.value.retryable
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("before", INTERIM.values(), ids=INTERIM)
def test_interim_answers_of_a_proxy_are_read_over(before: bytes) -> None:
    """And the tunnel begins right behind the answer that counts."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw(before + b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n")
        peer.read_head()
        peer.raw(peer.accepted())

    with RawServer(script) as server:
        proxy = f"http://u:p%40ss@127.0.0.1:{server.port}"
        address = Address(url="ws://[2001:db8::1]:8080/v1", headers={}, proxy=proxy)
        handshaken_socket(address, Deadline(5)).close()

    assert server.heads[0].startswith("CONNECT [2001:db8::1]:8080 HTTP/1.1\r\n")
    assert server.heads[0].endswith("Proxy-Authorization: Basic dTpwQHNz")


@pytest.mark.parametrize("kind", ["http", "socks5h"])
def test_tls_behind_a_proxy_is_verified(kind: str) -> None:
    """Against the server's name, not the proxy's."""
    with RawServer(Peer.upgrade, tls=tls_pair()[0]) as server:
        with TinyProxy(server.port) as proxy:
            address = Address(
                url=f"wss://localhost:{server.port}/v1",
                headers={},
                proxy=f"{kind}://127.0.0.1:{proxy.port}",
                ssl_context=tls_pair()[1],
            )
            handshaken_socket(address, Deadline(5)).close()
            strange = evolve(address, url="wss://far.example/v1")
            with pytest.raises(ConnectFailed, match="(?i)certificate") as caught:
                handshaken_socket(strange, Deadline(5))

    assert not caught.value.retryable
    assert 1 == len(server.heads)


def stalled(*steps: bytes) -> Callable[[Peer], None]:
    """A SOCKS proxy that answers so many steps, and then says one byte at a time."""

    def script(peer: Peer) -> None:
        for step in steps:
            peer.read_some()
            peer.raw(step)
        peer.read_some()
        peer.raw(b"\x05")
        peer.rest()

    return script


CHOSEN, WITH_LOGIN, LET_IN = b"\x05\x00", b"\x05\x02", b"\x01\x00"
CONNECTED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00"
STALLED = {
    "socks5, the methods": ("socks5h", ()),
    "socks5, the login": ("socks5h", (WITH_LOGIN,)),
    "socks5, the address": ("socks5h", (CHOSEN,)),
    "socks5, after a login": ("socks5h", (WITH_LOGIN, LET_IN)),
    "socks5, the server behind it": ("socks5h", (CHOSEN, CONNECTED)),
    "socks4, the address": ("socks4a", ()),
}


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize(("kind", "steps"), STALLED.values(), ids=STALLED)
def test_a_socks_proxy_that_stalls_is_given_up_at_the_deadline(
    kind: str, steps: tuple[bytes, ...], scheme: str
) -> None:
    """At every step; no thread is left at it."""
    with RawServer(stalled(*steps)) as server:
        address = Address(
            url=f"{scheme}://far.example/v1",
            headers={},
            proxy=f"{kind}://u:{KEY}@127.0.0.1:{server.port}",
        )
        started = monotonic()
        with pytest.raises(ConnectFailed) as caught:
            handshaken_socket(address, Deadline(SHORT))
        took = monotonic() - started

        assert [] == handshakes_after(2)
    assert took < SHORT + SLACK
    assert KEY not in str(caught.value)


SOCKS_REFUSALS = {
    "no method fits": ((b"\x05\xff",), False),
    "wrong login": ((WITH_LOGIN, b"\x01\x01"), False),
    "not allowed": ((CHOSEN, b"\x05\x02\x00\x01" + bytes(6)), True),
    "no such host": ((CHOSEN, b"\x05\x04\x00\x01" + bytes(6)), True),
    "no SOCKS": ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), True),
}


@pytest.mark.parametrize(
    ("answers", "retryable"), SOCKS_REFUSALS.values(), ids=SOCKS_REFUSALS
)
def test_a_socks_proxy_that_does_not_connect_is_a_failure(
    answers: tuple[bytes, ...], retryable: bool
) -> None:
    """A login that is refused once is refused again."""

    def script(peer: Peer) -> None:
        for answer in answers:
            peer.read_some()
            peer.raw(answer)

    with RawServer(script) as server:
        proxy = f"socks5h://u:{KEY}@127.0.0.1:{server.port}"
        address = Address(url="ws://far.example/v1", headers={}, proxy=proxy)
        with pytest.raises(ConnectFailed) as caught:
            handshaken_socket(address, Deadline(5))

    assert retryable == caught.value.retryable
    assert KEY not in str(caught.value)


def test_a_socks_4_proxy_is_told_a_name_and_a_user() -> None:
    """With the letter it resolves the name itself."""
    asked: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.read_some()
        asked.append(peer._buffer)
        peer._buffer = b""
        peer.raw(b"\x00\x5a" + bytes(6))
        peer.read_head()
        peer.raw(peer.accepted())

    with RawServer(script) as server:
        proxy = f"socks4a://me@127.0.0.1:{server.port}"
        address = Address(url="ws://far.example:8080/v1", headers={}, proxy=proxy)
        handshaken_socket(address, Deadline(5)).close()

    assert [b"\x04\x01\x1f\x90\x00\x00\x00\x01me\x00far.example\x00"] == asked


def handshakes_after(patience: float) -> list[threading.Thread]:
    """Threads of handshakes that do not end in so many seconds."""
    left = [t for t in threading.enumerate() if t.name == "realtime-sync handshake"]
    for thread in left:
        thread.join(patience)
    return [thread for thread in left if thread.is_alive()]
