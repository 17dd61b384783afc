"""
Events of calls, for whoever subscribes in another process.

Nothing is sent that nobody asked for. Who subscribes has a time for it, which he
extends as long as he reads; a worker keeps so many events for the broker and no more,
and says how many it had to leave out.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Mapping
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Optional, Protocol
from uuid import uuid4

from kombu.entity import Exchange, Queue
from kombu.messaging import Consumer, Producer

from ...deadline import Deadline
from ...protocol import audio_fields, sensitive
from ...transport.logs import area_logger
from .control import LOOK, RECONNECT
from .errors import CallOver, NoAnswer

if TYPE_CHECKING:
    from celery import Celery

    from ... import Subscription as Handler
    from ...protocol.events import ServerEvent
    from .call import Call

_log = area_logger("realtime_sync.contrib.celery")

MOST_WAITING = 10_000
"""Events that a worker keeps for the broker, of all calls together."""

LEASE = 30.0
"""Seconds for which a subscription is good unless it is extended."""


def exchange_for(namespace: str, subscription: str) -> Exchange:
    """Where the events of a subscription go: to who listens, and nowhere else."""
    return Exchange(
        f"{namespace}.events.{subscription}",
        type="fanout",
        durable=False,
        auto_delete=True,
        delivery_mode="transient",
    )


class _Subscribed:
    """One subscription, in the worker."""

    def __init__(self, exchange: Exchange, call: Call) -> None:
        self.exchange = exchange
        self.call = call
        self.until = time.monotonic() + LEASE
        self.dropped = 0
        self.handler: Optional[Handler] = None


class Publisher:
    """
    Sends events of calls to the broker, in a thread of its own.

    Args:
        app: whose broker it is.
        namespace: of the fleet.
    """

    def __init__(self, app: Celery, namespace: str) -> None:
        self._app = app
        self._namespace = namespace
        # Guards the subscriptions. What waits is appended to without it, on loops.
        self._lock = Lock()
        self._subscribed: dict[str, _Subscribed] = {}
        self._waiting: deque[tuple[_Subscribed, Optional[ServerEvent]]] = deque()
        self._arrived = Event()
        self._over = Event()
        self._thread: Optional[Thread] = None

    def subscribe(self, call: Call, subscription: str, pattern: str) -> None:
        """Send the events of a call, or go on with that for another `LEASE` seconds."""
        with self._lock:
            found = self._subscribed.get(subscription)
            if found is not None:
                found.until = time.monotonic() + LEASE
                return
            found = _Subscribed(exchange_for(self._namespace, subscription), call)
            self._subscribed[subscription] = found
            if self._thread is None:
                self._thread = Thread(
                    target=self._run, name="realtime-sync fleet events", daemon=True
                )
                self._thread.start()
        one = found

        def put(event: ServerEvent) -> None:
            self._put(one, event)

        # On the loop, where it only appends: whoever watches a call from elsewhere is
        # not to be a handler that the call waits for.
        found.handler = call.session.on(pattern, put, inline=True, unknown=True)

    def unsubscribe(self, subscription: str) -> None:
        """Send them no more."""
        with self._lock:
            found = self._subscribed.pop(subscription, None)
        if found is not None and found.handler is not None:
            found.handler.cancel()

    def ended(self, call: Call) -> None:
        """Tell those who read that a call is over."""
        for subscription, each in self._all():
            if each.call is call:
                self._waiting.append((each, None))
                self._arrived.set()
                self.unsubscribe(subscription)

    def close(self, timeout: Optional[float]) -> None:
        """Send what waits, as far as there is time, and end."""
        self._over.set()
        self._arrived.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _all(self) -> list[tuple[str, _Subscribed]]:
        with self._lock:
            return list(self._subscribed.items())

    def _put(self, subscribed: _Subscribed, event: ServerEvent) -> None:
        if len(self._waiting) >= MOST_WAITING:
            subscribed.dropped += 1
            return
        self._waiting.append((subscribed, event))
        self._arrived.set()

    def _run(self) -> None:
        while not self._over.is_set() or self._waiting:
            try:
                with self._app.connection_for_write() as connection:
                    connection.ensure_connection(max_retries=1, timeout=5.0)
                    self._send(Producer(connection.channel(), serializer="json"))
            except Exception as exc:
                # Each transport has its own exceptions for this.
                _log.info("! events cannot be sent: %s", exc)
                if self._over.is_set():
                    return
            self._over.wait(RECONNECT)

    def _send(self, producer: Producer) -> None:
        while not self._over.is_set() or self._waiting:
            self._arrived.wait(LOOK)
            self._arrived.clear()
            while self._waiting:
                subscribed, event = self._waiting[0]
                message = {"over": True} if event is None else {"event": _shown(event)}
                producer.publish(
                    {**message, "dropped": subscribed.dropped},
                    exchange=subscribed.exchange,
                    declare=[subscribed.exchange],
                    retry=False,
                )
                self._waiting.popleft()
            for subscription, each in self._all():
                if time.monotonic() > each.until:
                    self.unsubscribe(subscription)


def _shown(event: ServerEvent) -> Any:
    """An event as it was on the wire, without secrets, and sound by its length."""
    frame = sensitive.left_out(event.raw)
    return audio_fields.replaced(frame, audio_fields.shown)


class Subscribing(Protocol):
    """What is asked of a call, see `RemoteCall`."""

    @property
    def id(self) -> str:
        """Of the call."""

    def subscribe(self, subscription: str, pattern: str) -> None:
        """Have events sent, or go on with that."""

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

    Attributes:
        dropped: events that were left out, because there were more than the worker
            keeps for the broker.
    """

    def __init__(
        self,
        call: Subscribing,
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
        self._exchange = exchange_for(namespace, self._id)
        self._found: deque[Mapping[str, Any]] = deque()
        self._connection: Any = None
        self._renew_at = 0.0
        self._over = False
        self.dropped = 0

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
            try:
                self._renew()
            except CallOver:
                # What it sent last may still be on the way.
                self._over = True
            self._drain(deadline.limited(LOOK))
        return self._found.popleft()

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
            callbacks=[self._received],
            accept=["json"],
            no_ack=True,
        )
        consumer.consume()
        # Redis is told of it when it is read for the first time.
        self._drain(Deadline(0.01))
        self._renew()

    def _renew(self) -> None:
        if time.monotonic() >= self._renew_at:
            self._call.subscribe(self._id, self._pattern)
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

    def _received(self, body: Mapping[str, Any], message: object) -> None:
        self.dropped = body["dropped"]
        if body.get("over"):
            self._over = True
        else:
            self._found.append(body["event"])
