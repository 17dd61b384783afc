"""Azure Communication Services: PCM in JSON, by the kind of each message."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from .call_events import CallerSound, CallEvent, CallStarted, KeyPressed
from .codecs import Codec, codec_named
from .wire import (
    decoded_from_wire,
    part_of_wire_message,
    sound_from_wire,
    text_from_wire,
)

_KEYS = frozenset("0123456789*#ABCD")


class AzureWire:
    """
    The messages of Azure Communication Services' audio streaming.

    The end of a call is told to the application's callback and not here; the socket
    is closed.
    """

    def read(self, message: str | bytes | Mapping[str, Any]) -> Iterator[CallEvent]:
        """What a message says."""
        frame = decoded_from_wire(message)
        kind = frame.get("kind")
        if kind == "AudioMetadata":
            told = part_of_wire_message(frame, "audioMetadata")
            yield CallStarted(
                stream=text_from_wire(told.get("subscriptionId")),
                codec=codec_named(told.get("encoding", "PCM"), told.get("sampleRate")),
            )
        elif kind == "AudioData":
            sound = sound_from_wire(
                part_of_wire_message(frame, "audioData").get("data", "")
            )
            if sound:
                yield CallerSound(sound)
        elif kind == "DtmfData":
            yield KeyPressed(
                _azure_key(part_of_wire_message(frame, "dtmfData").get("data"))
            )

    def started(self, start: CallStarted, output: Codec) -> None:
        """Nothing is said first."""

    def sound(self, sound: bytes) -> str:
        """A message with sound."""
        data = base64.b64encode(sound).decode("ascii")
        return _azure_message("AudioData", audioData={"data": data}, stopAudio=None)

    def mark(self, name: str) -> None:
        """There is none."""

    def clear(self) -> str:
        """Drop what is queued."""
        return _azure_message("StopAudio", audioData=None, stopAudio={})

    def hang_up(self) -> None:
        """There is none: a call ends over Call Automation, or with the socket."""


def _azure_message(kind: str, **members: object) -> str:
    return json.dumps({"kind": kind, **members})


def _azure_key(value: object) -> str:
    """A key, plain or in base64: the documents say the one and show the other."""
    text = str(value)
    if text in _KEYS:
        return text
    return sound_from_wire(text).decode("ascii", "replace")
