"""
Expectations and streams: events for a thread that asks for them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, Generic, Optional, Union

from ..deadline import Deadline
from ..errors import (
    ConfigurationError,
    ConnectionClosedOK,
    DispatchOverflow,
)
from ..state.snapshot import Snapshot
from ..types import UNSET, Event, EventKey, Timeout
from .context import MirroredInContext
from .names import CLIENT_PREFIX, names_of, resolve_name
from .notices import NOTICE_NAMES, NOTICE_PREFIXES, Notice, Published
from .signals import UNKNOWN_KEY
from .subscription import check_subscription_predicate
from .watches import Watch, WatchList, WatchMailbox, WatchSlot, WatchWaiting

_MOST_UNREAD = 10_000


class Expectation(Generic[Event]):
    """
    The first event of a kind from now on, or the first that fits.

    Registered when it is made, so that nothing that comes of the action that
    follows can be missed::

        with session.expect("session.updated") as got:
            session.update(instructions="Be brief.")
        print(got.result().session)
    """

    def __init__(
        self,
        event: EventKey[Event],
        where: Optional[Callable[[Event], Any]],
        *,
        unknown: bool,
        watches: WatchList,
        waiting: WatchWaiting,
        session: Optional[object] = None,
    ) -> None:
        check_subscription_predicate(where)
        self._what = event if isinstance(event, str) else event.__name__
        self._where = where
        self._waiting = waiting
        # Who waits for a session holds it: dropped, it would end.
        self._session = session
        self._since = waiting.heard
        self._found: Optional[Event] = None
        # The predicate is for the thread that waits, so that without one the
        # first event is enough, and with one all of them are kept for it.
        self._mailbox = mailbox = WatchMailbox(_MOST_UNREAD)
        accept = mailbox.put_first if where is None else mailbox.put
        watch = watch_for_stream(event, unknown, accept, mailbox.end)
        # First: whom a Ctrl-C keeps from coming to be is forgotten all the same.
        self._forget = weakref.finalize(self, watches.forget, watch)
        self._forget.atexit = False
        watches.add(watch)

    def __enter__(self) -> Expectation[Event]:
        return self

    def __exit__(
        self, exc_type: Optional[type[BaseException]], *exc_info: object
    ) -> None:
        if exc_type is not None:
            self.cancel()

    def cancel(self) -> None:
        """Expect nothing any more."""
        self._forget()
        self._mailbox.end(None)

    def result(self, timeout: Timeout = UNSET) -> Event:
        """
        Wait for the event.

        From any thread but the loop; wakes at once when the connection ends.
        The ``where`` predicate runs in the calling thread.

        Args:
            timeout: seconds; by default the session's.

        Raises:
            ConnectionClosed: the connection ended first.
            DispatchOverflow: too many events came that do not fit.
            WaitTimeout: it did not come in time.
        """
        deadline = self._waiting.deadline(timeout)
        while self._found is None:
            event: Event = self._first(deadline)
            # It is in the mailbox until it is known not to fit: who is interrupted
            # in the predicate asks again, and finds it.
            if _fits_stream(self._where, event, self._mailbox):
                self._found = event
                self.cancel()
            else:
                self._mailbox.drop(event)
        return self._found

    def _first(self, deadline: Deadline) -> Event:
        try:
            with self._waiting.explaining(self._since):
                event: Event = self._mailbox.first(
                    self._waiting.wait, deadline, f"event {self._what}"
                )
            return event
        except StopIteration:
            if self._found is not None:
                return self._found  # Another thread was given it.
            raise ConnectionClosedOK(
                f"the session was closed before {self._what} came", code=1000
            ) from None
        except OverflowError as exc:
            raise DispatchOverflow(f"waiting for {self._what}: {exc}") from None


class EventStream(Generic[Event]):
    """
    Events as they come, for a ``for`` loop.

    Registered when it is made; bounded; forgotten when it is collected. Ends
    when the session is closed, raises when the connection is lost. One thread
    at a time. A wait that Ctrl-C interrupts loses no event: go on with the same
    stream.
    """

    def __init__(
        self,
        event: EventKey[Event],
        where: Optional[Callable[[Event], Any]],
        *,
        unknown: bool,
        timeout: Timeout,
        watches: WatchList,
        waiting: WatchWaiting,
        session: Optional[object] = None,
        limit: int = _MOST_UNREAD,
    ) -> None:
        check_subscription_predicate(where)
        waiting.deadline(timeout)  # What is no time is refused here.
        self._what = event if isinstance(event, str) else event.__name__
        self._where = where
        self._timeout = timeout
        self._waiting = waiting
        # Who waits for a session holds it: dropped, it would end.
        self._session = session
        self._since = waiting.heard
        self._mailbox = mailbox = WatchMailbox(limit)
        watch = watch_for_stream(event, unknown, mailbox.put, mailbox.end)
        # First: whom a Ctrl-C keeps from coming to be is forgotten all the same.
        self._forget = weakref.finalize(self, watches.forget, watch)
        self._forget.atexit = False
        watches.add(watch)

    def __enter__(self) -> EventStream[Event]:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        deadline = self._waiting.deadline(self._timeout)
        mailbox = self._mailbox
        events = mailbox.events
        while True:
            event: Event = self._first(deadline)
            if not _fits_stream(self._where, event, mailbox):
                mailbox.drop(event)
                continue
            self._since = self._waiting.heard
            # No call from here on, not even of `drop`: the interpreter looks for
            # signals at calls, and an event that is taken out before a Ctrl-C is
            # raised would be lost.
            if events and events[0] is event:
                del events[0]
                return event

    def _first(self, deadline: Deadline) -> Event:
        try:
            # Since the event before: the error may have come while the caller was
            # busy with that one.
            with self._waiting.explaining(self._since):
                event: Event = self._mailbox.first(
                    self._waiting.wait, deadline, f"event {self._what}"
                )
            return event
        except ConnectionClosedOK:
            raise StopIteration from None
        except OverflowError as exc:
            raise DispatchOverflow(f"stream of {self._what}: {exc}") from None

    def close(self) -> None:
        """End the stream; iterating further stops."""
        self._forget()
        self._mailbox.end(None)


def _fits_stream(
    where: Optional[Callable[[Event], Any]], event: Event, mailbox: WatchMailbox
) -> bool:
    """
    Whether an event is wanted; one whose predicate fails is not looked at again.
    """
    try:
        return where is None or bool(where(event))
    except Exception:
        mailbox.drop(event)
        raise


def wait_changed_in_stream(
    mirror: MirroredInContext,
    version: int,
    timeout: Timeout,
    *,
    watches: WatchList,
    waiting: WatchWaiting,
) -> Snapshot:
    """
    See `Session.wait_changed`.

    Args:
        mirror: whose snapshot is meant.
        version: of the snapshot that is known.
        timeout: seconds, or `UNSET` for the session's.
        watches: tells of events, each of which may change the snapshot.
        waiting: how the session waits.
    """
    slot = WatchSlot()

    def look(event: Optional[Published]) -> None:
        if mirror.snapshot.version > version:
            slot.resolve(None)

    def end(error: Optional[BaseException]) -> None:
        slot.fail(error or ConnectionClosedOK("the session was closed", code=1000))

    watch = Watch(None, look, end)
    watches.add(watch)
    try:
        look(None)
        deadline = waiting.deadline(timeout)
        with waiting.explaining():
            slot.result(waiting.wait, deadline, "change of the snapshot")
    finally:
        watches.remove(watch)
    return mirror.snapshot


def watch_for_stream(
    event: Union[type, str],
    unknown: bool,
    accept: Callable[[Any], None],
    end: Callable[[Optional[BaseException]], None],
) -> Watch:
    """
    A watch for whatever `on` would take: a name, a pattern, a class.
    """
    key, event_class = resolve_name(event, unknown=unknown)
    if key.startswith(CLIENT_PREFIX):
        raise ConfigurationError(
            f"{key} is what this side sends, and only handlers are told of it: use on()"
        )
    permanent = key.startswith(NOTICE_PREFIXES)
    if permanent and key.endswith("*"):
        named = frozenset(name for name in NOTICE_NAMES if name.startswith(key[:-1]))
        return Watch(named, accept, end, permanent=True)
    if event_class is None and not key.endswith("*"):
        return Watch(frozenset({key}), accept, end, permanent=permanent)
    in_pattern = _stream_pattern_test(key)

    def accept_fitting(event: Published) -> None:
        if isinstance(event, event_class) if event_class else in_pattern(event):
            accept(event)

    exact = event_class is not None and key not in ("*", UNKNOWN_KEY)
    types = frozenset({key}) if exact and not key.endswith("*") else None
    return Watch(types, accept_fitting, end, permanent=permanent)


def _stream_pattern_test(pattern: str) -> Callable[[Published], bool]:
    prefix = pattern[:-1]

    def fits(event: Published) -> bool:
        if isinstance(event, Notice):
            return False
        return any(name.startswith(prefix) for name in names_of(event.type))

    return fits
