"""A spoken turn with every server that nobody here wrote."""

from __future__ import annotations

import pytest

from tests.servers.fake_server import FakeServer, connected, lines
from tests.servers.hearing import END, SERVERS, TONE


@pytest.mark.parametrize("server", SERVERS, ids=[each.name for each in SERVERS])
def test_what_was_said_is_in_the_transcript(server: FakeServer) -> None:
    """Once, in its place, as the server heard it in the end."""
    with connected(server) as (session, performance, seen):
        with session.expect(END, unknown=True) as over:
            session.input_audio_buffer.append(TONE)
            session.send({"type": "input_audio_buffer.commit", "final": True})
        over.result()

    assert [
        {"type": "input_audio_buffer.append"},
        {"type": "input_audio_buffer.commit", "final": True},
    ] == [
        {k: v for k, v in command.items() if k not in ("audio", "event_id")}
        for command in performance.heard
    ]
    seen.check(performance)
    assert server.lines == lines(session)
    assert len(server.lines) == len(session.snapshot.items)
    assert server.anomalies == {a.kind for a in session.snapshot.anomalies}
    assert "s1" == session.id or not server.greeting
