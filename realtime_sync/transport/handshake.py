"""
The way to an open WebSocket: TCP, proxy, TLS and the HTTP upgrade.

The only importer of websocket-client, which does all of these.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Optional

from attrs import frozen

from ..deadline import Cancellation, Deadline, Flag
from ..errors import ConnectFailed
from .final_answer import FinalAnswer
from .proxies import need_socks_proxy
from .redaction import redact, redacted_url
from .tunnel import TunnelRefused, tunnelled_socket

if TYPE_CHECKING:
    import websocket


@frozen(kw_only=True)
class Address:
    """
    Where and how to connect.

    Attributes:
        url: ``ws://`` or ``wss://``, query included.
        headers: request headers; they hold secrets.
        subprotocols: offered sub-protocols; they may hold secrets too.
        proxy: proxy URL with port (``http://``, ``socks5://`` ...), or None.
        ssl_context: TLS settings, or None for the defaults.
        max_frame_size: largest inbound message in bytes.
    """

    url: str
    headers: Mapping[str, str]
    subprotocols: Sequence[str] = ()
    proxy: Optional[str] = None
    ssl_context: Optional[ssl.SSLContext] = None
    max_frame_size: Optional[int] = 64 << 20

    def __repr__(self) -> str:
        return f"Address({redacted_url(self.url)!r})"


class HandshakeRefused(Exception):
    """
    The server answered the upgrade with an HTTP status; internal.

    Attributes:
        status: HTTP status.
        headers: response headers, lower-case names.
        body: response body, possibly empty.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"HTTP status {status}")
        self.status = status
        self.headers = {key.lower(): value for key, value in headers.items()}
        self.body = body


def handshaken_socket(
    address: Address, deadline: Deadline, given_up: Optional[Cancellation] = None
) -> Any:
    """
    A connected socket whose server has agreed to speak WebSocket.

    Args:
        address: where and how.
        deadline: for all of it.
        given_up: ends it before the deadline.

    Raises:
        ConfigurationError: what the proxy needs is not installed.
        HandshakeRefused: the server answered with another status than 101.
        ConnectFailed: there was no connection, or no proper answer in time.
    """
    import websocket

    if address.proxy:
        need_socks_proxy(address.proxy)
    attempt = _HandshakeAttempt(address, deadline)
    if given_up is not None:
        given_up.attach(attempt.give_up)
    try:
        return attempt.result(deadline)
    except websocket.WebSocketBadStatusException as exc:
        refused = HandshakeRefused(
            exc.status_code, exc.resp_headers or {}, exc.resp_body or b""
        )
    except websocket.WebSocketException as exc:
        exc.args = (redact(str(exc)),)
        raise ConnectFailed(
            f"handshake with {_handshake_host_header(address)} failed: "
            f"{redact(str(exc))}",
            retryable=isinstance(exc, _passing_handshake_failures()),
        ) from exc
    except (OSError, ValueError) as exc:
        raise ConnectFailed(
            f"cannot connect to {_handshake_host_header(address)}: {redact(str(exc))}",
            retryable=not isinstance(exc, _LASTING),
        ) from exc
    finally:
        if given_up is not None:
            try:
                given_up.detach(attempt.give_up)
            except BaseException:  # An interrupt: nobody gets the socket any more.
                attempt.abandon()
                raise
    # Out here it has no context: the library's exception quotes the answer, and
    # with it the key, if the server said it back.
    raise refused


_LASTING = (ssl.SSLCertVerificationError, TunnelRefused)
"""Failures after which trying again is no use."""


