"""What the server sends, encoded before anything is measured."""

from __future__ import annotations

import base64
import json
from typing import Any

from attrs import frozen

from .wire import server_frame

STAMP = b"0000000000.000000"
"""Stands in an ``event_id`` where the time of sending goes, in seconds."""

_ID = b"event_abcdef123456"
_LATE = b"late_%013.6f"

PCM_20_MS = bytes(960)
PCM_200_MS = b"\x01\x02" * 4800
BIG = 15 << 20
"""Size in bytes of the biggest frame."""

_PLACE = {"response_id": "resp_000000", "item_id": "item_000000", "output_index": 0}
_PART = {**_PLACE, "content_index": 0}
_MESSAGE = {"type": "message", "role": "assistant", "content": []}
_CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": ""}


def _encoded_script(kind: str, **members: object) -> bytes:
    event = {"type": kind, "event_id": _ID.decode(), **members}
    return server_frame(json.dumps(event).encode())


GREETING = _encoded_script(
    "session.created",
    session={"type": "realtime", "id": "sess_1", "object": "realtime.session"},
)
CLEARED = _encoded_script("input_audio_buffer.cleared")
COMMITTED = _encoded_script("input_audio_buffer.committed", item_id="said_000000")


@frozen
class Burst:
    """
    One response: what opens it, the event that is measured, what ends it.

    Attributes:
        opening: frames before.
        delta: one frame, sent again and again.
        closing: frames after.
    """

    opening: bytes
    delta: bytes
    closing: bytes


def _burst_script(
    delta: bytes, item: dict[str, Any], part: dict[str, Any] | None
) -> Burst:
    told = {"id": "item_000000", "object": "realtime.item", "status": "in_progress"}
    response = {"id": "resp_000000", "object": "realtime.response"}
    opening = [
        _encoded_script(
            "response.created",
            response={**response, "status": "in_progress", "output": []},
        ),
        _encoded_script("response.output_item.added", **_PLACE, item={**told, **item}),
    ]
    if part is not None:
        opening.append(
            _encoded_script("response.content_part.added", **_PART, part=part)
        )
    closing = _encoded_script(
        "response.done", response={**response, "status": "completed", "output": []}
    )
    return Burst(COMMITTED + b"".join(opening), delta, closing)


def _audio_of_script(pcm: bytes) -> bytes:
    delta = base64.b64encode(pcm).decode()
    return _encoded_script("response.output_audio.delta", **_PART, delta=delta)


def scripted_text_delta() -> bytes:
    """One word of an answer."""
    return _encoded_script(
        "response.output_text.delta", **_PART, delta=" hello", obfuscation="abcdefgh"
    )


def scripted_burst(kind: str) -> Burst:
    """
    The response of one kind of stream.

    Args:
        kind: ``"text"``, ``"audio"``, ``"arguments"`` or ``"big"``.
    """
    if kind == "text":
        return _burst_script(
            scripted_text_delta(), _MESSAGE, {"type": "text", "text": ""}
        )
    if kind == "arguments":
        delta = _encoded_script(
            "response.function_call_arguments.delta",
            **_PLACE,
            call_id="call_1",
            delta='{"city": ',
        )
        return _burst_script(delta, _CALL, None)
    pcm = bytes(BIG // 4 * 3) if kind == "big" else PCM_200_MS
    return _burst_script(
        _audio_of_script(pcm), _MESSAGE, {"type": "audio", "transcript": ""}
    )


def scripted_stamped_frame(kind: str) -> tuple[bytes, int]:
    """A frame whose ``event_id`` is a time of sending, and where that stands."""
    marked = {"type": kind, "event_id": STAMP.decode()}
    if kind == "response.output_text.delta":
        members: dict[str, Any] = {**_PART, "delta": " hello"}
    else:
        members = {"audio_start_ms": 0, "item_id": "said_000000"}
    encoded = server_frame(json.dumps({**marked, **members}).encode())
    return encoded, encoded.index(STAMP)


def scripted_closing(late: float) -> bytes:
    """
    What ends a paced stream.

    Args:
        late: seconds that the server was behind its own pace, told in the id.
    """
    return scripted_burst("text").closing.replace(_ID, _LATE % late)


def lateness_of_script(event_id: object) -> float:
    """Seconds that the server says it was late, by the id of the last event."""
    return float(str(event_id).partition("_")[2])


def scripted_turn() -> bytes:
    """
    A turn of conversation: the user is heard, then 5 s of speech come back.

    The ids end in six zeros, for the number of the turn.
    """
    one = scripted_burst("audio")
    words = _encoded_script(
        "response.output_audio_transcript.delta", **_PART, delta="Hello "
    )
    added = _encoded_script(
        "conversation.item.added",
        item={"id": "said_000000", "type": "message", "role": "user", "content": []},
    )
    speech = _encoded_script(
        "input_audio_buffer.speech_started", audio_start_ms=0, item_id="said_000000"
    )
    return speech + one.opening + added + (one.delta + words) * 25 + one.closing


LIVE_STARTED = _encoded_script(
    "session.started",
    session={"id": "live_1", "model": "gpt-live-1", "status": "active", "input": []},
)
LIVE_MUTED = _encoded_script("session.input_audio.muted")
"""What ends a stream of a live session."""


def scripted_live_frames(kind: str) -> list[bytes]:
    """
    What a live session sends again and again.

    Args:
        kind: ``"live audio"``, 100 ms of sound, or ``"live words"``, pieces of the
            model's transcript, each with an id and times of its own.
    """
    if kind == "live audio":
        delta = base64.b64encode(PCM_200_MS[:4800]).decode()
        sound = {"type": "session.output_audio.delta", "delta": delta}
        return [server_frame(json.dumps(sound).encode())]
    return [
        server_frame(
            json.dumps(
                {
                    "type": "session.output_transcript.delta",
                    "event_id": f"event_{number:06d}",
                    "delta": " hello",
                    "start_ms": number * 200,
                    "end_ms": number * 200 + 200,
                }
            ).encode()
        )
        for number in range(512)
    ]
