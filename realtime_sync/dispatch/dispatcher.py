"""
Calls handlers: in order, one at a time, each isolated from the others.

Deliveries of a session are a strand. In ``thread`` mode a worker of its own runs it,
or the workers that many sessions share do; in ``manual`` mode whoever calls `pump`
does; in ``inline`` mode there is no queue, and the loop calls handlers directly. The
loop is never blocked by any of it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any, Optional, Union

from ..deadline import Deadline, Flag, held_here
from ..errors import DispatchOverflow, WouldDeadlock
from ..state.snapshot import Snapshot
from ..transport.logs import area_logger
from .invoker import Invoker
from .notices import DispatchLagging, Published
from .signals import Receiver, Route, SignalBoard
from .strand import Strand, StrandWorker, run_strand_at_once
from .subscription import SubscriptionContextual
from .workers import Workers, WorkersPlace

logger = area_logger("realtime_sync.dispatch")


Delivery = tuple[Published, Optional[Snapshot], int, str, float]
"""
An event, the snapshot as of it, the bytes of its frame, its route's key, and for
one delivery in `_SAMPLED` when it was queued; 0.0 for the others.
"""

Around = Callable[[], AbstractContextManager[Any]]
"""Gives what is entered around each delivery, for what belongs to one thread."""

_SAMPLED = 16
_MOST_SAMPLES = 512


class _Marker:
    """Something in the queue that is not a delivery."""

    def __init__(self) -> None:
        self.reached = Flag()
        # The session, behind whose last delivery this stands.
        self.keeps: Optional[object] = None


_Queued = Union[Delivery, _Marker]


def _done_by_dispatcher(sender: object, *, event: object, ctx: object) -> None:
    """Stands at the end of those that a delivery has been made to."""


class Dispatcher:
    """
    Delivers the events of one session.

    Args:
        session: gives the sender of the signals, None when the program has let go of
            it.
        board: where receivers are registered.
        mode: ``"thread"``, ``"manual"`` or ``"inline"``.
        name: of the session, for the thread's name.
        limit: most deliveries that may wait.
        limit_bytes: most bytes of frames that may wait.
        on_reader: tells whether the current thread is the loop.
        call_behind: calls something once the event that the loop is taking has been
            submitted.
        is_stale: tells whether a delivery may be discarded unheard; or None.
        offer: gives notices to who waits for them.
        workers: run the deliveries in ``thread`` mode; None for a worker of its own.
        around: gives a context manager that is entered around each delivery that
            one of these workers makes; or None.
    """

    def __init__(
        self,
        session: Callable[[], Optional[SubscriptionContextual]],
        board: SignalBoard,
        *,
        mode: str,
        name: str,
        limit: int,
        limit_bytes: int,
        on_reader: Callable[[], bool],
        call_behind: Callable[[Callable[[], None]], None],
        is_stale: Optional[Callable[[Published], bool]],
        offer: Callable[[Published], None] = lambda notice: None,
        workers: Optional[Workers] = None,
        around: Optional[Around] = None,
    ) -> None:
        self.mode = mode
        self.board = board
        self._session = session
        self._name = name
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._high, self._high_bytes = limit // 10, limit_bytes // 2
        self._on_reader = on_reader
        self._call_behind = call_behind
        self._is_stale = is_stale
        self._strand: Strand[_Queued] = Strand(self._take)
        # In `submit`, and elsewhere, where the loop's turn may not be waited for.
        self._put_in_turn = self._put = self._strand.put
        self._workers = workers if mode == "thread" else None
        self._around = around
        self._worker: Optional[StrandWorker[_Queued]] = None
        self._last = _Marker()
        if self._workers is not None:
            place = WorkersPlace(self._workers, self._strand, self._tell_of_bound)
            self._put_in_turn = self._put = place.put
        elif mode == "thread":
            finished = self._last.reached.is_set
            thread = f"realtime-sync {name} worker"
            self._worker = worker = StrandWorker(self._strand, finished, thread)
            self._put, self._put_in_turn = worker.put, worker.put_in_turn
        # The thread that pumped last. In manual mode no other may be made to wait by
        # pumping: handlers would run where their user does not expect them.
        self._pumping: Optional[int] = None
        # Each counter has one writing thread: submitted the loop, delivered
        # whoever delivers. Their difference is the depth of the queue.
        self._submitted = self._submitted_bytes = 0
        # Guards `_posted`, which any thread may raise. Re-entrant: see `held_here`.
        self._post_lock = threading.RLock()
        self._posted = 0
        self.delivered = self._delivered_bytes = 0
        self.discarded = self.discarded_at_close = 0
        self._delays: deque[float] = deque(maxlen=_MOST_SAMPLES)
        # Written by the loop and by whoever delivers. Both at once cost one notice
        # too many or too few; a lock would cost every delivery.
        self._lagging = False
        self._discarding = False
        # Those that threads wait for; the end releases them, whoever comes too late.
        self._flushes: list[_Marker] = []
        self._pumps = 0
        self._expiry: Optional[Deadline] = None
        self._offer = offer
        self._invoker = Invoker(session, board, self._in_own_thread, offer)

    @property
    def failures(self) -> int:
        """Exceptions of handlers so far."""
        return self._invoker.failures

    @property
    def depth(self) -> int:
        """Deliveries that wait."""
        return self._submitted + self._posted - self.delivered

    @property
    def depth_bytes(self) -> int:
        """Bytes of the frames that wait."""
        return self._submitted_bytes - self._delivered_bytes

    def delays(self) -> list[float]:
        """Seconds that sampled deliveries waited lately, shortest first."""
        # A copy by one call into C: whoever delivers appends meanwhile.
        return sorted(tuple(self._delays))

    def start(
        self, at_turn_end: Callable[[Callable[[], None]], None] = run_strand_at_once
    ) -> None:
        """
        Start the worker, if there is one of the session's own.

        Args:
            at_turn_end: see `Loop.at_turn_end`.
        """
        self._pumping = threading.get_ident()
        if self._worker is not None:
            self._worker.start(at_turn_end)

    def submit(
        self, event: Published, snapshot: Snapshot, size: int, route: Route, key: str
    ) -> None:
        """
        Hand an event over. Called by one thread, the loop.

        Raises:
            DispatchOverflow: more waits than the session allows.
        """
        # Before it is queued: what overtakes the queue must not stand in it.
        inline, queued, keeps = route
        if inline:
            self._invoker.call(inline, event, snapshot)
        if self.mode == "inline":
            self._invoker.call(queued, event, snapshot, queued=True)
            return
        if not queued and self.mode == "thread":
            # In manual mode it is queued all the same: `pump` comes back for it, and
            # whoever pumps in a loop of his own gets to look at the mirror.
            return  # Nobody listens; the mirror and the waiters have seen it.
        # Counted before it is queued: the deliverer may take it at once, and the
        # depth must never be negative.
        self._submitted += 1
        self._submitted_bytes += size
        kept = snapshot if keeps else None
        stamp = 0.0 if self._submitted % _SAMPLED else monotonic()
        self._put_in_turn((event, kept, size, key, stamp))
        # Once it is queued: an overflow ends the session, and an event that was refused
        # before would be in no count of what was not delivered.
        waiting = self._submitted + self._posted - self.delivered
        waiting_bytes = self._submitted_bytes - self._delivered_bytes
        if waiting > self._high or waiting_bytes > self._high_bytes:
            self._watch_depth(snapshot)

    def post(
        self, notice: Published, snapshot: Snapshot, route: Route, key: str
    ) -> None:
        """
        Hand over something of our own making. From any thread.
        """
        if route.inline:
            self._invoker.call(route.inline, notice, snapshot)
        if self.mode == "inline":
            self._invoker.call(route.queued, notice, snapshot, queued=True)
        elif route.queued or self.mode == "manual":
            # Count and place in one step, as in `submit`; handlers never run under
            # it, because `put` only appends.
            with self._post_lock:
                self._posted += 1
                self._put((notice, snapshot, 0, key, 0.0))

    def pump(self, deadline: Deadline) -> int:
        """
        Call the handlers of what waits, waiting for the first delivery.

        Returns:
            How many deliveries were handled.
        """
        # The last one to pump is asked to empty the queue at the end; `_pumps` is
        # a count because a handler that waits pumps inside of a pump.
        self._pumping = threading.get_ident()
        self._pumps += 1
        before = self.delivered
        try:
            # Behind the end nothing comes any more that could be waited for.
            timeout = 0.0 if self.finished else deadline.remaining()
            self._strand.pump(self._take, timeout)
        finally:
            self._pumps -= 1
            if self._pumps and self.finished:
                # Within another one, in a signal handler that has closed the session:
                # that one waits for the first of what does not come any more.
                self.wake()
        return self.delivered - before

    def wait(self, event: threading.Event, deadline: Deadline) -> bool:
        """
        Wait for an event, in a way that fits the calling thread.

        Raises:
            WouldDeadlock: the calling thread is the one that would set it.
        """
        if event.is_set():
            return True
        # Not before the look above: what is there already costs nobody a wait.
        self._check_may_wait()
        if self.mode == "manual" and threading.get_ident() == self._pumping:
            # Whoever pumps is the only one to run handlers: were he to sleep here,
            # a handler that sets the event would never run.
            while not event.is_set() and not deadline.passed and not self.finished:
                self.pump(deadline)
            return event.wait(deadline.remaining())
        return event.wait(deadline.remaining())

    def _check_may_wait(self) -> None:
        if self._on_reader():
            raise WouldDeadlock(
                "a handler on the loop cannot wait for the server; "
                "register it without inline=True"
            )

    def wake(self) -> None:
        """Make a pumping thread look again at what it waits for."""
        if self.mode == "manual":
            # He sleeps on the queue, not on the event that was set.
            self._put(_Marker())

    def flush(self, deadline: Deadline) -> bool:
        """
        Wait until handlers have seen everything received so far.

        Returns:
            False at the deadline.
        """
        if self.mode == "inline":
            # In a handler everything but the event at hand has been seen.
            return self._on_reader() or self._flush(deadline)
        if self.on_dispatcher():
            raise WouldDeadlock("flush() in a handler would wait for itself")
        # Not left to `wait`: a worker that is quick would spare it the look, and the
        # same handler would be refused another time.
        self._check_may_wait()
        self.check_free()
        return self._flush(deadline)

    def _flush(self, deadline: Deadline) -> bool:
        marker = _Marker()
        self._flushes.append(marker)
        try:
            # By way of the loop: it answers who waits for an event before it submits
            # that event, and a marker put here might overtake it.
            self._call_behind(lambda: self._mark(marker))
            # Looked at afterwards: the end may come between a look and the marker, and
            # then nobody would release this thread.
            return self.finished or self.wait(marker.reached, deadline)
        finally:
            self._flushes.remove(marker)

    def _mark(self, marker: _Marker) -> None:
        if self.mode == "inline":
            marker.reached.set()  # Nothing is queued in this mode.
        else:
            self._put(marker)

    def held_here(self) -> bool:
        """Whether the calling thread is posting; see `Router.held_here`."""
        return held_here(self._post_lock)

    def check_free(self) -> None:
        """
        Raises:
            WouldDeadlock: deliveries need a worker, the caller is one that would
                wait for them, and there is no other.
        """
        if self._workers is not None:
            self._workers.check_free()

    def discard(self) -> None:
        """From now on count deliveries as undelivered and drop them."""
        # A flag, not an emptying of the queue: that is for the one thread that runs the
        # strand, which counts what it drops.
        self._discarding = True

    def discard_after(self, deadline: Deadline) -> None:
        """
        Deliver what is queued until the deadline, then drop the rest.

        The first deadline holds.
        """
        # A second `close` with more patience must not keep the first one waiting.
        if self._expiry is None:
            self._expiry = deadline

    def keep_session(self) -> None:
        """
        Hold the session until its last delivery: it is being closed, and the program
        may let go of it meanwhile.
        """
        if not self.finished:
            self._last.keeps = self._session()

    def stop(self) -> None:
        """Let the deliveries end behind what is queued."""
        self.keep_session()
        if self.mode == "inline":
            # Nothing is ever queued in this mode, so nobody would come upon the marker.
            self._reach(self._last)
        self._put(self._last)

    @property
    def finished(self) -> bool:
        """Whether everything that was queued at the end has been delivered."""
        return self._last.reached.is_set()

    def drained(self, deadline: Deadline) -> bool:
        """
        Wait until `stop` takes effect; True when nothing runs any more.

        In manual mode the deliveries are made here if the caller is the thread
        that pumps; if no thread pumps they stay undelivered.
        """
        if self.mode == "manual" and not self._pumps:
            if threading.get_ident() != self._pumping:
                return False
        if self._worker is not None and not self._worker.begun:
            self._strand.run_share()  # The system gave no thread: nobody else will.
        if not self.wait(self._last.reached, deadline) and self.mode == "manual":
            if threading.get_ident() == self._pumping:
                self.discard()  # The time is up; nobody else empties the queue.
                self._strand.pump(self._take)
        if self._worker is not None:
            # `finished` is set some steps before the thread ends, and who closes a
            # session must leave no thread behind.
            return self._worker.join(deadline) and self.finished
        return self.finished

    def watch_handler(self, patience: float) -> None:
        """
        Report a handler that has been running for long, once per call of it.

        Called on the loop, which a slow handler does not hold up.

        Args:
            patience: seconds that a handler may take.
        """
        self._invoker.report_slow(patience, self._strand.runner, self.depth)

    def _in_own_thread(self) -> bool:
        """Whether the caller is a thread of the library, not the user's."""
        thread = threading.current_thread()
        if self.mode == "thread" and self._on_strand():
            return True
        # A transport of tests pushes in the main thread, and an interrupt there is the
        # user's: it must not end as a failed handler.
        return self._on_reader() and thread is not threading.main_thread()

    def on_dispatcher(self) -> bool:
        """Whether the calling thread is the one that runs queued handlers."""
        if self.mode == "thread":
            return self._on_strand()
        # Only inside of a handler: between two pumps the same thread may well flush.
        return self._invoker.busy and self._pumping == threading.get_ident()

    def _on_strand(self) -> bool:
        return self._strand.runner == threading.get_ident()

    def _take(self, item: _Queued, begun: Optional[list[Receiver]] = None) -> None:
        """
        Run one item of the strand.

        Args:
            item: what was queued.
            begun: whom it has been delivered to; None in a thread where no interrupt
                can strike.
        """
        if isinstance(item, _Marker):
            # Flushes are released behind the end as well.
            self._reach(item)
        elif not self._last.reached.is_set():
            self._deliver(item, begun)

    def _reach(self, marker: _Marker) -> None:
        marker.reached.set()
        marker.keeps = None
        if marker is self._last:
            # The loop may have ended before it put theirs. A copy: they go meanwhile.
            for flush in tuple(self._flushes):
                flush.reached.set()

    def _tell_of_bound(self, limit: int) -> None:
        """The workers are all in handlers that do not return; on the loop."""
        session = self._session()
        if session is not None:
            self._publish_lagging(
                f"(all {limit} workers are in handlers)", 0.0, session.snapshot
            )

    def _deliver(self, delivery: Delivery, begun: Optional[list[Receiver]]) -> None:
        event, snapshot, size, key, stamp = delivery
        if begun and begun[-1] is _done_by_dispatcher:
            return  # Interrupted when all of it was done.
        if stamp:
            self._delays.append(monotonic() - stamp)
        whole = begun is None
        try:
            if self._discarding or (self._expiry is not None and self._expiry.passed):
                self.discarded_at_close += 1
            elif self._is_stale is not None and self._is_stale(event):
                self.discarded += 1
            else:
                # Looked up again: a handler that was cancelled meanwhile must not
                # be called for what had been queued before.
                board = self.board
                receivers = (board.routes.get(key) or board.route(key)).queued
                if self._around is None or self._workers is None or not receivers:
                    self._invoker.call(
                        receivers, event, snapshot, queued=True, begun=begun
                    )
                else:
                    self._call_within(self._around, receivers, event, snapshot)
            whole = True
        finally:
            # Also for what was dropped, or the depth would grow for ever; not for what
            # Ctrl-C has struck in, which comes again.
            if whole:
                self.delivered += 1
                self._delivered_bytes += size
                if begun is not None:
                    begun += [_done_by_dispatcher]
            if whole and self._lagging and self._caught_up():
                self._lagging = False

    def _call_within(
        self,
        around: Around,
        receivers: tuple[Receiver, ...],
        event: Published,
        snapshot: Optional[Snapshot],
    ) -> None:
        try:
            with around():
                self._invoker.call(receivers, event, snapshot, queued=True)
        except BaseException as exc:  # Its own: those of handlers end in `call`.
            self._invoker.failed(around, event, snapshot, exc)

    def _caught_up(self) -> bool:
        return (
            self.depth <= self._limit // 20
            and self.depth_bytes <= self._limit_bytes // 4
        )

    def _watch_depth(self, snapshot: Snapshot) -> None:
        if self.depth >= self._limit or self.depth_bytes >= self._limit_bytes:
            raise DispatchOverflow(
                f"{self.depth} deliveries ({self.depth_bytes} bytes) wait; "
                f"handler {self._invoker.culprit()[0]} is too slow, or raise "
                "queue_limit"
            )
        if self._lagging:
            return
        self._lagging = True
        name, seconds = self._invoker.culprit()
        logger.warning(
            "! handlers lag: %s deliveries wait; slowest is %s", self.depth, name
        )
        self._publish_lagging(name, seconds, snapshot)

    def _publish_lagging(self, name: str, seconds: float, snapshot: Snapshot) -> None:
        notice = DispatchLagging(
            queued=self.depth,
            queued_bytes=self.depth_bytes,
            handler=name,
            seconds=seconds,
        )
        self._offer(notice)
        route = self.board.route(notice.type)
        self.post(notice, snapshot, route, notice.type)