class _HandshakeAttempt:
    """
    One handshake, in a thread of its own, once it is asked for its result.

    Only so is the whole bounded by one deadline: looking up a name takes no
    timeout, and the library's own holds for each read, which a server that
    sends its answer byte by byte can do for ever.
    """

    def __init__(self, address: Address, deadline: Deadline) -> None:
        self._client = _handshake_client(address, self._has_socket)
        headers = dict(address.headers)
        if address.subprotocols:
            # As a plain header: the library refuses a server that echoes none.
            headers["Sec-WebSocket-Protocol"] = ", ".join(address.subprotocols)
        self._address = address
        self._deadline = deadline
        self._options: dict[str, Any] = {
            "header": headers,
            "timeout": deadline.remaining(),
            "redirect_limit": 0,
            "suppress_origin": True,
            "http_no_proxy": ["*"],  # Else the library asks the environment.
        }
        # Guards the decision whose the socket is: the caller's or nobody's. Nobody
        # closes it while the thread is at it: its number is given to the next
        # connection, which the thread would then read from and write to.
        self._lock = Lock()
        self._abandoned = self._ended = False
        self._error: Optional[BaseException] = None
        self._over = Flag()

    def result(self, deadline: Deadline) -> Any:
        """
        Make the handshake: the upgraded socket, which is the caller's from here on.

        Raises:
            Exception: whatever websocket-client raised.
            TimeoutError: it is not done by the deadline.
        """
        try:
            # Not before: an interrupt on the way here leaves nobody at work.
            Thread(
                target=self._run, name="realtime-sync handshake", daemon=True
            ).start()
            if not self._over.wait(deadline.remaining()):
                raise TimeoutError("the handshake took too long")
            _check_handshake(self._client)
            if self._error is not None:
                raise self._error
        except BaseException:
            self.abandon()
            raise
        return self._client.connection

    def give_up(self) -> None:
        """Let `result` raise at once. From any thread."""
        with self._lock:
            if not self._over.is_set():
                self._error = ConnectionAbortedError("it is not wanted any more")
                self._over.set()

    def _run(self) -> None:
        try:
            if self._address.proxy:
                self._options["socket"] = self._through_proxy()
            self._client.connect(self._address.url, **self._options)
        except BaseException as exc:
            error: Optional[BaseException] = exc
        else:
            error = None
        with self._lock:
            if not self._over.is_set():
                self._error = error
                self._over.set()
            self._ended = True
            abandoned = self._abandoned
        if abandoned:
            _close_after_handshake(self._client.connection)

    def _through_proxy(self) -> socket.socket:
        # Not left to the library: it shows no socket while the proxy answers.
        assert self._address.proxy is not None
        return tunnelled_socket(
            self._address.url,
            self._address.proxy,
            self._deadline,
            ssl_context=self._address.ssl_context,
            known=self._use,
        )

    def _use(self, connection: socket.socket) -> None:
        """From now on a caller that gives up shuts this one."""
        with self._lock:
            self._client.connection = connection
            if self._abandoned:
                raise ConnectionAbortedError("it is not wanted any more")

    def abandon(self) -> None:
        """Close the socket, now or when the thread is done with it."""
        with self._lock:
            self._abandoned = True
            ended = self._ended
        if ended:
            _close_after_handshake(self._client.connection)
        else:
            _shut_during_handshake(
                self._client.connection
            )  # The thread notices, and closes it.

    def _has_socket(self) -> None:
        """What nobody wants is shut before the server is waited for."""
        with self._lock:
            abandoned = self._abandoned
        if abandoned:
            _shut_during_handshake(self._client.connection)


def _handshake_client(address: Address, has_socket: Callable[[], None]) -> Any:
    """
    The library's client, which tells as soon as there is a socket to shut.

    It has none to show while it connects; who gives up then would leave it waiting
    for the server's first word until the time is up.
    """
    import websocket

    class Client(websocket.WebSocket):
        connection: Optional[socket.socket] = None
        _answer: Optional[FinalAnswer] = None

        @property
        def sock(self) -> Any:
            return self._answer

        @sock.setter
        def sock(self, sock: Optional[socket.socket]) -> None:
            self.connection = sock
            self._answer = None if sock is None else FinalAnswer(sock)
            if sock is not None:
                has_socket()

    return Client(sslopt=_handshake_ssl_options(address), enable_multithread=False)


def _passing_handshake_failures() -> tuple[type[Exception], ...]:
    """Failures of a handshake after which trying again may do better."""
    import websocket

    return (
        websocket.WebSocketTimeoutException,
        websocket.WebSocketConnectionClosedException,
        websocket.WebSocketAddressException,
    )


def _shut_during_handshake(connection: Optional[socket.socket]) -> None:
    """Shut a connection down, if there is one; a thread that reads notices."""
    try:
        # Not SSLSocket.shutdown: it drops the SSL object under the other thread.
        if connection is not None:
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except (OSError, TypeError):
        pass


def _close_after_handshake(connection: Optional[socket.socket]) -> None:
    """Release a connection, once nobody else uses it."""
    _shut_during_handshake(connection)
    if connection is not None:
        connection.close()


def _handshake_ssl_options(address: Address) -> dict[str, Any]:
    # Done with the first write: until then a caller that gives up finds no socket.
    options: dict[str, Any] = {"do_handshake_on_connect": False}
    if address.ssl_context is not None:
        options["context"] = address.ssl_context
    return options


def _check_handshake(client: websocket.WebSocket) -> None:
    """
    Make a redirect a refusal: the library lets it pass, or hides its status.

    Raises:
        HandshakeRefused: the server answered with another status than 101.
    """
    answer = client.handshake_response
    if answer is not None and answer.status != 101:
        raise HandshakeRefused(answer.status, answer.headers or {}, b"") from None


def _handshake_host_header(address: Address) -> str:
    from urllib.parse import urlsplit

    return urlsplit(address.url).netloc.rpartition("@")[2]
