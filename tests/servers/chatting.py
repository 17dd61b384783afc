"""Fake servers, made like those that answer a question."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.rawserver import BINARY
from tests.servers.fake_server import SOUND, VOICE, Answer, FakeServer, Frame
from tests.servers.spoken import (
    WHERE,
    beta_speech,
    beta_text,
    created,
    event,
    flat,
    lacking,
    listed,
    message,
    response,
    updated,
)

NULLS: Frame = {
    "status_details": None,
    "usage": None,
    "metadata": None,
    "conversation_id": "conv_1",
    "output_modalities": ["text"],
    "max_output_tokens": "inf",
}


def openai(command: Frame) -> Iterator[Frame]:
    """GA, with limits first and last, and null wherever it is allowed."""
    empty = message(content=[], status="in_progress")
    said = {"obfuscation": "x7", "logprobs": None, **WHERE}
    at = {"response_id": "r1", "output_index": 0}
    yield event("response.created", response=response("in_progress", **NULLS))
    yield event("rate_limits.updated", rate_limits=[])
    yield event("response.output_item.added", item=empty, **at)
    yield event("conversation.item.added", previous_item_id=None, item=empty)
    part = {"type": "text", "text": ""}
    yield event("response.content_part.added", part=part, **WHERE)
    yield event("response.output_text.delta", delta="Li", **said)
    yield event("response.output_text.delta", delta="ma.", **said)
    yield event("response.output_text.done", text="Lima.", **said)
    part = {"type": "text", "text": "Lima."}
    yield event("response.content_part.done", part=part, **WHERE)
    full = message(phase="final_answer")
    yield event("conversation.item.done", previous_item_id=None, item=full)
    yield event("response.output_item.done", item=full, **at)
    yield event("response.done", response=response("completed", full, **NULLS))
    yield event("rate_limits.updated", rate_limits=None)


OPENAI_SESSION = created(
    tracing=None,
    prompt=None,
    include=None,
    audio={
        "input": {"transcription": None, "noise_reduction": None},
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "v"},
    },
)


def azure_preview(command: Frame) -> Iterator[Frame]:
    """Refuses what the preview refuses: audio alone."""
    if command["session"].get("modalities") == ["audio"]:
        error = {"type": "invalid_request_error", "message": "no", "param": "x"}
        yield event("error", error=error)
        return
    yield from updated(flat)(command)


def voice_live(command: Frame) -> Iterator[Frame]:
    """Everything between a response's beginning and end that others lack."""
    frames = list(beta_speech(command))
    yield from frames[:5]
    yield event("warning", warning={"code": "w", "message": "careful"})
    yield event("response.animation_viseme.delta", viseme_id=7, **WHERE)
    yield event("response.audio_timestamp.delta", text="Li", **WHERE)
    yield event("session.avatar.connecting", server_sdp="v=0")
    yield event("output_audio_buffer.cleared", response_id="r1")
    yield from frames[5:]


def xai(command: Frame) -> Iterator[Frame]:
    """No indices, words for details, usage beside the response."""
    for frame in beta_speech(command):
        kind = frame["type"].replace("response.audio", "response.output_audio")
        frame = {**frame, "type": kind}
        frame.pop("output_index", None)
        if kind == "response.output_audio.delta":
            yield event("ping", timestamp=1)
        if kind == "response.done":
            frame["response"] = {
                **frame["response"],
                "status_details": "completed",
                "usage": {},
            }
            frame["usage"] = {"total_tokens": 9, "input_tokens": 4, "output_tokens": 5}
        yield frame
    yield event("ping", timestamp=2)


def both_streams(command: Frame) -> Iterator[Frame]:
    """``item.added`` and ``item.created``, as Yandex and vllm-omni send them."""
    for frame in openai(command):
        yield frame
        if frame["type"] == "conversation.item.added":
            yield {**frame, "type": "conversation.item.created"}


def vllm_omni(command: Frame) -> Iterator[Frame]:
    """Its own events around and inside a response."""
    yield event("turn.event", phase="start")
    yield event("response.listen")
    frames = list(both_streams(command))
    yield from frames[:4]
    yield event("response.speak", response_id="r1")
    yield from frames[4:]
    yield event("session.duplex.state", state="idle")


def speech_to_speech(command: Frame) -> Iterator[Frame]:
    """Null in every place that it knows."""
    nulls = {"error": None, "session": None, "transcript": None}
    for frame in beta_speech(command):
        kind = frame["type"].replace("response.audio", "response.output_audio")
        yield {**{k: v for k, v in nulls.items() if k not in frame}, **frame} | {
            "type": kind
        }


