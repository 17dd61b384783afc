"""Where carriers bring the sound of a worker's calls: a socket for each."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Thread, current_thread
from typing import Any, Optional

from attrs import frozen

from ... import call_control
from ...audio.telephony import TWILIO, CallBridge, Carrier
from ...deadline import Deadline
from ...errors import ConfigurationError, RealtimeError
from ...transport.logs import area_logger
from .carrier_ports import PORTS, CarrierSocket
from .errors import NoAnswer
from .records import Order

_log = area_logger("realtime_sync.contrib.celery")

CONNECTS = 0.1
"""Seconds between two looks whether a call is over that a carrier is to bring."""

READY = 30.0
"""Seconds that a carrier's socket waits for the session to open."""


@frozen(kw_only=True)
class Line:
    """
    How carriers reach a worker, and how a worker places calls.

    Each worker listens, and each call has a key of its own that nobody can guess: the
    path of a WebSocket, the UUID of an AudioSocket. TLS is for a proxy in front of it.

    Attributes:
        carrier: who brings the calls.
        host: address to listen on.
        port: the same for all workers of a machine only if there is one; 0 for any.
        url: called with the port that was taken; says by which URL the carrier reaches
            this very worker, without the key. By default that of this machine's own
            loopback.
        account: called once in each worker; who places calls. None if it places none.
        patience: seconds for the carrier to connect, ringing included.

    Raises:
        ConfigurationError: the carrier places no calls, and has an account.
    """

    carrier: Carrier = TWILIO
    host: str = "127.0.0.1"
    port: int = 0
    url: Optional[Callable[[int], str]] = None
    account: Optional[Callable[[], call_control.Account]] = None
    patience: float = 60.0

    def __attrs_post_init__(self) -> None:
        if self.account is not None and self.carrier.transport != "websocket":
            raise ConfigurationError(
                f"{self.carrier.name} places no calls for an account: leave it out, "
                "and let the switchboard dial"
            )

    def base_url(self, port: int) -> str:
        """By which URL the carrier reaches this worker, without the key."""
        if self.url is not None:
            return self.url(port).rstrip("/")
        return f"{PORTS[self.carrier.transport][0]}://127.0.0.1:{port}"


class ListenerStream:
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
        self.socket: Optional[CarrierSocket] = None
        self.bridge: Optional[CallBridge] = None

    def send(self, message: Any) -> None:
        """Send the carrier a message."""
        assert self.socket is not None
        self.socket.send(message)


class FleetListener:
    """
    Takes the sockets of carriers, in a worker.

    Args:
        line: how it is reached.

    Raises:
        ConfigurationError: a package is missing, or there is no account.
        OSError: the port cannot be had.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._account = line.account() if line.account else None
        # Guards the streams that are expected, and who carries.
        self._lock = Lock()
        self._expected: dict[str, ListenerStream] = {}
        self._carrying: set[Thread] = set()
        make = PORTS[line.carrier.transport][1]
        self._port = make(line.host, line.port, self._take)
        self._url = line.base_url(self._port.number)

    def expect(self) -> ListenerStream:
        """A URL that is good for one socket."""
        key = self._port.key()
        stream = ListenerStream(f"{self._url}/{key}")
        with self._lock:
            self._expected[key] = stream
        return stream

    def bring(
        self, stream: ListenerStream, order: Order, call_id: str, over: Event
    ) -> None:
        """
        Place the call, if it is to be placed, and wait for its sound.

        Raises:
            ConfigurationError: there is no account to place calls with.
            NoAnswer: nobody has brought it, or the call is over.
            RestError: the carrier refused to place it.
        """
        to, caller = order.to, order.caller
        if to is not None and caller is not None:
            if self._account is None:
                raise ConfigurationError("to place calls, give the line an account")
            call_control.dial(self._account, to, caller=caller, stream_url=stream.url)
        self.wait_there(stream, call_id, over)

    def wait_there(self, stream: ListenerStream, call_id: str, over: Event) -> None:
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

    def forget(self, stream: ListenerStream) -> None:
        """Expect it no more, and let its thread go."""
        with self._lock:
            self._expected = {
                key: each for key, each in self._expected.items() if each != stream
            }
        stream.over.set()
        stream.ready.set()

    def close(self, timeout: float = 5.0) -> None:
        """Take no sockets any more, and wait for those that end."""
        deadline = Deadline(timeout)
        self._port.close()
        with self._lock:
            carrying = list(self._carrying)
        for thread in carrying:
            thread.join(deadline.remaining())

    def _take(self, key: str, socket: CarrierSocket) -> None:
        """One socket from its begin to its end, in a thread of its own."""
        with self._lock:
            stream = self._expected.pop(key, None)
            if stream is not None:
                self._carrying.add(current_thread())
        if stream is None:
            _log.warning("! a socket that no call expects")
            socket.close("no call expects this")
            return
        try:
            self._serve(stream, socket)
        finally:
            with self._lock:
                self._carrying.discard(current_thread())

    def _serve(self, stream: ListenerStream, socket: CarrierSocket) -> None:
        stream.socket = socket
        stream.there.set()
        stream.ready.wait(READY)
        try:
            if stream.bridge is not None:
                self._carry(stream.bridge, socket)
        except Exception as exc:
            # Should never run, and would end a thread that others wait for.
            _log.error("! a carrier's socket has failed", exc_info=exc)
        finally:
            stream.over.set()
            socket.close()

    def _carry(self, bridge: CallBridge, socket: CarrierSocket) -> None:
        try:
            while not bridge.ended.is_set():
                message = socket.receive()
                if message is not None:
                    bridge.receive(message)
        except (OSError, RealtimeError) as exc:
            _log.info("= the carrier: %s", exc)
        finally:
            # A carrier that has gone without a word has ended the call as well.
            bridge.close()
