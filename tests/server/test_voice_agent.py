"""The voice agent behind the protocol: real speech in, real speech out."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from realtime_sync.server.agents.voice import VoiceAgent
from realtime_sync.server.voice import (
    DEMO_QUESTION,
    default_recognizer,
    default_synthesizer,
    word_error_rate,
)

from .sounds import silence
from .talking import Talk, only, types

HEARD = "conversation.item.input_audio_transcription.completed"


@pytest.fixture(scope="module")
def agent() -> VoiceAgent:
    """The agent; its models are loaded once."""
    return VoiceAgent()


@pytest.fixture(scope="module")
def question() -> bytes:
    """The question, spoken, with silence around it."""
    return silence(300) + default_synthesizer().speak(DEMO_QUESTION) + silence(1200)


def talk_with(agent: VoiceAgent, **options: Any) -> Talk:
    """A session with transcription and a patient turn detection."""
    talk = Talk(agent, options=options)
    heard = {
        "transcription": {"model": "pocketsphinx"},
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
    }
    talk.update(audio={"input": heard})
    return talk


def audio_of(frames: list[dict[str, Any]]) -> bytes:
    """All audio deltas together."""
    return b"".join(
        base64.b64decode(frame["delta"])
        for frame in frames
        if frame["type"] == "response.output_audio.delta"
    )


def test_a_spoken_question_is_answered_aloud(
    agent: VoiceAgent, question: bytes
) -> None:
    """One turn, the right words, an answer that can be heard."""
    frames = talk_with(agent).hear(question)
    answer = only(frames, "response.output_audio_transcript.done")["transcript"]
    again = default_recognizer().transcribe(audio_of(frames), 24_000)

    assert 1 == types(frames).count("input_audio_buffer.speech_started")
    assert 0 == word_error_rate(DEMO_QUESTION, only(frames, HEARD)["transcript"])
    assert 0.2 >= word_error_rate(answer, again)


def test_a_spoken_question_in_beta_by_telephone(
    agent: VoiceAgent, question: bytes
) -> None:
    """G.711 in and out, in the older dialect."""
    from realtime_sync.server.engine.sound import PCMU, from_native_sound

    from .sounds import b64

    talk = Talk(agent, dialect="beta")
    session = {
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "g711_ulaw",
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
    }
    talk.send("session.update", session=session)
    audio = from_native_sound(question, PCMU)
    frames = talk.send("input_audio_buffer.append", audio=b64(audio))
    deltas = [f["delta"] for f in frames if f["type"] == "response.audio.delta"]

    assert 1 == types(frames).count("input_audio_buffer.speech_started")
    assert all(len(base64.b64decode(delta)) <= 1600 for delta in deltas)
    assert 5 < len(deltas)


def test_an_interruption_in_mid_answer(agent: VoiceAgent, question: bytes) -> None:
    """Cancelled, then truncated at the millisecond that was played."""
    talk = talk_with(agent, pace=1.0)
    talk.hear(question)
    played = talk.later(0.9)
    frames = talk.hear(question[: 48 * 1200])
    response = only(frames, "response.done")["response"]
    item_id = response["output"][0]["id"]
    truncated = talk.send(
        "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=777
    )
    item = next(i for i in talk.engine.truth()["items"] if i["id"] == item_id)

    assert audio_of(played)
    assert ("cancelled", "turn_detected") == (
        response["status"],
        response["status_details"]["reason"],
    )
    assert ["conversation.item.truncated"] == types(truncated)
    assert (777, "") == (item["audio_ms"], item["transcript"])


def test_a_tool_is_called_by_voice(agent: VoiceAgent) -> None:
    """A spoken wish becomes a function call."""
    wish = default_synthesizer().speak("What is the weather in Paris?")
    talk = talk_with(agent)
    tool = {
        "type": "function",
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    }
    talk.update(tools=[tool])
    frames = talk.hear(silence(300) + wish + silence(1200))
    call = only(frames, "response.done")["response"]["output"][0]

    assert ("function_call", "get_weather") == (call["type"], call["name"])
    assert "paris" in call["arguments"].lower()
