"""What the server of the benchmarks sends."""

from __future__ import annotations

import json

from realtime_sync.cli.bench.scripts import (
    lateness_of_script,
    scripted_burst,
    scripted_closing,
)
from realtime_sync.transport.frames import FrameReader


def last_event(frames: bytes) -> dict[str, object]:
    """The last message of some frames."""
    reader = FrameReader()
    reader.feed(frames)
    event: dict[str, object] = json.loads(reader.texts()[-1])
    return event


def test_the_end_of_a_paced_stream_tells_how_late_the_server_was() -> None:
    """In an id of the same length: the frames are encoded before."""
    plain, told = scripted_burst("text").closing, scripted_closing(0.012345)

    assert len(plain) == len(told)
    assert "response.done" == last_event(told)["type"]
    assert 0.012345 == lateness_of_script(last_event(told)["event_id"])
