"""Asterisk: AudioSocket over TCP, and the channel driver for WebSockets."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import RemoteProtocolError
from .call_events import (
    CallEnded,
    CallerSound,
    CallEvent,
    CallStarted,
    FlowChanged,
    KeyPressed,
    SoundHeard,
)
from .codecs import Codec, codec_named, linear
from .wire import decoded_from_wire, parameters_from_wire, text_from_wire

HANG_UP = 0x00
NAME = 0x01
KEY = 0x03
SOUND = {
    0x10: 8_000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
}
"""Types of AudioSocket's messages with sound, and their samples per second."""
FAILURE = 0xFF


class AudioSocketWire:
    """
    The messages of AudioSocket: a type, a length of two bytes, and what it holds.

    What comes is a stream: a piece may hold half a message, or several.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._kind = 0x10
        self._begun = False

    def read(self, message: str | bytes | Mapping[str, Any]) -> Iterator[CallEvent]:
        """What the next bytes of the stream say."""
        if not isinstance(message, (bytes, bytearray, memoryview)):
            raise RemoteProtocolError("AudioSocket is bytes, not text")
        self._rest += message
        while len(self._rest) >= 3:
            size = int.from_bytes(self._rest[1:3], "big")
            if len(self._rest) < 3 + size:
                return
            kind, held = self._rest[0], bytes(self._rest[3 : 3 + size])
            del self._rest[: 3 + size]
            yield from self._message(kind, held)

    def _message(self, kind: int, held: bytes) -> Iterator[CallEvent]:
        if kind == NAME:
            name = str(uuid.UUID(bytes=held)) if len(held) == 16 else held.hex()
            self._begun = True
            yield CallStarted(stream=name, call=name, codec=linear(8_000))
        elif kind in SOUND:
            if not self._begun:
                raise RemoteProtocolError("AudioSocket sent sound before its UUID")
            if kind != self._kind:
                self._kind = kind
                yield CallStarted(codec=linear(SOUND[kind]))
            if held:
                yield CallerSound(held)
        elif kind == KEY:
            yield KeyPressed(held.decode("ascii", "replace"))
        elif kind == HANG_UP:
            yield CallEnded("hangup")
        elif kind == FAILURE:
            yield CallEnded(f"error {held.hex()}".strip())

    def started(self, start: CallStarted, output: Codec) -> None:
        """Take note of the rate."""
        rates = {rate: kind for kind, rate in SOUND.items()}
        self._kind = rates.get(output.format.rate, 0x10)

    def sound(self, sound: bytes) -> bytes:
        """A message with sound."""
        return _framed_for_asterisk(self._kind, sound)

    def mark(self, name: str) -> None:
        """There is none."""

    def clear(self) -> None:
        """There is none."""

    def hang_up(self) -> bytes:
        """End the call."""
        return _framed_for_asterisk(HANG_UP, b"")


def _framed_for_asterisk(kind: int, held: bytes) -> bytes:
    return bytes((kind,)) + len(held).to_bytes(2, "big") + held


class AsteriskWebSocketWire:
    """
    The messages of ``chan_websocket``: binary sound, and lines of text or JSON.

    Commands are written like the event that began the call: a channel with the
    option ``f(json)`` understands no others.
    """

    def __init__(self) -> None:
        self._json = False

    def read(self, message: str | bytes | Mapping[str, Any]) -> Iterator[CallEvent]:
        """What a message says."""
        if isinstance(message, (bytes, bytearray, memoryview)):
            if message:
                yield CallerSound(bytes(message))
            return
        event, members = _words_of_asterisk(message)
        if event == "MEDIA_START":
            self._json = isinstance(message, Mapping) or message.lstrip()[:1] == "{"
            yield CallStarted(
                stream=text_from_wire(members.get("connection_id")),
                call=text_from_wire(members.get("channel")),
                codec=codec_named(members.get("format", "ulaw")),
                parameters=parameters_from_wire(members.get("channel_variables")),
            )
        elif event == "MEDIA_MARK_PROCESSED":
            yield SoundHeard(str(members.get("correlation_id")))
        elif event == "DTMF_END":
            yield KeyPressed(str(members.get("digit", "")))
        elif event in ("MEDIA_XOFF", "MEDIA_XON"):
            yield FlowChanged(event == "MEDIA_XON")
        elif event == "HANGUP":
            yield CallEnded("hangup")

    def started(self, start: CallStarted, output: Codec) -> None:
        """Nothing is said first."""

    def sound(self, sound: bytes) -> bytes:
        """Sound is sent as it is."""
        return sound

    def mark(self, name: str) -> str:
        """Ask for word."""
        if self._json:
            return json.dumps({"command": "MARK_MEDIA", "correlation_id": name})
        return f"MARK_MEDIA {name}"

    def clear(self) -> str:
        """Drop what is queued."""
        return self._command("FLUSH_MEDIA")

    def hang_up(self) -> str:
        """End the call."""
        return self._command("HANGUP")

    def _command(self, word: str) -> str:
        return json.dumps({"command": word}) if self._json else word


def _words_of_asterisk(
    message: str | Mapping[str, Any],
) -> tuple[str, Mapping[str, Any]]:
    """The event of a message, plain or in JSON, and its members."""
    if isinstance(message, Mapping) or message.lstrip().startswith("{"):
        frame = decoded_from_wire(message)
        return str(frame.get("event")), frame
    event, *pairs = message.split() or [""]
    return event, dict(pair.split(":", 1) for pair in pairs if ":" in pair)
