"""A live session over a transport in memory, with a server that a test scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Optional

from realtime_sync import RealtimeClient
from realtime_sync.session.live import LiveSession
from realtime_sync.testing import Close, MemoryTransport

SESSION: dict[str, Any] = {
    "id": "live_u0_1",
    "expires_at": 7200,
    "status": "active",
    "model": "gpt-live-1",
    "input": [],
}

ACKS = {
    "session.input_audio.mute": "session.input_audio.muted",
    "session.input_audio.unmute": "session.input_audio.unmuted",
    "session.instructions.append": "session.instructions.appended",
    "session.thinking.append": "session.thinking.appended",
    "session.commentary.append": "session.commentary.appended",
}

Answer = Optional[Callable[[dict[str, Any]], Any]]


class LiveServer:
    """
    Says what the service says to a client that behaves.

    Args:
        answer: asked first; None leaves the answer to what is usual.
        echoes: success events name their command.

    Attributes:
        transport: of the session.
    """

    def __init__(self, answer: Answer = None, *, echoes: bool = True) -> None:
        self.answer = answer
        self.echoes = echoes
        self.session = dict(SESSION)
        self.transport = MemoryTransport(
            greeting=False, session_type="live", on_send=self._heard
        )
        self.silent: set[str] = set()

    def feed(self, *frames: Any) -> None:
        """Let the server say something."""
        self.transport.feed(*frames)

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """The commands of a type, oldest first."""
        return self.transport.commands(kind)

    def _heard(self, frame: dict[str, Any]) -> Any:
        if self.answer is not None:
            said = self.answer(frame)
            if said is not None:
                return said
        kind = frame["type"]
        if kind in self.silent:
            return None
        told = {"client_event_id": frame.get("event_id")} if self.echoes else {}
        if kind == "session.start":
            self.session.update(frame["session"])
            return {"type": "session.started", "session": self.session, **told}
        if kind == "session.update":
            self.session.update(frame["session"])
            return {"type": "session.updated", "session": self.session, **told}
        if kind == "session.close":
            return [closed(self.session, **told), Close(1000)]
        if kind in ACKS:
            times = {} if "mute" in kind else {"start_ms": 600, "end_ms": 800}
            return {"type": ACKS[kind], "event_id": "e", **times, **told}
        return None


def closed(
    session: dict[str, Any] = SESSION, reason: str = "close_requested", **more: Any
) -> dict[str, Any]:
    """The frame that ends a session."""
    usage = {"seconds": 18.0}
    frame = {"type": "session.closed", "reason": reason, "usage": usage}
    return {**frame, "session": session, **more}


def said(speaker: str, text: str, start_ms: int, **more: Any) -> dict[str, Any]:
    """A piece of what a side said, 200 ms of it."""
    side = "input" if speaker == "user" else "output"
    return {
        "type": f"session.{side}_transcript.delta",
        "delta": text,
        "start_ms": start_ms,
        "end_ms": start_ms + 200,
        **more,
    }


def delegated(item: str, target: str = "client", **more: Any) -> dict[str, Any]:
    """The voice hands work on."""
    task = {"id": item, "type": "delegation", "target": target, **more}
    return {
        "type": "session.delegation.created",
        "event_id": f"event_{item}",
        "offset_ms": 3800,
        "delegation": task,
    }


@contextmanager
def live_session(
    server: Optional[LiveServer] = None, model: str = "gpt-live-1", **options: Any
) -> Iterator[tuple[LiveSession, LiveServer]]:
    """An open session, and the server behind it."""
    server = server or LiveServer()
    options = {"timeout": 2.0, "dispatch": "inline", "close_timeout": 1.0, **options}
    client = RealtimeClient(base_url="ws://127.0.0.1:9", api_key="k")
    session: Any = client.session(model, transport=server.transport, **options)
    assert isinstance(session, LiveSession)
    try:
        yield session.open(), server
    finally:
        session.close()
