"""
The socket: reading, writing, closing.

After the handshake the socket is non-blocking. A loop waits for it and calls
`ready`, which pushes messages; a sender that must wait does so in ``poll``, outside
of every lock but the send lock. The loop alone closes the socket, others shut it
down and let the loop notice.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, RLock, current_thread, get_ident, main_thread
from time import monotonic
from typing import Optional, cast

from ..deadline import Cancellation, Deadline, held_here
from ..errors import RemoteProtocolError
from . import loop as loops
from .base import Disconnected
from .frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    FrameReader,
    Message,
    client_frame,
    close_frame_payload,
    parse_close_frame,
    text_frames,
)
from .handshake import (
    Address,
    HandshakeRefused,
    handshaken_socket,
)
from .loop import Loop
from .outbox import Outbox, OutboxEntry, Write
from .poller import WRITE, poll_sockets

# Several audio deltas at once: with half of it they cost a fifth more. A little less
# than what the C library takes from the system for each single read, and gives back.
_CHUNK = (1 << 17) - 4096
_NO_CLOSE_FRAME = 1006
# How long a sender that was shut down may take to leave.
_PATIENCE = 1.0
_FULL = (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError)


class WebSocketTransport:
    """
    A WebSocket over TCP or TLS.

    Args:
        sock: connected and upgraded socket; this object owns it from here on.
        max_frame_size: largest inbound message in bytes.
        loop: which waits for the socket; messages are pushed on it.

    Attributes:
        heard_at: when bytes last came in, seconds of the monotonic clock.
        enqueue: puts a message behind those before it; no I/O.
        loop: see above.
        released: whether the socket is closed.
    """

    def __init__(
        self, sock: socket.socket, *, max_frame_size: Optional[int], loop: Loop
    ) -> None:
        self._sock = sock
        self.loop = loop
        self._secure = isinstance(sock, ssl.SSLSocket)
        # Guards the SSL object, which must not be used by two threads at once.
        # A leaf: never held while waiting.
        self._tls = Lock()
        self._reader = FrameReader(max_frame_size)
        self._outbox = Outbox(
            _websocket_writer(sock),
            self._wait_writable,
            full=_FULL,
            guard=self._tls if self._secure else None,
            # The ssl module looks for signals when the bytes are gone already.
            torn_by=(KeyboardInterrupt,) if self._secure else (),
        )
        self.enqueue = self._outbox.enqueue
        # Whether the loop is going to look at what others have queued.
        self._called = False
        # Threads in the middle of calling it: what they have noted may not be done yet.
        self._calling: set[int] = set()
        self._served = False
        self._waited_for = loops.READ
        self._receive: Optional[Callable[[bytes], None]] = None
        self._ended: Optional[Callable[[int, str, Optional[BaseException]], None]]
        self._ended = None
        # Guards the socket's number against `close`: it is given to the next one.
        # Re-entrant, because a signal handler may break off what its thread does.
        self._number = RLock()
        self.released = False
        self._close_sent = False
        self._is_read = False
        self._shut = False
        self.heard_at = monotonic()
        sock.setblocking(False)

    # -- pushing, on the loop ----------------------------------------------------

    def begin(
        self,
        receive: Callable[[bytes], None],
        ended: Callable[[int, str, Optional[BaseException]], None],
    ) -> None:
        """
        From now on push. Any thread; both are called on the loop.

        Args:
            receive: is given every message. What it raises ends this connection.
            ended: is told once: close code, reason and cause.
        """
        # Before the loop knows the socket: it may be ready at once.
        self._receive, self._ended = receive, ended
        # From here on the loop writes for the main thread, see `_interruptible`.
        self._is_read = True
        self.loop.call(self._register)

    def fileno(self) -> int:
        """The number of the socket; -1 once it is closed."""
        return int(self._sock.fileno())

    def ready(self) -> None:
        """
        Read once, and push what is whole; write what the kernel takes.

        One read is the share of a turn. What it brought is not left lying: no
        socket would report it again.
        """
        waited_for = loops.READ
        data: Optional[bytes] = None
        try:
            data = self._read()
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except ssl.SSLWantWriteError:
            waited_for |= loops.WRITE
        except OSError as exc:
            self._end(_NO_CLOSE_FRAME, str(exc), exc)
            return
        if data is not None and not data:
            self._end(_NO_CLOSE_FRAME, "end of stream, no close frame", None)
            return
        if data:
            self.heard_at = monotonic()
            self._reader.feed(data)
            try:
                self._push()
            except Disconnected as exc:
                self._end(exc.code, exc.reason, exc.__cause__)
                return
        self._go_on(waited_for)

    def failed(self, exc: BaseException) -> None:
        """What receiving raised ends this connection alone."""
        self._end(_NO_CLOSE_FRAME, str(exc), exc)

    def _register(self) -> None:
        if self.released:
            return
        try:
            self.loop.add(self)
        except OSError as exc:
            self._end(_NO_CLOSE_FRAME, str(exc), exc)
            return
        self._served = True
        # What came with the answer to the handshake may be decrypted already.
        self.loop.again(self)

    def _push(self) -> None:
        reader, receive = self._reader, self._receive
        assert receive is not None
        while True:
            for payload in reader.texts():
                # What is received may end the connection.
                if self._served:
                    receive(payload)
            message = reader.next() if self._served else None
            if message is None:
                return
            if message.opcode in (TEXT, BINARY):
                receive(message.payload)
            else:
                self._control(message)

    def _go_on(self, waited_for: int) -> None:
        """Wait for what is to be waited for, and do what needs no waiting."""
        if not self._served:
            return
        if not self._outbox.empty:
            self._outbox.drain()
            if self._outbox.stalled:
                # Nobody is writing and something is left: the loop goes on with it.
                waited_for |= loops.WRITE
        if waited_for != self._waited_for:
            self._waited_for = waited_for
            self.loop.change(self, waited_for)
        if self._secure and self._pending():
            self.loop.again(self)

    def _pending(self) -> bool:
        with self._tls:
            return bool(cast(ssl.SSLSocket, self._sock).pending())

    def _look(self) -> None:
        # Cleared first: what is queued from now on is looked at again.
        self._called = False
        self._go_on(loops.READ | (self._waited_for & loops.WRITE))

    def _end(self, code: int, reason: str, cause: Optional[BaseException]) -> None:
        # Taken in one step: reading and writing may both find the end in one turn, and
        # the connection is to be told once.
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(code, reason, cause)

    def _release(self, patience: Deadline) -> bool:
        """Close the socket if no sender uses it any more; whether it is closed."""
        if not self._outbox.closing(Deadline(0)) and not patience.passed:
            return False
        with self._number:
            self.released = True
            self._sock.close()
        return True

    # -- sending and closing, any thread -----------------------------------------

    def prepare(self, payload: bytes) -> OutboxEntry:
        """Mask a text message and cut it into frames."""
        return OutboxEntry(text_frames(payload))

    def flush(self, entry: OutboxEntry, deadline: Deadline) -> None:
        """
        Return when the kernel has a message; frames of several threads never mix.

        Raises:
            ConnectionLost: the connection is broken.
            WaitTimeout: the server takes nothing until the deadline.
        """
        if self._interruptible():
            self._outbox.wake_and_wait(entry, deadline, self._wake)
            return
        try:
            self._outbox.flush(entry, deadline)
        finally:
            if self._outbox.stalled:
                # The loop does not know yet that something is left to write.
                self._wake()

    def flush_now(self, entry: OutboxEntry) -> None:
        """Write what needs no waiting; the loop goes on with the rest."""
        self._outbox.drain()
        self._wake()

    def ping(self) -> None:
        """Queue a ping."""
        self._post_control(client_frame(b"", PING))
        # What the kernel has not taken is left to the loop, and not to what the
        # server says next: it may be waiting for this.
        self._wake()

    def begin_close(self, code: int, reason: str) -> None:
        """Queue a close frame behind what is already queued, once."""
        if not self._close_sent:
            frame = client_frame(close_frame_payload(code, reason), CLOSE)
            # Queued, then noted. An interrupt between the two makes it two frames, of
            # which the first one is the last that is written; the other way round
            # there would be none.
            self._outbox.enqueue(OutboxEntry([frame], final=True))
            self._close_sent = True
        # Else the main thread would tear a TLS stream, see `_interruptible`; the loop
        # that is woken writes it.
        if not self._interruptible():
            self._outbox.drain()
        self._wake()

    def _wake(self) -> None:
        """Make the loop look at what others have queued."""
        ident = get_ident()
        # A signal may strike behind the note that the loop is called: its handler, that
        # may wait for the loop, calls it itself.
        if not self._called or ident in self._calling:
            try:
                self._calling.add(ident)
                self._called = True
                self.loop.call(self._look)
            except BaseException:
                # A Ctrl-C: the loop may know nothing of it, and nobody would tell it
                # again.
                self._called = False
                raise
            finally:
                self._calling.discard(ident)

    def abort(self) -> None:
        """Shut both directions down; the loop and all senders notice."""
        # Before the socket is shut: a sender that this wakes must not wait again. It is
        # not closed here: its number would go to the next connection while a sender
        # still writes to it.
        self._shut = True
        with self._number:
            if not self.released:
                _shut_websocket(self._sock)
        self._wake()

    def held_here(self) -> bool:
        """
        Whether the calling thread is sending, or breaking off: the end waits for it.
        """
        return self._outbox.held_here() or held_here(self._number)

    def close(self) -> None:
        """Close the socket, once no sender uses it. On the loop."""
        if self._outbox.broken is None:
            # Before the socket is shut: a sender that is woken by that must not try
            # again.
            self._outbox.broken = OSError("the connection is closed")
        self.abort()
        self._outbox.release()
        self._served, self._ended = False, None
        # Before it is closed: its number may be another's in the next moment.
        self.loop.remove(self)
        patience = Deadline(_PATIENCE)
        self.loop.call_until(lambda: self._release(patience))

    def unsent(self) -> int:
        """Messages that the kernel does not wholly have."""
        return self._outbox.unsent()

    def _interruptible(self) -> bool:
        """
        Whether a Ctrl-C may strike here between TLS and the count of its bytes.

        It raises in the main thread only, and the ssl module looks for it when the
        bytes are gone: the stream would be torn. So the loop writes for it.
        """
        return self._secure and self._is_read and current_thread() is main_thread()

    def _control(self, message: Message) -> None:
        if message.opcode == PING:
            self._outbox.enqueue_pong(client_frame(message.payload, PONG))
            self._outbox.drain()
        elif message.opcode == CLOSE:
            self._closed_by_peer(message.payload)

    def _post_control(self, frame: bytes, *, final: bool = False) -> None:
        # The loop calls it and must not wait for a sender: if one is writing, it
        # finds the frame when it is done with its own.
        self._outbox.enqueue(OutboxEntry([frame], final=final), control=True)
        self._outbox.drain()

    def _closed_by_peer(self, payload: bytes) -> None:
        code, reason = parse_close_frame(payload)
        if not self._close_sent:
            self._close_sent = True
            answer = payload[:2] or close_frame_payload(1000)
            frame = client_frame(answer, CLOSE)
            self._post_control(frame, final=True)
        raise Disconnected(code, reason)

    def _read(self) -> bytes:
        if not self._secure:
            return self._sock.recv(_CHUNK)
        with self._tls:
            return self._sock.recv(_CHUNK)

    def _wait_writable(self, deadline: Deadline) -> bool:
        if self._shut:
            self._outbox.broken = OSError("the connection was shut down")
            return True
        try:
            return bool(poll_sockets(((self._sock, WRITE),), deadline))
        except (OSError, ValueError) as exc:
            self._outbox.broken = OSError(str(exc))
            return True


def open_websocket(
    address: Address,
    deadline: Deadline,
    given_up: Optional[Cancellation] = None,
    *,
    loop: Loop,
) -> WebSocketTransport:
    """
    Open a connection and do the handshake.

    Args:
        address: where and how.
        deadline: for all of it.
        given_up: ends it before the deadline.
        loop: waits for the socket from then on.

    Raises:
        HandshakeRefused: the server answered with another status than 101.
        ConnectFailed: there was no connection, or no proper answer in time.
    """
    sock = handshaken_socket(address, deadline, given_up)
    try:
        with suppress(OSError):  # Not TCP, for example a Unix socket behind a proxy.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        most = address.max_frame_size
        return WebSocketTransport(sock, max_frame_size=most, loop=loop)
    except BaseException:  # An interrupt: nobody else has it yet.
        sock.close()
        raise


def _websocket_writer(sock: socket.socket) -> Write:
    """
    The function in C that writes to a socket.

    `SSLSocket.send` is written in Python, where an interrupt may come between
    the writing and the answer how much was written.
    """
    secure = getattr(sock, "_sslobj", None)
    write: Write = sock.send if secure is None else secure.write
    return write


def _shut_websocket(sock: socket.socket) -> None:
    try:
        # Not SSLSocket.shutdown: it drops the SSL object under the loop.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except TypeError:  # Not a socket of the standard library.
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


__all__ = [
    "Address",
    "HandshakeRefused",
    "RemoteProtocolError",
    "WebSocketTransport",
    "open_websocket",
]
