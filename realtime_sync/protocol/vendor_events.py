"""
Events that vendors have beside the protocol's, by name.

They have no classes: a server's are `UnknownEvent` with everything in ``raw``, and a
command is a mapping. But they are expected, so that nobody warns of them, and a
handler may be registered for them by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Optional

from .events._base import ServerEvent

CANCELLED: Final = ("response.cancelled", "response.canceled")
"""
What some servers say of a cancelled response, before its ``response.done`` or in its
place: `response.cancel` was once described that way, and no server of OpenAI says it.
"""

SERVER_EVENTS: Mapping[str, tuple[str, ...]] = {
    "Azure Voice Live": (
        "warning",
        "response.animation_blendshapes.delta",
        "response.animation_blendshapes.done",
        "response.animation_viseme.delta",
        "response.animation_viseme.done",
        "response.audio_timestamp.delta",
        "response.audio_timestamp.done",
        "response.audio_transcript.annotation.added",
        "response.file_search_call.completed",
        "response.file_search_call.in_progress",
        "response.file_search_call.searching",
        "response.invocation.delta",
        "response.video.delta",
        "response.web_search_call.completed",
        "response.web_search_call.in_progress",
        "response.web_search_call.searching",
        "session.avatar.connecting",
        "session.avatar.switch_to_idle",
        "session.avatar.switch_to_speaking",
    ),
    "xAI": ("ping",),
    "servers that follow early descriptions": CANCELLED,
}
"""What a server says."""

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "Azure Voice Live": (
        "input_audio.clear",
        "input_audio.turn.append",
        "input_audio.turn.cancel",
        "input_audio.turn.end",
        "input_audio.turn.start",
        "input_text.delta",
        "input_text.done",
        "mcp_approval_response",
        "session.avatar.connect",
    ),
}
"""What a client says."""


def cancelled_response_id(event: ServerEvent) -> Optional[str]:
    """Return the id of the response that one of `CANCELLED` is about, or None."""
    response = event.raw.get("response")
    named = event.raw.get("response_id") or (
        response.get("id") if isinstance(response, Mapping) else None
    )
    return named if isinstance(named, str) and named else None


@lru_cache(maxsize=None)
def vendor_names(direction: str) -> frozenset[str]:
    """
    Return the names of every vendor's events.

    Args:
        direction: ``"server"`` or ``"client"``.
    """
    table = {"server": SERVER_EVENTS, "client": COMMANDS}[direction]
    return frozenset(name for names in table.values() for name in names)
