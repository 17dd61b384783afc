"""
A readable log of what is said, one line per turn.

Lines go to the logger ``realtime_sync.server.turns`` at the level INFO.
"""

from __future__ import annotations

import logging
from typing import Any, Mapping

from ...protocol.registry import canonical
from ...transport.logs import area_logger
from ..agents.base import item_text

_log = area_logger("realtime_sync.server.turns")

_MOST_FRAGMENTS = 100
"""Of one side in a line, however long it speaks."""


class TurnLog:
    """
    Follows the frames that one session sends, in either dialect.

    Args:
        name: begins every line.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._speaker = ""
        self._words: list[str] = []

    def sent(self, frame: Mapping[str, Any]) -> None:
        """Write a line if *frame* ends a turn, or is an error."""
        if not _log.isEnabledFor(logging.INFO):
            return
        try:
            self._frame(canonical(frame["type"]), frame)
        except (KeyError, TypeError, AttributeError):
            # A scenario or a recording may say what no server says.
            self._line("odd", str(frame.get("type")))

    def _frame(self, kind: str, frame: Mapping[str, Any]) -> None:
        if kind == "conversation.item.added":
            self._item(frame["item"])
        elif kind.endswith("input_audio_transcription.completed"):
            self._line("user (spoken)", frame["transcript"])
        elif kind == "response.done":
            self._response(frame["response"])
        elif kind == "error":
            self._line("error", frame["error"]["message"])
        elif kind.endswith("put_transcript.delta"):
            self._fragment(kind, frame["delta"])
        elif kind == "session.delegation.created":
            self._fragment("")
            self._line("assistant hands on to", frame["delegation"]["target"])
        elif kind == "response.event":
            self._nested(frame["event"])
        elif kind == "session.closed":
            self._fragment("")
            if "reason" in frame:
                self._line("closed", frame["reason"])

    def _fragment(self, speaker: str, text: str = "") -> None:
        """Gather what one side of a live session says, until the other side speaks."""
        long = len(self._words) >= _MOST_FRAGMENTS
        if self._words and (long or speaker != self._speaker):
            user = self._speaker.startswith("session.input")
            who = "user (spoken)" if user else "assistant"
            self._line(who, "".join(self._words))
            self._words.clear()
        self._speaker = speaker
        if text:
            self._words.append(text)

    def _nested(self, event: Mapping[str, Any]) -> None:
        item = event.get("item") or {}
        done = event["type"] == "response.output_item.done"
        if done and item.get("type") == "function_call":
            self._line("assistant calls", f"{item['name']}({item['arguments']})")

    def _item(self, item: Mapping[str, Any]) -> None:
        if item["type"] == "function_call_output":
            self._line("tool", item["output"])
        elif item.get("role") == "user" and item_text(item):
            self._line("user", item_text(item))

    def _response(self, response: Mapping[str, Any]) -> None:
        for item in response["output"]:
            if item["type"] == "message":
                self._line("assistant", item_text(item))
            elif "arguments" in item:
                self._line("assistant calls", f"{item['name']}({item['arguments']})")
        if response["status"] != "completed":
            details = response["status_details"] or {}
            reason = details.get("reason") or (details.get("error") or {}).get(
                "message"
            )
            self._line("response", f"{response['status']}: {reason}")

    def _line(self, who: str, words: str) -> None:
        _log.info("%s %s: %s", self._name, who, words)
