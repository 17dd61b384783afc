"""Which mirror a kind of session has."""

from __future__ import annotations

import pytest

from realtime_sync.protocol.dialects.server_quirks import OWN_IDS
from realtime_sync.protocol.registry import ROWS
from realtime_sync.state.live.snapshot import LiveSnapshot
from realtime_sync.state.mirrors import LIVE, REALTIME, mirror_of
from realtime_sync.state.snapshot import Snapshot


@pytest.mark.parametrize("kind", ["realtime", "transcription", "translation"])
def test_all_kinds_of_realtime_share_a_mirror(kind: str) -> None:
    """It is told of the commands that the server may not name again."""
    assert mirror_of(kind) is REALTIME
    assert isinstance(REALTIME.empty(), Snapshot)
    assert REALTIME.noted <= {row.name for row in ROWS if row.direction == "client"}


def test_live_session_has_a_mirror_of_its_own() -> None:
    """What it is sent is its clock, so that the mirror hears of it."""
    assert mirror_of("live") is LIVE
    assert isinstance(LIVE.empty(), LiveSnapshot)
    assert "session.input_audio.append" in LIVE.noted


@pytest.mark.parametrize("kind", ["realtime", "live"])
def test_a_habit_is_learned_where_a_mirror_has_habits(kind: str) -> None:
    """Once; what is known already makes no new snapshot."""
    mirror = mirror_of(kind)
    snapshot = mirror.learn(mirror.empty(), OWN_IDS)

    assert snapshot is mirror.learn(snapshot, OWN_IDS)
    assert (kind == "realtime") == (OWN_IDS in getattr(snapshot, "habits", ()))
