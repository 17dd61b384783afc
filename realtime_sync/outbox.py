"""
Frames on their way to the socket, whole and in order.

Every sending thread drains the outbox under the send lock; the reader only
tries. A frame that was half written when its thread was interrupted stays at
the head and is finished by whoever comes next, so the stream is never torn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Optional

from .deadline import Deadline, acquire_timeout
from .errors import ConnectionLost, WaitTimeout

Write = Callable[[memoryview], int]
"""Writes what the kernel takes now and returns how much; 0 when it is full."""

WaitWritable = Callable[[Deadline], bool]
"""Waits until the socket takes bytes again; False at the deadline."""


class Entry:
    """
    One message: its frames, and how far they are written.

    A large message is several frames, so that a pong can pass between them.
    """

    __slots__ = ("frames", "offset", "done", "started")

    def __init__(self, frames: list[bytes]) -> None:
        self.frames = deque(frames)
        self.offset = 0
        self.started = False
        self.done = False


class Outbox:
    """
    Serialises senders; control frames pass between the frames of a message.

    Args:
        write: writes to the socket without waiting.
        wait_writable: waits for the socket outside of any other lock.
    """

    def __init__(self, write: Write, wait_writable: WaitWritable) -> None:
        self._write = write
        self._wait_writable = wait_writable
        # Guards the socket's sending half and the heads of both queues. The one
        # lock that is held across I/O; the reader never waits for it.
        self._lock = Lock()
        self._control: deque[Entry] = deque()
        self._data: deque[Entry] = deque()
        self._current: Optional[Entry] = None
        self.broken: Optional[Exception] = None

    @property
    def empty(self) -> bool:
        """Whether everything has been given to the kernel."""
        return not (self._current or self._control or self._data)

    @property
    def stalled(self) -> bool:
        """Whether something is left that no thread is writing."""
        return not self.empty and not self._lock.locked()

    def unsent(self) -> int:
        """Number of messages that are not wholly written."""
        return (self._current is not None) + len(self._control) + len(self._data)

    def send(self, frames: list[bytes], deadline: Deadline) -> None:
        """
        Queue a message and write until the kernel has it.

        Raises:
            ConnectionLost: the connection is broken.
            WaitTimeout: the peer takes nothing. If the message was begun, it is
                still finished in the background.
        """
        entry = Entry(frames)
        self._data.append(entry)
        try:
            self._flush(entry, deadline)
        except BaseException:
            self._withdraw(entry)
            raise

    def post(self, frames: list[bytes], *, control: bool = False) -> None:
        """
        Queue a message and write what can be written without waiting.
        """
        (self._control if control else self._data).append(Entry(frames))
        self.drain()

    def drain(self) -> None:
        """
        Write what the kernel takes now, unless another thread is writing.
        """
        while not self.empty and self._lock.acquire(blocking=False):
            try:
                progressed = self._write_all()
            finally:
                self._lock.release()
            if not progressed:
                return

    def closing(self, deadline: Deadline) -> bool:
        """
        Wait until no thread is writing; True when the socket may be closed.
        """
        if not self._lock.acquire(timeout=acquire_timeout(deadline)):
            return False
        self._lock.release()
        return True

    def _flush(self, entry: Entry, deadline: Deadline) -> None:
        if not self._lock.acquire(timeout=acquire_timeout(deadline)):
            raise WaitTimeout("another thread's frame blocks the connection")
        try:
            while not entry.done:
                self._raise_if_broken()
                if not self._write_all() and not self._wait_writable(deadline):
                    raise WaitTimeout("the server does not take any more bytes")
        finally:
            self._lock.release()
        # Something may have been posted while this thread held the lock.
        self.drain()

    def _withdraw(self, entry: Entry) -> None:
        if not entry.started:
            try:
                self._data.remove(entry)
            except ValueError:
                pass

    def _raise_if_broken(self) -> None:
        if self.broken is not None:
            raise ConnectionLost(
                f"the connection broke while sending: {self.broken}", code=1006
            ) from self.broken

    def _write_all(self) -> bool:
        """
        Write frames until there are none or the kernel is full.

        Returns:
            False when the kernel takes nothing more.
        """
        assert self._lock.locked()
        while self.broken is None:
            entry = self._next_entry()
            if entry is None:
                return True
            if not self._write_frame(entry):
                return False
        return True

    def _next_entry(self) -> Optional[Entry]:
        current = self._current
        if current is not None and current.offset:
            return current
        if self._control:
            # A message in fragments waits while the control frame passes.
            entry = self._control[0]
        elif current is not None:
            return current
        elif self._data:
            entry = self._data.popleft()
            self._current = entry
        else:
            return None
        entry.started = True
        return entry

    def _write_frame(self, entry: Entry) -> bool:
        frame = entry.frames[0]
        progress: list[int] = []
        try:
            with memoryview(frame) as view:
                # One call into C from the write to the note of how much was
                # written: a KeyboardInterrupt cannot come between the two.
                progress.extend(map(self._write, (view[entry.offset :],)))
        except OSError as exc:
            self.broken = exc
            return False
        finally:
            entry.offset += sum(progress)
            if entry.offset >= len(frame):
                self._frame_written(entry)
        return bool(progress[0])

    def _frame_written(self, entry: Entry) -> None:
        entry.frames.popleft()
        entry.offset = 0
        if entry.frames:
            return
        entry.done = True
        if entry is self._current:
            self._current = None
        else:
            self._control.popleft()
