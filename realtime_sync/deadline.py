"""
One deadline per operation, passed down instead of a timeout used twice, and what
is waited for until then.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, repeat
from numbers import Real
from queue import Empty, SimpleQueue
from threading import TIMEOUT_MAX, Condition, Event, RLock
from time import monotonic
from typing import Final, Optional

from .errors import ConfigurationError


def check_seconds(value: object, name: str = "timeout") -> Optional[float]:
    """
    Return how long a caller wants to wait, None for without an end.

    What is not a number compares as false with every clock, and a wait for it would
    never end.

    Args:
        value: what was given.
        name: of the argument, for the error.

    Raises:
        ConfigurationError: it is neither None nor seconds, 0 or more.
    """
    if value is None:
        return None
    if not isinstance(value, bool) and isinstance(value, Real):
        with suppress(OverflowError):
            seconds = float(value)
            if seconds >= 0:
                return seconds
    raise ConfigurationError(f"{name} must be seconds, 0 or more, not {value!r:.100}")


class Deadline:
    """
    A point in time, or none.

    Args:
        seconds: from now; None means never.
    """

    __slots__ = ("_at",)

    def __init__(self, seconds: Optional[float]) -> None:
        self._at = None if seconds is None else monotonic() + seconds

    def remaining(self) -> Optional[float]:
        """
        Seconds left; None when there is no end.

        Never negative, and never more than a lock can wait for.
        """
        if self._at is None:
            return None
        return min(max(0.0, self._at - monotonic()), TIMEOUT_MAX)

    @property
    def passed(self) -> bool:
        """Whether the point in time lies behind us."""
        return self._at is not None and monotonic() >= self._at

    def limited(self, seconds: Optional[float]) -> Deadline:
        """
        The nearer of this deadline and one `seconds` from now.
        """
        other = Deadline(seconds)
        if self._at is None or (other._at is not None and other._at < self._at):
            return other
        return self


_LOOK_S: Final = 0.1


def get_by_looks(
    queue: SimpleQueue[None], block: bool = True, timeout: Optional[float] = None
) -> None:
    """
    Get from a queue as its own ``get`` does, in waits of a tenth of a second.

    On Windows a signal does not end the wait for a lock: a Ctrl-C would be seen at
    the end of the whole wait, and never where that has no end.

    Raises:
        Empty: nothing came in time.
    """
    deadline = Deadline(timeout)
    while True:
        try:
            return queue.get(block, deadline.limited(_LOOK_S).remaining())
        except Empty:
            if not block or deadline.passed:
                raise


_get: Callable[[SimpleQueue[None], bool, Optional[float]], None]
_get = get_by_looks if sys.platform == "win32" else SimpleQueue.get

# Takes everything out of an iterator in one call into C.
_exhaust = deque[None](maxlen=0).extend


def copied_when_taken(waiters: list[SimpleQueue[None]]) -> Iterator[SimpleQueue[None]]:
    """
    Give what is in a list when the first is taken, whatever is removed afterwards.

    For an interpreter without a lock of its own: who leaves a list while another
    thread goes through it has the next one passed over, who would sleep on. A list is
    copied in one step there as well.
    """
    return chain.from_iterable(map(list.copy, (waiters,)))


_all_of: Callable[[list[SimpleQueue[None]]], Iterator[SimpleQueue[None]]]
_all_of = iter if getattr(sys, "_is_gil_enabled", lambda: True)() else copied_when_taken


class Flag(Event):
    """
    An event that no interrupt can harm, and that a signal handler may set.

    That of the standard library enters and leaves a lock in Python: a Ctrl-C between
    two of its steps leaves the lock taken, and whoever sets the event next waits for
    ever; or it raises `RuntimeError` in the place of `KeyboardInterrupt`.
    """

    def __init__(self) -> None:
        # Not the inherited one, which makes the lock. Each who waits has a queue of
        # his own here: to put into one is a call into C, and does no harm twice.
        self._waiters: list[SimpleQueue[None]] = []
        self._is = False

    def __repr__(self) -> str:
        return f"<Flag {'set' if self._is else 'unset'}>"

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is

    def set(self) -> None:
        """Set it, and wake everybody who waits."""
        # Made before it is needed: between the two steps that follow, the interpreter
        # looks for no signal, so nobody is left asleep beside a flag that is set. What
        # is relied upon, of CPython: signals are looked for where a function of Python
        # begins, a loop goes back and a call returns, and nowhere else; and nothing of
        # Python is in the second step, so with the interpreter's own lock no waiter
        # comes or goes within it. One that comes after it finds the flag set.
        wake = map(SimpleQueue.put, _all_of(self._waiters), repeat(None))
        self._is = True
        _exhaust(wake)

    def clear(self) -> None:
        """Unset it."""
        self._is = False

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait until it is set; False when that took too long."""
        if self._is:
            return True
        mine: SimpleQueue[None] = SimpleQueue()
        if timeout is not None:
            # Leaves the lock inside of the queue taken. With a free one `get` takes it
            # at once, finds nothing, and looks at the clock again: if the time is up
            # by then, because another program had the processor, it waits for ever
            # (Python 3.10 to 3.12).
            with suppress(Empty):
                mine.get(False)
        self._waiters.append(mine)
        try:
            # Looked at again: who has set it before the queue was there woke nobody.
            if not self._is:
                _get(mine, True, timeout)
            return True
        except Empty:
            return self._is
        finally:
            self._waiters.remove(mine)


