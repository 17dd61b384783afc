"""Threads for what waits for the network: dialling, restoring, and its hooks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition, Lock, Thread, current_thread

from ..deadline import Deadline
from ..dispatch.workers import CallLater
from ..transport.logs import area_logger

logger = area_logger("realtime_sync.session")

_IDLE = 5.0
_START_AGAIN = 0.05


class DialerTask:
    """
    Something to do once, by whoever claims it first.
    """

    __slots__ = ("_run", "_lock")

    def __init__(self, run: Callable[[], None]) -> None:
        self._run = run
        # Taken by the one who claims the task, for good.
        self._lock = Lock()

    def claim(self) -> bool:
        """Whether it is the caller's now, and nobody else's."""
        return self._lock.acquire(blocking=False)

    def run(self) -> None:
        """Do it, unless somebody else has claimed it."""
        if self.claim():
            self._run()


class Dialers:
    """
    At most `limit` daemon threads that run tasks in the order they came.

    Threads start when there is a task and nobody idle, and end after some idle
    seconds. Everything is for any thread.

    Args:
        limit: most threads.
        name: of the threads.
        call_later: brings the next look for a thread where the system gave none.
        idle: seconds after which a thread ends that has nothing to do.
    """

    def __init__(
        self, limit: int, name: str, call_later: CallLater, idle: float = _IDLE
    ) -> None:
        self.limit = limit
        self._call_later = call_later
        self._patience = idle
        self._name = name
        # Guards everything below; idle threads wait for it to be told. It is entered by
        # itself: a condition enters it in Python, where an interrupt would leave it
        # taken.
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._tasks: deque[DialerTask] = deque()
        self._threads: set[Thread] = set()
        self._idle = self._numbers = 0
        self._stopping = False
        # Whether the system gave no thread the last time; said once.
        self._refused = False

    @property
    def size(self) -> int:
        """Threads that there are."""
        return len(self._threads)

    @property
    def waiting(self) -> int:
        """Tasks that no thread has taken yet."""
        return len(self._tasks)

    def submit(self, run: Callable[[], None]) -> DialerTask:
        """
        Have something done as soon as a thread is free, or is to be had at all.

        Returns:
            The task; who claims it keeps the threads from doing it.
        """
        task = DialerTask(run)
        with self._lock:
            self._tasks.append(task)
            if len(self._tasks) <= self._idle:
                self._changed.notify()
            elif len(self._threads) < self.limit:
                self._start()
        return task

    def stop(self) -> None:
        """Let the threads end when nothing is left to do."""
        with self._lock:
            self._stopping = True
            self._changed.notify_all()

    def join(self, deadline: Deadline) -> bool:
        """Wait for the threads to end, the caller apart."""
        with self._lock:
            threads = self._threads - {current_thread()}
        for thread in threads:
            thread.join(deadline.remaining())
        return not any(thread.is_alive() for thread in threads)

    def _start(self) -> None:
        self._numbers += 1
        thread = Thread(
            target=self._work, name=f"{self._name} dialer {self._numbers}", daemon=True
        )
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError as exc:  # The system gives no more threads.
            self._threads.discard(thread)
            if not self._threads:
                # Nobody would ever come; with others it only takes longer.
                if not self._refused:
                    logger.warning("! no thread to dial: %s", exc)
                self._refused = True
                self._call_later(_START_AGAIN, self._start_again)
        else:
            self._refused = False

    def _start_again(self) -> None:
        """Look for a thread once more. On the loop."""
        with self._lock:
            if self._tasks and not self._threads:
                self._start()

    def _work(self) -> None:
        while True:
            task = self._next()
            if task is None:
                return
            try:
                task.run()
            except BaseException:  # Should never run: the next task must be done.
                logger.exception("! what was to be dialled failed")

    def _next(self) -> DialerTask | None:
        with self._lock:
            self._idle += 1
            self._changed.wait_for(
                lambda: self._tasks or self._stopping, self._patience
            )
            self._idle -= 1
            if self._tasks:
                return self._tasks.popleft()
            self._threads.discard(current_thread())
            return None
