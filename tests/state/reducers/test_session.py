"""The session, rate limits and errors."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.state.items import PCM_RATE
from tests.state.mirror_builder import Mirror

FULL = {
    "type": "realtime",
    "id": "sess_1",
    "object": "realtime.session",
    "expires_at": 99,
    "model": "gpt-realtime",
    "instructions": "Be brief.",
    "tools": [],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "turn_detection": {"type": "server_vad", "threshold": 0.5},
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"},
    },
}


def test_the_session_is_what_the_server_last_said() -> None:
    """The id, the end of it, and the configuration."""
    mirror = Mirror()
    assert mirror.snapshot.session is None
    assert (None, None) == (mirror.snapshot.session_id, mirror.snapshot.expires_at)

    mirror.tell("session.created", session=FULL)
    mirror.tell("session.updated", session={**FULL, "instructions": ""})

    assert ("sess_1", 99) == (mirror.snapshot.session_id, mirror.snapshot.expires_at)
    assert "" == mirror.snapshot.session.instructions
    assert [] == mirror.kinds


def test_what_an_update_leaves_out_stays() -> None:
    """Some servers echo only what changed; null is a change."""
    mirror = Mirror()
    mirror.tell("session.created", session=FULL)
    output = {"voice": "cedar"}
    audio = {"input": {"turn_detection": None}, "output": output}
    mirror.tell(
        "session.updated", session={"type": "realtime", "tools": None, "audio": audio}
    )
    session = mirror.snapshot.session
    assert ("sess_1", "Be brief.", None) == (
        session.id,
        session.instructions,
        session.tools,
    )
    assert session.audio.input.turn_detection is None
    assert "audio/pcm" == session.audio.input.format.type
    assert ("cedar", 24000) == (
        session.audio.output.voice,
        session.audio.output.format.rate,
    )

    mirror.tell("session.updated", session={"type": "realtime"})
    mirror.tell(
        "session.updated", session={"type": "realtime", "audio": {"output": None}}
    )

    session = mirror.snapshot.session
    assert session.audio.output is None
    assert session.audio.input.turn_detection is None
    assert "audio/pcm" == session.audio.input.format.type


def test_an_update_may_tell_a_half_for_the_first_time() -> None:
    """There is nothing to complete it with."""
    mirror = Mirror()
    mirror.tell("session.created", session={"type": "realtime", "audio": {}})
    mirror.tell("session.updated", session=FULL)

    assert "marin" == mirror.snapshot.session.audio.output.voice


def test_a_session_created_late_or_twice_keeps_the_conversation() -> None:
    """It says nothing about items."""
    mirror = Mirror()
    mirror.user("a")
    mirror.tell("session.created", session=FULL)
    mirror.tell("session.created", session={**FULL, "id": "sess_2"})

    assert ["a"] == mirror.order
    assert "sess_2" == mirror.snapshot.session_id
    assert ["repeated"] == mirror.kinds


def test_a_session_event_without_a_session_is_noted() -> None:
    """What is known stays."""
    mirror = Mirror()
    mirror.tell("session.created", session=FULL)
    mirror.tell("session.updated")

    assert "sess_1" == mirror.snapshot.session_id
    assert ["no_session"] == mirror.kinds


@pytest.mark.parametrize(
    ("spoken", "rate"),
    [
        ({"type": "audio/pcm", "rate": 24000}, 48_000),
        ({"type": "audio/pcm", "rate": 16000}, 32_000),
        ({"type": "audio/pcm"}, PCM_RATE),
        ({"type": "audio/pcmu"}, 8_000),
        ({"type": "audio/pcma"}, 8_000),
        (None, PCM_RATE),
    ],
)
def test_audio_is_measured_in_the_format_of_the_session(spoken: Any, rate: int) -> None:
    """Bytes are counted exactly, and milliseconds follow from them."""
    mirror = Mirror()
    session = {"type": "realtime", "audio": {"output": {"format": spoken}}}
    mirror.tell("session.created", session=session)
    mirror.spoken_answer(size=rate)

    assert 1000 == mirror.item("a").audio_ms
    assert rate == mirror.item("a").content[0].audio_bytes


def test_a_translation_session_has_its_own_resource() -> None:
    """It has no items, but an id and an end like the others."""
    mirror = Mirror(session_type="translation")
    session = {"id": "sess_t", "type": "translation", "expires_at": 7, "model": "m"}
    mirror.tell("session.created", session=session)

    assert ("sess_t", 7) == (mirror.snapshot.session_id, mirror.snapshot.expires_at)


def test_rate_limits_are_kept_by_name() -> None:
    """An event may tell some of them, or none."""
    mirror = Mirror()
    requests = {"name": "requests", "limit": 10, "remaining": 9}
    tokens = {"name": "tokens", "limit": 100, "remaining": 50}
    mirror.tell("rate_limits.updated", rate_limits=[requests, tokens])
    mirror.tell("rate_limits.updated", rate_limits=[{**tokens, "remaining": 40}])
    before = mirror.snapshot
    mirror.tell("rate_limits.updated", rate_limits=[])
    mirror.tell("rate_limits.updated")

    limits = {each.name: each.remaining for each in mirror.snapshot.rate_limits}
    assert {"requests": 9, "tokens": 40} == limits
    assert before is mirror.snapshot


def test_rate_limits_of_too_many_names_are_bounded() -> None:
    """The latest are kept, and it is said that there were more."""
    mirror = Mirror()
    for number in range(300):
        limit = {"name": f"limit {number}", "limit": 1, "remaining": 1}
        mirror.tell("rate_limits.updated", rate_limits=[limit])
    names = [each.name for each in mirror.snapshot.rate_limits]

    assert [f"limit {number}" for number in range(200, 300)] == names
    assert {"rate_limits"} == set(mirror.kinds)

    many = [{"name": f"other {number}", "limit": 1} for number in range(1000)]
    mirror.tell("rate_limits.updated", rate_limits=many)

    assert 100 == len(mirror.snapshot.rate_limits)
    assert "other 999" == mirror.snapshot.rate_limits[-1].name
