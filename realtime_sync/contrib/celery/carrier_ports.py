"""
Where the sockets of carriers come in: WebSockets, and plain TCP for AudioSocket.

A port knows how its sockets are read and written, and by which key each says for which
call it is; whose they are then is the business of the `FleetListener`.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from contextlib import ExitStack
from selectors import EVENT_READ, DefaultSelector
from threading import Event, Lock, Thread, current_thread
from typing import Any, Protocol, Union
from uuid import UUID, uuid4

from ...deadline import Deadline
from ...errors import ConfigurationError, install_command
from ...transport.logs import area_logger

_log = area_logger("realtime_sync.contrib.celery")

LOOK = 1.0
"""Seconds after which a reader looks whether its call is over."""

NAMES_ITSELF = 10.0
"""Seconds in which a TCP connection must say for which call it is."""

MOST_UNNAMED = 256
"""TCP connections that have not said that yet; one more is closed at once."""

AGAIN = 0.1
"""Seconds after which a port takes sockets again that the system had no room for."""

THREAD = "realtime-sync fleet carrier"


class CarrierSocket(Protocol):
    """One socket of a carrier."""

    def send(self, message: Any) -> None:
        """Send a message."""

    def receive(self) -> Union[str, bytes, None]:
        """
        The next message; None when there is none yet.

        Raises:
            OSError: the carrier has gone.
        """

    def close(self, reason: str = "") -> None:
        """End it, and whatever waits for it. Any thread."""


Take = Callable[[str, CarrierSocket], None]
"""Has a socket from its begin to its end, by its key; in a thread of its own."""


class CarrierPort(Protocol):
    """Takes sockets until it is closed."""

    number: int

    def key(self) -> str:
        """A key that is good for one socket, and that nobody can guess."""

    def close(self) -> None:
        """Take no sockets any more."""


class _CarrierWebSocket:
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def send(self, message: Any) -> None:
        self._inner.send(message)

    def receive(self) -> Union[str, bytes, None]:
        from websockets.exceptions import ConnectionClosed

        try:
            found: Union[str, bytes] = self._inner.recv(timeout=LOOK)
        except TimeoutError:
            return None
        except ConnectionClosed as exc:
            raise OSError(f"the carrier has gone: {exc}") from exc
        return found

    def close(self, reason: str = "") -> None:
        self._inner.close(1008 if reason else 1000, reason)


class CarrierWebSocketPort:
    """
    WebSockets, each at a path of its own: that is its key.

    Raises:
        ConfigurationError: websockets is not installed.
        OSError: the port cannot be had.
    """

    def __init__(self, host: str, port: int, take: Take) -> None:
        try:
            from websockets.sync.server import serve
        except ImportError:
            raise ConfigurationError(
                f"to take a carrier's sockets: {install_command('server')}"
            ) from None

        def handle(inner: Any) -> None:
            current_thread().name = THREAD
            take(inner.request.path.lstrip("/"), _CarrierWebSocket(inner))

        self._server = serve(handle, host, port, compression=None)
        self.number: int = self._server.socket.getsockname()[1]
        self._thread = Thread(
            target=self._server.serve_forever,
            name="realtime-sync fleet listener",
            daemon=True,
        )
        self._thread.start()

    def key(self) -> str:
        """A path."""
        return secrets.token_urlsafe(24)

    def close(self) -> None:
        """Take no sockets any more."""
        self._server.shutdown()
        self._thread.join(5.0)


class _CarrierTcpSocket:
    """
    A socket of AudioSocket, whose first message is the id of its call.

    It blocks where it sends, as half of a message cannot be taken back; `close` wakes
    whoever does.
    """

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        self._read = b""
        self._readable = DefaultSelector()
        self._readable.register(inner, EVENT_READ)

    def named(self) -> str:
        """
        For which call it is.

        Raises:
            OSError: it has gone, or said nothing in time.
            ValueError: that is no AudioSocket.
        """
        deadline = Deadline(NAMES_ITSELF)
        while len(self._read) < _NAME_BYTES:
            # However slowly it drips.
            self._inner.settimeout(deadline.remaining() or 0.001)
            piece = self._inner.recv(_NAME_BYTES - len(self._read))
            if not piece:
                raise OSError("it has gone")
            self._read += piece
        self._inner.settimeout(None)
        self._inner.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._read[:3] != _NAME_HEAD:
            raise ValueError(f"it begins with {self._read[:3]!r}")
        return str(UUID(bytes=self._read[3:]))

    def send(self, message: Any) -> None:
        self._inner.sendall(message)

    def receive(self) -> Union[str, bytes, None]:
        first, self._read = self._read, b""
        if first:
            return first
        if not self._readable.select(LOOK):
            return None
        piece = self._inner.recv(4096)
        if not piece:
            raise OSError("the carrier has gone")
        return piece

    def close(self, reason: str = "") -> None:
        try:
            self._inner.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # The carrier was quicker.

    def release(self) -> None:
        """Give back what it holds of the system; in the thread that reads."""
        self._readable.close()
        self._inner.close()


_NAME_HEAD = b"\x01\x00\x10"
"""Type and length of the message with a UUID, of which there are 16 bytes."""

_NAME_BYTES = 19


class CarrierTcpPort:
    """
    Plain TCP for Asterisk's AudioSocket: the key is the UUID that it says first.

    Nothing is encrypted and nobody is asked for a password but for that.

    Raises:
        OSError: the port cannot be had.
    """

    def __init__(self, host: str, port: int, take: Take) -> None:
        self._take = take
        # Guards how many have not said yet for which call they are.
        self._lock = Lock()
        self._unnamed: set[_CarrierTcpSocket] = set()
        self._over = Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server(
            (host, port), family=family, backlog=MOST_UNNAMED
        )
        self.number: int = self._listener.getsockname()[1]
        self._thread = Thread(
            target=self._run, name="realtime-sync fleet listener", daemon=True
        )
        self._thread.start()

    def key(self) -> str:
        """A UUID."""
        return str(uuid4())

    def close(self) -> None:
        """Take no sockets any more."""
        self._over.set()
        try:
            # Wakes the thread in `accept`, which closing it would not do.
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # Not every system does that to a socket that listens.
        self._listener.close()
        with self._lock:
            unnamed = list(self._unnamed)
        for each in unnamed:
            each.close()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._accept()
            except (OSError, RuntimeError) as exc:
                # Too many files or threads, or a peer that has gone already. That
                # passes, and the calls of this worker still wait for their sound.
                if not self._over.wait(AGAIN):
                    _log.warning("! a socket could not be taken: %s", exc)

    def _accept(self) -> None:
        """
        Take one socket.

        Raises:
            OSError: it cannot be had.
            RuntimeError: there is no thread for it.
        """
        inner, address = self._listener.accept()
        with ExitStack() as undo:
            undo.callback(inner.close)
            with self._lock:
                room = len(self._unnamed) < MOST_UNNAMED
            if not room:
                _log.warning("! too many sockets that say for no call: %s", address)
                return
            line = _CarrierTcpSocket(inner)
            undo.callback(line.release)
            thread = Thread(
                target=self._serve, args=(line, address), name=THREAD, daemon=True
            )
            # Only this thread adds, so that there is room still.
            with self._lock:
                self._unnamed.add(line)
            undo.callback(self._named, line)
            thread.start()
            undo.pop_all()

    def _serve(self, line: _CarrierTcpSocket, address: object) -> None:
        try:
            key = self._key_of(line, address)
            if key:
                self._take(key, line)
        finally:
            line.release()

    def _key_of(self, line: _CarrierTcpSocket, address: object) -> str:
        try:
            return line.named()
        except (OSError, ValueError) as exc:
            _log.warning("! a socket that says for no call: %s: %s", address, exc)
            return ""
        finally:
            self._named(line)

    def _named(self, line: _CarrierTcpSocket) -> None:
        """Count it no more as one that has not said for which call it is."""
        with self._lock:
            self._unnamed.discard(line)


PORTS: dict[str, tuple[str, Callable[[str, int, Take], CarrierPort]]] = {
    "websocket": ("ws", CarrierWebSocketPort),
    "tcp": ("tcp", CarrierTcpPort),
}
"""How a carrier brings its sound -> the URL's scheme, and what takes it."""
