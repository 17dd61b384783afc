"""
One WebSocket of a page: a loop in one thread, and what others have it send.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from ..server.host.websocket import HostWebSocket, TextMessage
from ..transport.logs import area_logger
from .messages import Message, decoded_web_message, encoded_web_message

_log = area_logger("realtime_sync.web")

MOST_WAITING = 8 << 20
"""Bytes that may wait for a page that does not read; it is let go with one more."""

_PING_SECONDS = 15.0
_SILENT_SECONDS = 40.0
"""After which a page that answers no ping is given up: a closed lid, no network."""
_CLOSE_SECONDS = 1.0
_BAD_MESSAGE, _LAGGING, _FAILED = 1007, 1008, 1011


class ChannelPage(Protocol):
    """Who serves a page's WebSocket. Called in the thread of its channel."""

    def receive(self, message: Message, sound: bytes) -> None:
        """Take what the page says; must not wait long, nothing else is read."""

    def close(self) -> None:
        """The page is gone."""


Serve = Callable[["Channel"], ChannelPage]
"""Called for a page that opens a WebSocket; in the thread of its channel."""


class Channel:
    """
    What a page is sent by.

    Args:
        wire: the WebSocket, its handshake done; belongs to the thread of `run`.
        clock: seconds, monotonic.
    """

    def __init__(
        self, wire: HostWebSocket, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._wire = wire
        self._clock = clock
        # Guards what waits to be written, and how the channel is to end.
        self._lock = threading.Lock()
        self._outbox: deque[bytes] = deque()
        self._waiting = 0
        self._ending: tuple[int, str] | None = None
        self._waker, self._wakened = socket.socketpair()
        self._waker.setblocking(False)
        self._wakened.setblocking(False)

    def send(self, message: Message, sound: bytes = b"") -> None:
        """
        Send an object and the bytes that belong to it.

        Any thread; never waits. A page that does not read what it is sent is let
        go when `MOST_WAITING` bytes wait for it.
        """
        data = encoded_web_message(message, sound)
        with self._lock:
            if self._ending is not None:
                return
            if self._waiting + len(data) > MOST_WAITING:
                _log.warning("! a page does not read: let go")
                self._ending = _LAGGING, "too slow"
                self._outbox.clear()
            else:
                self._outbox.append(data)
                self._waiting += len(data)
        self._wake()

    def stop(self, code: int = 1000, reason: str = "") -> None:
        """End with a close frame, after what was sent. Any thread; never waits."""
        with self._lock:
            if self._ending is None:
                self._ending = code, reason
        self._wake()

    def _wake(self) -> None:
        try:
            self._waker.send(b"!")
        except OSError:
            pass  # It is awake already, or closed.

    def run(self, page: ChannelPage, early: bytes = b"") -> None:
        """
        Serve until the page is gone or `stop` was called.

        Args:
            page: told what comes.
            early: bytes that came together with the handshake.
        """
        heard = pinged = self._clock()
        close_by: float | None = None
        with selectors.DefaultSelector() as selector:
            selector.register(self._wakened, selectors.EVENT_READ)
            selector.register(self._wire.socket, selectors.EVENT_READ)
            if early:
                self._take(page, early)
            while not self._over(close_by):
                self._write()
                if not self._wire.open and close_by is None:
                    # Time for the page to answer the close frame.
                    close_by = self._clock() + _CLOSE_SECONDS
                events = selectors.EVENT_READ
                events |= selectors.EVENT_WRITE if self._wire.buffer else 0
                selector.modify(self._wire.socket, events)
                patience = _PING_SECONDS if close_by is None else 0.1
                for key, found in selector.select(patience):
                    if key.fileobj is self._wakened:
                        self._drain()
                    elif found & selectors.EVENT_READ:
                        heard = self._clock()
                        self._take(page, None)
                now = self._clock()
                if now - heard > _SILENT_SECONDS:
                    _log.info("! a page has said nothing for %s s", _SILENT_SECONDS)
                    return
                if now - pinged >= _PING_SECONDS:
                    self._wire.ping(b"ping")
                    pinged = now

    def release(self) -> None:
        """It is over: let go of what the channel holds."""
        with self._lock:
            self._ending = self._ending or (1000, "")
            self._outbox.clear()
        self._waker.close()
        self._wakened.close()

    def _over(self, close_by: float | None) -> bool:
        if self._wire.lost or (self._wire.ended and not self._wire.buffer):
            return True
        return close_by is not None and self._clock() > close_by

    def _write(self) -> None:
        with self._lock:
            # A page that reads slowly fills the outbox, which has a bound.
            while self._outbox and len(self._wire.buffer) < MOST_WAITING // 8:
                data = self._outbox.popleft()
                self._waiting -= len(data)
                self._wire.send_binary(data)
            ending = None if self._outbox else self._ending
        if ending is not None:
            self._wire.close(*ending)
        self._wire.write()

    def _take(self, page: ChannelPage, early: bytes | None) -> None:
        messages = self._wire.read() if early is None else self._wire.feed(early)
        for message in messages:
            with self._lock:
                if self._ending is not None:
                    return
            try:
                text = isinstance(message, TextMessage)
                said, sound = decoded_web_message(
                    message.data.decode("utf-8") if text else message.data
                )
            except ValueError as exc:
                _log.info("! a page says what is not understood: %s", exc)
                self.stop(_BAD_MESSAGE, "not understood")
                return
            try:
                page.receive(said, sound)
            except Exception:
                # Should never run: one message must not take the others with it.
                _log.exception("! a page could not be served")
                self.stop(_FAILED, "failed")
                return

    def _drain(self) -> None:
        try:
            while self._wakened.recv(4096):
                pass
        except (BlockingIOError, InterruptedError):
            pass
