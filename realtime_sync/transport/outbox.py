"""
Frames on their way to the socket, whole and in order.

Every sending thread drains the outbox under the send lock; the loop only
tries. A frame that was half written when its thread was interrupted stays at
the head and is finished by whoever comes next, so the stream is never torn.

A `KeyboardInterrupt` may strike between any two steps of the main thread.
Therefore nothing is remembered in two places: how far a message is written is
one list, which the write itself extends in one call into C, and everything
else (which frame comes next, what is done) is worked out from it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import accumulate, compress
from threading import Event, Lock, get_ident
from typing import Any, Optional

from ..deadline import Deadline, Flag, acquire_timeout
from ..errors import ConnectionClosed, ConnectionClosedOK, ConnectionLost, WaitTimeout

Write = Callable[[memoryview], int]
"""
Writes what the kernel takes now and returns how much. If it raises, it has
written nothing; otherwise the caller must say that it cannot be relied upon.
"""

WaitWritable = Callable[[Deadline], bool]
"""Waits until the socket takes bytes again; False at the deadline."""

_MOST_NOTES = 64

MOST_PONGS = 1
"""
Pongs that wait: one answers for those before it (RFC 6455, 5.5.3), so a peer that
pings and never reads makes nothing grow.
"""


class OutboxEntry:
    """
    One message: its frames, and how far they are written.

    A large message is several frames, so that a pong can pass between them.
    """

    __slots__ = (
        "frames",
        "ends",
        "final",
        "over",
        "fate",
        "tried",
        "_written",
    )

    def __init__(self, frames: list[bytes], *, final: bool = False) -> None:
        self.frames = frames
        self.ends = [len(frames[0])]
        if len(frames) > 1:
            self.ends = list(accumulate(map(len, frames)))
        self.final = final
        # Set when it is written, or will not be, if a thread waits for that.
        self.over: Optional[Event] = None
        self.tried = -1
        # Whether it is written, by `setdefault` alone: one call into C settles it.
        # Between a look and a mark one thread would withdraw, and tell its caller so,
        # what another is about to write.
        self.fate: dict[None, bool] = {}
        self._written: list[int] = []

    @property
    def offset(self) -> int:
        """Bytes that are written."""
        return sum(self._written)

    @property
    def done(self) -> bool:
        """Whether all of it is written."""
        return sum(self._written) >= self.ends[-1]

    def withdraw(self) -> bool:
        """Let it not be written; False if it has been begun, and is finished."""
        return not self.fate.setdefault(None, False)

    @property
    def within_frame(self) -> bool:
        """
        Whether the next bytes must be this message's.

        True also when the writing of a frame was tried and nothing was taken:
        TLS has then encrypted a part and insists on the same bytes.
        """
        return self.tried == bisect_right(self.ends, self.offset)

    def write(self, write: Write) -> int:
        """
        Write from the present frame what is taken.
        """
        offset = self.offset
        index = bisect_right(self.ends, offset)
        frame = self.frames[index]
        start = offset - (self.ends[index] - len(frame))
        view = memoryview(frame)[start:] if start else memoryview(frame)
        self.tried = index
        notes = self._written
        if len(notes) > _MOST_NOTES:
            notes[:] = [offset]
        # One call into C from the write to the note of how much was written: a
        # KeyboardInterrupt cannot come between the two.
        notes.extend(map(write, (view,)))
        return notes[-1]


class Outbox:
    """
    Serialises senders; control frames pass between the frames of a message.

    Args:
        write: writes to the socket without waiting.
        wait_writable: waits for the socket outside of any other lock.
        full: exceptions of `write` that mean that the kernel takes nothing now.
        guard: held during each `write`, never while waiting.
        torn_by: exceptions of `write` after which it is unknown how much was
            written, so that nothing may follow.
    """

    def __init__(
        self,
        write: Write,
        wait_writable: WaitWritable,
        *,
        full: tuple[type[Exception], ...] = (BlockingIOError,),
        guard: Optional[AbstractContextManager[Any]] = None,
        torn_by: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._write = write
        self._wait_writable = wait_writable
        self._full = full
        self._guard = nullcontext() if guard is None else guard
        self._torn_by = torn_by
        # Guards the socket's sending half and the heads of both queues. The one
        # lock that is held across I/O; the loop never waits for it.
        self._lock = Lock()
        # Which thread had it last. Not cleared, because an interrupt between that and
        # the release would leave it locked.
        self._holder: deque[int] = deque(maxlen=1)
        self._control: deque[OutboxEntry] = deque()
        self._pongs: deque[bytes] = deque(maxlen=MOST_PONGS)
        self._data: deque[OutboxEntry] = deque()
        self._ended = False
        self.broken: Optional[BaseException] = None

    @property
    def empty(self) -> bool:
        """Whether nothing is left that may still be written."""
        return self._over or not (self._control or self._data or self._pongs)

    @property
    def stalled(self) -> bool:
        """Whether something is left that no thread is writing."""
        # Who holds the lock looks again after letting go of it, see `_flush`; so a
        # moment in which this is wrong leaves nothing lying.
        return not self.empty and not self._lock.locked()

    def held_here(self) -> bool:
        """Whether the calling thread is sending, for one that a signal interrupted."""
        # Another thread that takes the lock is noted before anybody sees it locked: the
        # interpreter's own lock, which CPython up to 3.13 has, is held for both.
        return self._lock.locked() and get_ident() in self._holder

    @property
    def _over(self) -> bool:
        return self._ended or self.broken is not None

    def unsent(self) -> int:
        """Number of messages, pings and the like apart, not wholly written."""
        # A copy, made by one call into C: the holder of the lock removes meanwhile.
        return sum(
            not (_forgettable_by_outbox(entry) or entry.final)
            for entry in self._data.copy()
        )

    def enqueue(self, entry: OutboxEntry, *, control: bool = False) -> None:
        """
        Put a message behind those before it; writes nothing and takes no lock.

        Args:
            entry: the message.
            control: let it pass the messages that wait.
        """
        # One call into C: senders on other threads append without a lock, and only
        # the holder of the send lock removes.
        (self._control if control else self._data).append(entry)

    def enqueue_pong(self, frame: bytes) -> None:
        """Let a pong take the place of one that has not been begun."""
        self._pongs.append(frame)

    def flush(self, entry: OutboxEntry, deadline: Deadline) -> None:
        """
        Write until the kernel has a message that was enqueued.

        Args:
            entry: the message.
            deadline: when to stop waiting.

        Raises:
            ConnectionLost: the connection is broken.
            ConnectionClosed: a close frame was sent before it.
            WaitTimeout: the peer takes nothing. If the message was begun, it is
                still finished in the background; otherwise it is not sent.
        """
        try:
            self._flush(entry, deadline)
        except BaseException:
            # Not taken out of the queue: the heads belong to who has the lock.
            entry.withdraw()
            raise

    def wake_and_wait(
        self, entry: OutboxEntry, deadline: Deadline, wake: Callable[[], None]
    ) -> None:
        """
        Wait until another thread has written a message that was enqueued.

        Args:
            entry: the message.
            deadline: when to stop waiting.
            wake: calls the thread that writes.

        Raises:
            ConnectionLost: the connection is broken.
            ConnectionClosed: a close frame was sent before it.
            WaitTimeout: as in `flush`.
        """
        try:
            entry.over = over = Flag()
            # Looked at after `over` is there: who has written the entry before that
            # has told nobody, and who breaks the connection after it sees `over`.
            if not entry.done and not self._over:
                wake()
                if not over.wait(deadline.remaining()):
                    raise WaitTimeout("the server does not take any more bytes")
            if not entry.done:
                self._raise_if_over()
        except BaseException:
            entry.withdraw()
            raise

    def release(self) -> None:
        """Nothing is written any more: wake those who wait for it."""
        # A copy: a main thread may be adding one at this moment, which finds by itself
        # that nothing is written any more.
        for entry in self._data.copy():
            if entry.over is not None:
                entry.over.set()

    def drain(self) -> None:
        """
        Write what the kernel takes now, unless another thread is writing.
        """
        progressed = True
        while progressed and not self.empty:
            # Looked at again after the lock is free: who posted while it was held
            # has found it taken and left his frame to this thread.
            held: list[None] = []
            try:
                held.extend(self._taking((False,)))
                progressed = bool(held) and self._write_all()
            finally:
                if held:
                    self._lock.release()

    def closing(self, deadline: Deadline) -> bool:
        """
        Wait until no thread is writing; True when the socket may be closed.
        """
        # Who holds it is inside of a write: the number of a socket that is closed
        # under it may belong to another connection by then. Noted as by a sender, or
        # who had it last would take himself for the one who has it now.
        held: list[None] = []
        try:
            held.extend(self._taking((True,), (acquire_timeout(deadline),)))
        finally:
            if held:
                self._lock.release()
        return bool(held)

    def _flush(self, entry: OutboxEntry, deadline: Deadline) -> None:
        held: list[None] = []
        try:
            # Nearly always it is free, and nobody needs to know how long to wait.
            held.extend(self._taking((False,)))
            if not held and self.held_here():
                return  # This is a signal's handler; what it interrupted goes on.
            if not held:
                held.extend(self._taking((True,), (acquire_timeout(deadline),)))
            if not held:
                raise WaitTimeout("another thread's frame blocks the connection")
            while not entry.done:
                if not self._write_all() and not entry.done:
                    self._raise_if_over()
                    if not self._wait_writable(deadline):
                        raise WaitTimeout("the server does not take any more bytes")
        finally:
            if held:
                self._lock.release()
        # Something may have been posted while this thread held the lock.
        self.drain()

    def _taking(self, *arguments: tuple[float, ...]) -> Iterator[None]:
        """
        Gives one thing if the send lock is taken, nothing if it is not.

        To be exhausted by one call into C, which takes the lock, notes whose it is and
        tells the caller: between these no signal can strike, whose handler would wait
        for its own thread, or whose exception would leave the lock taken.
        """
        taken = map(self._lock.acquire, *arguments)
        return map(self._holder.append, compress((get_ident(),), taken))

    def _raise_if_over(self) -> None:
        if isinstance(self.broken, ConnectionClosed):
            raise type(self.broken)(
                str(self.broken), code=self.broken.code, reason=self.broken.reason
            )
        if self.broken is not None:
            raise ConnectionLost(
                f"the connection broke while sending: {self.broken}", code=1006
            ) from self.broken
        if self._ended:
            raise ConnectionClosedOK("the session was closed", code=1000)

    def _write_all(self) -> bool:
        """
        Write frames until there are none or the kernel is full.

        Returns:
            False when no more can be written.
        """
        assert self._lock.locked()
        while not self._over:
            entry = self._next_entry()
            if entry is None:
                return True
            if entry.fate.setdefault(None, True) and not self._write_some(entry):
                return False
        return False

    def _next_entry(self) -> Optional[OutboxEntry]:
        """
        Whose bytes come next; forgets what is done.
        """
        control, data = self._control, self._data
        while control and control[0].done:
            self._ended = self._ended or control[0].final
            control.popleft()
        # Taken by the holder of the lock alone, so it cannot be gone after the look;
        # the loop may replace it meanwhile, and then the later pong goes out.
        if self._pongs and not control:
            control.append(OutboxEntry([self._pongs.popleft()]))
        while data and _forgettable_by_outbox(data[0]):
            self._ended = self._ended or data[0].final
            gone = data.popleft()
            if gone.over is not None:
                gone.over.set()
        if self._ended:
            # Who waits for what is behind the close frame would wait for nothing.
            self.release()
            return None
        if not control:
            return data[0] if data else None
        # A frame that is begun comes first, whatever else is urgent: bytes of another
        # one inside of it would be read as its payload, and end the connection.
        if data and data[0].within_frame and not control[0].within_frame:
            return data[0]
        # A message in fragments waits while a control frame passes.
        return control[0]

    def _write_some(self, entry: OutboxEntry) -> bool:
        try:
            with self._guard:
                return entry.write(self._write) > 0
        except self._full:
            return False
        except OSError as exc:
            # Kept, not raised: this may be a thread that writes another's message.
            self.broken = exc
            return False
        except self._torn_by as exc:
            self.broken = OSError(f"{type(exc).__name__} in the middle of a frame")
            raise


def _forgettable_by_outbox(entry: OutboxEntry) -> bool:
    # Begun, it is finished though nobody waits for it any more: half a frame would tear
    # the stream for all that come after it.
    return entry.done or entry.fate.get(None) is False
