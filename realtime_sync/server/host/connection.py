"""
One connection: a loop in one thread that feeds an engine and writes what it says.

The loop waits for three things at once: the socket, the results of jobs, and the
engine's next deadline. Nothing in it blocks, so a client that stops reading or
sends half a frame holds nobody up but itself.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from functools import partial
from typing import Any, Callable, Mapping, Optional, Protocol, Sequence, Union

from ...transport.logs import area_logger
from ..clock import Clock
from ..engine.context import EngineJob
from .fault_injector import Action, FaultInjector, Send
from .outbound import Outbound
from .websocket import BinaryMessage, HostWebSocket, Message, TextMessage
from .workers import HostWorkers

_log = area_logger("realtime_sync.server")
_BUFFER_HIGH = 8 << 20
_CLOSE_SECONDS = 2.0
_NO_CLOSE_FRAME = 1006
_PING_SECONDS = 20.0
_INBOX_LIMIT = 500
_BUSY_SECONDS = 0.25

Frame = Mapping[str, Any]
Event = Callable[[float], list[dict[str, Any]]]


class ConnectionEngine(Protocol):
    """What a connection needs of an engine."""

    @property
    def closing(self) -> Optional[tuple[int, str]]: ...

    @property
    def session_id(self) -> str: ...

    def open(self, now: float) -> list[dict[str, Any]]: ...

    def receive_text(
        self, data: Union[str, bytes], now: float
    ) -> list[dict[str, Any]]: ...

    def receive_binary(self, now: float) -> list[dict[str, Any]]: ...

    def tick(self, now: float) -> list[dict[str, Any]]: ...

    def deadline(self) -> float: ...

    def take_jobs(self) -> list[EngineJob]: ...

    def job_output(
        self, job: EngineJob, piece: object, now: float
    ) -> list[dict[str, Any]]: ...

    def job_done(
        self, job: EngineJob, error: Optional[BaseException], now: float
    ) -> list[dict[str, Any]]: ...

    def expire(self) -> None: ...

    def close(self) -> None: ...


class HostConnection:
    """
    A client's connection, served by the thread that calls `run`.

    Args:
        wire: the WebSocket, its handshake done.
        engine: the session.
        clock: the server's.
        workers: take the engine's jobs.
        sent: called with each frame that is sent.
        received: called with the text of each message that came.
        saboteur: what goes wrong on purpose.
        ping_interval: seconds between pings.
        write_timeout: seconds without progress after which the client is given up.
    """

    def __init__(
        self,
        wire: HostWebSocket,
        engine: ConnectionEngine,
        *,
        clock: Clock,
        workers: HostWorkers,
        sent: Callable[[Frame], None],
        received: Callable[[bytes], None],
        saboteur: Optional[FaultInjector] = None,
        ping_interval: float = _PING_SECONDS,
        write_timeout: float = 60.0,
    ) -> None:
        self.wire = wire
        self.engine = engine
        self._clock = clock
        self._workers = workers
        self._received = received
        self._ping_interval = ping_interval
        self._write_timeout = write_timeout
        self._outbound = Outbound(
            wire,
            saboteur or FaultInjector(),
            sent=sent,
            end=partial(_end_engine_of_connection, engine),
        )
        self._waker, self._wakened = socket.socketpair()
        self._waker.setblocking(False)
        self._wakened.setblocking(False)
        # Guards _inbox, _jobs, _moved, _idle and _finished; told when one changes.
        self._state = threading.Condition()
        self._inbox: deque[Event] = deque()
        self._messages: deque[Message] = deque()
        self._jobs = 0
        self._moved = False
        self._idle = False
        self._finished = False
        self._stopped: Optional[tuple[int, str]] = None
        self._close_by: Optional[float] = None
        self._next_ping = clock.now() + ping_interval
        self._progress = time.monotonic()

    # -- any thread ------------------------------------------------------------

    def stop(self, code: int, reason: str) -> None:
        """End the connection with a close frame; does not wait."""
        self._stopped = (code, reason)
        self._wake()

    def act(self, action: Action) -> None:
        """Do something that the engine did not ask for; does not wait."""

        def event(now: float) -> list[dict[str, Any]]:
            self._outbound.act(action)
            return []

        with self._state:
            self._inbox.append(event)
            self._idle = False
        self._wake()

    def moved(self) -> None:
        """The clock has been moved by hand."""
        with self._state:
            self._moved = True
            self._idle = False
        self._wake()

    def wait_idle(self, timeout: float) -> bool:
        """
        Wait until everything that has arrived is dealt with and written.

        Returns:
            Whether that happened within *timeout* seconds.
        """
        with self._state:
            self._idle = False
        self._wake()
        with self._state:
            return self._state.wait_for(lambda: self._idle or self._finished, timeout)

    def _wake(self) -> None:
        try:
            self._waker.send(b"!")
        except OSError:
            pass  # It is awake already, or closed.

    # -- the loop --------------------------------------------------------------

    def run(self, early: bytes = b"") -> None:
        """
        Serve until the connection ends.

        Args:
            early: bytes of frames that came together with the handshake.
        """
        cancel = self._clock.subscribe(self.moved)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._wakened, selectors.EVENT_READ)
                self._emit(self.engine.open(self._clock.now()))
                if early:
                    self._take(self.wire.feed(early))
                while not self._over():
                    self._step(selector)
        finally:
            cancel()
            self.engine.close()
            self.release()

    def release(self) -> None:
        """It is over, or was never run: let go of what it holds."""
        with self._state:
            self._finished = True
            self._state.notify_all()
        self._waker.close()
        self._wakened.close()

    def _over(self) -> bool:
        if self.wire.lost:
            return True
        if self._close_by is not None and time.monotonic() > self._close_by:
            return True
        ending = self.wire.ended or self._outbound.ending
        return ending and not self.wire.buffer

    def _step(self, selector: selectors.BaseSelector) -> None:
        self._work()
        self._write()
        if self._over():
            return
        self._watch(selector, self._interest())
        for key, events in selector.select(self._patience()):
            if key.fileobj is self._wakened:
                self._drain()
            elif events & selectors.EVENT_READ and not self._outbound.deaf:
                self._take(self.wire.read())

    def _watch(self, selector: selectors.BaseSelector, interest: int) -> None:
        watched = self.wire.socket in selector.get_map()
        if watched and not interest:
            selector.unregister(self.wire.socket)
        elif watched:
            selector.modify(self.wire.socket, interest)
        elif interest:
            selector.register(self.wire.socket, interest)

    def _interest(self) -> int:
        """What the socket is watched for."""
        writing = self.wire.buffer and not self._outbound.blocked
        interest = selectors.EVENT_WRITE if writing else 0
        full = self._messages or len(self.wire.buffer) >= _BUFFER_HIGH
        if not full and not self._outbound.deaf:
            interest |= selectors.EVENT_READ
        return interest

    def _write(self) -> None:
        """Write what the client takes; give up one that takes nothing."""
        written = self._outbound.write(self._clock.now())
        if written or not self.wire.buffer or self._outbound.blocked:
            self._progress = time.monotonic()
        elif time.monotonic() - self._progress > self._write_timeout:
            _log.info("! a client has not read for %s s", self._write_timeout)
            self.wire.lost = True

    def _patience(self) -> Optional[float]:
        """Seconds that the loop may sleep."""
        with self._state:
            if self._inbox or self._moved:
                return 0.0
            caught_up = not self._jobs and not self._messages
        writing = bool(self.wire.buffer) and not self._outbound.blocked
        if writing or self._close_by is not None:
            return _BUSY_SECONDS
        if caught_up:
            if self._readable():
                return 0.0
            with self._state:
                self._idle = True
                self._state.notify_all()
        if self._clock.manual:
            return None
        ends = min(self.engine.deadline(), self._next_ping)
        if self._outbound.deadline is not None:
            ends = min(ends, self._outbound.deadline)
        return max(0.0, ends - self._clock.now())

    def _readable(self) -> bool:
        """Whether bytes of the client wait in the socket."""
        return not self._outbound.deaf and self.wire.has_input()

    def _drain(self) -> None:
        try:
            while self._wakened.recv(4096):
                pass
        except (BlockingIOError, InterruptedError):
            pass

    def _work(self) -> None:
        """Everything that does not depend on the socket."""
        with self._state:
            self._moved = False
            arrived, self._inbox = self._inbox, deque()
            self._state.notify_all()
        now = self._clock.now()
        for event in arrived:
            self._emit(event(now))
        if self.engine.deadline() <= now:
            self._emit(self.engine.tick(now))
        self._answer()
        if now >= self._next_ping:
            self.wire.ping(b"ping")
            self._next_ping = now + self._ping_interval
        self._outbound.advance(now)
        self._leave()

    def _leave(self) -> None:
        done = None if self._outbound.waiting else self.engine.closing
        ending = self._stopped or done
        if ending and ending[0] == _NO_CLOSE_FRAME:
            self._outbound.ending = True
        elif ending and self.wire.open:
            self.wire.close(*ending)
        if self._stopped and self.wire.muted:
            self.wire.lost = True
        if not self.wire.open and self._close_by is None:
            # Time for the client to answer the close frame.
            self._close_by = time.monotonic() + _CLOSE_SECONDS

    def _take(self, messages: list[Message]) -> None:
        self._messages.extend(messages)
        self._answer()

    def _answer(self) -> None:
        """Give messages to the engine, as long as the client takes the answers."""
        while self._messages and len(self.wire.buffer) < _BUFFER_HIGH:
            message = self._messages.popleft()
            if self._stopped or self.engine.closing:
                self._messages.clear()
                return
            now = self._clock.now()
            if isinstance(message, TextMessage):
                self._received(message.data)
                self._emit(self.engine.receive_text(message.data, now))
            elif isinstance(message, BinaryMessage):
                self._emit(self.engine.receive_binary(now))

    def _emit(self, frames: Sequence[Union[dict[str, Any], bytes]]) -> None:
        for frame in frames:
            if isinstance(frame, bytes):
                self._outbound.act(Send(frame))
            else:
                self._outbound.put(frame)
        self._outbound.advance(self._clock.now())
        for job in self.engine.take_jobs():
            with self._state:
                self._jobs += 1
            self._workers.submit(partial(self._perform, job))

    # -- worker threads --------------------------------------------------------

    def _perform(self, job: EngineJob) -> None:
        error: Optional[BaseException] = None
        try:
            if not job.dropped:
                for piece in job.work():
                    output = partial(self.engine.job_output, job, piece)
                    if job.dropped or not self._post(output):
                        break
        except Exception as exc:
            # An agent may raise what it likes; it ends its own response only.
            _log.info("! %s: %s: %s", job.name, type(exc).__name__, exc)
            error = exc
        self._post(partial(self.engine.job_done, job, error), last=True)

    def _post(self, event: Event, *, last: bool = False) -> bool:
        """Bring a result to the loop; waits while too many are waiting there."""
        with self._state:
            self._state.wait_for(
                lambda: len(self._inbox) < _INBOX_LIMIT or self._finished
            )
            self._jobs -= last
            if self._finished:
                return False
            self._inbox.append(event)
            self._idle = False
        self._wake()
        return True


def _end_engine_of_connection(engine: ConnectionEngine, reason: str) -> None:
    """End a session as the service would, for a reason that GPT-Live knows."""
    end = getattr(engine, "end", None)
    if end is None:
        engine.expire()
    else:
        end(reason)
