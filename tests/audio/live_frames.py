"""What a live session hears from its server, frame by frame."""

from __future__ import annotations

import base64
from typing import Any

from realtime_sync import audio

FRAME = 0.1
"""Seconds of one frame of the model's audio."""


def frame(sound: bytes, **more: Any) -> dict[str, Any]:
    """A frame of the model's audio."""
    delta = base64.b64encode(sound).decode()
    return {"type": "session.output_audio.delta", "delta": delta, **more}


def voiced(count: int, format: Any = audio.PCM16) -> list[dict[str, Any]]:
    """So many frames in which the model speaks."""
    return [frame(audio.tone(440, FRAME, format, level=-6)) for _ in range(count)]


def quiet(count: int, format: Any = audio.PCM16) -> list[dict[str, Any]]:
    """So many frames in which it does not."""
    return [frame(audio.silence(FRAME, format)) for _ in range(count)]