def speaches(command: Frame) -> Iterator[Frame]:
    """A response that is incomplete when it begins."""
    for frame in beta_speech(command):
        if frame["type"] == "response.created":
            frame = {**frame, "response": response("incomplete")}
        yield frame


def speaches_session(command: Frame) -> Iterator[Frame]:
    """An error first, then the success of the same request."""
    error = {"type": "invalid_request_error", "message": "speed is not supported"}
    yield event("error", error={**error, "event_id": command.get("event_id")})
    yield from updated(flat)(command)


def sglang(command: Frame) -> Iterator[Frame]:
    """Neither items nor parts; words and sound of one item interleaved."""
    yield event("response.created", response=response("in_progress"))
    yield event("response.audio_transcript.delta", delta="Li", **WHERE)
    yield event("response.audio.delta", delta=VOICE, **WHERE)
    yield event("response.audio_transcript.delta", delta="ma.", **WHERE)
    yield event("response.audio.delta", delta=VOICE, **WHERE)
    yield event("response.audio_transcript.done", transcript="Lima.", **WHERE)
    yield event("response.done", response=response())
    name = "conversation.item.input_audio_transcription.completed"
    yield event(name, item_id="u_late", content_index=0, transcript="late")


def unmute(command: Frame) -> Iterator[Frame]:
    """Deltas and nothing else, then the end."""
    yield {"type": "response.created", "response": response("in_progress")}
    yield {"type": "response.text.delta", "delta": "Li"}
    yield {"type": "unmute.additional_outputs", "args": {}}
    yield {"type": "response.text.delta", "delta": "ma."}
    yield {"type": "response.text.done", "text": "Lima."}
    yield {"type": "response.done", "response": {"id": "r1", "status": "completed"}}


def litellm(command: Frame) -> Iterator[Frame]:
    """A translation that forgot to begin."""
    yield event("response.output_text.delta", delta="Lima.", **WHERE)
    yield event("response.done", response=response("completed", message()))


def anew(command: Frame) -> Iterator[Frame]:
    """``session.created`` once more, in place of ``session.updated``."""
    yield created(**command["session"])


EVERY_KEY = dict.fromkeys(
    ("error", "item", "part", "session", "delta", "transcript", "response_id")
    + ("item_id", "output_index", "content_index", "call_id", "arguments", "text")
)


def mock(command: Frame) -> Iterator[Frame]:
    """All keys of all events, and the whole text in ``delta``."""
    for frame in openai(command):
        if frame["type"] == "response.output_text.done":
            frame = {**frame, "delta": frame.pop("text")}
        if frame["type"] == "response.done":
            yield event("response.cancelled", response_id="r0")
        yield {**EVERY_KEY, **frame}


def one_frame(command: Frame) -> Iterator[Frame]:
    """Nothing but the end, with everything in it."""
    yield event("response.done", response=response("completed", message()))


def empty_end(answer: Answer) -> Answer:
    """An answer whose last word says nothing of what there was."""

    def answered(command: Frame) -> Iterator[Any]:
        for frame in answer(command):
            if frame["type"] == "response.done":
                frame = {**frame, "response": {"id": "r1", "output": []}}
            yield frame

    return answered


GA = {"conversation.item.create": listed("added", "done", previous_item_id=None)}
BETA = {"conversation.item.create": listed("created", previous_item_id=None)}

