"""The voice agent in a live session: real speech in, real speech out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime_sync.server.agents.scenario import scenario
from realtime_sync.server.agents.voice import VoiceAgent
from realtime_sync.server.engine.sound import PCMU, from_native_sound
from realtime_sync.server.voice import (
    DEMO_QUESTION,
    default_recognizer,
    default_synthesizer,
    word_error_rate,
)

from ..sounds import silence
from .live_talk import LiveTalk, of, only, output_audio, said

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@pytest.fixture(scope="module")
def agent() -> VoiceAgent:
    """The agent; its models are loaded once."""
    return VoiceAgent()


def spoken(text: str) -> bytes:
    """A sentence, with the pause after it and time for an answer."""
    return silence(300) + default_synthesizer().speak(text) + silence(8000)


def heard_again(frames: list[dict[str, Any]]) -> str:
    """What the model's audio says to somebody who listens."""
    return default_recognizer().transcribe(b"".join(output_audio(frames)), 24_000)


def test_a_spoken_question_is_answered_aloud(agent: VoiceAgent) -> None:
    """The right words of both sides, and an answer that can be heard."""
    talk = LiveTalk(agent)
    talk.start()
    frames = talk.hear(spoken(DEMO_QUESTION))

    assert 0 == word_error_rate(DEMO_QUESTION, said(frames, "input"))
    assert 0.2 >= word_error_rate(said(frames), heard_again(frames))


def test_a_spoken_question_by_telephone(agent: VoiceAgent) -> None:
    """G.711 in and out, without conversion by the client."""
    talk = LiveTalk(agent)
    talk.start(audio={"format": {"type": "audio/pcmu", "rate": 8000}})
    frames = talk.hear(from_native_sound(spoken(DEMO_QUESTION), PCMU))

    assert {800} == set(map(len, output_audio(frames)))
    assert "" != said(frames)


def test_what_the_agent_does_not_know_the_client_answers(agent: VoiceAgent) -> None:
    """It hands the question on, says so, and says what the client knows."""
    talk = LiveTalk(agent)
    talk.start()
    frames = talk.hear(spoken("What is the weather in Paris?"))
    work = only(frames, "session.delegation.created")["delegation"]
    talk.send(
        "session.commentary.append",
        delegation_id=work["id"],
        content="It is sunny in Paris.",
    )
    answer = talk.hear(silence(5000))

    assert "One moment, please." == said(frames)
    assert "It is sunny in Paris." == said(answer)
    assert 0.2 >= word_error_rate("It is sunny in Paris.", heard_again(answer))


def test_a_tool_is_called_by_voice(agent: VoiceAgent) -> None:
    """A spoken wish becomes a call of the backend's, and its output speech."""
    talk = LiveTalk(agent)
    backend = {"model": "gpt-5.5", "tools": [WEATHER]}
    talk.start(delegation={"type": "responses", "responses": backend})
    frames = talk.hear(spoken("What is the weather in Paris?"))
    (item,) = [each["item"] for each in of(frames, "response.output_item.done")]
    talk.output(item["call_id"], "Sunny and warm.")
    talk.send("response.create")

    assert {"city": "paris"} == {
        key: value.lower() for key, value in json.loads(item["arguments"]).items()
    }
    assert "sunny and warm" in said(talk.hear(silence(5000))).lower()


def test_a_scenario_hands_work_on() -> None:
    """With the words of an acknowledgement, or without any."""
    replies = [
        {"when": "1600", "delegate": "Hold on.", "once": True},
        {"delegate": True},
    ]
    talk = LiveTalk(scenario({"replies": replies}).agent)
    talk.start()
    first, second = talk.ask(), talk.ask()

    assert ["client"] * 2 == [
        only(frames, "session.delegation.created")["delegation"]["target"]
        for frames in (first, second)
    ]
    assert ["Hold on.", ""] == [said(first), said(second)]
