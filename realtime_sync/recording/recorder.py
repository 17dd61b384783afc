"""
Record a session to JSON lines; `realtime_sync.recording.reader` says what is in them.

The threads that read and send only put what they have into a list. A thread of
the recording's own, or one that the recordings of many sessions share, turns it into
lines, takes out what is secret and writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock, Thread, current_thread
from time import monotonic, time
from typing import Any, Optional, Protocol, Union

from ..deadline import Deadline, Flag, check_seconds
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

    Args:
        source: the session, open or not.
        path: is overwritten.
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
        # Guards what waits to be written, the count of lines and `_over`. A leaf,
        # held for as long as an append takes.
        self._lock = Lock()
        self._waiting: list[tuple[Any, ...]] = []
        self._size = 0
        self._over = False
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
        # Without a buffer: a forked child would write what the parent has in it.
        self._file = self.path.open("wb", buffering=0)
        self._clock = clock or monotonic
        self.began = self._clock()
        self._put("head", self._head())
        self._thread: Optional[Thread] = None
        if later is None:
            name = f"realtime-sync {source.name} recorder"
            self._thread = Thread(target=self._run, name=name, daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # The system gives no more threads.
                self._file.close()
                raise
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

        Args:
            timeout: seconds to wait for the disk; None for no limit.

        Raises:
            Exception: whatever broke the recording.
            TimeoutError: the disk is still busy.
        """
        deadline = Deadline(check_seconds(timeout))
        self.end(None, "")
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
        if self._put("mark", written):
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
        if not self._seen:
            self._put("snapshot", self._current, self._source.snapshot)
        self._put("end", code, reason)
        self._leave()

    def join(self, deadline: Deadline) -> bool:
        """Wait for the file to be finished; False at the deadline."""
        if self._thread is None:
            return self._written.wait(deadline.remaining())
        if self._thread is not current_thread():
            self._thread.join(deadline.remaining())
        return not self._thread.is_alive()

    # -- any thread ------------------------------------------------------------

    def _noticed(self, notice: NoticeOfLine) -> None:
        self._put("note", self._current, notice)

    def _put(self, *entry: object, size: int = 0) -> bool:
        """Let the writer have something; False when nothing is wanted any more."""
        with self._lock:
            if self._over:
                return False
            self._over = entry[0] == "end"
            self._waiting.append((self._clock() - self.began, *entry))
            self._size += size
            self.lines += entry[0] in ("in", "out")
            size = self._size
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
            self._write_all(memoryview(b"".join(lines)))
        except Exception as exc:
            # The disk is full, or gone. The session must not suffer from it.
            self._fail(exc)
        for mark in marks:
            mark.set()

    def _write_all(self, data: memoryview) -> None:
        while data:
            data = data[self._file.write(data) or 0 :]

    def _head(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "started": time(),
            "dialect": self._source.dialect,
            "session_type": self._source.session_type,
            "connection": self._current,
        }


class _Receiver:
    """Notices are recorded when they are made, by the thread that makes them."""

    inline = True
    name = "recording"

    def __init__(self, show: Callable[[NoticeOfLine], None]) -> None:
        self._show = show

    def __call__(self, sender: object, *, event: NoticeOfLine, ctx: object) -> None:
        self._show(event)
