"""
The official SDK, unmodified, against the server: every frame in its own types.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

import pytest
from openai import OpenAI
from openai.types.beta.realtime import RealtimeServerEvent as BetaServerEvent
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from realtime_sync.server import Call, Prompt, Server

from .sounds import b64, loud, silence

# The SDK opens its WebSocket in a way that the newest websockets frowns upon.
pytestmark = pytest.mark.filterwarnings(
    "ignore:connect.. must be used as a context manager:DeprecationWarning"
)
STRICT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
STRICT_BETA: TypeAdapter[Any] = TypeAdapter(BetaServerEvent)
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


class Peer:
    """The SDK's connection; what it receives is validated strictly first."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.seen: list[dict[str, Any]] = []

    def receive(self) -> Any:
        data = self.connection.recv_bytes()
        STRICT.validate_json(data, strict=True)
        self.seen.append(json.loads(data))
        return self.connection.parse_event(data)

    def until(self, kind: str) -> list[Any]:
        """Receive up to and including the first event of a type."""
        events = [self.receive()]
        while events[-1].type != kind:
            events.append(self.receive())
        return events

    def say(self, text: str) -> None:
        self.connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": text}],
            }
        )


@contextmanager
def connected(server: Server, **arguments: Any) -> Iterator[Peer]:
    arguments = {"model": "gpt-realtime", **arguments}
    client = OpenAI(api_key="sk-test", base_url=server.url, max_retries=0)
    with client, client.realtime.connect(**arguments) as connection:
        peer = Peer(connection)

        assert "session.created" == peer.receive().type
        yield peer


def test_a_text_response(start: Callable[..., Server]) -> None:
    """A message and a response in text, and nothing but declared frames."""
    with connected(start(agent=lambda prompt: f"You said {prompt.text}.")) as peer:
        peer.connection.session.update(
            session={"type": "realtime", "output_modalities": ["text"]}
        )
        peer.say("hello")
        peer.connection.response.create()
        events = peer.until("response.done")
        texts = [e.delta for e in events if e.type == "response.output_text.delta"]

    assert "You said hello." == "".join(texts)
    assert "completed" == events[-1].response.status
    assert "You said hello." == events[-1].response.output[0].content[0].text


def test_an_audio_response(start: Callable[..., Server]) -> None:
    """Audio comes in deltas of at most 200 ms, with its transcript."""
    with connected(start(agent=["Good morning to you."])) as peer:
        peer.say("hello")
        peer.connection.response.create()
        events = peer.until("response.done")
        audio = [e.delta for e in events if e.type == "response.output_audio.delta"]
        done = [e for e in events if e.type == "response.output_audio_transcript.done"]

    assert all(len(delta) <= len(b64(bytes(9600))) for delta in audio)
    assert 5 < len(audio)
    assert "Good morning to you." == done[0].transcript


def test_a_function_call(start: Callable[..., Server]) -> None:
    """A call, its output, and the answer that follows from it."""

    def agent(prompt: Prompt) -> Any:
        last = prompt.last or {}
        if last.get("type") == "function_call_output":
            return f"It is {last['output']}."
        return Call("get_weather", {"city": "Lima"})

    with connected(start(agent=agent)) as peer:
        peer.connection.session.update(
            session={
                "type": "realtime",
                "output_modalities": ["text"],
                "tools": [WEATHER],
            }
        )
        peer.say("weather in Lima?")
        peer.connection.response.create()
        call = peer.until("response.done")[-1].response.output[0]
        peer.connection.conversation.item.create(
            item={
                "type": "function_call_output",
                "call_id": call.call_id,
                "output": "sunny",
            }
        )
        peer.connection.response.create()
        answer = peer.until("response.done")[-1].response.output[0]

    assert ("get_weather", {"city": "Lima"}) == (call.name, json.loads(call.arguments))
    assert "It is sunny." == answer.content[0].text


