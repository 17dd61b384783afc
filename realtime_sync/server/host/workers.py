"""
A few threads for what may block: recognizing, thinking, speaking.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import Callable, Optional

from ...transport.logs import area_logger

_log = area_logger("realtime_sync.server")


class HostWorkers:
    """
    Daemon threads that take tasks in order; they are started when first needed.

    A task that never returns holds its thread, not the interpreter: that is why this
    is not ``concurrent.futures``, whose threads are joined at exit.

    Args:
        name: prefix of the threads' names.
        limit: threads at most.
    """

    def __init__(self, name: str, *, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._tasks: queue.SimpleQueue[Optional[Callable[[], None]]] = (
            queue.SimpleQueue()
        )
        # Guards the four below.
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._unfinished = 0
        self._closed = False

    def submit(self, task: Callable[[], None]) -> None:
        """Let a worker call *task*; does nothing after `close`."""
        with self._lock:
            if self._closed:
                return
            self._unfinished += 1
            if self._unfinished > len(self._threads) < self._limit:
                self._start()
            self._tasks.put(task)

    def _start(self) -> None:
        assert self._lock.locked()
        number = len(self._threads) + 1
        thread = threading.Thread(
            target=self._work, name=f"{self._name}-worker-{number}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            if task is None:
                return
            try:
                task()
            except Exception:
                # Should never run: tasks catch what their agents raise.
                _log.exception("! a task of %s failed", self._name)
            finally:
                with self._lock:
                    self._unfinished -= 1

    def close(self, timeout: float) -> None:
        """Let every thread end after its task; wait *timeout* seconds for them all."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            threads = list(self._threads)
        while True:
            try:
                self._tasks.get_nowait()
            except queue.Empty:
                break
        for _ in threads:
            self._tasks.put(None)
        ends = time.monotonic() + timeout
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, ends - time.monotonic()))
