"""
Events of calls, for whoever subscribes in another process: what a worker sends.

Nothing is sent that nobody asked for. Who subscribes has a time for it, which he
extends as long as he reads; a worker keeps so many events for the broker and no more.
Each is numbered, so that whoever reads can count those that did not reach him, and is
told how many of them were left out here.
"""

from __future__ import annotations

import time
from collections import deque
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from kombu.entity import Exchange
from kombu.messaging import Producer

from ...errors import ConfigurationError
from ...protocol import audio_fields, sensitive
from ...transport.logs import area_logger
from .control import LOOK, RECONNECT

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

FORGOTTEN = 600.0
"""Seconds for which events are counted that nobody reads any more."""

MOST_SUBSCRIBED = 1_000
"""Subscriptions of a worker; one more is refused."""


def publisher_exchange(namespace: str, subscription: str) -> Exchange:
    """Where the events of a subscription go: to who listens, and nowhere else."""
    return Exchange(
        f"{namespace}.events.{subscription}",
        type="fanout",
        durable=False,
        auto_delete=True,
        delivery_mode="transient",
    )


class _PublisherSubscription:
    """
    One subscription, in the worker.

    What is counted is changed on the loop of the call, and read elsewhere.
    """

    def __init__(self, exchange: Exchange, call: Call) -> None:
        self.exchange = exchange
        self.call = call
        self.until = time.monotonic() + LEASE
        self.number = 0
        self.dropped = 0
        self.handler: Optional[Handler] = None

    @property
    def asleep(self) -> bool:
        """Whether nobody reads, so that events are counted and not sent."""
        return time.monotonic() > self.until

    def wake(self) -> None:
        """Somebody reads."""
        self.until = time.monotonic() + LEASE


class _PublisherMessage(NamedTuple):
    """What is to be sent: an event, or the end, and how many there were before."""

    subscribed: _PublisherSubscription
    event: Optional[ServerEvent]
    number: int
    dropped: int

    def wire(self) -> dict[str, Any]:
        """As it goes to the broker."""
        what = (
            {"over": True}
            if self.event is None
            else {"event": _shown_by_publisher(self.event)}
        )
        return {**what, "number": self.number, "dropped": self.dropped}


class CallEventPublisher:
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
        self._subscribed: dict[str, _PublisherSubscription] = {}
        self._waiting: deque[_PublisherMessage] = deque()
        self._arrived = Event()
        self._over = Event()
        self._thread: Optional[Thread] = None

    def subscribe(
        self, call: Call, subscription: str, pattern: str, again: bool = False
    ) -> bool:
        """
        Send the events of a call, or go on with that for another `LEASE` seconds.

        Args:
            call: whose.
            subscription: its id.
            pattern: which; what `Session.on` takes.
            again: whether whoever reads has had some of it before.

        Returns:
            False if it was to go on and is not known any more: nobody has counted.

        Raises:
            ConfigurationError: there are too many.
            LocalProtocolError: the session of the call is not open yet.
        """
        on: Any = call.any_session.on
        with self._lock:
            found = self._subscribed.get(subscription)
            if found is not None:
                found.wake()
                return True
            if again:
                return False
            if len(self._subscribed) >= MOST_SUBSCRIBED:
                raise ConfigurationError(
                    f"{MOST_SUBSCRIBED} read the events of this worker's calls already"
                )
            found = _PublisherSubscription(
                publisher_exchange(self._namespace, subscription), call
            )
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
        try:
            found.handler = on(pattern, put, inline=True, unknown=True)
        except BaseException:
            self.unsubscribe(subscription)
            raise
        return True

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
                self.unsubscribe(subscription)
                self._waiting.append(
                    _PublisherMessage(each, None, each.number, each.dropped)
                )
                self._arrived.set()

    def close(self, timeout: Optional[float]) -> None:
        """Send what waits, as far as there is time, and end."""
        self._over.set()
        self._arrived.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _all(self) -> list[tuple[str, _PublisherSubscription]]:
        with self._lock:
            return list(self._subscribed.items())

    def _put(self, subscribed: _PublisherSubscription, event: ServerEvent) -> None:
        subscribed.number += 1
        if subscribed.asleep or len(self._waiting) >= MOST_WAITING:
            subscribed.dropped += 1
            return
        self._waiting.append(
            _PublisherMessage(subscribed, event, subscribed.number, subscribed.dropped)
        )
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
                message = self._waiting[0]
                exchange = message.subscribed.exchange
                producer.publish(
                    message.wire(), exchange=exchange, declare=[exchange], retry=False
                )
                self._waiting.popleft()
            for subscription, each in self._all():
                if time.monotonic() > each.until + FORGOTTEN:
                    self.unsubscribe(subscription)


def _shown_by_publisher(event: ServerEvent) -> Any:
    """An event as it was on the wire, without secrets, and sound by its length."""
    frame = sensitive.sensitive_left_out(event.raw)
    return audio_fields.audio_fields_replaced(frame, audio_fields.shown_audio_field)
