"""
The way through a proxy: TCP, what it is asked, and TLS with the server behind it.

Whoever gives up must be able to shut the socket at every step, so it is shown as
soon as it is there.
"""

from __future__ import annotations

import os
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final, Optional
from urllib.parse import SplitResult, unquote, urlsplit

from ..deadline import Deadline
from .final_answer import FinalAnswer

Known = Callable[[socket.socket], None]
"""Is shown a socket from which on it is waited; raises when nobody wants it."""

_PORTS = {"ws": 80, "wss": 443}

_SOCKS: Final = {
    "socks4": ("SOCKS4", False),
    "socks4a": ("SOCKS4", True),
    "socks5": ("SOCKS5", False),
    "socks5h": ("SOCKS5", True),
}
"""Kind of proxy -> its protocol in PySocks, and whether it resolves names itself."""


class TunnelRefused(ConnectionError):
    """A proxy answered that it does not connect us."""


def tunnelled_socket(
    url: str,
    proxy: str,
    deadline: Deadline,
    *,
    ssl_context: Optional[ssl.SSLContext],
    known: Known,
) -> socket.socket:
    """
    Connect to a server through a proxy.

    Args:
        url: of the server, ``ws://`` or ``wss://``.
        proxy: URL with port, and a login if it wants one.
        deadline: for each wait.
        ssl_context: TLS settings, or None for the defaults.
        known: is shown each socket.

    Returns:
        A socket that speaks to the server; of TLS the handshake comes with the first
        write.

    Raises:
        TunnelRefused: the proxy does not connect us.
        OSError: it cannot be reached, or gives no answer.
    """
    server, by = urlsplit(url), urlsplit(proxy)
    target = server.hostname or "", server.port or _PORTS[server.scheme]
    through = _tunnel_through_http if by.scheme == "http" else _tunnel_through_socks
    sock = through(by, target, deadline, known)
    if server.scheme == "wss":
        try:
            sock = _tunnel_over_tls(sock, target[0], ssl_context)
            known(sock)
        except BaseException:
            sock.close()
            raise
    return sock


def _tunnel_through_http(
    by: SplitResult, target: tuple[str, int], deadline: Deadline, known: Known
) -> socket.socket:
    """A tunnel through a proxy that is asked for it by ``CONNECT``."""
    (host, port), connect = target, socket.socket.connect
    sock: socket.socket
    sock = _tunnel_connected_through(
        by, deadline, known, make=socket.socket, connect=connect
    )
    try:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        head = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n"
        if by.username is not None:
            login = f"{unquote(by.username)}:{unquote(by.password or '')}"
            head += (
                f"Proxy-Authorization: Basic {b64encode(login.encode()).decode()}\r\n"
            )
        sock.sendall(f"{head}\r\n".encode())
        _read_tunnel_consent(FinalAnswer(sock))
    except BaseException:
        sock.close()
        raise
    return sock


def _tunnel_through_socks(
    by: SplitResult, target: tuple[str, int], deadline: Deadline, known: Known
) -> socket.socket:
    """A tunnel through a proxy that speaks SOCKS."""
    import socks

    version, resolves = _SOCKS[by.scheme]
    login = unquote(by.username or "") or None, unquote(by.password or "") or None

    def connect(sock: socks.socksocket, place: tuple[Any, ...]) -> None:
        kind = getattr(socks, version)
        sock.set_proxy(kind, place[0], place[1], resolves, *login)
        sock.connect(target)

    try:
        sock = _tunnel_connected_through(
            by, deadline, known, make=socks.socksocket, connect=connect
        )
    except socks.ProxyError as exc:
        # The library puts its own errors into one that says "Socket error".
        if isinstance(exc.socket_err or exc, socks.SOCKS5AuthError):
            raise TunnelRefused(f"the proxy refused: {exc.socket_err or exc}") from exc
        raise
    # From here on it is a socket like any other; that of the library reads in a way of
    # its own. Shown before anything waits for it: the first one is nobody's any more.
    tunnel = socket.socket(fileno=sock.detach())
    try:
        known(tunnel)
        tunnel.settimeout(deadline.remaining())
    except BaseException:
        tunnel.close()
        raise
    return tunnel


def _tunnel_connected_through(
    by: SplitResult,
    deadline: Deadline,
    known: Known,
    *,
    make: Callable[..., Any],
    connect: Callable[[Any, tuple[Any, ...]], None],
) -> Any:
    """
    A connection with the first of the proxy's addresses that takes one.

    Args:
        by: the proxy.
        deadline: for each wait.
        known: is shown each socket.
        make: makes a socket of a family, a kind and a protocol.
        connect: connects one with an address.
    """
    failure: OSError = ConnectionError(f"{by.hostname} has no address")
    for family, kind, protocol, _, place in socket.getaddrinfo(
        by.hostname or "", by.port or 80, type=socket.SOCK_STREAM
    ):
        sock = make(family, kind, protocol)
        try:
            known(sock)
            sock.settimeout(deadline.remaining())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connect(sock, place)
            return sock
        except OSError as exc:
            sock.close()
            failure = exc
        except BaseException:
            sock.close()
            raise
    raise failure


def _read_tunnel_consent(answer: FinalAnswer) -> None:
    """
    Read the head of an answer, and nothing beyond it.

    Raises:
        TunnelRefused: it is not 200, or is none.
        ConnectionError: the connection ended before it.
    """
    status = _whole_tunnel_line(answer).split(None, 2)
    if len(status) < 2 or not status[0].startswith(b"HTTP/"):
        raise TunnelRefused("the proxy gave no proper answer to CONNECT")
    if status[1] != b"200":
        words = b" ".join(status[1:]).decode("latin-1").strip()
        raise TunnelRefused(f"the proxy refused CONNECT: {words}")
    while _whole_tunnel_line(answer).strip():
        pass


def _whole_tunnel_line(answer: FinalAnswer) -> bytes:
    line = answer.line()
    # Half an answer is no consent, least of all on a socket that somebody has shut.
    if not line.endswith(b"\n"):
        raise ConnectionError("the proxy ended the connection before it answered")
    return line


def _tunnel_over_tls(
    sock: socket.socket, host: str, context: Optional[ssl.SSLContext]
) -> ssl.SSLSocket:
    if context is None:
        bundle = os.environ.get("WEBSOCKET_CLIENT_CA_BUNDLE") or None
        folder = bundle is not None and os.path.isdir(bundle)
        context = ssl.create_default_context(
            cafile=None if folder else bundle, capath=bundle if folder else None
        )
    # As without a proxy: who the server is gets checked in any case.
    context.check_hostname, context.verify_mode = True, ssl.CERT_REQUIRED
    return context.wrap_socket(
        sock, server_hostname=host, do_handshake_on_connect=False
    )
