"""
A strand, the queue of one session, and the worker that a session has to itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from sys import maxsize
from threading import Thread, current_thread, get_ident
from typing import Any, Generic, Optional, TypeVar

from ..deadline import Deadline
from ..transport.logs import area_logger

logger = area_logger("realtime_sync.dispatch")

Item = TypeVar("Item")


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


class Worker:
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
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def join(self, deadline: Deadline) -> bool:
        """Wait for the end of the thread, unless it is the caller."""
        if self._thread is current_thread():
            return False
        self._thread.join(deadline.remaining())
        return not self._thread.is_alive()

    def _work(self) -> None:
        while not self._over():
            self._run(None)
        # Whoever puts something from here on sees that it is over.
        self._run(0.0)

    def _run(self, timeout: Optional[float]) -> None:
        try:
            self._strand.run_share(timeout=timeout)
        except BaseException:  # Should never run: the strand must not stand still.
            logger.exception("! a delivery failed outside of its handlers")
