"""
A recording in a server's place: it answers as the recorded server did.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import RLock
from typing import Any, Optional

from attrs import define

from .. import read_recording
from ..protocol.dialects import dialect_named
from ..protocol.jsontext import dumps
from ..types import RecordingSource
from . import frames
from .scenario import ScenarioFailed
from .scripted_engine import Close, Frame, PlayedEngine, Said, script_complaint

Match = Callable[[Frame, Frame], Any]

_APPENDS = ("input_audio_buffer.append", "session.input_audio_buffer.append")
_NO_CLOSE_FRAME = 1006
_CLEAN = (1000, 1005)


class Cassette:
    """
    Plays a recording to clients that do again what was recorded.

    Commands are matched in the recorded order, by type. What the server said behind
    a command comes when that command has come; audio counts by its length, however
    it is cut. Ids that the client makes up anew are put in the place of the
    recorded ones. A command that was not recorded at this place is answered with an
    ``error``, and `verify` fails. Each connection of a client gets the next
    connection of the recording, from the first on again at its end.

    Behind a real socket it is ``serve(agent=cassette("call.jsonl"))``. Any thread.

    Args:
        recording: what `realtime_sync.read_recording` takes.
        match: whether a command is the recorded one, both as mappings of GA; it is
            called when the types agree.

    Attributes:
        misses: what was said of commands that were not recorded.

    Raises:
        OSError: the file cannot be read.
        ConfigurationError: it is not a recording.
    """

    def __init__(
        self, recording: RecordingSource, *, match: Optional[Match] = None
    ) -> None:
        recorded = read_recording(recording)
        self.misses: list[str] = []
        self._name = str(recorded)
        self._dialect = recorded.dialect
        self._started = recorded.started
        self._tracks = _cassette_tracks(recorded, recorded.dialect)
        self._match = match
        # Guards the misses and the parts that are being played.
        self._lock = RLock()
        self._parts: list[_CassettePart] = []
        self._next = itertools.count()

    def __repr__(self) -> str:
        return f"<Cassette {self._name!r}, {len(self._tracks)} connections>"

    def verify(self) -> None:
        """
        Check that it was played, to the end, and that nothing else was asked for.

        Raises:
            ScenarioFailed: it was not; the message says what is missing.
        """
        with self._lock:
            problems = list(self.misses)
            if not self._parts:
                problems.append(f"{self._name} was never played")
            for part in self._parts:
                problems += [f"never came: {each}" for each in part.missing()]
        if problems:
            raise ScenarioFailed("\n".join(problems))

    def engine(
        self, *, now: float, model: str, session_type: str, dialect: str
    ) -> PlayedEngine:
        """The server's side for one client; called by what serves the cassette."""
        number = next(self._next)
        part = _CassettePart(
            self, self._tracks[number % len(self._tracks)], (self._dialect, dialect)
        )
        with self._lock:
            self._parts.append(part)
        return PlayedEngine(
            part,
            session_id=f"cassette_{number + 1}",
            dialect=dialect,
            session_type=session_type,
            as_is=True,
        )

    def _miss(self, message: str) -> str:
        with self._lock:
            self.misses.append(message)
        return message


def cassette(recording: RecordingSource, *, match: Optional[Match] = None) -> Cassette:
    """
    A recording to be served: ``serve(agent=cassette("call.jsonl"))``.

    Args:
        recording: path of a recording, or its lines.
        match: see `Cassette`.
    """
    return Cassette(recording, match=match)


@define
class _CassetteStep:
    """
    One thing that happened.

    Attributes:
        said: what the server did, or None.
        heard: the command that came, GA shape, or None.
        audio: bytes of audio that had come by then, if it was audio.
        done: whether it has come again.
    """

    said: Any = None
    heard: Any = None
    audio: Optional[int] = None
    done: bool = False


