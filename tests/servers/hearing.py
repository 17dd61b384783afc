"""Fake servers, made like those that are spoken to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tests.servers.fake_server import SOUND, FakeServer, Frame
from tests.servers.spoken import created, event, flat, lacking, listed

HEARD = "conversation.item.input_audio_transcription"
END = "the.end"

SPOKEN = {
    "id": "u1",
    "type": "message",
    "role": "user",
    "status": "completed",
    "content": [{"type": "input_audio", "transcript": None}],
}


def end() -> Frame:
    """The last word, to be waited for."""
    return {"type": END}


def usual(command: Frame) -> Iterator[Frame]:
    """Heard, listed, transcribed."""
    yield event("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)
    yield event("input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=900)
    yield event("input_audio_buffer.committed", item_id="u1", previous_item_id=None)
    yield event("conversation.item.added", item=SPOKEN, previous_item_id=None)
    yield event("conversation.item.done", item=SPOKEN, previous_item_id=None)
    yield event(f"{HEARD}.delta", item_id="u1", content_index=0, delta="One ")
    yield event(f"{HEARD}.delta", item_id="u1", content_index=0, delta="two.")
    yield event(
        f"{HEARD}.completed", item_id="u1", content_index=0, transcript="One two."
    )
    yield end()


def ordered(*places: int) -> Any:
    """The usual, in another order, or less of it."""

    def answer(command: Frame) -> Iterable[Frame]:
        frames = list(usual(command))
        return [*(frames[place] for place in places), end()]

    return answer


def together(command: Frame) -> Iterator[Frame]:
    """Each delta replaces the last, and nothing is named."""
    yield {"type": f"{HEARD}.delta", "delta": "Wan"}
    yield {"type": f"{HEARD}.delta", "delta": "One two"}
    yield {"type": f"{HEARD}.completed", "transcript": "One two."}
    yield end()


def xai(command: Frame) -> Iterator[Frame]:
    """Cumulative updates of its own beside the usual."""
    for frame in usual(command):
        frame.pop("audio_start_ms", None)
        if frame["type"] == f"{HEARD}.delta":
            yield event("ping", timestamp=1)
            yield event(f"{HEARD}.updated", item_id="u1", transcript="One two.")
        else:
            yield frame


def localai(command: Frame) -> Iterator[Frame]:
    """The greeting when the model is warm, and who spoke."""
    yield created()
    yield event("conversation.item.speaker", item_id="u1", speaker="ann")
    yield from usual(command)


def vllm(command: Frame) -> Iterator[Frame]:
    """Its own words; nothing happens before the final commit."""
    if not command.get("final"):
        return
    yield {"type": "transcription.delta", "delta": "One "}
    yield {"type": "transcription.delta", "delta": "two."}
    yield {"type": "transcription.done", "text": "One two.", "usage": None}
    yield {"type": "error", "error": "audio is too long", "code": "too_long"}
    yield end()


def barge_in(command: Frame) -> Iterator[Frame]:
    """A response that ends before the speech that ended it."""
    made = {
        "id": "a1",
        "type": "message",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }
    where = {"response_id": "r1", "item_id": "a1", "content_index": 0}
    yield event("response.created", response={"id": "r1", "status": "in_progress"})
    yield event("response.output_item.added", response_id="r1", item=made)
    yield event("conversation.item.created", item=made, previous_item_id=None)
    yield event("response.output_audio_transcript.delta", delta="Well", **where)
    yield event("response.done", response={"id": "r1", "status": "cancelled"})
    yield event("response.output_audio_transcript.delta", delta=", late", **where)
    yield from usual(command)


def commit(answer: Any) -> dict[str, Any]:
    """The table of a server that hears."""
    return {
        "input_audio_buffer.commit": answer,
        "conversation.item.create": listed("added"),
    }


ONE_TWO = (("user", "One two."),)

SERVERS = (
    FakeServer(
        name="OpenAI",
        greeting=(created(),),
        answers=commit(usual),
        lines=ONE_TWO,
    ),
    FakeServer(
        name="xAI",
        greeting=(event("conversation.created"), created()),
        answers=commit(xai),
        lines=ONE_TWO,
        strange=("ping", f"{HEARD}.updated"),
    ),
    FakeServer(
        name="Together",
        greeting=({"type": "session.created", "session": {"id": "s1"}},),
        answers=commit(together),
        # It takes the model from the query, which `extra_query` adds to.
        options={"dialect": "beta", "session_type": "transcription", "model": None},
        lines=ONE_TWO,
    ),
    FakeServer(
        name="LocalAI",
        answers=commit(localai),
        options={"wait_created": False},
        lines=ONE_TWO,
        strange=("conversation.item.speaker",),
    ),
    FakeServer(
        name="vLLM",
        greeting=({"type": "session.created", "id": "s1", "created": 1},),
        answers=commit(vllm),
        lines=(),
        strange=("transcription.delta", "transcription.done"),
    ),
    FakeServer(
        name="speech-to-speech",
        greeting=(created(),),
        answers=commit(barge_in),
        lines=(("assistant", "Well"), *ONE_TWO),
        anomalies=frozenset({"late_event"}),
    ),
    FakeServer(
        name="a mock that commits nothing in particular",
        greeting=(created(),),
        answers=commit(lacking(ordered(2, 3, 7), "item_id")),
        lines=ONE_TWO,
    ),
    FakeServer(
        name="a transcript before its item",
        greeting=(flat(),),
        answers=commit(ordered(0, 5, 6, 7, 2, 3)),
        options={"dialect": "beta"},
        lines=ONE_TWO,
    ),
    FakeServer(
        name="increments again behind the whole",
        greeting=(created(),),
        answers=commit(ordered(2, 3, 7, 5, 6)),
        lines=ONE_TWO,
        anomalies=frozenset({"late_event"}),
    ),
    FakeServer(
        name="an item twice, by either name",
        greeting=(created(),),
        answers=commit(ordered(2, 3, 3, 4, 4, 7, 7)),
        lines=ONE_TWO,
    ),
)
"""Everyone who can be spoken to."""

TONE = SOUND * 10
