"""The mirror of a recorded session, line by line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Optional, Union

from ..errors import ConfigurationError
from ..protocol.codec import Codec
from ..protocol.dialects import dialect_named
from ..state.live.snapshot import LiveSnapshot
from ..state.mirrors import Mirror, mirror_of
from ..state.snapshot import Snapshot
from .noted_commands import NotedCommands
from .reader import Recorded, RecordedLine


class RecordedMirror:
    """
    What a recorded session knew, as far as its lines were followed.

    For who reads a recording anyway: `realtime_sync.replay` gives the same snapshot
    at its end, and reads it once more. One thread at a time.

    ::

        recorded = read_recording("call.jsonl")
        mirror = RecordedMirror(recorded)
        for line in recorded:
            mirror.follow(line)
        snapshot = mirror.snapshot()

    Args:
        recorded: is not read by this.
        dialect: of the recording, if it does not say.
        session_type: of the recording, if it does not say.

    Attributes:
        current: number of the connection in use.
    """

    def __init__(
        self,
        recorded: Recorded,
        *,
        dialect: Optional[str] = None,
        session_type: Optional[str] = None,
    ) -> None:
        self.current = recorded.connection
        session_type = session_type or recorded.session_type
        self._begin(
            Codec(
                dialect_named(dialect or recorded.dialect), session_type=session_type
            ),
            NotedCommands(session_type),
            {},
        )

    def _begin(
        self, codec: Codec, noted: NotedCommands[Any], snapshots: dict[int, Any]
    ) -> None:
        self._codec, self._noted, self._snapshots = codec, noted, snapshots
        self._mirror: Mirror = mirror_of(codec.session_type)

    def copy(self) -> RecordedMirror:
        """Return the same, to go on from here more than once; snapshots are shared."""
        other = object.__new__(RecordedMirror)
        other.current = self.current
        other._begin(self._codec, self._noted.copy(), dict(self._snapshots))
        return other

    def snapshot(
        self, connection: Optional[int] = None
    ) -> Union[Snapshot, LiveSnapshot]:
        """
        Return what is known by now.

        Args:
            connection: whose mirror it is; by default that of the one in use.
        """
        known: Union[Snapshot, LiveSnapshot, None] = self._snapshots.get(
            self.current if connection is None else connection
        )
        return self._mirror.empty() if known is None else known

    def follow(self, line: RecordedLine) -> None:
        """
        Go on by one line.

        Raises:
            ConfigurationError: it is a snapshot, and none of this protocol.
        """
        step = self._STEPS.get(line.direction)
        if step is not None:
            step(self, line)

    def _received(self, line: RecordedLine) -> None:
        snapshot: Any = self.snapshot(line.connection)
        for command in self._noted.due(line):
            snapshot = self._mirror.reduce_command(snapshot, command)
        if isinstance(line.frame, Mapping):
            event = self._codec.structure(line.frame)
        else:
            event = self._codec.decode(line.data)
        self._snapshots[line.connection] = self._mirror.reduce(snapshot, event)

    def _sent(self, line: RecordedLine) -> None:
        if line.type in self._mirror.noted:
            self._noted.sent(line, self._codec.command(line.frame))

    def _told(self, line: RecordedLine) -> None:
        if line.type == "recording.switched":
            self.current = line.connection
        elif line.type == "recording.snapshot":
            self._snapshots[line.connection] = unpacked_mirror(self._mirror, line, "it")
            self._noted.forget(line.connection)
        elif line.type == "recording.ended":
            snapshot = self.snapshot(self.current)
            for command in self._noted.rest(self.current):
                snapshot = self._mirror.reduce_command(snapshot, command)
            self._snapshots[self.current] = snapshot

    # Not bound to a mirror: with that circle, its snapshots would live on after it.
    _STEPS: ClassVar[Mapping[str, Callable[[RecordedMirror, RecordedLine], None]]] = {
        "in": _received,
        "out": _sent,
        "note": _told,
    }


def unpacked_mirror(mirror: Mirror, line: RecordedLine, name: object) -> Any:
    """
    The snapshot that a note of a recording holds.

    Args:
        mirror: of the recording's protocol.
        line: the note.
        name: of the recording, for the error.

    Raises:
        ConfigurationError: it holds none.
    """
    try:
        return mirror.unpack(line.frame.get("snapshot"))
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ConfigurationError(
            f"{name} begins with no proper snapshot: {exc!r}"
        ) from None
