"""Vonage: sound as binary messages, everything else as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .call_events import (
    CallEnded,
    CallerSound,
    CallEvent,
    CallStarted,
    KeyPressed,
    SoundHeard,
)
from .codecs import Codec, codec_named
from .wire import (
    decoded_from_wire,
    parameters_from_wire,
    part_of_wire_message,
    text_from_wire,
)

_OURS = "mark"


class VonageWire:
    """
    The messages of Vonage's voice WebSockets.

    A mark is a notification: it comes back when what was sent before it was played.
    """

    def read(self, message: str | bytes | Mapping[str, Any]) -> Iterator[CallEvent]:
        """What a message says."""
        if isinstance(message, (bytes, bytearray, memoryview)):
            if message:
                yield CallerSound(bytes(message))
            return
        frame = decoded_from_wire(message)
        event = frame.get("event")
        if event == "websocket:connected":
            known = ("event", "content-type")
            headers = {name: v for name, v in frame.items() if name not in known}
            yield CallStarted(
                call=text_from_wire(frame.get("uuid"))
                or text_from_wire(frame.get("call_uuid")),
                codec=codec_named(frame.get("content-type", "audio/l16;rate=16000")),
                parameters=parameters_from_wire(headers),
            )
        elif event == "websocket:dtmf":
            yield KeyPressed(_vonage_digit(frame))
        elif event == "websocket:notify":
            payload = part_of_wire_message(frame, "payload")
            if _OURS in payload:
                yield SoundHeard(str(payload[_OURS]))
        elif event in ("websocket:disconnected", "websocket:failed"):
            yield CallEnded(text_from_wire(frame.get("reason")) or "stop")

    def started(self, start: CallStarted, output: Codec) -> None:
        """Nothing is said first."""

    def sound(self, sound: bytes) -> bytes:
        """Sound is sent as it is."""
        return sound

    def mark(self, name: str) -> str:
        """Ask for a notification."""
        return json.dumps({"action": "notify", "payload": {_OURS: name}})

    def clear(self) -> str:
        """Drop what is queued."""
        return json.dumps({"action": "clear"})

    def hang_up(self) -> None:
        """There is none: a call ends over REST, or with the socket."""


def _vonage_digit(frame: Mapping[str, Any]) -> str:
    inner = frame.get("dtmf")
    source = inner if isinstance(inner, Mapping) else frame
    return str(source.get("digit", ""))
