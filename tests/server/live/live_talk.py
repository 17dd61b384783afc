"""A live session on one thread; every frame is held against openai's own types."""

from __future__ import annotations

import base64
import json
from typing import Any, Optional

from openai.types.live import ConnectServerEvent, ServerEvent
from openai.types.responses import ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from realtime_sync.server import Agent
from realtime_sync.server.agents import Echo, Scripted
from realtime_sync.server.engine.context import Options
from realtime_sync.server.live.context import ATTACHED, PRIMARY
from realtime_sync.server.live.engine import LiveEngine
from realtime_sync.server.live.hub import HubParticipant, SessionHub

from ..sounds import b64, loud, silence

STRICT: dict[str, TypeAdapter[Any]] = {
    PRIMARY: TypeAdapter(ServerEvent),
    ATTACHED: TypeAdapter(ConnectServerEvent),
}
NESTED: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
START = 1_767_225_600.0
BEYOND = {"obfuscation", "store"}
"""What was seen in events of the service and the types do not have."""
TOOL = {"type": "function", "name": "get_weather"}
RESPONSES = {
    "type": "responses",
    "responses": {"model": "gpt-5.5", "tools": [TOOL], "instructions": "Be brief."},
}
QUESTION = silence(300) + loud(900) + silence(800)
"""Something said, and the pause after it."""


def check(frame: dict[str, Any], role: str = PRIMARY) -> dict[str, Any]:
    """Hold a frame against the types, and find fields that they do not have."""
    event = STRICT[role].validate_json(json.dumps(frame), strict=True)

    assert frame["type"] == event.type
    assert set() == undeclared(event)
    if frame["type"] == "response.event":
        nested = NESTED.validate_json(json.dumps(frame["event"]), strict=True)

        assert frame["event"]["type"] == nested.type
        assert undeclared(nested) <= BEYOND
    return frame


def undeclared(value: Any) -> set[str]:
    """The names of all fields, at any depth, that the types do not declare."""
    if isinstance(value, (list, tuple)):
        return set().union(*map(undeclared, value))
    if not isinstance(value, BaseModel):
        return set()
    known = (getattr(value, name) for name in value.model_fields_set)
    return set(value.model_extra or {}) | set().union(*map(undeclared, known))


class LiveTalk:
    """
    One connection to a session; all work is done at once, time moves by hand.

    Args:
        agent: answers; or give a *script*.
        participant: of an existing session; a new primary connection when None.
        arguments: for the engine.
    """

    def __init__(
        self,
        agent: Optional[Agent] = None,
        *,
        script: Any = None,
        participant: Optional[HubParticipant] = None,
        options: Optional[dict[str, Any]] = None,
        now: float = START,
        **arguments: Any,
    ) -> None:
        chosen = agent or (Echo() if script is None else Scripted(script))
        self.now = now
        if participant is None:
            made = Options(**(options or {}))
            engine = LiveEngine(chosen, now=now, options=made, **arguments)
            participant = SessionHub(engine, replay_seconds=made.replay_seconds).join(
                PRIMARY
            )
        self.participant = participant
        self.frames: list[dict[str, Any]] = []
        self.opening = self._got(participant.open(self.now))

    @property
    def engine(self) -> LiveEngine:
        return self.participant.hub.engine

    def attach(self, **arguments: Any) -> LiveTalk:
        """Attach another connection to the session."""
        participant = self.participant.hub.join(ATTACHED, **arguments)
        return LiveTalk(participant=participant, now=self.now)

    def _got(self, frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
        frames = [check(frame, self.participant.role) for frame in frames]
        self.frames += frames
        return frames

    def send(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Send a command, let everybody work, return all frames."""
        return self.send_only(kind, **fields) + self.settle()

    def send_only(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Send a command; the agent's work waits for `settle`."""
        return self.receive({"type": kind, **fields})

    def receive(self, frame: Any) -> list[dict[str, Any]]:
        """Send anything; the agent's work waits for `settle`."""
        return self._got(self.participant.receive(frame, self.now))

    def settle(self) -> list[dict[str, Any]]:
        """Let everybody work; returns all frames."""
        return self._got(self.participant.settle(self.now))

    def later(self, seconds: float) -> list[dict[str, Any]]:
        """Let time pass, return all frames."""
        self.now += seconds
        return self._got(self.participant.tick(self.now)) + self.settle()

    def start(self, **session: Any) -> dict[str, Any]:
        """Start the session; returns ``session.started``, or the error."""
        given = {"model": "gpt-live-1", **session}
        (frame,) = self.send("session.start", session=given)
        return frame

    def hear(self, pcm: bytes) -> list[dict[str, Any]]:
        """Append audio."""
        return self.send("session.input_audio.append", audio=b64(pcm))

    def ask(self) -> list[dict[str, Any]]:
        """Say something, and let time pass for an answer."""
        return self.hear(QUESTION + silence(4000))

    def output(self, call_id: str, output: str = "sunny") -> list[dict[str, Any]]:
        """Bring the output of a call."""
        item = {"type": "function_call_output", "call_id": call_id, "output": output}
        return self.send("response.item.create", item=item)


def types(frames: list[dict[str, Any]]) -> list[str]:
    """The event types without audio; nested ones too, runs written once."""
    names: list[str] = []
    for frame in frames:
        name = frame["type"]
        if name == "response.event":
            name = frame["event"]["type"]
        if "audio." in name and frame["type"].endswith(("delta", "append")):
            continue
        if not (names and names[-1] == name):
            names.append(name)
    return names


def of(frames: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The frames of a type, or the nested events of one."""
    nested = [f["event"] for f in frames if f["type"] == "response.event"]
    return [frame for frame in [*frames, *nested] if frame["type"] == kind]


def only(frames: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The one frame of a type."""
    (frame,) = of(frames, kind)
    return frame


def error(frames: list[dict[str, Any]]) -> dict[str, Any]:
    """The details of the one error."""
    details: dict[str, Any] = only(frames, "error")["error"]
    return details


def said(frames: list[dict[str, Any]], side: str = "output") -> str:
    """The transcript of one side."""
    return "".join(f["delta"] for f in of(frames, f"session.{side}_transcript.delta"))


def output_audio(frames: list[dict[str, Any]]) -> list[bytes]:
    """The frames of the model's audio."""
    kind = "session.output_audio.delta"
    return [base64.b64decode(frame["delta"]) for frame in of(frames, kind)]
