"""Where carriers bring the sound of a worker's calls: a WebSocket for each."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Optional

from attrs import field, frozen

from ...audio.telephony import TWILIO, CallBridge, Carrier
from ...deadline import Deadline
from ...errors import ConfigurationError, RealtimeError, install_command
from ...transport.logs import area_logger
from .errors import NoAnswer

if TYPE_CHECKING:
    from ... import call_control

_log = area_logger("realtime_sync.contrib.celery")

CONNECTS = 0.1
"""Seconds between two looks whether a call is over that a carrier is to bring."""

READY = 30.0
"""Seconds that a carrier's socket waits for the session to open."""


def _on_this_machine(port: int) -> str:
    return f"ws://127.0.0.1:{port}"


@frozen(kw_only=True)
class Line:
    """
    How carriers reach a worker, and how a worker places calls.

    Each worker listens, and each call has a path of its own that nobody can guess. TLS
    is for a proxy in front of it.

    Attributes:
        carrier: who brings the calls, by WebSocket.
        host: address to listen on.
        port: the same for all workers of a machine only if there is one; 0 for any.
        url: called with the port that was taken; says by which URL the carrier reaches
            this very worker, without the path.
        account: called once in each worker; who places calls. None if it places none.
        patience: seconds for the carrier to connect, ringing included.
    """

    carrier: Carrier = TWILIO
    host: str = "127.0.0.1"
    port: int = 0
    url: Callable[[int], str] = field(default=_on_this_machine)
    account: Optional[Callable[[], call_control.Account]] = None
    patience: float = 60.0


class Stream:
    """
    The socket of one call: expected, then there, then over.

    Args:
        url: where the carrier is to connect to.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.there = Event()
        self.ready = Event()
        self.over = Event()
        self.socket: Any = None
        self.bridge: Optional[CallBridge] = None

    def send(self, message: Any) -> None:
        """Send the carrier a message."""
        self.socket.send(message)


class Listener:
    """
    Takes the sockets of carriers, in a worker.

    Args:
        line: how it is reached.

    Raises:
        ConfigurationError: websockets is not installed.
        OSError: the port cannot be had.
    """

    def __init__(self, line: Line) -> None:
        try:
            from websockets.sync.server import serve
        except ImportError:
            raise ConfigurationError(
                f"to take a carrier's sockets: {install_command('server')}"
            ) from None
        self._line = line
        # Guards the streams that are expected.
        self._lock = Lock()
        self._expected: dict[str, Stream] = {}
        self._server = serve(self._take, line.host, line.port, compression=None)
        port: int = self._server.socket.getsockname()[1]
        self._url = line.url(port).rstrip("/")
        self._thread = Thread(
            target=self._server.serve_forever,
            name="realtime-sync fleet listener",
            daemon=True,
        )
        self._thread.start()

    def expect(self) -> Stream:
        """A URL that is good for one socket."""
        token = secrets.token_urlsafe(24)
        stream = Stream(f"{self._url}/{token}")
        with self._lock:
            self._expected[f"/{token}"] = stream
        return stream

    def wait_there(self, stream: Stream, call_id: str, over: Event) -> None:
        """
        Wait until the carrier has connected, or the call is over.

        Raises:
            NoAnswer: it has not.
        """
        deadline = Deadline(self._line.patience)
        while not stream.there.wait(deadline.limited(CONNECTS).remaining()):
            if deadline.passed or over.is_set():
                self.forget(stream)
                raise NoAnswer(
                    f"the carrier did not bring the sound of call {call_id}",
                    call_id=call_id,
                )

    def forget(self, stream: Stream) -> None:
        """Expect it no more, and let its thread go."""
        with self._lock:
            self._expected = {
                path: each for path, each in self._expected.items() if each != stream
            }
        stream.over.set()
        stream.ready.set()

    def close(self) -> None:
        """Take no sockets any more."""
        self._server.shutdown()
        self._thread.join(5.0)

    def _take(self, socket: Any) -> None:
        """One socket from its begin to its end, in a thread of its own."""
        with self._lock:
            stream = self._expected.pop(socket.request.path, None)
        if stream is None:
            _log.warning("! a socket that no call expects: %s", socket.remote_address)
            socket.close(1008, "no call expects this")
            return
        stream.socket = socket
        stream.there.set()
        stream.ready.wait(READY)
        try:
            if stream.bridge is not None:
                self._carry(stream.bridge, socket)
        finally:
            stream.over.set()
            socket.close()

    def _carry(self, bridge: CallBridge, socket: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            while not bridge.ended.is_set():
                try:
                    message = socket.recv(timeout=1.0)
                except TimeoutError:
                    continue
                bridge.receive(message)
        except ConnectionClosed:
            _log.info("= the carrier has gone")
        except RealtimeError as exc:
            _log.warning("! a carrier's message: %s", exc)
