"""Recordings in JSON lines, made by hand."""

from __future__ import annotations

import base64
import json
from typing import Any

from realtime_sync import audio

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>\u202e\x00&amp;"
"""What a page must show as text, and as nothing else."""


def base64_of(pcm: bytes) -> str:
    """Audio as it is on the wire."""
    return base64.b64encode(pcm).decode("ascii")


def head(**fields: Any) -> str:
    """The first line."""
    return json.dumps(
        {
            "format": "realtime-sync-recording",
            "version": 1,
            "started": 1_700_000_000,
            "dialect": "ga",
            "session_type": "realtime",
            "connection": 1,
            **fields,
        }
    )


def line(at: float, direction: str, kind: str, **fields: Any) -> str:
    """One frame, or note."""
    name = "note" if direction == "note" else "frame"
    return json.dumps({"t": at, "dir": direction, name: {"type": kind, **fields}})


def spoken_turn(
    at: float, number: int, *, said: str = "Hello", answer: str = "Good day"
) -> list[str]:
    """
    A second of speech, found 0.3 s later, answered 0.5 s after its end.

    As from a microphone: each block is sent when it has been spoken.
    """
    user, server, response = f"user_{number}", f"server_{number}", f"resp_{number}"
    sound = audio.tone(330, 1.0, level=-6)
    size = len(sound) // 10
    lines = [
        line(
            at + 0.1 * (part + 1),
            "out",
            "input_audio_buffer.append",
            audio=base64_of(sound[part * size : (part + 1) * size]),
        )
        for part in range(10)
    ]
    usage = {
        "total_tokens": 150,
        "input_tokens": 100,
        "output_tokens": 50,
        "input_token_details": {
            "text_tokens": 20,
            "audio_tokens": 80,
            "cached_tokens": 30,
            "cached_tokens_details": {"text_tokens": 10, "audio_tokens": 20},
        },
        "output_token_details": {"text_tokens": 10, "audio_tokens": 40},
    }
    message = {"id": server, "type": "message", "role": "assistant", "content": []}
    done = {
        **message,
        "content": [{"type": "output_audio", "transcript": answer}],
    }
    moment = {"item_id": server, "response_id": response, "content_index": 0}
    more = [
        (1.3, "input_audio_buffer.committed", {"item_id": user}),
        (
            1.3,
            "conversation.item.added",
            {
                "item": {
                    "id": user,
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_audio", "transcript": said}],
                },
                "previous_item_id": f"server_{number - 1}" if number > 1 else None,
            },
        ),
        (1.31, "response.created", {"response": {"id": response}}),
        (
            1.4,
            "conversation.item.added",
            {"item": message, "previous_item_id": user},
        ),
        (1.45, "response.output_audio_transcript.delta", {**moment, "delta": answer}),
        (
            1.5,
            "response.output_audio.delta",
            {**moment, "delta": base64_of(audio.tone(220, 2.0, level=-12))},
        ),
        (
            1.9,
            "response.done",
            {
                "response": {
                    "id": response,
                    "status": "completed",
                    "output": [done],
                    "usage": usage,
                }
            },
        ),
    ]
    return lines + [line(at + then, "in", kind, **rest) for then, kind, rest in more]


def recording(*parts: list[str]) -> list[str]:
    """A whole recording."""
    session = {"id": "sess_1", "model": "gpt-realtime-2.1", "type": "realtime"}
    opened = line(0.0, "in", "session.created", session=session)
    return [head(), opened, *(each for part in parts for each in part)]
