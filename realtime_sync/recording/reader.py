"""
Read recordings: our own, and the JSON lines that other programs write.

A recording of ours begins with ``{"format": "realtime-sync-recording", ...}``; see
the documentation for what follows. Of others' files it is only asked that every
line is a JSON object that is an event, or has one within it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, Optional

from attrs import frozen

from ..errors import ConfigurationError
from ..protocol import jsontext
from ..protocol.registry import client_names, server_names
from ..transport.logs import area_logger
from ..types import RecordingSource
from .lines import FORMAT, VERSION

logger = area_logger("realtime_sync.session")

NESTED: Final = ("frame", "event", "data", "message", "payload", "body")
"""Members of others' lines in which the event may be."""

DIRECTIONS: Final = ("dir", "direction", "source", "from", "sender", "origin", "type")
TIMES: Final = ("t", "time", "ts", "timestamp", "at", "time_ms", "elapsed_ms", "ms")

_IN = frozenset(
    "in < <- << recv receive received rx inbound incoming server server_event "
    "from_server".split()
)
_OUT = frozenset(
    "out > -> >> send sent tx outbound outgoing client client_event to_server".split()
)
_EPOCH_MS = 1e11
_FIRST = 20
LONGEST_LINE = 256 << 20
"""Bytes of a line that is read; no frame is as large, however it is encoded."""

_LATEST = 1e11
"""Seconds since the epoch, of which a date can still be made."""

_LONGEST = 1e7
"""Seconds, 115 days: no session is as long."""