class Waiters:
    """
    Wakes those who wait for something to become true; any thread.

    What a condition of the standard library is for. That one enters its lock in
    Python, and gives it back while it waits, so an interrupt leaves it in a wrong
    state; see `Flag`. This one has no lock: what is waited for is guarded by others.
    """

    def __init__(self) -> None:
        # One for each who waits. Taking a copy, adding and removing are calls into C.
        self._flags: list[Flag] = []

    def wake(self) -> None:
        """Have them look again; after each change, and no harm if there was none."""
        for flag in tuple(self._flags):
            flag.set()

    def wait_for(self, happened: Callable[[], bool], deadline: Deadline) -> bool:
        """
        Wait until something is true; no lock may be held.

        Returns:
            False when it was not by the deadline.
        """
        mine = Flag()
        try:
            self._flags.append(mine)
            while True:
                # Before each look: a change that comes after it sets the flag again.
                mine.clear()
                if happened():
                    return True
                if not mine.wait(deadline.remaining()):
                    return happened()
        finally:
            if mine in self._flags:  # Else it was interrupted before it was added.
                self._flags.remove(mine)


class Cancellation:
    """
    Ends what another thread is busy with, before its deadline. Any thread.
    """

    def __init__(self) -> None:
        # Guards the callbacks against a cancellation that comes meanwhile.
        self._lock = RLock()
        self._event = Flag()
        self._callbacks: tuple[Callable[[], None], ...] = ()

    @property
    def requested(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Wake whoever waits and call what is attached."""
        with self._lock:
            self._event.set()
            callbacks, self._callbacks = self._callbacks, ()
        for callback in callbacks:
            callback()

    def wait(self, seconds: float) -> bool:
        """Wait; True at once when it is, or was, cancelled."""
        return self._event.wait(seconds)

    def attach(self, callback: Callable[[], None]) -> None:
        """Have something called by `cancel`; at once if that has been."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks += (callback,)
                return
        callback()

    def detach(self, callback: Callable[[], None]) -> None:
        """Do not call it any more, attached or not."""
        with self._lock:
            self._callbacks = tuple(c for c in self._callbacks if c != callback)


def acquire_timeout(deadline: Deadline) -> float:
    """
    The deadline in the form that ``lock.acquire(timeout=...)`` takes.
    """
    remaining = deadline.remaining()
    return -1 if remaining is None else remaining


def held_here(*locks: RLock) -> bool:
    """
    Whether the calling thread has one of some `threading.RLock`.

    A signal handler runs in the middle of whatever the main thread is at, and may
    find it inside of a lock: then it must not wait for a thread that wants it.

    Relied upon: a lock compares its owner with who asks, and only the asking thread
    itself can make, or unmake, that true. So no other thread can falsify the answer,
    with the interpreter's own lock or without.
    """
    for lock in locks:
        try:
            Condition(lock).notify()  # Nobody waits; it is refused to who has it not.
        except RuntimeError:
            continue
        return True
    return False
