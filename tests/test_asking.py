"""Questions, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync import Session, connect
from realtime_sync.errors import ConnectionLost
from realtime_sync.server import serve


def lose_messages(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every message be lost with its connection, while the session goes on."""
    create = session.conversation.item.create

    def lost(item: Any) -> Any:
        handle = create(item)
        handle.acknowledged(timeout=5)
        handle._slot = type(handle._slot)()
        handle._reject(ConnectionLost("the connection was lost", code=1006))
        return handle

    monkeypatch.setattr(session.conversation.item, "create", lost)


def test_question_lost_with_its_connection_has_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A response on the next connection would answer what was asked before."""
    with serve(agent=["One.", "Two."]) as server:
        with connect("gpt-realtime-2.1", base_url=server.url) as session:
            session.ask("First?", timeout=5)
            lose_messages(session, monkeypatch)
            with pytest.raises(ConnectionLost):
                session.ask("Second?", timeout=5)
