"""
A strand, the queue of one session, and the worker that a session has to itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import chain
from queue import Empty, SimpleQueue
from sys import maxsize
from threading import Thread, current_thread, get_ident
from typing import Any, Generic, Optional, TypeVar

from ..deadline import Deadline
from ..transport.logs import area_logger

logger = area_logger("realtime_sync.dispatch")

Item = TypeVar("Item")

_exhaust = deque[None](maxlen=0).extend


class Strand(Generic[Item]):
    """
    Items that are run one after the other, in order, by one thread at a time.

    By which one, the strand does not know: a worker of its own, the workers of many
    sessions in turn, or whoever pumps.

    Args:
        run: called with each item.

    Attributes:
        put: adds an item, and wakes who waits for one. Any thread; never waits.
        runner: ident of the thread that runs items now, or waits for one.
    """

    __slots__ = ("_items", "_run", "_taken", "put", "runner")

    def __init__(self, run: Callable[[Item], None]) -> None:
        self._items: SimpleQueue[Item] = SimpleQueue()
        self._run = run
        # One call into C: a signal handler may put while this very thread does.
        self.put: Callable[[Item], None] = self._items.put
        self.runner: Optional[int] = None
        # What `pump` has taken and not begun, or has been interrupted in.
        self._taken: deque[tuple[Item, list[Any]]] = deque()

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be run."""
        return self._items.empty()

    def run_share(self, most: int = maxsize, timeout: Optional[float] = 0.0) -> None:
        """
        Run what waits, at most so many items. One thread at a time.

        Within an item that thread may do so again, and comes back to the outer ones.

        Args:
            most: items.
            timeout: seconds to wait for the first; None as long as it takes.

        Raises:
            BaseException: what running an item raised; the rest is still there.
        """
        get, run = self._items.get, self._run
        outer, self.runner = self.runner, get_ident()
        try:
            for _ in range(most):
                try:
                    # First without waiting, as in `pump`: even a wait of no time at
                    # all may have no end otherwise.
                    item = get(False)
                except Empty:
                    if timeout == 0.0:
                        return
                    try:
                        item = get(True, timeout)
                    except Empty:
                        return
                timeout = 0.0
                run(item)
        finally:
            self.runner = outer

    def pump(
        self,
        run: Callable[[Item, list[Any]], None],
        timeout: Optional[float] = 0.0,
    ) -> None:
        """
        Run what waits in a thread where Ctrl-C may strike; nothing is lost by it.

        Args:
            run: called with each item and a list, in which it notes what of the item
                is done. When it raises, it is called with both again the next time.
            timeout: seconds to wait for the first; None as long as it takes.

        Raises:
            BaseException: what running an item raised; the rest is still there.
        """
        taken = self._taken
        outer, self.runner = self.runner, get_ident()
        try:
            while True:
                if not taken:
                    # First without waiting: that leaves the lock inside of the queue
                    # taken, without which a wait may have no end, see `Flag.wait`.
                    if not self._fetch((False,)) and (
                        timeout == 0.0 or not self._fetch((True,), (timeout,))
                    ):
                        return
                timeout = 0.0
                if not taken:
                    continue  # A signal handler has pumped.
                first = taken[0]
                try:
                    # Out of the list while it runs: it may pump others.
                    taken.popleft()
                    run(*first)
                except BaseException:
                    taken.appendleft(first)
                    raise
        finally:
            self.runner = outer

    def _fetch(self, *how: tuple[object, ...]) -> bool:
        """Take an item out of the queue; whether there was one."""
        try:
            # From the queue to the list in one call into C: the item is in one of the
            # two wherever an interrupt strikes.
            self._taken.extend(zip(map(self._items.get, *how), ([],)))
        except Empty:
            return False
        return True


def run_strand_at_once(run: Callable[[], None]) -> None:
    """What stands for the end of a turn where there is no loop."""
    run()


def call_strand() -> Strand[Callable[[], object]]:
    """
    Make a strand of functions, which are called one after the other.
    """
    return Strand(_call_in_strand)


def _call_in_strand(function: Callable[[], object]) -> None:
    function()


class StrandWorker(Generic[Item]):
    """
    A daemon thread that runs one strand and nothing else.

    Args:
        strand: what it runs.
        over: asked after each share; then the rest is run, and the thread ends.
        name: of the thread.
    """

    def __init__(
        self, strand: Strand[Item], over: Callable[[], bool], name: str
    ) -> None:
        self._strand = strand
        self._over = over
        self._name = name
        self._at_turn_end: Callable[[Callable[[], None]], None] = run_strand_at_once
        # It sleeps here and not in the strand, so that an item can have its place
        # there before the thread is woken.
        self._calls: SimpleQueue[None] = SimpleQueue()
        # Whether the end of the loop's turn is going to wake it. Of the loop alone.
        self._calling = False
        self._thread: Optional[Thread] = None

    def start(self, at_turn_end: Callable[[Callable[[], None]], None]) -> None:
        """
        Start the thread, unless it has been started.

        Args:
            at_turn_end: see `Loop.at_turn_end`.
        """
        self._at_turn_end = at_turn_end
        if self._thread is None:
            # Made here: from 3.13 on the child of a fork cannot start one that its
            # parent has made.
            self._thread = Thread(target=self._work, name=self._name, daemon=True)
        if not self.begun:
            self._thread.start()

    @property
    def begun(self) -> bool:
        """Whether the thread has been started."""
        return self._thread is not None and self._thread.ident is not None

    def put(self, item: Item) -> None:
        """Add an item and wake the thread. Any thread; never waits."""
        # One call into C: a Ctrl-C between the two would leave the thread asleep.
        _exhaust(chain(map(self._strand.put, (item,)), map(self._calls.put, (None,))))

    def put_in_turn(self, item: Item) -> None:
        """Add an item, and wake the thread when the turn ends. On the loop."""
        self._strand.put(item)
        if not self._calling:
            self._calling = True
            try:
                self._at_turn_end(self._call)
            except BaseException:
                # A Ctrl-C, where a transport of tests pushes: nobody would call again.
                self._call()
                raise

    def join(self, deadline: Deadline) -> bool:
        """Wait for the end of the thread, unless it is the caller or has not begun."""
        thread = self._thread
        if thread is current_thread():
            return False
        if thread is None or not self.begun:
            return True
        thread.join(deadline.remaining())
        return not thread.is_alive()

    def _call(self) -> None:
        # Cleared first: what comes from now on calls again.
        self._calling = False
        self._calls.put(None)

    def _work(self) -> None:
        while not self._over():
            self._calls.get()
            self._run()
        # Whoever puts something from here on sees that it is over.
        self._run()

    def _run(self) -> None:
        # Until nothing is left, whatever an item raises: nobody calls again for the
        # others.
        while not self._strand.empty:
            try:
                self._strand.run_share()
            except BaseException:  # Should never run.
                logger.exception("! a delivery failed outside of its handlers")
