"""Frames as servers say them, from the fewest words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from tests.servers.fake_server import VOICE, Answer, Frame

_numbers = itertools.count(1)


def event(kind: str, **fields: Any) -> Frame:
    """An event with an id."""
    return {"type": kind, "event_id": f"event_{next(_numbers)}", **fields}


def created(**session: Any) -> Frame:
    """``session.created`` in GA's shape."""
    session = {"type": "realtime", "object": "realtime.session", "id": "s1", **session}
    return event("session.created", session=session)


def flat(**session: Any) -> Frame:
    """``session.created`` in the beta's shape."""
    session = {
        "id": "s1",
        "object": "realtime.session",
        "modalities": ["text", "audio"],
        "voice": "v",
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        **session,
    }
    return event("session.created", session=session)


def updated(make: Any = created) -> Answer:
    """Answer ``session.update`` with what it asks for."""

    def answer(command: Frame) -> Iterator[Frame]:
        yield {**make(**command["session"]), "type": "session.updated"}

    return answer


def listed(*kinds: str, **fields: Any) -> Answer:
    """Answer ``conversation.item.create`` with these events."""

    def answer(command: Frame) -> Iterator[Frame]:
        item = {"status": "completed", **command["item"]}
        for kind in kinds:
            yield event(f"conversation.item.{kind}", item=item, **fields)

    return answer


def message(text: str = "Lima.", *, kind: str = "output_text", **more: Any) -> Frame:
    """An assistant's message."""
    field = "transcript" if "audio" in kind else "text"
    return {
        "id": "a1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": kind, field: text}],
        **more,
    }


def response(status: str = "completed", *output: Any, **more: Any) -> Frame:
    """A response resource."""
    return {
        "id": "r1",
        "object": "realtime.response",
        "status": status,
        "output": list(output),
        **more,
    }


WHERE = {"response_id": "r1", "item_id": "a1", "output_index": 0, "content_index": 0}


def beta_text(command: Frame) -> Iterator[Frame]:
    """A whole text response as the beta has it."""
    empty = message(content=[], status="in_progress", object="realtime.item")
    full = message(kind="text", object="realtime.item")
    yield event("response.created", response=response("in_progress"))
    at = {"response_id": "r1", "output_index": 0}
    yield event("response.output_item.added", item=empty, **at)
    yield event("conversation.item.created", previous_item_id=None, item=empty)
    part = {"type": "text", "text": ""}
    yield event("response.content_part.added", part=part, **WHERE)
    yield event("response.text.delta", delta="Li", **WHERE)
    yield event("response.text.delta", delta="ma.", **WHERE)
    yield event("response.text.done", text="Lima.", **WHERE)
    part = {"type": "text", "text": "Lima."}
    yield event("response.content_part.done", part=part, **WHERE)
    yield event("response.output_item.done", item=full, **at)
    yield event("response.done", response=response("completed", full))


def beta_speech(command: Frame) -> Iterator[Frame]:
    """A whole spoken response as the beta has it."""
    full = message(kind="audio", object="realtime.item")
    empty = message(content=[], status="in_progress", object="realtime.item")
    yield event("response.created", response=response("in_progress"))
    at = {"response_id": "r1", "output_index": 0}
    yield event("response.output_item.added", item=empty, **at)
    yield event("conversation.item.created", item=empty)
    yield event("response.content_part.added", part={"type": "audio"}, **WHERE)
    yield event("response.audio_transcript.delta", delta="Lima.", **WHERE)
    yield event("response.audio.delta", delta=VOICE, **WHERE)
    yield event("response.audio.done", **WHERE)
    yield event("response.audio_transcript.done", transcript="Lima.", **WHERE)
    yield event("response.output_item.done", item=full, **at)
    yield event("response.done", response=response("completed", full))


def without(frame: Any, *names: str) -> Any:
    """A frame, its objects included, as if these fields were unknown there."""
    if isinstance(frame, dict):
        return {k: without(v, *names) for k, v in frame.items() if k not in names}
    if isinstance(frame, list):
        return [without(each, *names) for each in frame]
    return frame


def lacking(answer: Answer, *names: str) -> Answer:
    """An answer as a server gives it that does not know these fields."""

    def bare(command: Frame) -> Iterator[Any]:
        for frame in answer(command):
            yield without(frame, *names)

    return bare
