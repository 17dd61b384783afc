"""A question to every server that nobody here wrote."""

from __future__ import annotations

import pytest

from realtime_sync import Snapshot
from tests.servers.chatting import SERVERS
from tests.servers.fake_server import FakeServer, connected, lines


@pytest.mark.parametrize("server", SERVERS, ids=[each.name for each in SERVERS])
def test_a_question_is_answered(server: FakeServer) -> None:
    """The reply, the mirror and the handlers, whatever way it was said."""
    with connected(server) as (session, performance, seen):
        replies = [session.ask("Peru?") for _ in range(2)]
    snapshot = session.snapshot

    for reply in replies:
        assert server.text == reply.text
        assert server.sound == (reply.audio and reply.audio.data)
        assert "completed" == reply.status
    seen.check(performance)
    assert server.lines * 2 == lines(session)
    ids = [item.id for item in snapshot.items]
    assert len(set(ids)) == len(ids)
    assert None is snapshot.active_response
    assert server.anomalies == {each.kind for each in snapshot.anomalies}
    assert snapshot == Snapshot.from_dict(snapshot.to_dict())