def _cassette_tracks(
    recorded: Iterable[Any], dialect: str
) -> list[list[_CassetteStep]]:
    """What happened, connection by connection."""
    lines: dict[int, list[Any]] = {}
    for line in recorded:
        lines.setdefault(line.connection, []).append(line)
    wire = {n: each for n, each in lines.items() if _on_wire_of_cassette(each)}
    tracks = [list(_cassette_steps(each, dialect)) for each in wire.values()]
    for index, (track, each) in enumerate(zip(tracks, wire.values())):
        last = index == len(tracks) - 1
        code, reason = _end_of_cassette(each, last)
        if code is not None:
            track.append(_CassetteStep(said=Close(code, reason)))
    return tracks or [[_CassetteStep(said=frames.session_created())]]


def _on_wire_of_cassette(lines: Iterable[Any]) -> bool:
    return any(line.direction in ("in", "out") for line in lines)


def _cassette_steps(lines: list[Any], dialect: str) -> Iterator[_CassetteStep]:
    """The steps of one connection; a recording may begin in the middle."""
    greeted = False
    session: Mapping[str, Any] = frames.SESSION
    audio = 0
    lift = dialect_named(dialect).lift_client
    for line in lines:
        if line.direction == "note" and line.frame.get("type") == "recording.snapshot":
            session = line.frame["snapshot"].get("session") or session
        if not greeted and line.direction in ("in", "out"):
            greeted = True
            kind = line.frame.get("type") if isinstance(line.frame, Mapping) else None
            if not str(kind).endswith("session.created"):
                greeting = {"type": "session.created", "session": session}
                yield _CassetteStep(said=dialect_named(dialect).lower_server(greeting))
        if line.direction == "in":
            yield _CassetteStep(said=line.data if line.frame is None else line.frame)
        elif line.direction == "out" and isinstance(line.frame, Mapping):
            heard = lift(line.frame)
            if heard.get("type") in _APPENDS:
                audio += _cassette_audio_bytes(heard)
                yield _CassetteStep(heard=heard, audio=audio)
            else:
                yield _CassetteStep(heard=heard)


def _end_of_cassette(lines: list[Any], last: bool) -> tuple[Optional[int], str]:
    """How the server ended a connection; None if it did not."""
    for line in reversed(lines):
        if line.direction == "note" and line.frame.get("type") == "connection.lost":
            code = line.frame.get("code") or _NO_CLOSE_FRAME
            return code, line.frame.get("reason") or ""
    if not last:
        return _NO_CLOSE_FRAME, ""
    ended = [
        line.frame
        for line in lines
        if line.direction == "note" and line.frame.get("type") == "connection.closed"
    ]
    if ended and ended[-1].get("error") is not None:
        return ended[-1].get("code") or _NO_CLOSE_FRAME, ""
    return None, ""