def test_a_turn_found_by_the_server(start: Callable[..., Server]) -> None:
    """Server VAD commits the turn, has it transcribed and answers it."""
    with connected(start(agent="echo")) as peer:
        peer.connection.session.update(
            session={
                "type": "realtime",
                "audio": {"input": {"transcription": {"model": "whisper-1"}}},
            }
        )
        for pcm in (silence(300), loud(900), silence(600)):
            peer.connection.input_audio_buffer.append(audio=b64(pcm))
        events = peer.until("response.done")
        names = [event.type for event in events]
        completed = "conversation.item.input_audio_transcription.completed"

    assert [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ] == names[1:7]
    assert completed in names


def test_items_are_created_retrieved_truncated_and_deleted(
    start: Callable[..., Server],
) -> None:
    """Everything that can be done to an item."""
    with connected(start(agent=["One two three."])) as peer:
        peer.say("hello")
        peer.connection.response.create()
        item_id = peer.until("response.done")[-1].response.output[0].id
        items = peer.connection.conversation.item
        items.retrieve(item_id=item_id)
        retrieved = peer.until("conversation.item.retrieved")[-1]
        items.truncate(item_id=item_id, content_index=0, audio_end_ms=120)
        truncated = peer.until("conversation.item.truncated")[-1]
        items.delete(item_id=item_id)
        deleted = peer.until("conversation.item.deleted")[-1]

    assert retrieved.item.content[0].audio
    assert (item_id, 120) == (truncated.item_id, truncated.audio_end_ms)
    assert item_id == deleted.item_id


def test_cancelling_and_errors(start: Callable[..., Server]) -> None:
    """A response is cancelled in the middle; a second cancel is an error."""
    with connected(start(agent=["word " * 200], text_interval=0.05)) as peer:
        peer.connection.response.create(response={"output_modalities": ["text"]})
        peer.until("response.output_text.delta")
        peer.connection.response.cancel()
        cancelled = peer.until("response.done")[-1].response
        peer.connection.response.cancel(event_id="again")
        error = peer.until("error")[-1].error

    assert ("cancelled", "client_cancelled") == (
        cancelled.status,
        cancelled.status_details.reason,
    )
    assert ("response_cancel_not_active", "again") == (error.code, error.event_id)


def test_a_transcription_session(start: Callable[..., Server]) -> None:
    """A transcription session hears and never answers."""
    server = start(agent="echo")
    client = OpenAI(api_key="sk-test", base_url=server.url)
    secret = client.realtime.client_secrets.create(
        session={
            "type": "transcription",
            "audio": {"input": {"transcription": {"model": "whisper-1"}}},
        }
    )
    client.close()
    query = {"intent": "transcription"}
    with connected(server, model=_none(), extra_query=query) as peer:
        peer.connection.session.update(
            session={
                "type": "transcription",
                "audio": {"input": {"transcription": {"model": "whisper-1"}}},
            }
        )
        for pcm in (loud(900), silence(600)):
            peer.connection.input_audio_buffer.append(audio=b64(pcm))
        name = "conversation.item.input_audio_transcription.completed"
        completed = peer.until(name)[-1]

    assert secret.value.startswith("ek_")
    assert "transcription" == secret.session.type
    assert completed.transcript.endswith("ms of audio")


def _none() -> Any:
    from openai import omit

    return omit


@pytest.mark.parametrize("dialect", ["beta"])
def test_beta_frames_are_those_of_the_beta_types(dialect: str) -> None:
    """The same flows in the beta dialect, held against the SDK's beta types."""
    from .talking import Talk

    talk = Talk(
        script=["Hello there.", Call("f", {"a": 1})],
        dialect=dialect,
        model="gpt-4o-realtime-preview",
    )
    frames = list(talk.opening)
    update = {"modalities": ["text", "audio"], "input_audio_format": "g711_ulaw"}
    frames += talk.send("session.update", session=update)
    frames += talk.say("hello")
    frames += talk.send("response.create")
    frames += talk.send("response.create", response={"modalities": ["text"]})
    frames += talk.send("nonsense")

    for frame in frames:
        STRICT_BETA.validate_json(json.dumps(frame), strict=True)
    assert "response.audio.delta" in {frame["type"] for frame in frames}
