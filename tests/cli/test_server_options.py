"""The session that the options of a command give, and its recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_sync import RealtimeClient, connect
from realtime_sync.cli.server_options import record_session
from realtime_sync.server import serve


def test_ctrl_c_names_the_recording_of_what_was_said(tmp_path: Path) -> None:
    """A long conversation that is broken off is not thought to be lost."""
    kept = tmp_path / "session.jsonl"
    with serve(agent=["Lima."]) as server:
        session = connect("m", base_url=server.url, close_timeout=60)
        with pytest.raises(KeyboardInterrupt, match="session.jsonl"):
            with record_session(session, tmp_path), session:
                session.ask("What is the capital of Peru?", timeout=20)
                raise KeyboardInterrupt

    assert "Lima." in kept.read_text(encoding="utf-8")


def test_ctrl_c_before_a_connection_names_no_file(tmp_path: Path) -> None:
    """There is nothing in it."""
    session = RealtimeClient(base_url="http://127.0.0.1:1/v1").session("m")
    with pytest.raises(KeyboardInterrupt) as caught:
        with record_session(session, tmp_path):
            raise KeyboardInterrupt
    recording = session.recording
    assert recording is not None
    recording.close()
    session.close()

    assert not caught.value.args