class _CassettePart:
    """One connection of a cassette, played to one client."""

    def __init__(
        self, owner: Cassette, track: list[_CassetteStep], dialects: tuple[str, str]
    ) -> None:
        self._owner = owner
        self._steps = [
            _CassetteStep(each.said, each.heard, each.audio) for each in track
        ]
        self._respell = _cassette_respelling(*dialects)
        self._at = 0
        self._audio = 0
        self._ids: dict[str, str] = {}

    def opened(self) -> Iterable[Said]:
        """What the server said before the first command."""
        return list(self._go_on())

    def heard(self, frame: Frame) -> Iterable[Said]:
        """What the server said when this command had come."""
        if frame.get("type") in _APPENDS:
            self._audio += _cassette_audio_bytes(frame)
            return list(self._go_on())
        said: list[Said] = []
        step = self._find(frame)
        while step is None and self._skip_audio():
            said += self._go_on()
            step = self._find(frame)
        if step is None:
            return [
                *said,
                script_complaint(self._owner._miss(self._missed(frame)), frame),
            ]
        self._let_pass(step)
        self._ids.update(_new_ids_for_cassette(step.heard, frame))
        return [*said, *self._go_on()]

    def missing(self) -> list[str]:
        """Commands that have not come, audio apart."""
        return [
            _shown_of_cassette(step.heard)
            for step in self._steps
            if step.heard is not None and step.audio is None and not step.done
        ]

    def _group(self) -> list[_CassetteStep]:
        """The commands that must come before the server goes on."""
        rest = self._steps[self._at :]
        return list(itertools.takewhile(lambda step: step.heard is not None, rest))

    def _find(self, frame: Frame) -> Optional[_CassetteStep]:
        for step in self._group():
            if step.done or step.audio is not None:
                continue
            if step.heard.get("type") == frame.get("type"):
                match = self._owner._match
                if match is None or match(step.heard, frame):
                    return step
        return None

    def _let_pass(self, step: _CassetteStep) -> None:
        """A command has come; audio before it that has not will not come."""
        for each in itertools.takewhile(lambda each: each is not step, self._group()):
            each.done = each.done or each.audio is not None
        step.done = True

    def _skip_audio(self) -> bool:
        """Go on without audio that has not come; False if that is not it."""
        waiting = [step for step in self._group() if not self._has_come(step)]
        for step in waiting:
            step.done = step.audio is not None
        return bool(waiting) and all(step.done for step in waiting)

    def _has_come(self, step: _CassetteStep) -> bool:
        return step.done or (step.audio is not None and step.audio <= self._audio)

    def _go_on(self) -> Iterator[Said]:
        while self._at < len(self._steps):
            step = self._steps[self._at]
            if step.heard is not None and not self._has_come(step):
                return
            self._at += 1
            if step.said is not None:
                yield from self._said(step.said)

    def _said(self, said: object) -> Iterator[Said]:
        if not isinstance(said, Mapping):
            yield said if isinstance(said, (bytes, Close)) else dumps(said)
            return
        frame = self._respell(_cassette_with_ids(said, self._ids))
        if frame is not None:
            yield self._in_time(frame)

    def _in_time(self, frame: Frame) -> Frame:
        """Let a session last as long as it would have lasted then."""
        session = frame.get("session")
        expires = session.get("expires_at") if isinstance(session, Mapping) else None
        if self._owner._started is None or not isinstance(expires, (int, float)):
            return frame
        shifted = int(expires + time.time() - self._owner._started)
        return {**frame, "session": {**frame["session"], "expires_at": shifted}}

    def _missed(self, frame: Frame) -> str:
        waiting = [
            _shown_of_cassette(each.heard)
            for each in self._group()
            if not self._has_come(each)
        ]
        expected = " or ".join(waiting) or "no more commands"
        shown = _shown_of_cassette(frame)
        return f"{shown} is not what was recorded; it expects {expected}"


def _cassette_respelling(
    recorded: str, wanted: str
) -> Callable[[Frame], Optional[Frame]]:
    if recorded == wanted:
        return lambda frame: frame
    lift, lower = (
        dialect_named(recorded).lift_server,
        dialect_named(wanted).lower_server,
    )
    return lambda frame: lower(lift(frame))


def _new_ids_for_cassette(
    recorded: object, now: object, key: str = ""
) -> dict[str, str]:
    """What the client calls otherwise this time: recorded id -> new id."""
    if isinstance(recorded, Mapping) and isinstance(now, Mapping):
        found: dict[str, str] = {}
        for name in recorded.keys() & now.keys():
            found.update(_new_ids_for_cassette(recorded[name], now[name], name))
        return found
    if isinstance(recorded, list) and isinstance(now, list):
        pairs = [_new_ids_for_cassette(a, b, key) for a, b in zip(recorded, now)]
        return {old: new for each in pairs for old, new in each.items()}
    is_id = key == "id" or key.endswith("_id")
    if is_id and isinstance(recorded, str) and isinstance(now, str):
        return {recorded: now} if recorded != now else {}
    return {}


def _cassette_with_ids(value: object, ids: Mapping[str, str]) -> Any:
    if not ids:
        return value
    if isinstance(value, Mapping):
        return {key: _cassette_with_ids(each, ids) for key, each in value.items()}
    if isinstance(value, list):
        return [_cassette_with_ids(each, ids) for each in value]
    return ids.get(value, value) if isinstance(value, str) else value


def _cassette_audio_bytes(frame: Frame) -> int:
    audio = frame.get("audio")
    return len(audio) * 3 // 4 - audio[-2:].count("=") if isinstance(audio, str) else 0


def _shown_of_cassette(frame: Frame) -> str:
    text = dumps(dict(frame)).decode("utf-8")
    return text if len(text) <= 200 else f"{text[:200]}..."
