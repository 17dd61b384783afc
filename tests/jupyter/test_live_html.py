"""Live sessions in a notebook; no kernel is needed for that."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync import jupyter, live
from realtime_sync.jupyter import formatters
from tests.session.live.live_session import (
    LiveServer,
    closed,
    delegated,
    live_session,
    said,
)

HOSTILE = "<script>alert(1)</script>"


def talk(server: LiveServer) -> None:
    """Both sides say something, and work is handed on."""
    server.feed(
        said("user", f"Where {HOSTILE}", 0),
        delegated("item_1"),
        said("assistant", "B12.", 900),
        {"type": "session.usage.updated", "usage": {"seconds": 14.0}},
    )


@pytest.mark.parametrize("kind", ["live session", "live snapshot"])
def test_live_session_and_its_snapshot_show_themselves(kind: str) -> None:
    """Who said what, what was handed on, and what is billed; escaped."""
    with live_session() as (session, server):
        talk(server)
        value: Any = session if kind == "live session" else session.snapshot
        text = jupyter.html_of(kind, value)

    assert "Where &lt;script&gt;" in text
    assert HOSTILE not in text
    assert "B12." in text
    assert "delegated to client" in text
    assert "14 s" in text


def test_classes_that_show_themselves_are_where_they_are_looked_for() -> None:
    """They are named, not imported."""
    kinds = {kind: place for place, kind in formatters.KINDS.items()}
    for kind, cls in (
        ("live session", live.LiveSession),
        ("live snapshot", live.LiveSnapshot),
    ):
        assert (cls.__module__, cls.__name__) == kinds[kind]


def test_transcript_of_a_live_session_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every word, until the session is over."""
    pages: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "realtime_sync.jupyter.display.DisplayOutput.update",
        lambda self, page: pages.append(page),
    )
    now = [0.0]
    with live_session() as (session, server):
        shown = jupyter.LiveTranscript(session, clock=lambda: now[0])
        now[0] = 1.0
        talk(server)
        grown = pages[-1]["text/plain"]
        server.feed({"type": "error", "error": "No room."})
        told = pages[-1]["text/html"]
        server.feed(closed())

    assert "user: Where" in grown and "assistant: B12." in grown
    assert "No room." in told
    assert "closed" in pages[-1]["text/html"]
    assert "LiveTranscript of" in repr(shown)
