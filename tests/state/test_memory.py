"""A long conversation does not grow without end."""

from __future__ import annotations

import pickle

import pytest

from realtime_sync.state.parts import Limits
from tests.state.mirror_builder import Mirror, answer, message

LIMITS = Limits(max_items=20, max_responses=10, max_anomalies=5)


def turns(mirror: Mirror, first: int, last: int) -> int:
    """Go through so many turns, and return the size of the snapshot."""
    for number in range(first, last):
        user, reply, run = f"u{number:06}", f"a{number:06}", f"r{number:06}"
        before = mirror.snapshot.items[-1].id if mirror.snapshot.items else None
        mirror.tell("input_audio_buffer.speech_started", item_id=user, audio_start_ms=1)
        mirror.tell("input_audio_buffer.committed", item_id=user)
        mirror.tell("input_audio_buffer.committed", item_id=f"x{number:06}")
        mirror.added(message(user, [{"type": "input_audio"}]), before)
        mirror.created(run)
        mirror.started(answer(reply), run)
        mirror.added(answer(reply), user)
        mirror.speech("Hello", reply, response_id=run)
        mirror.audio(480, reply, response_id=run)
        response = {"id": run, "status": "completed", "output": []}
        mirror.tell("response.done", response=response)
        mirror.created(f"s{number:06}", None)
        mirror.text("aside", f"o{number:06}", response_id=f"s{number:06}")
        response = {"id": f"s{number:06}", "status": "completed"}
        mirror.tell("response.done", response={**response, "conversation_id": None})
        mirror.tell("conversation.item.deleted", item_id=f"n{number:06}")
        mirror.user(f"w{number:06}", f"missing{number:06}")
        if number % 3 == 0:
            mirror.tell("conversation.item.deleted", item_id=user)
    return len(pickle.dumps(mirror.snapshot.to_dict()))


def stays_flat(much: int) -> None:
    """After a while, ten times as much leaves no more behind."""
    mirror = Mirror(limits=LIMITS)
    settled = turns(mirror, 0, much // 10)
    later = turns(mirror, much // 10, much)

    assert later <= settled * 1.1
    assert len(mirror.order) <= LIMITS.max_items
    assert len(mirror.snapshot.responses) <= LIMITS.max_responses
    assert len(mirror.snapshot._order.ids) <= 2 * LIMITS.max_items + 1


def test_what_a_snapshot_holds_is_bounded() -> None:
    """Items, responses, tombstones, orphans, announcements, anomalies."""
    stays_flat(400)


@pytest.mark.deep
def test_what_a_snapshot_holds_is_bounded_at_length() -> None:
    """The same for an hour's worth of turns."""
    stays_flat(4000)
