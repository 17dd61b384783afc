"""The wire in the log."""

from __future__ import annotations

import json
import logging

import pytest

from realtime_sync import connect
from realtime_sync.connection.wire_log import frame_for_wire_log
from realtime_sync.server import serve


def test_frames_are_logged_both_ways_when_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """DEBUG on ``realtime_sync.wire`` shows every frame, audio by its length."""
    with caplog.at_level(logging.DEBUG, logger="realtime_sync.wire"):
        with serve(agent="echo") as server:
            with connect("m", base_url=server.url, name="logged") as session:
                session.ask("Hello", timeout=10)
    lines = [r.getMessage() for r in caplog.records if r.name == "realtime_sync.wire"]

    assert any(line.startswith('logged < {"type": "session.created"') for line in lines)
    assert any("logged > " in line and "response.create" in line for line in lines)
    deltas = [line for line in lines if "response.output_audio.delta" in line]
    assert deltas and all(" bytes>" in line for line in deltas)
    assert lines[-1].startswith("logged = closed 1000")


def test_nothing_is_logged_unless_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    """INFO is for people who run the program, not for who debugs the wire."""
    with caplog.at_level(logging.INFO, logger="realtime_sync"):
        with serve(agent="echo") as server:
            connect("m", base_url=server.url).close()

    assert [] == [r for r in caplog.records if r.name == "realtime_sync.wire"]


def test_secrets_are_hidden_in_frames() -> None:
    """Keys of MCP servers travel in frames; they are not shown."""
    frame = {
        "type": "session.update",
        "session": {
            "tools": [{"type": "mcp", "authorization": "abc", "headers": {"X": "abc"}}],
            "instructions": "my key is sk-abcdefghijklmnop",
        },
    }

    assert "abc" not in frame_for_wire_log(json.dumps(frame).encode())


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b"\xff\x00", "<2 bytes that are not JSON>"),
        (
            {"type": "input_audio_buffer.append", "audio": "AAAA"},
            '{"type": "input_audio_buffer.append", "audio": "<3 bytes>"}',
        ),
        (
            {"type": "response.output_text.delta", "delta": "AAAA"},
            '{"type": "response.output_text.delta", "delta": "AAAA"}',
        ),
    ],
)
def test_frames_are_shown_as_they_are_but_for_audio(
    frame: object, expected: str
) -> None:
    """Text stays, audio becomes its length."""
    assert expected == frame_for_wire_log(frame)


def test_a_long_frame_is_cut() -> None:
    """A log line of megabytes helps nobody."""
    assert len(frame_for_wire_log({"text": "x" * 10_000})) < 2100
