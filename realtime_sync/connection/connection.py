"""
One connection on its loop: decode, reduce, resolve, hand on, and notice the end.

The loop is sacred: it runs no queued handler, waits for no other thread, and no
frame of the server makes it raise. It alone closes the socket.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Optional

from ..deadline import Deadline, Flag, held_here
from ..dispatch.watches import WatchList, copy_of_watched_error
from ..errors import (
    ConnectionClosed,
    ConnectionLost,
    DispatchOverflow,
    LocalProtocolError,
    RemoteProtocolError,
)
from ..protocol.codec import Codec
from ..protocol.events import ServerEvent, UnknownEvent
from ..protocol.vendor_events import vendor_names
from ..state.mirrors import REALTIME, Mirror
from ..state.snapshot import Snapshot
from ..transport.base import Disconnected, OutboxEntry, Transport
from ..transport.logs import area_logger
from ..transport.loop import Loop, LoopTimer
from ..transport.redaction import redact
from .close_codes import closed_error
from .command_handle import Noted
from .taps import Taps

logger = area_logger("realtime_sync.connection")

_ABNORMAL = 1006
_CLEAN = 1000
_ENDS = {
    "close_requested": _CLEAN,
    "content": _CLEAN,
    "remote_hangup": _CLEAN,
    "connection_lost": _ABNORMAL,
}
"""
What the service tells of the end -> the close code that it stands for.