_MISFITS = (
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a line raises that is JSON, and none of ours."""


@frozen(kw_only=True)
class RecordedLine:
    """
    One line of a recording.

    Attributes:
        at: seconds since the recording began.
        direction: ``"in"``, ``"out"`` or ``"note"`` (of the library itself).
        frame: the decoded frame or note; None for what was not JSON.
        received: the message, if it was not JSON; of others it is made from the frame.
        connection: which connection of the session, from 1.
        asked: items asked for at the head of the conversation, which the
            mirror was told of just before.
        noted: how many of the commands sent before it the mirror was told of just
            before; None if the recording does not count them.
    """

    at: float
    direction: str
    frame: Any
    received: Optional[bytes] = None
    connection: int = 1
    asked: Optional[tuple[Mapping[str, Any], ...]] = None
    noted: Optional[int] = None

    @property
    def data(self) -> bytes:
        """
        The message as it was, but for the spelling of its JSON; of notes, empty.

        Raises:
            ConfigurationError: a line that was given decoded is no JSON.
        """
        if self.received is not None or self.direction == "note":
            return self.received or b""
        try:
            # Hardly anybody asks, and audio is long.
            return jsontext.dumps(self.frame)
        except _MISFITS as exc:
            words = f"{type(exc).__name__}: {exc}"
            raise ConfigurationError(
                f"the line of {self.at} s is no JSON: {words[:200]}"
            ) from None

    @property
    def type(self) -> str:
        """The type of the event or note as it was on the wire, or empty."""
        kind = self.frame.get("type") if isinstance(self.frame, Mapping) else None
        return kind if isinstance(kind, str) else ""


class Recorded:
    """
    A recording to be read, line by line, as often as wanted.

    Made by `read_recording`.

    Attributes:
        own: made by `Session.record`; otherwise times and directions may have
            been guessed.
        dialect: that was spoken: ``"ga"`` or ``"beta"``.
        session_type: ``"realtime"``, ``"transcription"``, ``"translation"`` or
            ``"live"``.
        started: seconds since the epoch, None if unknown.
        connection: number of the connection that it begins with.
    """

    def __init__(self, source: RecordingSource) -> None:
        self._path = Path(source) if isinstance(source, (str, os.PathLike)) else None
        self._lines = () if isinstance(source, (str, os.PathLike)) else tuple(source)
        _, _, first = next(self._decoded(), (0, 0, None))
        if first is None and self._path:
            raise ConfigurationError(f"{self} is no recording: no line of it is whole")
        head: Mapping[str, Any] = first or {}
        self.own = head.get("format") == FORMAT
        if self.own and head.get("version") != VERSION:
            raise ConfigurationError(
                f"{self} has version {head.get('version')!r} of the format; "
                f"this release reads version {VERSION}"
            )
        number, started = head.get("connection"), head.get("started")
        self.connection = number if self.own and type(number) is int else 1
        self.started: Optional[float] = None
        if self.own and isinstance(started, (int, float)) and 0 <= started < _LATEST:
            self.started = started
        if self.own:
            self.dialect = str(head.get("dialect", "ga"))
            self.session_type = str(head.get("session_type", "realtime"))
        else:
            frames = [line.frame for line in islice(self, _FIRST)]
            self.dialect, self.session_type = _guessed_by_reader(frames)

    def __repr__(self) -> str:
        return f"<Recorded {str(self)!r}>"

    def __str__(self) -> str:
        return str(self._path) if self._path else f"{len(self._lines)} lines"

    def __iter__(self) -> Iterator[RecordedLine]:
        for _, line in self.placed():
            yield line

    def placed(self) -> Iterator[tuple[int, RecordedLine]]:
        """
        The lines, each with the place at which `line_at` finds it again.
        """
        lines, clock = self._decoded(), _ReaderClock()
        if self.own:
            next(lines)
        for number, place, line in lines:
            yield place, self._line(number, line, clock)

    def line_at(self, place: int) -> RecordedLine:
        """
        Read one line again.

        Args:
            place: as `placed` gave it. Of another program's recording the time is 0.

        Raises:
            OSError: the file cannot be read.
            ConfigurationError: there is no line of a recording any more.
        """
        for number, _, line in self._decoded(place):
            return self._line(number, line, _ReaderClock())
        raise ConfigurationError(f"{self} has changed: there is no line at {place}")

    def _line(
        self, number: int, line: Mapping[str, Any], clock: _ReaderClock
    ) -> RecordedLine:
        if not self.own:
            return _read_foreign_line(number, line, clock, str(self))
        try:
            return _read_own_line(line)
        except _MISFITS as exc:
            words = f"{type(exc).__name__}: {exc}"
            raise ConfigurationError(
                f"line {number} of {self} is none of a recording: {words[:200]}"
            ) from None

    def _decoded(self, start: int = 0) -> Iterator[tuple[int, int, Any]]:
        """Lines as JSON objects, with number and place; empty ones are skipped."""
        for number, (place, line) in enumerate(self._raw(start), 1):
            # Asking what is no class whether it is a mapping takes its time.
            if line.__class__ is not bytes and isinstance(line, Mapping):
                yield number, place, line
                continue
            if not line or line.isspace():
                continue
            try:
                jsontext.check_depth(line, jsontext.LINE_DEPTH)
                value = jsontext.loads_with_lone_surrogates(line)
            except ValueError as exc:
                if self._path and not line.endswith(b"\n"):
                    logger.warning("! %s ends within line %s", self._path, number)
                    return
                problem = f"line {number} of {self} is not JSON: {exc}"
                raise ConfigurationError(problem) from None
            if not isinstance(value, dict):
                raise ConfigurationError(f"line {number} of {self} is no JSON object")
            yield number, place, value

    def _raw(self, start: int) -> Iterator[tuple[int, Any]]:
        """Lines from a place on: of a file it is a byte, else which line it is."""
        if self._path is None:
            yield from islice(enumerate(self._lines), start, None)
            return
        with self._path.open("rb") as file:
            file.seek(start)
            while line := file.readline(LONGEST_LINE + 1):
                if len(line) > LONGEST_LINE:
                    raise ConfigurationError(
                        f"{self} has a line of more than {LONGEST_LINE >> 20} MiB"
                    )
                yield start, line
                start += len(line)


def read_recording(source: RecordingSource) -> Recorded:
    """
    Read a recording, our own or another program's.

    Args:
        source: a file's path, or an iterable of lines. An iterable is read to its
            end; a file is read as the lines are asked for.

    Raises:
        OSError: the file cannot be read.
        ConfigurationError: it is not a recording. If a later line is wrong,
            reading that line raises.
    """
    return Recorded(source)


# -- our own -----------------------------------------------------------------------


def _read_own_line(line: Mapping[str, Any]) -> RecordedLine:
    direction = str(line.get("dir"))
    if "dir" not in line and line.get("format") == FORMAT:
        # Two of them in one file: nobody could tell what of which was first.
        raise ValueError("another recording begins here; a file holds one")
    frame = line.get("note") if direction == "note" else line.get("frame")
    if direction == "note" and not isinstance(frame, Mapping):
        raise TypeError("a note is an object")
    at = float(line.get("t", 0.0))
    if not 0 <= at < _LONGEST:
        raise ValueError(f"t is {at}")
    received = None
    if "text" in line:
        received = str(line["text"]).encode("utf-8")
    elif "base64" in line:
        received = base64.b64decode(line["base64"])
    elif direction != "note":
        frame = _read_with_silence(frame)
    return RecordedLine(
        at=at,
        direction=direction,
        frame=frame,
        received=received,
        connection=int(line.get("conn", 1)),
        asked=_read_asked_items(line["asked"]) if "asked" in line else (),
        noted=int(line["noted"]) if "noted" in line else None,
    )


def _read_asked_items(items: object) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(items, (list, tuple)) or not all(
        isinstance(each, Mapping) for each in items
    ):
        raise TypeError("what was asked for is a list of objects")
    return tuple(items)


def _read_with_silence(frame: object) -> Any:
    """Put silence of the same length where audio was left out."""
    if isinstance(frame, dict):
        if frame.keys() == {"audio_bytes"}:
            return base64.b64encode(bytes(frame["audio_bytes"])).decode("ascii")
        nested = {
            key: _read_with_silence(each)
            for key, each in frame.items()
            if isinstance(each, (dict, list))
        }
        return {**frame, **nested} if nested else frame
    if isinstance(frame, list):
        return [_read_with_silence(each) for each in frame]
    return frame


# -- others' -----------------------------------------------------------------------


class _ReaderClock:
    """The time in a recording of another program, which never goes back."""

    def __init__(self) -> None:
        self._began: Optional[float] = None
        self._at = 0.0

    def at(self, line: Mapping[str, Any]) -> float:
        """Seconds since the first line that tells one."""
        time = _read_time(line)
        if time is not None:
            self._began = time if self._began is None else self._began
            self._at = max(self._at, min(time - self._began, _LONGEST))
        return self._at


def _read_foreign_line(
    number: int, line: Mapping[str, Any], clock: _ReaderClock, name: str
) -> RecordedLine:
    frame = _read_event_in_line(line)
    if frame is None:
        raise ConfigurationError(
            f"line {number} of {name} has no event: neither a type, nor an "
            f"object with one under {', '.join(NESTED)}"
        )
    return RecordedLine(
        at=clock.at(line),
        direction=_read_direction(line, frame),
        frame=frame,
    )


def _read_event_in_line(line: Mapping[str, Any]) -> Optional[Mapping[str, Any]]:
    kind = line.get("type")
    known = isinstance(kind, str) and kind in server_names() | client_names()
    for name in () if known else NESTED:
        inner = line.get(name)
        if isinstance(inner, str) and inner.lstrip().startswith("{"):
            try:
                jsontext.check_depth(inner)
                inner = jsontext.loads_with_lone_surrogates(inner)
            except ValueError:
                continue
        if isinstance(inner, Mapping) and isinstance(inner.get("type"), str):
            return inner
    if not isinstance(kind, str):
        return None
    added = {*TIMES, *DIRECTIONS} - {"type"}
    return {key: each for key, each in line.items() if key not in added}


def _read_direction(line: Mapping[str, Any], frame: Mapping[str, Any]) -> str:
    for name in DIRECTIONS:
        word = line.get(name)
        word = word.lower() if isinstance(word, str) else None
        if word in _IN:
            return "in"
        if word in _OUT:
            return "out"
    return "out" if frame["type"] in client_names() - server_names() else "in"


def _read_time(line: Mapping[str, Any]) -> Optional[float]:
    """Seconds from whatever origin, or None."""
    for name in TIMES:
        value = line.get(name)
        if isinstance(value, str):
            value = _read_time_of_text(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            in_ms = name.endswith("ms") or value > _EPOCH_MS
            return value / 1000 if in_ms else float(value)
    return None


def _read_time_of_text(text: str) -> Optional[float]:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        # Python 3.10 does not know the Z.
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def _guessed_by_reader(frames: Iterable[Any]) -> tuple[str, str]:
    """Dialect and kind of session, by how the first frames are spelt."""
    dialect, session_type = "ga", "realtime"
    for frame in chain(frames):
        kind, session = str(frame.get("type")), frame.get("session")
        session = session if isinstance(session, Mapping) else {}
        if {"modalities", "input_audio_format"} & session.keys():
            dialect = "beta"
        if kind.startswith("transcription_session."):
            return "beta", "transcription"
        if kind in ("session.start", "session.started"):
            return "ga", "live"
        if kind.startswith(("session.input_transcript", "session.output_transcript")):
            return "ga", "translation"
        if session.get("type") in ("transcription", "translation"):
            session_type = str(session["type"])
    return dialect, session_type
