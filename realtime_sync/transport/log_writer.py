"""
Gives records of the log to the program's handlers in a thread that may wait for them.

A handler of the log is user code: it may write to a disk that is full, or to a network
that is gone. A loop serves many sessions, so it hands its records over.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread, get_ident
from typing import Final, Optional, Union

from ..deadline import Deadline, Flag

MOST_RECORDS: Final = 1000
"""Records that may wait for the program's handlers."""

Write = Callable[[logging.LogRecord], None]
"""Gives a record to the handlers of the program."""

_AREA: Final = "realtime_sync.transport"


class LogWriter:
    """
    Writes the records of one thread, in order, in another one.

    The thread starts with the first record. `begin`, `put` and `end` are for the
    thread whose records they are, the others for any.

    Args:
        name: of the thread.

    Attributes:
        writing: the record that is being given to the handlers.
        left_out: records so far for which there was no room.
    """

    def __init__(self, name: str) -> None:
        self.writing: Optional[logging.LogRecord] = None
        self.left_out = 0
        self._name = name
        self._waiting: SimpleQueue[Union[tuple[logging.LogRecord, Write], Flag, None]]
        self._waiting = SimpleQueue()
        self._thread: Optional[Thread] = None
        # Of `left_out`, how many the log says. Written by the writing thread alone, as
        # the other is by the one that puts: so neither needs a lock.
        self._told = 0

    def begin(self) -> None:
        """From now on take the records of the calling thread."""
        _BY_THREAD[get_ident()] = self

    def end(self) -> None:
        """Take no more of them, and let the thread end when it has written all."""
        # Before the thread is told to end: a record behind that would not be written.
        _BY_THREAD.pop(get_ident(), None)
        if self._thread is not None:
            self._waiting.put(None)

    def put(self, record: logging.LogRecord, write: Write) -> bool:
        """
        Let a record be written soon; never waits.

        Returns:
            False if there is no thread to be had, and the caller must write it.
        """
        if self._waiting.qsize() >= MOST_RECORDS:
            self.left_out += 1
            return True
        if self._thread is None:
            thread = Thread(target=self._run, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # The system gives no more threads.
                return False
            self._thread = thread
        self._waiting.put((record, write))
        return True

    def flush(self, deadline: Deadline) -> bool:
        """Wait until what was put so far is written; False at the deadline."""
        thread = self._thread
        if thread is None or not thread.is_alive() or get_ident() == thread.ident:
            return True
        written = Flag()
        self._waiting.put(written)
        return written.wait(deadline.remaining())

    def join(self, deadline: Deadline) -> bool:
        """Wait for the thread to end, unless it is the caller."""
        thread = self._thread
        if thread is None or get_ident() == thread.ident:
            return True
        thread.join(deadline.remaining())
        return not thread.is_alive()

    def _run(self) -> None:
        _WRITERS[get_ident()] = self
        try:
            while (item := self._waiting.get()) is not None:
                if isinstance(item, Flag):
                    item.set()
                    continue
                self._write(*item)
                self._tell(item[1])
        finally:
            del _WRITERS[get_ident()]

    def _tell(self, write: Write) -> None:
        """Say how many records are missing, once there is room again."""
        missing = self.left_out - self._told
        if missing:
            self._told += missing
            told = "! %s records of the log are left out: its handlers are too slow"
            level, place = logging.WARNING, (__file__, 0)
            record = logging.LogRecord(_AREA, level, *place, told, (missing,), None)
            self._write(record, write)

    def _write(self, record: logging.LogRecord, write: Write) -> None:
        self.writing = record
        try:
            write(record)
        except BaseException:  # A handler's; there is nobody else to hear of it.
            if logging.raiseExceptions:
                traceback.print_exc()
        finally:
            self.writing = None


# By the ident of the thread whose records they take; by that of their own. Each thread
# touches its own entry alone.
_BY_THREAD: Final[dict[int, LogWriter]] = {}
_WRITERS: Final[dict[int, LogWriter]] = {}


def hand_to_log_writer(record: logging.LogRecord, write: Write) -> bool:
    """
    Hand a record over if the calling thread must not wait for handlers.

    Returns:
        Whether another thread writes it.
    """
    writer = _BY_THREAD.get(get_ident())
    return writer is not None and writer.put(record, write)


def flush_log_writers(deadline: Deadline) -> None:
    """Wait until everything handed over so far is written, or for the deadline."""
    for writer in list(_BY_THREAD.values()):
        writer.flush(deadline)


def forget_log_writers() -> None:
    """In a forked child: no thread of the parent's is here, and idents come again."""
    _BY_THREAD.clear()
    _WRITERS.clear()


def is_written_by_log_writer(record: logging.LogRecord) -> bool:
    """Whether a record comes by a second time, in the thread that writes it."""
    writer = _WRITERS.get(get_ident())
    return writer is not None and writer.writing is record
