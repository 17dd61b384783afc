"""Events of calls, for whoever reads them in another process."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional, Protocol
from uuid import uuid4

from kombu.entity import Queue
from kombu.messaging import Consumer

from ...deadline import Deadline
from .control import LOOK, RECONNECT
from .errors import CallOver, FleetError, NoAnswer
from .publisher import LEASE, publisher_exchange

if TYPE_CHECKING:
    from celery import Celery

LAST = 5.0
"""Seconds that the last message of a call that has ended may take."""


class EventSource(Protocol):
    """What is asked of a call, see `RemoteCall`."""

    @property
    def id(self) -> str:
        """Of the call."""

    def subscribe(self, subscription: str, pattern: str, again: bool) -> bool:
        """Have events sent, or go on with that; False if that cannot be."""

    def unsubscribe(self, subscription: str) -> None:
        """Have no more sent."""


class RemoteEvents:
    """
    Events of a call in another process, from now on; `RemoteCall.events` makes it.

    A context manager and an iterator, for one thread. Iterating ends with the call. An
    event is a mapping, as it was on the wire, without secrets; of sound there is only
    how long it is.

    Args:
        call: whose events.
        app: whose broker it is.
        namespace: of the fleet.
        pattern: which events; what `Session.on` takes.
        timeout: seconds to wait for each.

    No event is lost unseen: each has a number, and `dropped` and `missed` are right
    with every one that comes, and at the end.

    Attributes:
        dropped: events that the worker left out, because there were more than it keeps
            for the broker, or nobody had read for half a minute.
        missed: events that were sent, and did not come because the broker was away.

    Raises:
        CallLost: when iterated: the worker is gone.
        FleetError: when iterated: nobody has counted what was missed, because nobody
            had read for ten minutes or the end of the call was not seen.
        NoAnswer: when iterated: none came in time.
    """

    def __init__(
        self,
        call: EventSource,
        app: Celery,
        namespace: str,
        *,
        pattern: str,
        timeout: Optional[float],
    ) -> None:
        self._call = call
        self._app = app
        self._pattern = pattern
        self._timeout = timeout
        self._id = uuid4().hex
        self._exchange = publisher_exchange(namespace, self._id)
        self._found: deque[Mapping[str, Any]] = deque()
        self._connection: Any = None
        self._renew_at = 0.0
        self._over = False
        self._ends: Optional[Deadline] = None
        self._subscribed = False
        self._number = 0
        self._received = 0
        self.dropped = 0
        self.missed = 0

    def __repr__(self) -> str:
        return f"<RemoteEvents of {self._call.id!r}, {self._pattern!r}>"

    def __enter__(self) -> RemoteEvents:
        try:
            self._open()
        except BaseException:
            # Nobody calls `__exit__` then. A worker that has subscribed nonetheless
            # notices by itself that nobody reads.
            self._release()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __iter__(self) -> RemoteEvents:
        return self

    def __next__(self) -> Mapping[str, Any]:
        deadline = Deadline(self._timeout)
        while not self._found:
            if self._over:
                raise StopIteration
            if deadline.passed:
                raise NoAnswer(
                    f"no {self._pattern} of call {self._call.id} came in time",
                    call_id=self._call.id,
                )
            self._look_after()
            self._drain(deadline.limited(LOOK))
        return self._found.popleft()

    def _look_after(self) -> None:
        """Go on reading as long as the call goes on; then wait for its last message."""
        if self._ends is None:
            try:
                self._renew()
            except CallOver:
                self._ends = Deadline(LAST)
        elif self._ends.passed:
            self._over = True
            raise FleetError(
                f"call {self._call.id} has ended, and the last of its events did not "
                "come",
                call_id=self._call.id,
            )

    def close(self) -> None:
        """Have no more sent."""
        self._release()
        if not self._over:
            self._over = True
            try:
                self._call.unsubscribe(self._id)
            except (CallOver, NoAnswer):
                return  # The worker notices by itself that nobody reads.

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()

    def _open(self) -> None:
        connection = self._connection = self._app.connection_for_read()
        connection.ensure_connection(max_retries=1, timeout=5.0)
        queue = Queue(
            f"{self._exchange.name}.{uuid4().hex[:8]}",
            exchange=self._exchange,
            durable=False,
            exclusive=True,
            auto_delete=True,
        )
        consumer = Consumer(
            connection.channel(),
            [queue],
            callbacks=[self._arrived],
            accept=["json"],
            no_ack=True,
        )
        consumer.consume()
        # Redis is told of it when it is read for the first time.
        self._drain(Deadline(0.01))
        self._renew()

    def _renew(self) -> None:
        if time.monotonic() >= self._renew_at:
            known = self._call.subscribe(self._id, self._pattern, self._subscribed)
            if not known:
                self._over = True
                raise FleetError(
                    "nobody has counted how many events of call "
                    f"{self._call.id} were missed: subscribe again",
                    call_id=self._call.id,
                )
            self._subscribed = True
            self._renew_at = time.monotonic() + LEASE / 3

    def _drain(self, deadline: Deadline) -> None:
        try:
            if self._connection is None:
                self._open()
            self._connection.drain_events(timeout=deadline.remaining())
        except (socket.timeout, TimeoutError):
            return
        except (
            OSError,
            *self._app.connection_for_read().recoverable_connection_errors,
        ):
            # The broker is away; what is sent meanwhile is not kept.
            self._release()
            time.sleep(deadline.limited(RECONNECT).remaining() or 0.0)

    def _arrived(self, body: Mapping[str, Any], message: object) -> None:
        number, over = body["number"], bool(body.get("over"))
        if not over and number <= self._number:
            return  # Sent again, as its sender did not know that it had arrived.
        self._number = number
        if over:
            self._over = True
        else:
            self._received += 1
            self._found.append(body["event"])
        self.dropped = body["dropped"]
        self.missed = number - self.dropped - self._received
