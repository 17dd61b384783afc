"""
Calls handlers, each isolated from the others, and knows which one is slow.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from time import monotonic
from typing import Optional

from ..state.snapshot import Snapshot
from ..transport.logs import Block, area_logger
from .context import Context
from .notices import HandlerFailed, Published
from .signals import Receiver, SignalBoard
from .subscription import (
    Subscription,
    SubscriptionContextual,
    subscription_handler_name,
)

logger = area_logger("realtime_sync.dispatch")


class Invoker:
    """
    Calls the receivers of one session's signals.

    Args:
        session: gives the sender of the signals, None when the program has let go of
            it; held only while handlers run.
        board: where the handlers of failures are registered.
        in_own_thread: tells whether the calling thread is the library's.
        offer: gives notices to who waits for them.

    Attributes:
        failures: exceptions of handlers so far.
    """

    def __init__(
        self,
        session: Callable[[], Optional[SubscriptionContextual]],
        board: SignalBoard,
        in_own_thread: Callable[[], bool],
        offer: Callable[[Published], None],
    ) -> None:
        self.failures = 0
        self._session = session
        self._board = board
        self._in_own_thread = in_own_thread
        self._offer = offer
        # What runs where deliveries run; inline handlers, which run on another
        # thread at the same time, leave it alone.
        self._running: Optional[tuple[Receiver, float]] = None
        self._reported: Optional[tuple[Receiver, float]] = None
        self._slowest: tuple[float, Optional[Receiver]] = (0.0, None)

    @property
    def busy(self) -> bool:
        """Whether a queued handler runs."""
        return self._running is not None

    def call(
        self,
        receivers: tuple[Receiver, ...],
        event: Published,
        snapshot: Optional[Snapshot],
        *,
        queued: bool = False,
        begun: Optional[list[Receiver]] = None,
    ) -> None:
        """
        Call handlers one after the other; what one raises stops no other.

        Args:
            receivers: the handlers.
            event: for them.
            snapshot: the conversation as of the event.
            queued: this is where deliveries run: note which one is at it.
            begun: those that have been called, which are passed over; those that are
                called now are added, so that who is interrupted can go on.

        Raises:
            BaseException: a handler in the user's own thread wants to end it
                (`KeyboardInterrupt`, `SystemExit`).
        """
        session, outer, ctx = self._session(), self._running, None
        if session is None:
            return  # Dropped without a close: it ends, and nobody is told for it.
        try:
            for receiver in receivers:
                calls = 0
                if begun is not None:
                    if receiver in begun:
                        continue
                    if receiver.__class__ is Subscription:
                        calls = receiver.calls
                started = monotonic()
                if queued:
                    self._running = (receiver, started)
                try:
                    if receiver.__class__ is Subscription and receiver.plain:
                        receiver.tell(session, event)
                    else:
                        ctx = ctx or Context(session, event, snapshot)
                        receiver(session, event=event, ctx=ctx)
                except BaseException as exc:
                    # Not if it was not entered: then a Ctrl-C came before it. No call
                    # in these lines, for another one would come there.
                    if begun is not None and not (
                        receiver.__class__ is Subscription and receiver.calls == calls
                    ):
                        begun += [receiver]
                    # A handler that calls sys.exit() must not end a thread of ours.
                    if not isinstance(exc, Exception) and not self._in_own_thread():
                        raise
                    self.failed(receiver, event, snapshot, exc)
                else:
                    if begun is not None:
                        begun += [receiver]
                took = monotonic() - started
                # An inline handler may write it at the same time: that costs one name
                # in one message, where a lock would cost every call.
                if took > self._slowest[0]:
                    self._slowest = (took, receiver)
        finally:
            # A handler that pumps runs others inside of itself, and is still at it
            # then.
            if queued:
                self._running = outer

    def culprit(self) -> tuple[str, float]:
        """
        Name of the handler that runs, or of the slowest, and its seconds.
        """
        running = self._running
        if running is not None:
            return _invoked_receiver_name(running[0]), monotonic() - running[1]
        seconds, receiver = self._slowest
        return (_invoked_receiver_name(receiver) if receiver else "?"), seconds

    def report_slow(self, patience: float, thread: Optional[int], depth: int) -> None:
        """
        Log a handler that has been running for long, once per call of it.

        Args:
            patience: seconds that a handler may take.
            thread: where handlers run.
            depth: deliveries that wait behind it.
        """
        running = self._running
        if running is None or running is self._reported:
            return
        seconds = monotonic() - running[1]
        if seconds < patience:
            return
        self._reported = running
        frame = sys._current_frames().get(thread or 0)
        stack = "".join(traceback.format_stack(frame)) if frame else "(no stack)"
        logger.warning(
            "! handler %s has been running for %.1f s; %s deliveries wait\n%s",
            _invoked_receiver_name(running[0]),
            seconds,
            depth,
            Block(stack),
        )

    def failed(
        self,
        receiver: Receiver,
        event: Published,
        snapshot: Optional[Snapshot],
        exc: BaseException,
    ) -> None:
        """
        Log and publish what a handler, or what surrounds it, has raised.

        Args:
            receiver: what raised.
            event: what it was called with.
            snapshot: as of the event.
            exc: what was raised.
        """
        name = _invoked_receiver_name(receiver)
        self.failures += 1
        logger.error(
            "! handler %s failed on %s",
            name,
            getattr(event, "type", "?"),
            exc_info=exc,
        )
        if isinstance(event, HandlerFailed):
            return  # A handler of failures that fails is only logged.
        notice = HandlerFailed(handler=name, error=exc, event=event)
        self._offer(notice)
        route = self._board.route(notice.type)
        self.call(route.inline + route.queued, notice, snapshot)


def _invoked_receiver_name(receiver: Receiver) -> str:
    name = getattr(receiver, "name", None)
    return (
        name if isinstance(name, str) and name else subscription_handler_name(receiver)
    )