SERVERS = (
    FakeServer(
        name="OpenAI GA",
        greeting=(OPENAI_SESSION,),
        answers={**GA, "response.create": openai, "session.update": updated()},
        options={"config": {"instructions": "Be brief."}},
    ),
    FakeServer(
        name="Azure preview",
        greeting=(flat(),),
        answers={
            **BETA,
            "response.create": beta_text,
            "session.update": azure_preview,
        },
        options={"dialect": "beta", "config": {"output_modalities": ["audio"]}},
    ),
    FakeServer(
        name="Azure Voice Live",
        greeting=(flat(),),
        answers={**BETA, "response.create": voice_live},
        options={"dialect": "beta"},
        sound=SOUND,
        strange=(
            "warning",
            "response.animation_viseme.delta",
            "response.audio_timestamp.delta",
            "session.avatar.connecting",
        ),
    ),
    FakeServer(
        name="xAI",
        greeting=(
            event("conversation.created", conversation={"id": "conv_1"}),
            event("ping", timestamp=0),
            created(voice="ara", turn_detection=None),
        ),
        answers={
            "conversation.item.create": listed("added"),
            "response.create": xai,
        },
        sound=SOUND,
        strange=("ping",),
    ),
    FakeServer(
        name="DashScope",
        greeting=(
            flat(
                input_audio_format="pcm16",
                output_audio_format="pcm24",
                enable_search=False,
                seed=7,
                tools=[{"type": "function", "function": {"name": "f"}}],
            ),
        ),
        answers={**BETA, "response.create": beta_speech},
        options={"dialect": "beta"},
        sound=SOUND,
    ),
    FakeServer(
        name="StepFun",
        greeting=(flat(turn_detection=None),),
        answers={
            **BETA,
            "response.create": beta_speech,
            "session.update": updated(flat),
        },
        options={"dialect": "beta", "config": {"turn_detection": None}},
        sound=SOUND,
    ),
    FakeServer(
        name="Inworld",
        greeting=(created(output_modalities=["text", "audio"]),),
        answers={**GA, "response.create": openai},
    ),
    FakeServer(
        name="Yandex",
        greeting=(created(),),
        answers={
            "conversation.item.create": listed("added", "created", "done"),
            "response.create": both_streams,
        },
    ),
    FakeServer(
        name="LocalAI",
        greeting=(created(),),
        answers={
            "conversation.item.create": lacking(
                listed("added", "done"), "previous_item_id"
            ),
            "response.create": lambda command: (
                {**frame, "event_id": "event_TODO" if number % 2 else ""}
                for number, frame in enumerate(openai(command))
            ),
        },
    ),
    FakeServer(
        name="vllm-omni",
        greeting=(created(),),
        answers={
            "conversation.item.create": listed("created", "added", "done"),
            "response.create": vllm_omni,
        },
        strange=(
            "turn.event",
            "response.listen",
            "response.speak",
            "session.duplex.state",
        ),
    ),
    FakeServer(
        name="speech-to-speech",
        greeting=(created(audio=None, tools=None, instructions=None),),
        answers={
            "conversation.item.create": listed("created", error=None),
            "response.create": speech_to_speech,
        },
        sound=SOUND,
    ),
    FakeServer(
        name="speaches",
        greeting=(flat(),),
        answers={**BETA, "response.create": speaches},
        options={"dialect": "beta"},
        sound=SOUND,
    ),
    FakeServer(
        name="sglang-omni",
        greeting=(flat(),),
        answers={"response.create": sglang},
        options={"dialect": "beta"},
        sound=SOUND * 2,
        lines=(("assistant", "Lima."),),
    ),
    FakeServer(
        name="unmute",
        answers={"response.create": unmute},
        headers=("Sec-WebSocket-Protocol: realtime",),
        options={"dialect": "beta", "wait_created": False},
        lines=(("assistant", "Lima."),),
        strange=("unmute.additional_outputs",),
    ),
    FakeServer(
        name="LiteLLM before Gemini",
        greeting=(created(),),
        answers={"response.create": litellm, "session.update": anew, **GA},
        opcode=BINARY,
        options={"config": {"instructions": "Be brief."}},
        anomalies=frozenset({"repeated"}),
    ),
    FakeServer(
        name="a relay that loses the greeting",
        answers={**GA, "response.create": openai, "session.update": updated()},
        options={"wait_created": False, "config": {"instructions": "Be brief."}},
    ),
    FakeServer(
        name="a mock with every key",
        greeting=({**EVERY_KEY, **created()},),
        answers={**GA, "response.create": mock},
        strange=("response.cancelled",),
    ),
    FakeServer(
        name="a mock without ids",
        greeting=(created(),),
        answers={
            "conversation.item.create": lacking(listed("added"), "event_id"),
            "response.create": lacking(
                openai, "event_id", "response_id", "item_id", "output_index"
            ),
        },
    ),
    FakeServer(
        name="one that says it in one frame",
        greeting=(created(),),
        answers={**GA, "response.create": one_frame},
    ),
    FakeServer(
        name="one whose end is empty",
        greeting=(created(),),
        answers={**GA, "response.create": empty_end(openai)},
    ),
    FakeServer(
        name="one whose end is empty, without items",
        greeting=(flat(),),
        answers={**BETA, "response.create": empty_end(sglang)},
        options={"dialect": "beta"},
        sound=SOUND * 2,
    ),
)
"""Everyone who can be asked a question."""
