"""
What is audio in frames: base64 text that nobody wants to read.

Logs, recordings without sound, reports and the command line read this one table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

ANYWHERE: Final = "audio"
"""The member that is audio wherever it is text: of commands, parts and items."""

DELTAS: Final = frozenset(
    {
        "response.audio.delta",
        "response.output_audio.delta",
        "session.output_audio.delta",
    }
)
"""Events whose ``delta`` is audio."""

BLOCKS: Final = DELTAS | {
    "input_audio_buffer.append",
    "session.input_audio.append",
    "session.input_audio_buffer.append",
}
"""Events of which there are dozens a second, because each is a block of audio."""


def is_audio_field(name: str, value: object, kind: object) -> bool:
    """
    Tell whether a member is audio.

    Args:
        name: of the member.
        value: of the member.
        kind: the ``type`` of what it is a member of.
    """
    if not isinstance(value, str):
        return False
    # Of a frame that anybody may have sent, the type may be anything.
    spoken = isinstance(kind, str) and kind in DELTAS
    return name == ANYWHERE or name == "delta" and spoken


def audio_field_size(text: str) -> int:
    """Return how many bytes base64 text stands for."""
    return len(text) * 3 // 4 - text[-2:].count("=")


def shown_audio_field(text: str) -> str:
    """Return what people read instead of audio: ``<4800 bytes>``."""
    return f"<{audio_field_size(text)} bytes>"


def audio_fields_replaced(frame: object, replace: Callable[[str], Any]) -> Any:
    """
    Return a copy of decoded JSON with something else in the place of its audio.

    Args:
        frame: decoded JSON.
        replace: makes it of the base64 text.
    """
    if isinstance(frame, Mapping):
        kind = frame.get("type")
        return {
            name: (
                replace(each)
                if is_audio_field(name, each, kind)
                else audio_fields_replaced(each, replace)
            )
            for name, each in frame.items()
        }
    if isinstance(frame, (list, tuple)):
        return [audio_fields_replaced(each, replace) for each in frame]
    return frame
