"""
The workers that run the strands of many sessions.

One worker at a time runs a strand, in order, and
puts it back behind the others after a number of items, so a strand that always
has work holds up no other. One awake worker takes what many strands have in one
go; there are more of them only while the ones there are do not come back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock, Thread, current_thread, get_ident, main_thread
from time import monotonic
from typing import Any, Generic, Optional

from ..deadline import Deadline, Flag
from ..errors import WouldDeadlock
from ..transport.logs import area_logger
from .strand import Item, Strand, run_strand_at_once

logger = area_logger("realtime_sync.dispatch")

_SHARE = 64
_LOOK_AGAIN = 0.005
_LONGEST_WAIT = 0.05
_IDLE = 5.0
_NOTICE_AFTER = 0.5

CallLater = Callable[[float, Callable[[], None]], object]
"""Calls something after some seconds, in a thread that no handler blocks."""


class WorkersPlace(Generic[Item]):
    """
    The place of a strand in the line of those that workers share.

    Args:
        workers: who run it.
        strand: what they run.
        lagging: called when the workers' bound keeps it waiting; must not wait.

    Attributes:
        since: when it was put in line, seconds of the monotonic clock.
        told: whether it was told that the bound keeps it waiting; the workers' own.
    """

    __slots__ = (
        "_add",
        "_lined",
        "_lock",
        "_strand",
        "_workers",
        "lagging",
        "since",
        "told",
    )

    def __init__(
        self,
        workers: Workers,
        strand: Strand[Item],
        lagging: Callable[[int], None],
    ) -> None:
        self._workers = workers
        self._strand = strand
        self._add = strand.put
        # Guards `_lined`: a strand stands in line once.
        self._lock = Lock()
        self._lined = False
        self.since = 0.0
        self.told = False
        self.lagging = lagging

    def put(self, item: Item) -> None:
        """Add an item to the strand. Any thread; never waits for a worker."""
        try:
            self._add(item)
        finally:
            # Read without the lock: who finds it set has added before the worker looks
            # for the last time, which it does after clearing.
            if not self._lined:
                self._submit_soon()

    def run_share(self) -> bool:
        """
        Run some of the items. One thread at a time, a worker.

        Returns:
            Whether there is more, so that it goes to the end of the line.
        """
        strand = self._strand
        try:
            strand.run_share(_SHARE)
        except BaseException:  # Should never run: the strand must not stand still.
            logger.exception("! a delivery failed outside of its handlers")
        with self._lock:
            self._lined = not strand.empty
            if self._lined:
                return True
        # One may have been put between the look and the clearing.
        return not strand.empty and self._line_up()

    def _submit_soon(self) -> None:
        if current_thread() is main_thread():
            # A Ctrl-C may strike here, between a count and what it counts: the strand
            # would then stand in a line where nobody looks. So the loop lines it up.
            self._workers.call_soon(self._submit)
        else:
            self._submit()

    def _submit(self) -> None:
        if self._line_up():
            self._workers.submit(self)

    def _line_up(self) -> bool:
        """Whether it did not stand in line yet; somebody must take it there."""
        with self._lock:
            lined, self._lined = self._lined, True
        return not lined


class _Seat:
    """Where one worker waits to be called, and what is seen of it when at work."""

    __slots__ = ("call", "seen", "stuck", "taken", "turns")

    def __init__(self) -> None:
        self.call = Flag()
        # Set under the lock of the workers: called, or gone for good.
        self.taken = False
        # Shares that it has begun; counted by the worker alone. And how many they were
        # at the last look.
        self.turns = self.seen = 0
        # Whether it has not come back from one between two looks. Set and cleared
        # under the lock of the workers, which counts them.
        self.stuck = False


class Workers:
    """
    At most `limit` daemon threads that run strands.

    Another one is called, or started, when none of those at work has come back
    for a moment while strands stand in line, or when the first of the line has
    waited long. Who finds nothing to do for some seconds ends.

    Args:
        limit: most threads.
        name: of the threads.
        call_later: brings the look at the line; see `CallLater`.
        at_turn_end: see `Loop.at_turn_end`.
        busy_with: what keeps them when they do not come back, for the log.
    """

    def __init__(
        self,
        limit: int,
        name: str,
        call_later: CallLater,
        *,
        at_turn_end: Callable[[Callable[[], None]], None] = run_strand_at_once,
        busy_with: str = "handlers",
    ) -> None:
        self.limit = limit
        self._name = name
        self._busy_with = busy_with
        self._call_later = call_later
        self._at_turn_end = at_turn_end
        # Whether the end of the loop's turn is going to see to it that somebody comes.
        self._calling = False
        self._line: deque[WorkersPlace[Any]] = deque()
        # Guards the counts of threads, and who waits where.
        self._lock = Lock()
        self._threads: set[Thread] = set()
        self._idents: set[int] = set()
        self._seats: list[_Seat] = []
        self._at_work: set[_Seat] = set()
        self._awake = 0
        self._stuck = 0
        self._numbers = 0
        self._stopping = False
        # Whether the system gave no thread the last time; said once.
        self._refused = False
        # Whether a look at the line is due.
        self._watched = False
        self._stuck_since: Optional[float] = None
        self._told = False

    # -- from any thread -------------------------------------------------------

    def submit(self, place: WorkersPlace[Any]) -> None:
        """Put a strand in line and see to it that somebody comes."""
        place.since = monotonic()
        self._line.append(place)
        # A worker counts itself out before it looks at the line for the last
        # time; so either it sees the strand, or it is seen to be gone. One that comes
        # back from where it was stuck says so before it looks.
        if self._lacks_worker():
            if not self._calling:
                self._calling = True
                self._at_turn_end(self._call_one)
        elif not self._watched:
            self._watch()

    def call_soon(self, run: Callable[[], None]) -> None:
        """Have something called where neither a handler nor a signal comes between."""
        self._call_later(0.0, run)

    def on_worker(self) -> bool:
        """Whether the calling thread is one of the workers."""
        return get_ident() in self._idents

    @property
    def waiting(self) -> int:
        """Strands in line."""
        return len(self._line)

    @property
    def busy(self) -> int:
        """Workers that are at work."""
        return self._awake

    @property
    def size(self) -> int:
        """Threads that there are."""
        return len(self._threads)

    def check_free(self) -> None:
        """
        Raises:
            WouldDeadlock: the caller is a worker about to wait for another one,
                and all that there may be are at work.
        """
        if self.on_worker() and self._awake >= self.limit:
            raise WouldDeadlock(
                f"all {self.limit} workers are in handlers; waiting for another "
                "one in a handler could last for ever: raise Threads(workers=...)"
            )

    def stop(self) -> None:
        """Let the threads end when the line is empty."""
        with self._lock:
            self._stopping = True
            seats, self._seats = self._seats, []
            for seat in seats:
                self._seat_called(seat)
                self._awake += 1
        for seat in seats:
            seat.call.set()

    def join(self, deadline: Deadline) -> bool:
        """Wait for the threads to end, the caller apart."""
        # A copy: each takes itself out at its end, which is what is waited for.
        with self._lock:
            threads = tuple(self._threads)
        for thread in threads:
            # One that another thread is about to start cannot be joined.
            if thread is not current_thread() and thread.is_alive():
                thread.join(deadline.remaining())
        return not any(thread.is_alive() for thread in threads)

    # -- the threads -------------------------------------------------------------

    def _call_one(self) -> None:
        # Cleared first: who lines up from now on has somebody called again.
        self._calling = False
        # Read before anybody is called: who lined up while he saw a call under way has
        # put nothing else in motion.
        lined = len(self._line)
        if self._lacks_worker():
            self._call_workers(1)
            lined -= 1
        # One worker may take the first and not come back, so the others are looked at.
        if lined > 0 and not self._watched:
            self._watch()

    def _lacks_worker(self) -> bool:
        """Whether nobody at work comes back to the line, and there may be more."""
        return self._awake <= self._stuck < self.limit

    def _call_workers(self, number: int) -> None:
        """Have more of them at work, up to the limit."""
        called: list[_Seat] = []
        with self._lock:
            while number and self._seats:
                # The one that sat down last: its memory is warm, and the others
                # get on towards their end.
                seat = self._seats.pop()
                self._seat_called(seat)
                called.append(seat)
                number -= 1
            starting = max(0, min(number, self.limit - self._awake - len(called)))
            # Counted before they run: another thread that looks meanwhile would call as
            # many once more.
            self._awake += len(called) + starting
            self._numbers += starting
            first = self._numbers - starting + 1
        for seat in called:
            seat.call.set()
        for index in range(first, first + starting):
            thread = Thread(
                target=self._work, name=f"{self._name} worker {index}", daemon=True
            )
            # Before it runs: who joins them waits for one that has only just begun.
            with self._lock:
                self._threads.add(thread)
            try:
                thread.start()
            except RuntimeError as exc:  # The system gives no more threads.
                with self._lock:
                    self._threads.discard(thread)
                    # Nor are the others begun that were counted.
                    self._awake -= first + starting - index
                    told, self._refused = self._refused, True
                if not told:
                    logger.warning("! no worker more: %s", exc)
                # The strand stands in line, so nobody would call for it again.
                if not self._watched:
                    self._watch()
                return
            self._refused = False

    def _seat_called(self, seat: _Seat) -> None:
        assert self._lock.locked()
        seat.taken = True
        self._at_work.add(seat)

    def _work(self) -> None:
        ident, seat = get_ident(), _Seat()
        # Before the first strand: a handler that would wait for another worker is
        # refused only if it is known to be on one.
        with self._lock:
            self._idents.add(ident)
            self._at_work.add(seat)
        line = self._line
        while True:
            try:
                place = line.popleft()
            except IndexError:
                if not self._rest(seat):
                    break
                continue
            seat.turns += 1
            place.told = False
            more = place.run_share()
            if seat.stuck:
                # Before the next look at the line, see `submit`.
                with self._lock:
                    self._come_back(seat)
            if more:
                place.since = monotonic()
                line.append(place)
                if not self._watched:
                    self._watch()
        with self._lock:
            self._idents.discard(ident)
            self._threads.discard(current_thread())

    def _rest(self, seat: _Seat) -> bool:
        """Sit down until called; False when it is time to end."""
        with self._lock:
            self._come_back(seat)
            self._awake -= 1
            # The last look, once this one no longer counts as awake: who lines up after
            # it finds nobody awake and calls somebody; who did before it is seen here.
            if self._line:
                self._awake += 1
                return True
            self._at_work.discard(seat)
            if self._stopping:
                return False
            # Under the lock: who takes the seat sets it when he has let go of that, and
            # a clearing that came later would make this worker sleep through its call.
            seat.taken = False
            seat.call.clear()
            self._seats.append(seat)
        if seat.call.wait(_IDLE):
            return True
        with self._lock:
            if seat.taken:
                return True  # Called at the last moment.
            self._seats.remove(seat)
        return False

    def _come_back(self, seat: _Seat) -> None:
        assert self._lock.locked()
        self._stuck -= seat.stuck
        seat.stuck = False

    # -- the look at the line, where no handler runs -----------------------------

    def _watch(self) -> None:
        with self._lock:
            if self._watched:
                return
            self._watched = True
            for seat in self._at_work:
                seat.seen = seat.turns
        self._call_later(_LOOK_AGAIN, self._look)

    def _look(self) -> None:
        line = self._line
        if not line:
            self._watched = False
            self._stuck_since, self._told = None, False
            # One that was put before the flag was cleared has not watched.
            if line:
                self._watch()
            return
        try:
            waited = monotonic() - line[0].since
        except IndexError:
            waited = 0.0  # Taken just now.
        stuck = self._count_stuck()
        if stuck:
            # Nobody has come back: as many again, so that many blocked handlers
            # are made up for in a few looks.
            self._call_workers(min(len(line), max(1, self._awake)))
        elif waited > _LONGEST_WAIT:
            self._call_workers(1)
        self._tell(stuck and self._awake >= self.limit)
        self._call_later(_LOOK_AGAIN, self._look)

    def _count_stuck(self) -> bool:
        """Mark who has not come back since the last look; whether that is everybody."""
        with self._lock:
            for seat in self._at_work:
                if seat.seen != seat.turns:
                    seat.seen = seat.turns
                elif not seat.stuck:
                    seat.stuck = True
                    self._stuck += 1
            return self._stuck >= len(self._at_work)

    def _tell(self, stuck: bool) -> None:
        """Say once that the bound keeps strands waiting."""
        if not stuck:
            self._stuck_since = None
            return
        now = monotonic()
        if self._stuck_since is None:
            self._stuck_since = now
        if now - self._stuck_since < _NOTICE_AFTER:
            return
        # Each once, also those that come when the others have been told.
        waiting = [place for place in list(self._line) if not place.told]
        if not self._told:
            self._told = True
            logger.warning(
                "! all %s workers are in %s that do not return; %s sessions wait",
                self.limit,
                self._busy_with,
                len(waiting),
            )
        for place in waiting:
            place.told = True
            try:
                place.lagging(self.limit)
            except Exception:  # Such as no thread of his own; there are others to tell.
                logger.exception("! who waits for one of these threads was not told")
