"""An engine on one thread: what a client says, and every frame that answers it."""

from __future__ import annotations

from typing import Any, Optional

from realtime_sync.server import Agent
from realtime_sync.server.agents import Echo, Scripted
from realtime_sync.server.engine.context import Options
from realtime_sync.server.engine.core import Engine

from .sounds import b64

START = 1_767_225_600.0


class Talk:
    """Drives one engine; all work is done at once, time moves by hand."""

    def __init__(
        self,
        agent: Optional[Agent] = None,
        *,
        script: Any = None,
        options: Optional[dict[str, Any]] = None,
        **arguments: Any,
    ) -> None:
        chosen = agent or (Echo() if script is None else Scripted(script))
        self.now = START
        self.engine = Engine(
            chosen, now=self.now, options=Options(**(options or {})), **arguments
        )
        self.opening = self.engine.open(self.now)

    def send(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Send a command, let everybody work, return all frames."""
        frames = self.engine.receive({"type": kind, **fields}, self.now)
        return [*frames, *self.engine.settle(self.now)]

    def send_only(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Send a command; the agent's work waits for `settle`."""
        return self.engine.receive({"type": kind, **fields}, self.now)

    def settle(self) -> list[dict[str, Any]]:
        """Let everybody work."""
        return list(self.engine.settle(self.now))

    def later(self, seconds: float) -> list[dict[str, Any]]:
        """Let time pass, return all frames."""
        self.now += seconds
        return [*self.engine.tick(self.now), *self.engine.settle(self.now)]

    def update(self, **session: Any) -> list[dict[str, Any]]:
        """Send ``session.update`` for a GA realtime session."""
        return self.send("session.update", session={"type": "realtime", **session})

    def say(self, text: str, **fields: Any) -> list[dict[str, Any]]:
        """Add a user message."""
        part = {"type": "input_text", "text": text}
        item = {"type": "message", "role": "user", "content": [part], **fields}
        return self.send("conversation.item.create", item=item)

    def answer(self, **response: Any) -> list[dict[str, Any]]:
        """Ask for a response."""
        return self.send("response.create", response=response)

    def hear(self, pcm: bytes) -> list[dict[str, Any]]:
        """Append audio."""
        return self.send("input_audio_buffer.append", audio=b64(pcm))


def types(frames: list[dict[str, Any]]) -> list[str]:
    """The event types, runs of the same delta written once."""
    names: list[str] = []
    for frame in frames:
        name = frame["type"]
        if not (name.endswith(".delta") and names and names[-1] == name):
            names.append(name)
    return names


def only(frames: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The one frame of a type."""
    (frame,) = [frame for frame in frames if frame["type"] == kind]
    return frame


def error(frames: list[dict[str, Any]]) -> dict[str, Any]:
    """The details of the one error."""
    details: dict[str, Any] = only(frames, "error")["error"]
    return details
