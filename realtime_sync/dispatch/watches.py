"""
Expectations: what somebody waits for, and the one way to wait.

The loop resolves; anybody waits. Nothing here calls user code on the loop:
a predicate is evaluated by the thread that waits.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, RLock
from typing import Any, Optional
from weakref import WeakMethod

from ..deadline import Deadline, Flag, check_seconds, held_here
from ..errors import WaitTimeout
from ..protocol.events import ServerEvent
from ..transport.redaction import redact
from ..types import UNSET, Timeout, Unset
from .notices import Published

_MOST_ERRORS = 64
_MOST_NAMED = 3
"""Errors that are kept for waits, and those of them that a message names."""

Wait = Callable[[Event, Deadline], bool]
"""Blocks on an event until the deadline; how depends on the dispatch mode."""


class WatchSlot:
    """
    A result that another thread will bring, once.

    Callable from any thread. The first outcome counts.
    """

    __slots__ = ("_event", "_value", "_error", "_lock")

    def __init__(self) -> None:
        self._event = Flag()
        self._value: Any = None
        self._error: Optional[BaseException] = None
        # Guards the outcome: of two that come at once the first counts.
        self._lock = Lock()

    @property
    def done(self) -> bool:
        """Whether there is an outcome."""
        return self._event.is_set()

    @property
    def error(self) -> Optional[BaseException]:
        """The failure, or None."""
        return self._error

    def resolve(self, value: object) -> None:
        """Succeed, unless there is an outcome already."""
        self._finish(value, None)

    def fail(self, error: BaseException) -> None:
        """Fail, unless there is an outcome already."""
        self._finish(None, error)

    def result(self, wait: Wait, deadline: Deadline, what: str) -> Any:
        """
        Wait for the outcome.

        Raises:
            WaitTimeout: the deadline passed; the message says `what` was awaited.
        """
        if not self._event.is_set() and not wait(self._event, deadline):
            raise WaitTimeout(f"no {what} in time")
        if self._error is not None:
            raise copy_of_watched_error(self._error)
        return self._value

    def _finish(self, value: object, error: Optional[BaseException]) -> None:
        with self._lock:
            if self._event.is_set():
                return
            # Set last: who is woken, or looks without the lock, finds the outcome.
            self._value, self._error = value, error
            self._event.set()


class WatchMailbox:
    """
    Events for one waiter, in order; closed by the end of the connection.

    The loop puts, the waiter takes. Bounded: over `limit` the mailbox fails
    instead of dropping.

    Args:
        limit: most events that may wait; None for no limit.

    Attributes:
        events: that wait, see `first`.
    """

    __slots__ = ("_ready", "_end", "_limit", "_full", "ended", "events")

    def __init__(self, limit: Optional[int] = None) -> None:
        self.events: deque[Any] = deque()
        self._ready = Flag()
        self._end: Optional[BaseException] = None
        self._limit = limit
        self._full = False
        self.ended = False

    def put(self, event: object) -> None:
        """Add an event. On the loop."""
        if self.ended:
            return
        if self._limit is not None and len(self.events) >= self._limit:
            self.end(OverflowError(f"more than {self._limit} events wait unread"))
            return
        # In this order: who is woken and finds nothing goes back to sleep.
        self.events.append(event)
        self._ready.set()

    def put_first(self, event: object) -> None:
        """Add an event if it is the first one. On the loop."""
        if not self._full:
            self._full = True
            self.put(event)

    def end(self, error: Optional[BaseException]) -> None:
        """Nothing more will come; `error` None for a proper end."""
        if not self.ended:
            # In this order: who sees `ended` takes what is in `_end` for the reason.
            self._end = error
            self.ended = True
            self._ready.set()

    def take(self, wait: Wait, deadline: Deadline, what: str) -> Any:
        """
        The next event, for who gives up the mailbox when he is interrupted.

        Raises:
            Exception: see `first`.
        """
        event = self.first(wait, deadline, what)
        self.drop(event)
        return event

    def drop(self, event: object) -> None:
        """Let go of the first event, if it is still this one."""
        events = self.events
        # No call between the two: neither an interrupt nor another thread comes there.
        if events and events[0] is event:
            del events[0]

    def first(self, wait: Wait, deadline: Deadline, what: str) -> Any:
        """
        The next event; it stays the next one.

        Who takes it out does so where nothing can interrupt him any more, or a Ctrl-C
        would lose it.

        Raises:
            WaitTimeout: none came in time.
            StopIteration: there will be no more, and that is proper.
            Exception: whatever ended the mailbox.
        """
        while True:
            try:
                return self.events[0]
            except IndexError:
                pass
            if self.ended:
                if self._end is not None:
                    raise copy_of_watched_error(self._end)
                raise StopIteration
            self._ready.clear()
            # Looked at again: what was put between the look above and the clearing had
            # its signal cleared as well, and this thread would sleep beside it.
            if self.events or self.ended:
                continue
            if not wait(self._ready, deadline):
                raise WaitTimeout(f"no {what} in time")


class Watch:
    """
    A registered interest in events.

    Attributes:
        types: canonical types of the events wanted; None for every event.
        accept: what the loop calls with an event; never user code.
        end: what the loop calls when the connection ends.
        permanent: waits for the session, not for one connection: it is neither
            ended nor forgotten when a connection breaks that may be replaced.
        lasting: ended by every such loss, but not forgotten: it goes on with
            the next connection.
    """

    __slots__ = ("types", "accept", "end", "permanent", "lasting")

    def __init__(
        self,
        types: Optional[frozenset[str]],
        accept: Callable[[Any], None],
        end: Callable[[Optional[BaseException]], None],
        *,
        permanent: bool = False,
        lasting: bool = False,
    ) -> None:
        self.types = types
        self.accept = accept
        self.end = end
        self.permanent = permanent
        self.lasting = lasting


class WatchList:
    """
    All interests of one session.

    Registering is rare and builds a new index; the loop looks into an index
    that does not change, so that an event nobody waits for costs one look-up.

    Attributes:
        types: of the events that somebody waits for; None while somebody waits for
            every event. `offer` may be left out for others.
        changed: called, under the lock, when a watch has come or gone; it must
            not come back here.
    """

    def __init__(self) -> None:
        # Guards the replacement of the index; the loop takes no lock.
        self._lock = RLock()
        self._watches: tuple[Watch, ...] = ()
        self._by_type: dict[str, tuple[Watch, ...]] = {}
        self._for_all: tuple[Watch, ...] = ()
        self.types: Optional[frozenset[str]] = frozenset()
        self._over = False
        self._error: Optional[BaseException] = None
        self._gone: deque[Watch] = deque()
        self.changed: Callable[[], None] = _watch_tells_nobody

    def add(self, watch: Watch) -> None:
        """Register; a watch that comes after the end is ended at once."""
        with self._lock:
            if not self._over:
                self._index((*self._kept(), watch))
                return
        # Not under the lock: it wakes a thread, which may register the next watch.
        watch.end(self._error)

    def remove(self, watch: Watch) -> None:
        """Forget a watch, known or not."""
        with self._lock:
            self._index(tuple(w for w in self._kept() if w is not watch))

    def forget(self, watch: Watch) -> None:
        """
        Forget a watch soon; may be called while an object is collected.

        The garbage collector can run anywhere, also where this list is locked.
        """
        if not self._over:
            self._gone.append(watch)

    def wants(self, name: str) -> bool:
        """Whether somebody waits for events of this very type."""
        return name in self._by_type

    def held_here(self) -> bool:
        """Whether the calling thread has the lock; see `Router.held_here`."""
        return held_here(self._lock)

    def offer(self, event: Published) -> None:
        """Give an event to whoever wants it. On the loop."""
        if self._gone:
            with self._lock:
                self._index(self._kept())
        for watch in self._by_type.get(event.type, self._for_all):
            watch.accept(event)

    def finish(self, error: Optional[BaseException], *, final: bool = True) -> None:
        """
        End every watch.

        Args:
            error: why; None for a clean close.
            final: whether later watches are ended at once as well; if not,
                permanent and lasting ones stay.
        """
        with self._lock:
            present = self._kept()
            stay = [w for w in present if not final and (w.permanent or w.lasting)]
            ended = [w for w in present if final or not w.permanent]
            self._index(tuple(stay))
            self._over, self._error = final, error
        # Those that are woken may wait for the next thing at once: the index is there,
        # and the lock is free.
        for watch in ended:
            watch.end(error)

    def mark_forked(self, error: BaseException) -> None:
        """
        In a forked child: end whatever is waited for from now on with an error.

        The lock is made anew, because a thread of the parent may have held it.
        """
        self._lock = RLock()
        self._gone = deque()
        with self._lock:
            self._index(())
            self._over, self._error = True, error

    def _kept(self) -> tuple[Watch, ...]:
        gone = []
        while self._gone:
            gone.append(self._gone.popleft())
        return tuple(w for w in self._watches if w not in gone)

    def _index(self, watches: tuple[Watch, ...]) -> None:
        by_type: dict[str, tuple[Watch, ...]] = {}
        for_all: tuple[Watch, ...] = ()
        for watch in watches:
            if watch.types is None:
                for_all += (watch,)
                by_type = {name: (*found, watch) for name, found in by_type.items()}
            else:
                for name in watch.types:
                    by_type[name] = (*by_type.get(name, for_all), watch)
        # Each is replaced as a whole. The loop may see one of them a moment before
        # the others: it then offers one event by the old index, which is complete.
        self._watches = watches
        self._for_all = for_all
        self._by_type = by_type
        # Last: who finds a type here finds its watches above.
        self.types = None if for_all else frozenset(by_type)
        self.changed()


def _watch_tells_nobody() -> None:
    """Nobody is to be told."""


class WatchWaiting:
    """
    How one session waits: the way that fits its dispatch mode, and its default.

    Args:
        wait: blocks on an event.
        timeout: seconds that `UNSET` stands for.
        remedy: what to do about an error, by its words, or None.
    """

    def __init__(
        self,
        wait: Wait,
        timeout: Optional[float],
        remedy: Callable[[str], Optional[str]] = lambda said: None,
    ) -> None:
        self.wait = wait
        self._remedy = remedy
        self.timeout = timeout
        self._errors: deque[ServerEvent] = deque(maxlen=_MOST_ERRORS)
        self._heard = 0
        self.watch = Watch(
            frozenset({"error"}), self._hear, lambda error: None, permanent=True
        )

    @property
    def heard(self) -> int:
        """How many errors the server has told of; marks the beginning of a wait."""
        return self._heard

    def _hear(self, event: ServerEvent) -> None:
        self._errors.append(event)
        self._heard += 1  # Last: who reads it finds the event.

    @contextmanager
    def explaining(self, since: Optional[int] = None) -> Iterator[None]:
        """
        Let a wait that runs out of time name what the server said meanwhile.

        Args:
            since: what `heard` was when the wait began; by default it is now.

        Raises:
            WaitTimeout: as it was raised inside, with the errors.
        """
        since = self._heard if since is None else since
        try:
            yield
        except WaitTimeout as exc:
            count = self._heard - since
            errors = tuple(self._errors)[-count:] if count and not exc.errors else ()
            if not errors:
                raise
            told = [_error_words_for_watch(event) for event in errors]
            said = "; ".join(told[-_MOST_NAMED:])
            remedy = next(filter(None, map(self._remedy, told)), None)
            advice = "" if remedy is None else f". {remedy}"
            raise WaitTimeout(
                f"{exc}; meanwhile the server said: {said}{advice}",
                partial=exc.partial,
                errors=errors,
            ) from None

    def deadline(self, timeout: Timeout = UNSET) -> Deadline:
        """
        The deadline for a ``timeout=`` argument given now.

        Raises:
            ConfigurationError: it is no time.
        """
        given = self.timeout if isinstance(timeout, Unset) else timeout
        return Deadline(check_seconds(given))


def wait_here_for_watch(event: Event, deadline: Deadline) -> bool:
    """Wait in a thread that nobody needs meanwhile, for `WatchWaiting`."""
    return event.wait(deadline.remaining())


def weak_watch(
    types: frozenset[str],
    accept: Callable[[Any], None],
    end: Callable[[Optional[BaseException]], None],
    watches: WatchList,
) -> Watch:
    """
    A watch that does not keep the owner of its methods alive.

    Args:
        types: canonical types wanted.
        accept: bound method for events.
        end: bound method for the end.
        watches: where the watch will be registered, to be left when the owner
            is gone.
    """
    accept_ref = WeakMethod(accept, lambda ref: watches.forget(watch))
    end_ref = WeakMethod(end)

    def accept_if_alive(event: Published) -> None:
        method = accept_ref()
        if method is not None:
            method(event)

    def end_if_alive(error: Optional[BaseException]) -> None:
        method = end_ref()
        if method is not None:
            method(error)

    watch = Watch(types, accept_if_alive, end_if_alive)
    return watch


def _error_words_for_watch(event: ServerEvent) -> str:
    error = getattr(event, "error", None)
    told = [getattr(error, name, None) for name in ("message", "code", "type")]
    words, code = told[0], told[1] or told[2]
    if not isinstance(words, str) or not words:
        words = "no reason"
    return redact(words) + (f" [{code}]" if isinstance(code, str) else "")


def copy_of_watched_error(error: BaseException) -> BaseException:
    """
    A copy of an exception, to be raised in one more place.

    One object that is raised by every waiter would collect the tracebacks of
    all of them, and keep their frames alive.
    """
    try:
        fresh = copy.copy(error)
    except Exception:  # An exception of unusual make cannot be copied.
        return error
    fresh.__cause__ = error.__cause__
    fresh.__suppress_context__ = True
    return fresh
