"""The mirror of a recording for who reads it anyway."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_sync import RecordedMirror, Router, connect, read_recording, replay
from realtime_sync.errors import ConfigurationError
from realtime_sync.testing import MemoryTransport, frames
from tests.report.recordings import head, line, spoken_turn


def test_one_reading_gives_what_a_replay_gives(tmp_path: Path) -> None:
    """At the end, and of a connection that is not in use any more."""
    path = tmp_path / "call.jsonl"
    transport = MemoryTransport(on_send=frames.acknowledged)
    with connect(transport=transport, dispatch="inline") as session:
        with session.record(path):
            session.conversation.add_message("one")
            session.conversation.add_message("two")
        expected = session.snapshot
    recorded = read_recording(path)
    mirror = RecordedMirror(recorded)
    for each in recorded:
        mirror.follow(each)

    assert expected.items
    assert expected == mirror.snapshot() == replay(path, router=Router())
    assert mirror.snapshot() == mirror.snapshot(mirror.current)
    assert not mirror.snapshot(7).items


def test_lines_may_be_followed_from_one_point_twice() -> None:
    """Nothing that is known at one point is known at the other."""
    lines = [head(), *spoken_turn(0.0, 1)]
    recorded = read_recording(lines)
    mirror = RecordedMirror(recorded)
    before = mirror.copy()
    for each in recorded:
        mirror.follow(each)

    assert mirror.snapshot().version
    assert not before.snapshot().version


def test_line_of_an_unknown_direction_says_nothing() -> None:
    """A later release may write more kinds than this one knows."""
    recorded = read_recording([head(), line(0.1, "aside", "x")])
    mirror = RecordedMirror(recorded)
    for each in recorded:
        mirror.follow(each)

    assert not mirror.snapshot().version


@pytest.mark.parametrize("value", [{1, 2}, object(), b"sound"])
def test_decoded_line_that_is_no_json_is_named_when_its_bytes_are_asked_for(
    value: object,
) -> None:
    """Who gives lines instead of a file may give anything."""
    frame = {"type": "response.created", "odd": value}
    told = [{"format": "realtime-sync-recording", "version": 1}]
    (found,) = read_recording([*told, {"t": 2.5, "dir": "in", "frame": frame}])

    with pytest.raises(ConfigurationError, match="2.5 s is no JSON"):
        found.data
