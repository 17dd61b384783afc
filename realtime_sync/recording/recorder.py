"""
Record a session to JSON lines; `realtime_sync.recording.reader` says what is in them.

The threads that read and send only put what they have into a list. A thread of
the recording's own, or one that the recordings of many sessions share, turns it into
lines, takes out what is secret and writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock, RLock, Thread, current_thread
from time import monotonic, time
from typing import Any, Optional, Protocol, Union
from weakref import finalize

from ..deadline import Deadline, Flag, check_seconds, held_here
from ..errors import ConfigurationError
from ..protocol import jsontext
from ..protocol.events import ServerEvent
from ..state.snapshot import Snapshot
from ..transport.logs import area_logger
from .lines import FORMAT, VERSION, NoticeOfLine, RecordingLines

logger = area_logger("realtime_sync.session")

_NOTICES = ("connection.*", "dispatch.*", "handler.*", "turn.*", "delegation.*")
_TIMED = ("turn.*",)
"""Notices with times by the clock of the session."""

MOST_WAITING_BYTES = 256 << 20
"""Bytes that may wait for the disk, unless the caller says otherwise."""

_QUIET = ("head", "snapshot")
"""What alone is nothing to write: it says where a recording begins."""

_SOON = 1 << 20
_BATCH_SECONDS = 0.2


Later = Callable[[float, Callable[[], object]], object]
"""
Calls something after some seconds in a thread that may wait for a disk; what it is
given by one recording runs one after the other.
"""


class RecorderObserved(Protocol):
    """Who shows every message, see `connection.taps.Taps`."""

    def add(self, tap: Recording, /) -> None:
        """Show everything from now on."""

    def remove(self, tap: Recording, /) -> None:
        """Show nothing any more."""


class RecorderSignal(Protocol):
    """What notices of one kind are sent through."""

    def connect(self, receiver: _Receiver) -> object:
        """Call a receiver from now on."""

    def disconnect(self, receiver: _Receiver) -> None:
        """Call a receiver no more."""


class RecorderSignals(Protocol):
    """The signals of a session, see `dispatch.signals.SignalBoard`."""

    def signal(self, key: str, /) -> RecorderSignal:
        """The signal for an event or a pattern."""


class RecorderSource(Protocol):
    """What a recording asks of the session that it records."""

    @property
    def name(self) -> str:
        """The name of the session."""

    @property
    def dialect(self) -> str:
        """The dialect that is spoken."""

    @property
    def session_type(self) -> str:
        """The kind of session."""

    @property
    def connection_number(self) -> int:
        """Which connection is in use, from 1."""

    @property
    def connected(self) -> bool:
        """Whether there is, or was, a connection."""

    @property
    def snapshot(self) -> Snapshot:
        """The mirror as it is now."""

    @property
    def taps(self) -> RecorderObserved:
        """Who shows every message."""

    @property
    def board(self) -> RecorderSignals:
        """The signals."""


class Recording:
    """
    A recording under way; made by `Session.record`.

    Ends with the session, or by `close`, or at the end of a ``with`` block. What
    is recorded reaches the file within a fraction of a second. Nothing is left
    out silently: if the disk fails or is too slow the recording ends, the reason
    is logged and kept in `error`, and `close` raises it.

    In a forked child, one that has begun is the parent's: nothing is recorded there,
    nor waited for.

    Of a session that is not open yet nothing is written, and no thread begins, before
    there is something to record: an earlier recording in the file is still there when
    no connection comes about.

    Args:
        source: the session, open or not.
        path: what is there is replaced with the first that is recorded.
        audio: keep the audio; without it only its length is kept.
        notices: keep what the library reports as well: connections lost and
            restored, failed handlers, finished turns.
        limit: bytes that may wait for the disk.
        mask: leave out what is said and dialled: the sound, and every word of
            people, models and tools, of which only the length is kept.
        later: brings what is to be written to a thread; None for one of its own.
        clock: seconds that never go back. With one of the caller's own, what the
            session has timed by another is left out.

    Attributes:
        path: the file.
        began: when time 0 of the recording was, in seconds of the clock.
        lines: how many frames have been recorded, both ways.
        error: what broke the recording, or None.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(
        self,
        source: RecorderSource,
        path: Union[str, os.PathLike[str]],
        *,
        audio: bool = True,
        notices: bool = True,
        limit: int = MOST_WAITING_BYTES,
        mask: bool = False,
        later: Optional[Later] = None,
        clock: Optional[Callable[[], float]] = None,
    ) -> None:
        self.path = Path(path)
        self.lines = 0
        self.error: Optional[Exception] = None
        self._source = source
        self._limit = limit
        # Guards what waits to be written, the count of lines, `_begun` and `_over`. A
        # leaf, held for as long as an append takes. Re-entrant: a signal handler may
        # close the recording, or the session, while its thread has it.
        self._lock = RLock()
        self._waiting: list[tuple[Any, ...]] = []
        self._size = 0
        # Whether there is something to write, and whether nothing more comes.
        self._begun = self._over = False
        self._arrived, self._urgent = Flag(), Flag()
        # Set when the file is closed.
        self._written = Flag()
        self._later = later
        self._seen: set[int] = set()
        self._current = source.connection_number
        self._writer = RecordingLines(
            audio=audio and not mask,
            mask=mask,
            counts_noted=source.session_type == "live",
        )
        self._clock = clock or monotonic
        self.began = self._clock()
        # Without a buffer: a forked child would write what the parent has in it.
        self._file = open(self.path, "wb", buffering=0, opener=_open_as_it_is)
        # Whether nothing was written: what is in the file is there from before.
        self._untouched = True
        # A session that was never opened goes without a word, and this goes with it.
        finalize(self, self._file.close).atexit = False
        # Taken, for good, by the thread that writes: of several that were started,
        # because an interrupt has left it open whether the first one was, one does.
        self._claimed = Lock()
        self._threads: list[Thread] = []
        # Whether there is who writes, and in which process: the one that has begun.
        self._served = later is not None
        self._process = os.getpid()
        # Whether the system gave no thread; said once.
        self._refused = False
        if source.connected:
            self._begun = True
            try:
                self._see_to_thread()
            except RuntimeError:  # The system gives no more threads.
                self._file.close()
                raise
        self._put("head", self._head())
        kinds = [key for key in _NOTICES if clock is None or key not in _TIMED]
        self._signals = [source.board.signal(key) for key in kinds if notices]
        self._receiver = _Receiver(self._noticed)
        for signal in self._signals:
            signal.connect(self._receiver)
        source.taps.add(self)

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, exc_type: Optional[type[BaseException]], *exc_info: object
    ) -> None:
        try:
            self.close()
        except Exception:
            if exc_type is None:
                raise

    def __repr__(self) -> str:
        return f"<Recording {str(self.path)!r}, {self.lines} frames>"

    def close(self, timeout: Optional[float] = 10.0) -> None:
        """
        Finish the file. Any number of times, from any thread.

        In a signal handler that has interrupted a call of this very recording it asks
        for the end and waits for nothing.

        Args:
            timeout: seconds to wait for the disk; None for no limit.

        Raises:
            Exception: whatever broke the recording.
            RuntimeError: the system gives no thread that could write it.
            TimeoutError: the disk is still busy.
        """
        deadline = Deadline(check_seconds(timeout))
        if not self._is_here():
            return
        self.end(None, "")
        if self.held_here():
            return
        self._see_to_thread()
        if not self.join(deadline):
            raise TimeoutError(f"{self.path} is not written after {timeout} s")
        if self.error is not None:
            raise self.error

    def flush(self, timeout: Optional[float] = 10.0) -> None:
        """
        Wait until everything recorded so far is in the file.

        Raises:
            TimeoutError: the disk is still busy.
        """
        patience, written = check_seconds(timeout), Flag()
        if self._begun and self._is_here() and self._put("mark", written):
            self._hurry()
            if not written.wait(patience):
                raise TimeoutError(f"{self.path} is not written after {timeout} s")

    def note(self, note: Mapping[str, Any]) -> None:
        """
        Write a note of the program's own into the recording, with the time of now.

        Any thread; does not wait. Whoever reads the recording finds it among what the
        library reported, and no handler is told of it in a replay.

        Args:
            note: JSON values, with a ``type`` that is not one of ``recording.``.

        Raises:
            ConfigurationError: it has no such type, or is not JSON.
        """
        kind = note.get("type")
        if not isinstance(kind, str) or not kind or kind.startswith("recording."):
            raise ConfigurationError(f"a note has a type of its own, not {kind!r}")
        try:
            jsontext.dumps(dict(note))
        except (TypeError, ValueError) as exc:
            raise ConfigurationError(f"a note is JSON: {exc}") from exc
        if self._is_here():
            self._put("own", self._current, dict(note))

    # -- shown by the session, see `taps.Tap` ---------------------------------

    def received(
        self,
        number: int,
        data: bytes,
        event: ServerEvent,
        snapshot: Snapshot,
        noted: Sequence[object],
    ) -> None:
        """A message came. On the loop."""
        if number not in self._seen:
            # From here on the mirror can be followed, however much came before.
            self._seen.add(number)
            self._put("snapshot", number, snapshot)
            noted = ()
        self._put("in", number, data, event, noted, size=len(data))

    def sent(self, number: int, payload: bytes) -> None:
        """A command is about to be written. Any thread."""
        self._put("out", number, payload, size=len(payload))

    def switched(self, number: int) -> None:
        """The session uses another connection."""
        self._current = number
        self._put("switched", number)

    def end(self, code: Optional[int], reason: str) -> None:
        """Nothing more is recorded; does not wait."""
        if not self._is_here():
            return
        if not self._seen:
            self._put("snapshot", self._current, self._source.snapshot)
        with self._lock:
            nothing = not (self._begun or self._over) and (
                self._process != os.getpid() or self._holds_something()
            )
            self._over = self._over or nothing
        if nothing:
            # What is in the file is worth more than a recording without a line.
            self._file.close()
            self._written.set()
        else:
            self._put("end", code, reason)
        self._leave()

    def held_here(self) -> bool:
        """Whether the calling thread is in the middle of it; see `Router.held_here`."""
        return held_here(self._lock)

    def join(self, deadline: Deadline) -> bool:
        """Wait for the file to be finished; False at the deadline."""
        if self.held_here() or current_thread() in self._threads:
            return self._written.is_set()  # It would wait for itself.
        with suppress(RuntimeError):  # It waits in vain, then, and says so.
            self._see_to_thread()
        # Once more: an interrupt may have struck whoever asked for it first.
        self._urgent.set()
        self._arrived.set()
        if self._later is not None and not self._written.is_set():
            self._later(0.0, self._step)
        if not self._written.wait(deadline.remaining()):
            return False
        threads = [each for each in tuple(self._threads) if each.ident is not None]
        for thread in threads:
            thread.join(deadline.remaining())
        return not any(thread.is_alive() for thread in threads)

    # -- any thread ------------------------------------------------------------

    def _is_here(self) -> bool:
        """
        Whether this process records, or may begin to. In a forked child nobody writes
        for the parent, and the lock may be one that a thread had at the moment of the
        fork.
        """
        return not self._begun or self._process == os.getpid()

    def _noticed(self, notice: NoticeOfLine) -> None:
        self._put("note", self._current, notice)

    def _put(self, *entry: object, size: int = 0) -> bool:
        """Let the writer have something; False when nothing is wanted any more."""
        with self._lock:
            timed = (self._clock() - self.began, *entry)
            begins = not self._begun and entry[0] not in _QUIET
            process = os.getpid() if begins else self._process
            # Looked at behind these calls: a signal handler may have ended it there,
            # and none comes between this look and the append.
            if self._over:
                return False
            self._over = entry[0] == "end"
            self._begun, self._process = self._begun or begins, process
            self._waiting.append(timed)
            self._size += size
            self.lines += entry[0] in ("in", "out")
            size, begun = self._size, self._begun
        if not begun:
            return True
        if not self._served:
            try:
                self._see_to_thread()
            except RuntimeError as exc:
                # Whoever puts the next one asks again, up to the limit.
                if not self._refused:
                    self._refused = True
                    logger.warning("! recording %s has no thread: %s", self.path, exc)
        if size > self._limit:
            self._fail(OverflowError(f"{size} bytes wait to be written to {self.path}"))
        if size > _SOON or entry[0] == "end":
            self._hurry()
        # Two threads may both find it unset: then one look too many is had.
        if not self._arrived.is_set():
            self._arrived.set()
            if self._later is not None:
                self._later(_BATCH_SECONDS, self._step)
        return True

    def _see_to_thread(self) -> None:
        """
        Start the thread that writes, if one of its own is wanted and none does.

        Raises:
            RuntimeError: the system gives none.
        """
        begun = any(thread.is_alive() for thread in tuple(self._threads))
        if self._served or begun or self._written.is_set():
            return
        name = f"realtime-sync {self._source.name} recorder"
        thread = Thread(target=self._run, name=name, daemon=True)
        # Before it runs: who joins finds it.
        self._threads.append(thread)
        try:
            thread.start()
        except RuntimeError:
            self._threads.remove(thread)
            raise

    def _hurry(self) -> None:
        """Have what waits written now."""
        if not self._urgent.is_set():
            self._urgent.set()
            if self._later is not None:
                self._later(0.0, self._step)

    def _fail(self, error: Exception) -> None:
        with self._lock:
            if self.error is not None:
                return
            self.error = error
            self._waiting.clear()
            self._over = True
        self._leave()
        logger.error("! recording %s is given up: %s", self.path, error)
        self._hurry()
        self._arrived.set()

    def _leave(self) -> None:
        self._source.taps.remove(self)
        for signal in self._signals:
            signal.disconnect(self._receiver)

    # -- where it is written -------------------------------------------------------

    def _run(self) -> None:
        if not self._claimed.acquire(blocking=False):
            return
        self._served = True
        while not self._written.is_set():
            self._arrived.wait()
            self._urgent.wait(_BATCH_SECONDS)
            self._step()

    def _step(self) -> None:
        """Write what waits. One at a time."""
        if self._written.is_set():
            return
        with self._lock:
            batch, self._waiting = self._waiting, []
            self._size = 0
            over = self._over
            # Under the lock: who puts the next one finds them unset and says so again.
            self._arrived.clear()
            self._urgent.clear()
        self._write(batch)
        if over:
            self._file.close()
            self._written.set()

    def _write(self, batch: list[tuple[Any, ...]]) -> None:
        try:
            marks = [entry[2] for entry in batch if entry[1] == "mark"]
            lines = [self._writer.line(*e) for e in batch if e[1] != "mark"]
            if self.error is not None:
                lines.append(self._writer.failed(self.error))
            if self._untouched:
                self._untouched = False
                if self._holds_something():
                    self._file.seek(0)
                    self._file.truncate()
            self._write_all(memoryview(b"".join(lines)))
        except Exception as exc:
            # The disk is full, or gone. The session must not suffer from it.
            self._fail(exc)
        for mark in marks:
            mark.set()

    def _write_all(self, data: memoryview) -> None:
        while data:
            data = data[self._file.write(data) or 0 :]

    def _holds_something(self) -> bool:
        return os.fstat(self._file.fileno()).st_size > 0

    def _head(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "started": time(),
            "dialect": self._source.dialect,
            "session_type": self._source.session_type,
            "connection": self._current,
        }


def _open_as_it_is(path: str, flags: int) -> int:
    """Open for writing, and leave what is there until something is written."""
    return os.open(path, flags & ~os.O_TRUNC, 0o666)


class _Receiver:
    """Notices are recorded when they are made, by the thread that makes them."""

    inline = True
    name = "recording"

    def __init__(self, show: Callable[[NoticeOfLine], None]) -> None:
        self._show = show

    def __call__(self, sender: object, *, event: NoticeOfLine, ctx: object) -> None:
        self._show(event)