It closes properly after it has told of a loss behind it, and without a handshake where
only a connection from aside is left of a session that was ended on purpose.
"""
_HOUSEKEEPING = 5.0
_MOST_UNKNOWN = 100
"""Types that a server makes up and that are counted by name."""

LONGEST_TYPE = 200
"""Characters of such a name."""


class Connection:
    """
    One connection of a session, from the handshake to the last frame.

    Args:
        name: of the session, for logs.
        codec: decodes and encodes frames.
        watches: who waits for events.
        snapshot: the mirror to go on from.
        deliver: called on the loop with each event, its snapshot and the
            size of its frame in bytes.
        ended: called on the loop when everything pending has been failed.
        housekeep: called on the loop now and then; returns after how many
            seconds it wants to be called again, None for no particular time.
        ping_interval: seconds of silence before a ping; a second such silence
            means that the connection is lost. None for no liveness check.
        taps: who is shown every message.
        mirror: what becomes of the snapshot.

    Attributes:
        number: which connection of its session it is, from 1.
    """

    def __init__(
        self,
        *,
        name: str,
        codec: Codec,
        watches: WatchList,
        snapshot: Snapshot,
        deliver: Callable[[ServerEvent, Snapshot, int], None],
        ended: Callable[[Connection], None],
        housekeep: Callable[[], Optional[float]],
        ping_interval: Optional[float],
        taps: Optional[Taps] = None,
        mirror: Mirror = REALTIME,
    ) -> None:
        self.snapshot = snapshot
        self._mirror = mirror
        self.codec = codec
        self.over = Flag()
        self.error: Optional[ConnectionClosed] = None
        self.events_received = self.bytes_received = 0
        self.unknown: Counter[str] = Counter()
        self._name = name
        self._taps = Taps() if taps is None else taps
        self.number = self._taps.number()
        self._watches = watches
        self._deliver = deliver
        self._started = monotonic()
        self._ended = ended
        self._housekeep = housekeep
        self._ping_interval = ping_interval
        self._step = min(_HOUSEKEEPING, ping_interval or _HOUSEKEEPING)
        self._pinged: Optional[float] = None
        self._loop: Optional[Loop] = None
        self._timer: Optional[LoopTimer] = None
        self._transport: Optional[Transport] = None
        # Of the thread that pushes where there is no loop.
        self._reader_ident: Optional[int] = None
        # Guards `_closing`, so that one thread begins the close, and whom the
        # connection serves against its end.
        self._lock = threading.RLock()
        self._closing: Optional[Deadline] = None
        self._notes: deque[Noted] = deque()
        self._down = False
        self._expired = False
        self._ended_by: object = None
        self.overflow: Optional[DispatchOverflow] = None

    @property
    def is_open(self) -> bool:
        """Whether commands can be sent."""
        # Without the lock, which the end takes: who finds it open a moment too long is
        # refused by the transport when he flushes.
        return self._transport is not None and self._closing is None and not self._down

    @property
    def lost(self) -> bool:
        """Whether it has ended without having been asked to."""
        return self._down and self._closing is None

    @property
    def has_loop(self) -> bool:
        """Whether a loop brings its messages, and what time brings about."""
        return self._loop is not None

    @property
    def closing(self) -> bool:
        """Whether we have asked for the end."""
        return self._closing is not None

    def age(self) -> float:
        """Seconds since the connection was made."""
        return monotonic() - self._started

    def take_over(
        self,
        watches: WatchList,
        deliver: Callable[[ServerEvent, Snapshot, int], None],
        ended: Callable[[Connection], None],
    ) -> bool:
        """
        From now on serve these instead of what it was made with.

        Returns:
            False when it has ended: then it has served, and told, the others.
        """
        # In one step against the end: else it would fail the waits of the one and
        # tell the other, and a session would never learn of its loss.
        with self._lock:
            if self._down:
                return False
            self._watches, self._deliver, self._ended = watches, deliver, ended
        return True

    def start(self, transport: Transport) -> None:
        """Take over an open transport and let it push."""
        # Before it pushes: what comes first may be answered at once.
        self._transport = transport
        self._loop = transport.loop
        if self._loop is None:
            transport.begin(self.receive, self.disconnected)
            return
        transport.begin(self._take, self.disconnected)
        self._loop.call(self._tick)

    def send(self, payload: bytes, deadline: Deadline) -> None:
        """
        Send one encoded command whose order among others does not matter.

        Raises:
            ConnectionClosed: the connection is over or was never there.
            WaitTimeout: the server takes nothing until the deadline.
        """
        entry = self.prepare(payload)
        self.enqueue(entry)
        self.flush(entry, deadline)

    def prepare(self, payload: bytes) -> OutboxEntry:
        """
        Make an encoded command ready to be sent, and show it to the observers.

        Apart from `enqueue`, because masking a large message takes time and an
        observer may do anything: neither belongs under a lock.

        Raises:
            ConnectionClosed: the connection is over or was never there.
        """
        self.check_open()
        assert self._transport is not None
        if self._taps.on:
            self._taps.sent(self.number, payload)
        return self._transport.prepare(payload)

    def enqueue(self, entry: OutboxEntry) -> None:
        """Give a command its place among others; appends, no I/O."""
        assert self._transport is not None
        self._transport.enqueue(entry)

    def flush(self, entry: OutboxEntry, deadline: Deadline) -> None:
        """
        Return when the kernel has a command that was enqueued.

        On the loop it is written without waiting.

        Raises:
            ConnectionClosed: the connection is over.
            WaitTimeout: the server takes nothing until the deadline.
        """
        transport = self._transport
        assert transport is not None
        if self.on_reader():
            # Waiting here would wait for oneself: whoever is blocked in a send is
            # freed by a server that reads, which it may not do until we do.
            transport.flush_now(entry)
            return
        try:
            transport.flush(entry, deadline)
        except ConnectionLost:
            # The sender noticed first. The next command must not be expected of a
            # dead connection meanwhile, and the loop must notice as well.
            self._down = True
            transport.abort()
            raise

    def check_open(self) -> None:
        """
        Raises:
            ConnectionClosed: the connection is over or was never there.
        """
        if not self.is_open:
            raise self._not_open()

    def on_reader(self) -> bool:
        """Whether the calling thread is the one that reads, for whomever."""
        loop = self._loop
        ident = self._reader_ident if loop is None else loop.ident
        return threading.get_ident() == ident

    def call_behind(self, run: Callable[[], None]) -> None:
        """
        Have something called once the event that is being taken is handed over.

        At once where there is no loop.
        """
        if self._loop is None:
            run()
        else:
            self._loop.call(run)

    def begin_close(self, code: int, reason: str, deadline: Deadline) -> bool:
        """
        Ask for the end; the loop sees to the rest by the deadline.

        Returns:
            False when it had been asked for already.
        """
        with self._lock:
            transport = self._transport
            first = self._closing is None
            if transport is None or (self._down and not first):
                return False
            if first:
                self._closing = deadline
        # By whoever asks, once each: a signal may have stopped the first one here, and
        # its handler waits for the answer to a close frame. Not under the lock, which
        # the end takes: this writes to the socket.
        transport.begin_close(code, reason)
        if self._loop is not None:
            # The timer that is set may be an interval of pings away.
            self._loop.call(self._tick)
        return first

    def held_here(self) -> bool:
        """Whether the calling thread is inside of something that the end waits for."""
        return held_here(self._lock) or any(
            part is not None and part.held_here()
            for part in (self._transport, self._loop)
        )

    def abort(self) -> None:
        """Break the connection off without a handshake."""
        if self._transport is not None:
            self._transport.abort()

    def join(self, deadline: Deadline) -> bool:
        """Wait for the end, unless the caller is the loop that brings it about."""
        if self._loop is None or self._loop.on_loop():
            return self.over.is_set()
        return self.over.wait(deadline.remaining())

    def unsent(self) -> int:
        """Commands that the kernel does not wholly have."""
        return 0 if self._transport is None else self._transport.unsent()

    def note(self, command: Noted) -> None:
        """
        Let the mirror know of a command before the server answers it.

        The mirror belongs to the loop, so the note waits for the next event, or for
        the end: what was sent just before a loss must not vanish.
        """
        self._notes.append(command)

    def learn(self, habit: str) -> None:
        """
        Let the mirror know how the server means things. On the loop.

        Only whoever matches answers with commands sees some of it.
        """
        self.snapshot = self._mirror.learn(self.snapshot, habit)

    def receive(self, data: bytes) -> None:
        """
        Take one message in the thread that brings it, where there is no loop.

        Never raises for what the server says.
        """
        # Put back afterwards: a transport of tests re-enters, when a handler sends
        # and is answered at once, and any thread may be the one that feeds it.
        outer, self._reader_ident = self._reader_ident, threading.get_ident()
        try:
            self._take(data)
        finally:
            self._reader_ident = outer

    def disconnected(
        self, code: int, reason: str, cause: Optional[BaseException] = None
    ) -> None:
        """
        The connection has ended: fail what waits, release the socket.

        Args:
            code: close code, 1006 when there was no close frame.
            reason: the server's words, or ours.
            cause: what was raised, if anything; a broken protocol and an overflow
                are answered with a close frame first.
        """
        if isinstance(cause, (RemoteProtocolError, DispatchOverflow)):
            self._give_up(cause)
        elif cause is not None and not isinstance(cause, OSError):
            # Should never run: what receives does not raise.
            logger.error("! %s: receiving failed", self._name, exc_info=cause)
        # What it has told of the end counts, however the socket ends after it.
        code = _ENDS.get(str(self._ended_by), code)
        expired = self._expired or self._ended_by == "expired"
        self.error = closed_error(
            code, reason, asked=self.closing, expired=expired, cause=cause
        )
        if self.overflow is not None:
            self.error.__cause__ = self.overflow
        # Before the waits are failed: what is registered later is not sent into
        # a dead socket, where nobody would answer it.
        with self._lock:
            self._down = True
            watches, ended = self._watches, self._ended
        logger.info("= %s: closed, code %s %s", self._name, code, redact(reason))
        if self._timer is not None:
            self._timer.cancel()
        # Before the waits are failed: who is woken looks for what was sent.
        self._take_notes()
        # First of all, so that nobody waits longer than the connection lives.
        watches.finish(self.overflow or self.error, final=False)
        # After the waits: closing may have to wait for a sender to leave. Before
        # `over`: who joins takes the socket for released.
        transport = self._transport
        if transport is not None:
            transport.close()
        if self._loop is None or transport is None:
            self._conclude(ended)
        else:
            # A sender may still be on its way out, and the loop waits for nobody.
            self._loop.call_until(lambda: transport.released and self._conclude(ended))

    def _conclude(self, ended: Callable[[Connection], None]) -> bool:
        """Tell of the end, once the socket is closed."""
        self._take_notes()  # Of senders who were on their way out.
        # Before `ended`, which may decide to dial again.
        self.over.set()
        ended(self)
        return True

    def _tick(self) -> None:
        """What time brings about."""
        transport, loop = self._transport, self._loop
        if transport is None or loop is None or self.error is not None:
            return
        # Called by whoever begins the close as well: without this each such call would
        # leave one more timer that sets itself again.
        if self._timer is not None:
            self._timer.cancel()
        try:
            self._look_after(transport)
        except Disconnected as exc:
            self.disconnected(exc.code, exc.reason)
        except BaseException as exc:  # Should never run: it must still end.
            self.disconnected(_ABNORMAL, str(exc), exc)
        else:
            closing = self._closing
            step = self._step if closing is None else closing.remaining()
            pause = _HOUSEKEEPING if step is None else step
            self._timer = loop.call_later(pause, self._tick)

    def _look_after(self, transport: Transport) -> None:
        closing = self._closing
        if closing is None:
            self._pinged = self._check_alive(transport, self._pinged)
        elif closing.passed:
            raise Disconnected(_ABNORMAL, "no answer to the close frame")
        self._keep_house(transport, self._pinged)

    def _keep_house(self, transport: Transport, pinged: Optional[float]) -> None:
        """Do what is due apart from reading, and see when to come back."""
        wanted = self._housekeep()
        pause = _HOUSEKEEPING if wanted is None else min(wanted, _HOUSEKEEPING)
        self._step = pause
        if self._ping_interval is not None:
            since = transport.heard_at if pinged is None else pinged
            quiet = monotonic() - since
            self._step = max(0.0, min(pause, self._ping_interval - quiet))

    def _check_alive(
        self, transport: Transport, pinged: Optional[float]
    ) -> Optional[float]:
        """
        One quiet interval sends a ping, a second one means lost.

        Args:
            pinged: when the last ping was sent, or None.

        Returns:
            The same for the next call.
        """
        interval, now = self._ping_interval, monotonic()
        if interval is None:
            return None
        # Any byte is a sign of life: the pong itself may stand behind a message that
        # takes longer than the interval.
        if pinged is not None and transport.heard_at > pinged:
            pinged = None
        if pinged is not None and now - pinged >= interval:
            raise Disconnected(_ABNORMAL, f"no answer to a ping for {interval} s")
        if pinged is None and now - transport.heard_at >= interval:
            transport.ping()
            return now
        return pinged

    def _take(self, data: bytes) -> None:
        event, size = self.codec.decode(data), len(data)
        # Looked up once: it belongs to the class, which is what makes it slow.
        kind = event.type
        self.events_received += 1
        self.bytes_received += size
        if type(event) is UnknownEvent:
            self._note_unknown(event)
        elif kind == "error":
            self._note_error(event)
        elif kind == "session.closed":
            self._ended_by = getattr(event, "reason", None)
        noted = self._take_notes() if self._notes else ()
        if self._taps.on:
            self._taps.received(self.number, data, event, self.snapshot, noted)
        try:
            snapshot = self._mirror.reduce(self.snapshot, event)
        except Exception:  # Should never run: the event must reach its handlers.
            logger.exception("! %s: the mirror failed on %s", self._name, kind)
            snapshot = self.snapshot
        # Published first: whoever is woken by the event reads the mirror next, and
        # must find the event in it.
        self.snapshot = snapshot
        # Read once: between two looks `take_over` may put others in its place, which
        # would be offered what they did not ask for.
        watches = self._watches
        if watches.types is None or kind in watches.types:
            watches.offer(event)
        # Last: handlers that run right here may send, close, and wait for what has been
        # resolved above.
        self._deliver(event, snapshot, size)

    def _take_notes(self) -> Sequence[Noted]:
        # One by one: a sender may append while this runs, and a copy followed by
        # `clear` would lose what came in between.
        taken: list[Noted] = []
        while self._notes:
            command = self._notes.popleft()
            taken.append(command)
            try:
                self.snapshot = self._mirror.reduce_command(self.snapshot, command)
            except Exception:  # Should never run: the connection must still end.
                logger.exception("! %s: the mirror failed on it", self._name)
        return taken

    def _note_unknown(self, event: UnknownEvent) -> None:
        if event.type in vendor_names("server"):
            return
        kind = event.type[:LONGEST_TYPE]
        if len(self.unknown) >= _MOST_UNKNOWN and kind not in self.unknown:
            kind = "(others)"
        if not self.unknown[kind]:
            logger.warning(
                "! %s: unknown event %r: %s", self._name, kind, event.problem
            )
        self.unknown[kind] += 1

    def _note_error(self, event: ServerEvent) -> None:
        if getattr(getattr(event, "error", None), "code", None) == "session_expired":
            self._expired = True

    def _give_up(self, exc: Exception) -> None:
        if isinstance(exc, DispatchOverflow):
            self.overflow = exc
        if self._transport is not None:
            code = 1009 if isinstance(exc, RemoteProtocolError) else 1000
            self._transport.begin_close(code, "")

    def _not_open(self) -> BaseException:
        if self.error is not None:
            return copy_of_watched_error(self.error)
        if self.closing:
            return closed_error(1000, "", asked=True, expired=False)
        if self._down:
            return ConnectionLost("the connection is breaking", code=_ABNORMAL)
        return LocalProtocolError("the session is not open yet; call open()")
