"""
Time travel: any event of a recording, and the session as it was just after it.

A snapshot is a value and the reducers are pure, so what was known at an event is
computed again from what was known a little before. Nothing is kept of a recording
but where its lines are and a snapshot now and then.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from threading import Lock
from typing import Final, Optional, Union, overload

from attrs import evolve, frozen

from ..errors import ConfigurationError
from ..state.live.snapshot import LiveSnapshot
from ..state.mirrors import mirror_of
from ..state.snapshot import Snapshot
from ..types import RecordingSource
from .mirror import RecordedMirror, unpacked_mirror
from .reader import RecordedLine, read_recording

EVERY: Final = 256
"""Steps from one point that is kept to the next."""

_DIRECTIONS: Final = ("in", "out", "note")
_NOTES: Final = frozenset(
    {"recording.snapshot", "recording.switched", "recording.ended"}
)


@frozen(kw_only=True)
class Step:
    """
    One line of a recording, without what is in it.

    Attributes:
        number: its place, from 0.
        at: seconds since the recording began.
        direction: ``"in"``, ``"out"`` or ``"note"`` (of the library itself).
        type: of the event, as it was on the wire.
        connection: which connection of the session, from 1.
    """

    number: int
    at: float
    direction: str
    type: str
    connection: int


class Steps:
    """
    A recording that can be read at any of its events.

    ``steps[12]`` is an event, ``steps.line(12)`` what is in it and
    ``steps.snapshot(12)`` the session as it was when its handlers were called. Any
    thread may ask; one answer is computed at a time.

    Opening reads the file once. The first look at an event computes what lies before
    it; from then on a point in every 256 events is kept, and a look anywhere costs
    no more than that.

    Args:
        source: path of a file that `Session.record` wrote, or of JSON lines of
            another program; or the lines themselves.
        dialect: of the recording, if it does not say.
        session_type: of the recording, if it does not say.

    Attributes:
        dialect: that was spoken.
        session_type: ``"realtime"``, ``"transcription"``, ``"translation"`` or
            ``"live"``.
        started: when the recording began, in seconds since the epoch; None if unknown.

    Raises:
        OSError: the file cannot be read.
        ConfigurationError: it is no recording.
    """

    def __init__(
        self,
        source: RecordingSource,
        *,
        dialect: Optional[str] = None,
        session_type: Optional[str] = None,
    ) -> None:
        self._recorded = recorded = read_recording(source)
        self.dialect = dialect or recorded.dialect
        self.session_type = session_type or recorded.session_type
        self.started = recorded.started
        self._places, self._times = array("q"), array("d")
        self._directions, self._connections = array("b"), array("l")
        self._types: list[str] = []
        names: dict[str, str] = {}
        for place, line in recorded.placed():
            if line.direction not in _DIRECTIONS:
                continue
            if line.type == "recording.snapshot":
                # Read again when it is passed; what is wrong with it is said now.
                unpacked_mirror(mirror_of(self.session_type), line, recorded)
            self._places.append(place)
            self._times.append(line.at)
            self._directions.append(_DIRECTIONS.index(line.direction))
            self._connections.append(line.connection)
            # One text for each kind: there are as many references as events.
            self._types.append(names.setdefault(line.type, line.type))
        # Guards the points that are kept, and the one that goes on.
        self._lock = Lock()
        start = RecordedMirror(recorded, dialect=dialect, session_type=session_type)
        self._kept: dict[int, RecordedMirror] = {0: start}
        self._latest = (0, start.copy())

    def __repr__(self) -> str:
        return f"<Steps of {self._recorded}: {len(self)}>"

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, number: int) -> Step: ...

    @overload
    def __getitem__(self, number: slice) -> list[Step]: ...

    def __getitem__(self, number: Union[int, slice]) -> Union[Step, list[Step]]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        number = self._checked(number)
        return Step(
            number=number,
            at=self._times[number],
            direction=_DIRECTIONS[self._directions[number]],
            type=self._types[number],
            connection=self._connections[number],
        )

    def __iter__(self) -> Iterator[Step]:
        return (self[number] for number in range(len(self)))

    @property
    def seconds(self) -> float:
        """How long the recording is."""
        return max(self._times, default=0.0)

    def number_at(self, seconds: float) -> int:
        """
        The last event that had happened at a time, 0 before the first.

        Args:
            seconds: since the recording began.
        """
        return max(0, bisect_right(self._times, seconds) - 1)

    def line(self, number: int) -> RecordedLine:
        """
        Read an event itself.

        Raises:
            IndexError: there is no such event.
            OSError, ConfigurationError: the file has changed.
        """
        number = self._checked(number)
        line = self._recorded.line_at(self._places[number])
        return evolve(line, at=self._times[number])

    def snapshot(self, number: int) -> Union[Snapshot, LiveSnapshot]:
        """
        The session as it was when the handlers of an event were called.

        Of an event of the server, on the connection over which it came; else of the
        connection that was in use.

        Raises:
            IndexError: there is no such event.
            OSError, ConfigurationError: the file has changed, or a line of it is
                none of a recording.
        """
        number = self._checked(number)
        with self._lock:
            point = self._point_after(number)
            connection = point.current
            if self._directions[number] == _DIRECTIONS.index("in"):
                connection = self._connections[number]
            snapshot: Union[Snapshot, LiveSnapshot] = point.snapshot(connection)
            return snapshot

    def _checked(self, number: int) -> int:
        found = number + len(self) if number < 0 else number
        if not 0 <= found < len(self):
            raise IndexError(f"there is no step {number} among {len(self)}")
        return found

    def _point_after(self, number: int) -> RecordedMirror:
        """What was known after an event. Changes with the next call."""
        assert self._lock.locked()
        done, point = self._latest
        nearest = min(number + 1, max(self._kept)) // EVERY * EVERY
        if done > number + 1 or done < nearest:
            done, point = nearest, self._kept[nearest].copy()
        while done <= number:
            try:
                if self._changes(done):
                    point.follow(self.line(done))
            except ConfigurationError:
                # What was half followed is no point to go on from.
                self._latest = (0, self._kept[0].copy())
                raise
            done += 1
            if done % EVERY == 0 and done not in self._kept:
                self._kept[done] = point.copy()
        self._latest = (done, point)
        return point

    def _changes(self, number: int) -> bool:
        """
        Whether a mirror may know more after an event, so that it has to be read.

        Most of a call is the user's audio, of which a Realtime mirror hears nothing.
        """
        kind, direction = self._types[number], _DIRECTIONS[self._directions[number]]
        noted = mirror_of(self.session_type).noted
        return direction == "in" or kind in (noted if direction == "out" else _NOTES)
