"""
A spoken question, a function call, and a spoken answer that is interrupted.

The frames of a GA session with voice detection, in the order that captures of
the live service have. ``voice_turn.txt`` has a line for each of them: what the
mirror is after it, as items ; announced items ; responses ; active response.
"""

from __future__ import annotations

import json
from pathlib import Path

from realtime_sync.state.items import Item
from realtime_sync.state.snapshot import Snapshot
from tests.state.mirror_builder import Mirror

FRAMES = Path(__file__).with_name("voice_turn.jsonl")
EXPECTED = Path(__file__).with_name("voice_turn.txt")


def view(snapshot: Snapshot) -> str:
    """All that the events of a turn may change, on one line."""
    items = ", ".join(seen(item) for item in snapshot.items)
    announced = ", ".join(seen(item) for item in snapshot.announced)
    responses = ", ".join(
        f"{state.id} {state.status} {' '.join(state.items)}".strip()
        for state in snapshot.responses.values()
    )
    active = snapshot.active_response.id if snapshot.active_response else "-"
    return f"{items} ; {announced} ; {responses} ; {active}"


def seen(item: Item) -> str:
    """One item: what it is, what it says, how long, and what was heard of it."""
    text = item.arguments or item.output or item.text
    shown = f"{item.id.removeprefix('item_')} {item.status or '?'} {text!r}"
    if item.audio_ms:
        shown += f" {item.audio_ms} ms"
    if item.truncated:
        shown += f" heard {item.heard!r} of {item.said!r}"
    return shown


def test_the_mirror_follows_a_voice_turn_event_by_event() -> None:
    """After every frame it is what the file says, and can be rebuilt."""
    mirror = Mirror()
    views = []
    for line in FRAMES.read_text("utf-8").splitlines():
        frame = json.loads(line)
        snapshot = mirror.frame(frame)
        views.append(f"{frame['type']} ; {view(snapshot)}")
        assert snapshot == Snapshot.from_dict(snapshot.to_dict())

    assert EXPECTED.read_text("utf-8").splitlines() == views
    assert [] == mirror.kinds
    usage = mirror.snapshot.usage
    assert (290, 64, 26) == (
        usage.total_tokens,
        usage.cached_tokens,
        usage.transcription_tokens,
    )
    assert (
        ("user", "What's the weather in Lima?"),
        ("assistant", "It is grey"),
    ) == mirror.snapshot.transcript()
    assert ["user", "assistant", "tool", "assistant"] == [
        message["role"] for message in mirror.snapshot.to_messages()
    ]
