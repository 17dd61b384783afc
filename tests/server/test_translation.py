"""Translation sessions: their own small protocol."""

from __future__ import annotations

import base64
import json
from typing import Any, Callable

from openai.types.realtime import realtime_translation_server_event
from pydantic import TypeAdapter

from realtime_sync.server import Prompt, Server
from realtime_sync.server.agents import Echo, Scripted
from realtime_sync.server.engine.translation import TranslationEngine

from .clients import client
from .sounds import b64, loud, silence
from .talking import START, error, types

STRICT: TypeAdapter[Any] = TypeAdapter(
    realtime_translation_server_event.RealtimeTranslationServerEvent
)


class Interpreter:
    """Drives a translation engine on one thread."""

    def __init__(self, agent: Any = None) -> None:
        self.engine = TranslationEngine(agent or Echo(), now=START)
        self.opening = self.engine.open(START)

    def send(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        frames = self.engine.receive({"type": kind, **fields}, START + 1)
        return [*frames, *self.engine.settle(START + 1)]

    def hear(self, pcm: bytes) -> list[dict[str, Any]]:
        return self.send("session.input_audio_buffer.append", audio=b64(pcm))


def test_the_session_says_what_it_is() -> None:
    """Id, type, model, language, end of life."""
    (created,) = Interpreter().opening
    session = created["session"]

    assert "session.created" == created["type"]
    assert ("translation", "es") == (
        session["type"],
        session["audio"]["output"]["language"],
    )
    assert START + 3600 == session["expires_at"]


def test_speech_comes_back_in_the_other_language() -> None:
    """Transcripts of both sides, audio in deltas of 200 ms."""
    asked: list[str] = []

    def agent(prompt: Prompt) -> str:
        asked.append(prompt.instructions)
        return "Guten Tag."

    interpreter = Interpreter(Scripted(agent))
    updated = interpreter.send(
        "session.update",
        session={
            "audio": {
                "input": {"transcription": {"model": "whisper-1"}},
                "output": {"language": "de"},
            }
        },
    )
    frames = interpreter.hear(silence(300) + loud(800) + silence(600))
    audio = [f["delta"] for f in frames if f["type"] == "session.output_audio.delta"]

    assert ["session.updated"] == types(updated)
    assert [
        "session.input_transcript.delta",
        "session.output_transcript.delta",
        "session.output_audio.delta",
    ] == types(frames)
    assert "'de'" in asked[0]
    assert 600 == sum(len(base64.b64decode(delta)) for delta in audio) / 48


def test_no_input_transcript_unless_it_is_asked_for() -> None:
    """The default."""
    frames = Interpreter().hear(loud(800) + silence(600))

    assert ["session.output_transcript.delta", "session.output_audio.delta"] == types(
        frames
    )


def test_closing_flushes_and_says_so() -> None:
    """What was being said is still translated; then the connection ends."""
    interpreter = Interpreter()
    interpreter.hear(loud(800))
    frames = interpreter.send("session.close")

    assert "session.closed" == frames[-1]["type"]
    assert "session.output_audio.delta" in types(frames)
    assert (1000, "") == interpreter.engine.closing


def test_a_failing_agent_does_not_end_the_stream() -> None:
    """The stretch is lost, the next one is translated."""
    answers = iter([LookupError("x"), "two"])

    def agent(prompt: Prompt) -> Any:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    interpreter = Interpreter(Scripted(agent))
    first = interpreter.hear(loud(800) + silence(600))
    second = interpreter.hear(loud(800) + silence(600))

    assert [] == first
    assert "session.output_transcript.delta" in types(second)


def test_commands_of_other_sessions_are_refused() -> None:
    """Three commands, no more."""
    interpreter = Interpreter()

    assert "type" == error(interpreter.send("response.create"))["param"]
    assert (
        "session.type"
        == error(interpreter.send("session.update", session={"type": "translation"}))[
            "param"
        ]
    )


def test_over_the_wire(start: Callable[..., Server]) -> None:
    """Its own path; closing ends with code 1000; frames fit the SDK's types."""
    path = "/v1/realtime/translations?model=gpt-realtime-translate"
    with client(start(), path=path) as one:
        frames = [one.receive()]
        one.send("session.input_audio_buffer.append", audio=b64(loud(800)))
        one.send("session.close")
        frames += one.until("session.closed")
        ending = one.receive()

    for frame in frames:
        STRICT.validate_json(json.dumps(frame), strict=True)
    assert 1000 == ending[0]
