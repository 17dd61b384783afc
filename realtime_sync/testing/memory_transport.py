"""
A connection without a socket: a whole session in one thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Optional, Union

from ..errors import ConnectionLost
from ..protocol import jsontext
from ..protocol.codec import to_mapping
from ..protocol.events import ServerEvent
from ..transport.base import OutboxEntry
from . import frames
from .scripted_engine import Close, Frame, PlayedEngine, Said

Fed = Union[Mapping[str, Any], ServerEvent, bytes, str, Close]
OnSend = Callable[[dict[str, Any]], Any]

if TYPE_CHECKING:
    from ..server import ManualClock

_ABNORMAL = 1006


class MemoryTransport:
    """
    Carries messages between a session and a test, or something that answers.

    For ``connect(transport=MemoryTransport(), dispatch="inline")``: everything that
    a command brings about has happened when the call returns, and so has everything
    that a fed frame brings about. It never waits; what waits on a session that has
    no answer coming runs into its timeout, so give it a short one.

    By itself it greets the session and acknowledges configurations, so that
    ``connect(config=...)`` works. What answers besides is `on_send`, or an engine.

    Args:
        engine: answers instead: a `Scenario`, a `Cassette`, or what
            `realtime_sync.server.open_engine` gives.
        on_send: called with every command, decoded; gives the answer: a frame, an
            event, text, `Close`, an iterable of these, or None.
        greeting: send ``session.created`` when the session opens, and answer the
            start, updates and the end of a live one; without an engine only.
        dialect: ``"ga"`` or ``"beta"``, of the session; for engines.
        session_type: of the session; for engines, and ``"live"`` for a live one.
        model: for engines.
        clock: of the engine, such as `ManualClock`; the engine does what is due
            whenever it is moved, by `advance` or by hand.

    Attributes:
        sent: every command that the session sent, decoded, oldest first.
        on_send: see above; may be changed at any time.
        connections: how often a session has connected, reconnects included.
        closed: close code and reason once the connection has ended, else None.
        send_error: if set, is raised instead of sending.
        heard_at: see `realtime_sync.transport.base.Transport`.
        clock: as above.
    """

    loop = None
    released = True

    def __init__(
        self,
        engine: Any = None,
        *,
        on_send: Optional[OnSend] = None,
        greeting: bool = True,
        dialect: str = "ga",
        session_type: str = "realtime",
        model: str = "gpt-realtime-2.1",
        clock: Optional[ManualClock] = None,
    ) -> None:
        self.sent: list[dict[str, Any]] = []
        self.on_send = on_send
        self.connections = 0
        self.closed: Optional[tuple[int, str]] = None
        self.send_error: Optional[Exception] = None
        self.heard_at = monotonic()
        bare = _MemoryLiveEngine if session_type == "live" else _MemoryEngine
        self._source: Any = bare(greeting) if engine is None else engine
        self._settings: dict[str, Any] = {
            "dialect": dialect,
            "session_type": session_type,
            "model": model,
        }
        self.clock = clock
        self._engine: Any = None
        self._unsubscribe: Callable[[], None] = lambda: None
        # Guards the engine and the inbox. Reentrant: what is delivered may send,
        # and what is sent is answered at once.
        self._lock = RLock()
        self._inbox: deque[Any] = deque()
        self._outbox: deque[OutboxEntry] = deque()
        self._delivering = False
        self._receive: Any = None
        self._ended: Any = None

    def __repr__(self) -> str:
        state = "closed" if self.closed else ("open" if self._receive else "new")
        return f"<MemoryTransport {state}, {len(self.sent)} sent>"

    def __call__(self) -> MemoryTransport:
        """Itself: a session that is to reconnect asks for a new transport."""
        return self

    # -- the test's side -------------------------------------------------------

    def feed(self, *messages: Fed) -> None:
        """
        Let the server say something.

        Args:
            *messages: frames as mappings, events, text or bytes as they are, and
                `Close`.

        Raises:
            ConnectionLost: nobody is connected.
        """
        if self._receive is None or self.closed:
            raise ConnectionLost("no session is connected to this transport")
        self._inbox.extend(messages)
        self._deliver()

    def cut(self, code: int = _ABNORMAL, reason: str = "") -> None:
        """
        End the connection as the server or the network would.

        Args:
            code: close code; 1006 is an end without a close frame.
            reason: the server's words.
        """
        self.feed(Close(code, reason))

    def commands(self, kind: str) -> list[dict[str, Any]]:
        """The commands of one type that were sent, oldest first."""
        return [frame for frame in self.sent if frame.get("type") == kind]

    def take(self) -> list[dict[str, Any]]:
        """The commands sent since the last call; `sent` forgets them."""
        taken, self.sent[:] = list(self.sent), []
        return taken

    def advance(self, seconds: float) -> None:
        """
        Let time pass for the engine: paced audio, idle users, expiry.

        Args:
            seconds: to add to the clock that was given.
        """
        if self.clock is None:
            raise TypeError("this transport has no clock: MemoryTransport(clock=...)")
        self.clock.advance(seconds)

    # -- the session's side, see `transport.base.Transport` -----------------

    def begin(
        self,
        receive: Callable[[bytes], None],
        ended: Callable[[int, str, Optional[BaseException]], None],
    ) -> None:
        """A session connects; a second time when it reconnects."""
        self.connections += 1
        self.closed = None
        self._receive, self._ended = receive, ended
        self._inbox.clear()
        self._outbox.clear()
        source = self._source
        if hasattr(source, "engine"):
            source = source.engine(now=self._now(), **self._settings)
        self._engine = source
        self._answer(lambda: source.open(self._now()))
        if self.clock is not None and not self.closed:
            self._unsubscribe = self.clock.subscribe(self._tick)

    def prepare(self, payload: bytes) -> OutboxEntry:
        """A message is one frame here."""
        return OutboxEntry([payload])

    def enqueue(self, entry: OutboxEntry) -> None:
        """A command takes its place."""
        self._outbox.append(entry)

    def flush(self, entry: OutboxEntry, deadline: Optional[object] = None) -> None:
        """A command; when this returns it has been answered."""
        # What another thread has enqueued before goes before; an answer may send
        # more, so that each is taken out before it is answered.
        while not entry.done:
            try:
                first = self._outbox.popleft()
            except IndexError:
                return  # Another thread has taken it and is at it.
            self._send(first)

    def flush_now(self, entry: OutboxEntry) -> None:
        """A command of an inline handler; it is answered behind what is being read."""
        self.flush(entry)

    def _send(self, entry: OutboxEntry) -> None:
        if self.send_error is not None:
            raise self.send_error
        if self.closed:
            raise ConnectionLost("the connection was cut")
        if not entry.fate.setdefault(None, True):
            return
        payload = entry.frames[0]
        frame = jsontext.loads(payload)
        entry.write(len)
        self.sent.append(frame)
        self._answer(lambda: self._engine.receive_text(payload, self._now()))
        if self.on_send is not None:
            self._answer(
                lambda: _memory_answers(self.on_send(frame) if self.on_send else ())
            )

    def ping(self) -> None:
        """Nobody needs to be asked whether they are there."""

    def begin_close(self, code: int, reason: str) -> None:
        """The session closes; the answer is immediate."""
        if self._receive is not None and not self.closed:
            self.feed(Close(code, reason))

    def held_here(self) -> bool:
        """False: nothing is held while a message is handed over."""
        return False

    def abort(self) -> None:
        """The session breaks off."""
        if self._receive is not None and not self.closed:
            self.cut()

    def close(self) -> None:
        """There is nothing to release."""

    def unsent(self) -> int:
        """Everything is sent at once."""
        return 0

    # -- inside ----------------------------------------------------------------

    def _tick(self) -> None:
        """The clock was moved."""
        self._answer(lambda: self._engine.tick(self._now()))

    def _now(self) -> float:
        return 0.0 if self.clock is None else float(self.clock.now())

    def _answer(self, say: Callable[[], Iterable[Any]]) -> None:
        """Deliver what the engine says, and what comes of the work it has."""
        with self._lock:
            engine = self._engine
            self._inbox.extend(say())
            self._deliver()
            for message in engine.settle(self._now()):
                self._inbox.append(message)
                self._deliver()
            if engine.closing is not None and not self.closed:
                self._inbox.append(Close(*engine.closing))
                self._deliver()

    def _deliver(self) -> None:
        """Bring what waits to the session, unless that is under way already."""
        with self._lock:
            while self._inbox and not self._delivering:
                message = self._inbox.popleft()
                if isinstance(message, Close):
                    self._end(message)
                    return
                self._delivering = True
                try:
                    self._receive(_encoded_memory_message(message))
                finally:
                    self._delivering = False

    def _end(self, close: Close) -> None:
        """Nothing is delivered behind it; the session may connect anew at once."""
        self._inbox.clear()
        self._unsubscribe()
        self.closed = (close.code, close.reason)
        if self._engine is not None:
            self._engine.close()
        self._ended(close.code, close.reason, None)


class _MemoryEngine:
    """
    What stands behind a transport that a test feeds by hand.

    Args:
        greeting: send ``session.created``.
    """

    def __init__(self, greeting: bool) -> None:
        self._greeting = greeting
        self._session: Mapping[str, Any] = frames.SESSION

    def engine(
        self, *, now: float, model: str, session_type: str, dialect: str
    ) -> PlayedEngine:
        """The server's side of one connection."""
        told = {"type": session_type, "model": model}
        self._session = frames.merged(frames.SESSION, told)
        return PlayedEngine(
            self,
            session_id="memory",
            dialect=dialect,
            session_type=session_type,
        )

    def opened(self) -> Iterable[Said]:
        """The greeting."""
        created = {"type": "session.created", "session": self._session}
        return [created] if self._greeting else []

    def heard(self, frame: Frame) -> Iterable[Said]:
        """Configurations are acknowledged, the rest is for the test."""
        if frame.get("type") != "session.update":
            return []
        answer = frames.acknowledged(frame, self._session)
        self._session = answer[0]["session"]
        return answer


