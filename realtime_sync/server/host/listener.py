"""
One port for both: WebSocket requests go to the sessions, all others to REST.

Werkzeug's threaded server accepts and reads the request's head; what it would not
do, hand the socket of an upgrade to somebody else, its handler is taught here.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time
from typing import Any, Callable, Optional

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from ...errors import ConfigurationError
from ...transport.logs import area_logger
from .origin import RequestOrigin

_log = area_logger("realtime_sync.server")
_BACKLOG = 256
_HEAD_SECONDS = 10.0
"""For a whole request, however slowly it drips; an upgrade's for its head."""
MOST_WAITING = 256
"""Connections whose request is not complete; for one more the oldest is dropped."""
_POLL_SECONDS = 0.05
CALLER = "realtime_sync.caller"
"""Where the application finds the `RequestOrigin` in its environment."""

Upgrade = Callable[["ListenerHandler"], None]


class ListenerHandler(WSGIRequestHandler):
    """Serves one connection of the listener, in a thread of its own."""

    timeout = _HEAD_SECONDS
    listener: HostListener

    def setup(self) -> None:
        """Let the listener know of the connection, and begin TLS where it is on."""
        if self.listener.tls is not None:
            self.request.settimeout(_HEAD_SECONDS)
            self.request = self.listener.tls.wrap_socket(
                self.request, server_side=True, do_handshake_on_connect=False
            )
        self.listener.joined(self.request)
        try:
            if self.listener.tls is not None:
                self.request.do_handshake()
        except OSError:
            # finish() is not called for what could not be set up.
            self.listener.left(self.request)
            self.request.close()
            raise
        super().setup()

    def finish(self) -> None:
        """Let the listener forget the connection."""
        try:
            super().finish()
        except (OSError, ValueError):
            pass  # The client is gone; there is nothing left to flush.
        finally:
            self.listener.left(self.connection)
            if self.listener.tls is not None:
                self.connection.close()

    def run_wsgi(self) -> None:
        """Give an upgrade to the sessions, everything else to the application."""
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.close_connection = True
            self.listener.heard_out(self.connection)
            self.listener.upgrade(self)
        else:
            super().run_wsgi()

    def make_environ(self) -> dict[str, Any]:
        """Add the caller: werkzeug lets an absolute target replace the host."""
        return {**super().make_environ(), CALLER: self.caller()}

    def caller(self) -> RequestOrigin:
        """Return what the request says of where it comes from."""
        return RequestOrigin(
            hosts=self.headers.get_all("Host", []),
            origins=self.headers.get_all("Origin", []),
            address=self.connection.getsockname()[0],
        )

    def early_bytes(self) -> bytes:
        """Return what was read behind the request's head; does not block."""
        self.connection.setblocking(False)
        try:
            return bytes(self.rfile.peek())  # type: ignore[attr-defined]
        except ssl.SSLWantReadError:
            return b""

    def log(self, type: str, message: str, *args: object) -> None:
        """Log to this package's logger; werkzeug would write to the console."""
        _log.debug(message, *args)


def _listener_client_failed(request: object, client_address: object) -> None:
    _log.info("! a connection failed: %s", sys.exc_info()[1])


class HostListener:
    """
    Accepts connections on one port until it is closed.

    Args:
        host: address to bind.
        port: port to bind; 0 takes a free one.
        app: WSGI application for plain requests.
        upgrade: serves a WebSocket request; called in the connection's thread.
        tls: context to speak TLS with; None for plain TCP.

    Raises:
        ConfigurationError: the address cannot be bound.
    """

    def __init__(
        self,
        host: str,
        port: int,
        app: Callable[..., Any],
        upgrade: Upgrade,
        tls: Optional[ssl.SSLContext] = None,
    ) -> None:
        self.upgrade = upgrade
        self.tls = tls
        # Guards _connections, _threads and _waiting, which has its oldest first.
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._waiting: dict[socket.socket, float] = {}
        self._server = self._bind(host, port, app)
        self.port: int = self._server.port
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": _POLL_SECONDS},
            name=f"realtime-server-{self.port}",
            daemon=True,
        )
        self._thread.start()

    def _bind(self, host: str, port: int, app: Callable[..., Any]) -> BaseWSGIServer:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        number = isinstance(port, int) and not isinstance(port, bool)
        if not number or not 0 <= port < 1 << 16:
            raise ConfigurationError(f"cannot listen on port {port!r}")
        try:
            # Bound here, because werkzeug ends the process when it cannot.
            bound = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as exc:
            raise ConfigurationError(
                f"cannot listen on {host} port {port}: {exc.strerror or exc}"
            ) from exc
        handler = type("BoundHandler", (ListenerHandler,), {"listener": self})
        with bound:
            server = make_server(
                host,
                port,
                app,
                threaded=True,
                request_handler=handler,
                fd=bound.fileno(),
            )
        # A client that breaks off its handshake is not worth a traceback.
        setattr(server, "handle_error", _listener_client_failed)
        setattr(server, "service_actions", self.drop_slow)
        return server

    def joined(self, connection: socket.socket) -> None:
        """Take note of a connection; called in its thread."""
        thread = threading.current_thread()
        thread.name = f"realtime-server-{self.port}-connection"
        with self._lock:
            self._connections.add(connection)
            self._waiting[connection] = time.monotonic()
            while len(self._waiting) > MOST_WAITING:
                self._drop_oldest()
            # Dropped here, not as they leave: a thread that has left still runs for
            # a moment, and close() has to wait for that one too.
            self._threads = {t for t in self._threads if t.is_alive()} | {thread}

    def left(self, connection: socket.socket) -> None:
        """Forget a connection; called in its thread."""
        with self._lock:
            self._connections.discard(connection)
            self._waiting.pop(connection, None)

    def heard_out(self, connection: socket.socket) -> None:
        """Let a connection take its time: its request is complete."""
        with self._lock:
            self._waiting.pop(connection, None)

    def drop_slow(self) -> None:
        """Shut down what has not said its request in time; called now and then."""
        with self._lock:
            latest = time.monotonic() - _HEAD_SECONDS
            while self._waiting and next(iter(self._waiting.values())) < latest:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        assert self._lock.locked()
        connection = next(iter(self._waiting))
        del self._waiting[connection]
        try:
            # Its thread, which reads from it, notices. Not SSLSocket's own shutdown,
            # which drops the TLS object under that thread.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
        except OSError:
            pass  # The client was quicker.

    def stop_accepting(self) -> None:
        """Close the port; connections go on."""
        self._server.shutdown()
        self._thread.join()

    def drop_connections(self) -> list[threading.Thread]:
        """Shut every socket down; returns the threads that are about to end."""
        with self._lock:
            threads = [t for t in self._threads if t is not threading.current_thread()]
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # The client was quicker.
        return threads

    def threads(self) -> list[threading.Thread]:
        """Return the threads of the connections that are open."""
        with self._lock:
            return [t for t in self._threads if t is not threading.current_thread()]
