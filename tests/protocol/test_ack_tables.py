"""Which table of acknowledgements a kind of session goes by."""

from __future__ import annotations

import pytest

from realtime_sync.protocol import acks
from realtime_sync.protocol.ack_tables import LIVE, REALTIME, acks_of
from realtime_sync.protocol.live import acks as live


@pytest.mark.parametrize("kind", ["realtime", "transcription", "translation"])
def test_all_kinds_of_realtime_share_a_table(kind: str) -> None:
    """Translation sessions have commands of their own in it."""
    assert acks_of(kind) is REALTIME
    assert acks.ACKS is REALTIME.rules


def test_error_without_an_id_is_no_commands_in_a_live_session() -> None:
    """It is the backend's, a moderation or the storage's; nothing points anywhere."""
    assert acks_of("live") is LIVE
    assert live.ACKS is LIVE.rules
    assert not LIVE.points and not LIVE.automatic