class _MemoryLiveEngine(_MemoryEngine):
    """What stands behind a transport of a live session."""

    def opened(self) -> Iterable[Said]:
        """The client speaks first."""
        return []

    def heard(self, frame: Frame) -> Iterable[Said]:
        """Start, updates and end are answered, the rest is for the test."""
        told = {"client_event_id": frame.get("event_id")}
        kind = str(frame.get("type"))
        if not self._greeting or kind not in _LIVE_ANSWERS:
            return []
        base = frames.LIVE_SESSION if kind == "session.start" else self._session
        self._session = {**base, **frame.get("session", {})}
        answer = {"type": _LIVE_ANSWERS[kind], "session": self._session, **told}
        if kind != "session.close":
            return [answer]
        end = {"reason": "close_requested", "usage": {"seconds": 0}}
        return [{**answer, **end}, Close(1000)]


_LIVE_ANSWERS: Final = {
    "session.start": "session.started",
    "session.update": "session.updated",
    "session.close": "session.closed",
}


def _memory_answers(answer: Union[Fed, Iterable[Fed], None]) -> list[Fed]:
    if answer is None:
        return []
    if isinstance(answer, (Mapping, ServerEvent, bytes, str, Close)):
        return [answer]
    return list(answer)


def _encoded_memory_message(message: object) -> bytes:
    if isinstance(message, bytes):
        return message
    if isinstance(message, str):
        return message.encode("utf-8", "surrogatepass")
    return jsontext.dumps(to_mapping(message))
