"""Recordings of live sessions, and handlers run on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy, Router, replay
from realtime_sync.state.live.snapshot import LiveSnapshot

from .live_session import delegated, live_session, said

PCM = b"\0\1" * 480


def talk(session: Any, server: Any) -> None:
    """A bit of everything."""
    session.input_audio.append(PCM)
    session.note("VIP").acknowledged()
    server.feed(said("user", "Which gate?", 200), delegated("item_1"))
    session.say("B12.", delegation_id="item_1").acknowledged()
    server.feed({"type": "session.output_audio.delta", "delta": "AAAA"})
    server.feed(said("assistant", "B12.", 900))


@pytest.mark.parametrize("audio", [True, False])
def test_replay_ends_with_the_snapshot_of_the_session(
    tmp_path: Path, audio: bool
) -> None:
    """And handlers hear what they heard."""
    path = tmp_path / "call.jsonl"
    with live_session() as (session, server):
        session.record(path, audio=audio)
        talk(session, server)
        session.close()
        before = session.snapshot
    heard: list[str] = []
    router = Router()
    router.on("session.output_transcript.delta", lambda e: heard.append(e.delta))
    after: Any = replay(path, router=router)

    assert isinstance(after, LiveSnapshot)
    kept, again = before.to_dict(), after.to_dict()
    if not audio:
        kept["audio"] = again["audio"]
    assert kept == again
    assert ["B12."] == heard
    head = json.loads(path.read_text().splitlines()[0])
    assert "live" == head["session_type"]


def test_recording_may_begin_in_the_middle_and_go_on_after_a_loss(
    tmp_path: Path,
) -> None:
    """With what was known by then."""
    path = tmp_path / "call.jsonl"
    policy = ReconnectPolicy(base=0.001, cap=0.001)
    with live_session(reconnect=policy) as (session, server):
        server.feed(said("user", "Hello", 0))
        session.record(path)
        talk(session, server)
        server.session["id"] = "live_2"
        server.transport.cut(1006)
        server.feed(said("user", "Again", 100))
        session.close()
        before = session.snapshot
    after: Any = replay(path, router=Router())

    assert ("live_u0_1", "live_2") == after.epochs
    assert before.transcript() == after.transcript()
