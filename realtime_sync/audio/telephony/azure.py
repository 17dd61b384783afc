"""Azure Communication Services: PCM in JSON, by the kind of each message."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from .call_events import CallerSound, CallEvent, CallStarted, KeyPressed
from .codecs import Codec, codec_named
from .wire import decoded, from_base64, part_of, text_of

_KEYS = frozenset("0123456789*#ABCD")


class AzureWire:
    """
    The messages of Azure Communication Services' audio streaming.

    The end of a call is told to the application's callback and not here; the socket
    is closed.
    """

    def read(self, message: str | bytes | Mapping[str, Any]) -> Iterator[CallEvent]:
        """What a message says."""
        frame = decoded(message)
        kind = frame.get("kind")
        if kind == "AudioMetadata":
            told = part_of(frame, "audioMetadata")
            yield CallStarted(
                stream=text_of(told.get("subscriptionId")),
                codec=codec_named(told.get("encoding", "PCM"), told.get("sampleRate")),
            )
        elif kind == "AudioData":
            sound = from_base64(part_of(frame, "audioData").get("data", ""))
            if sound:
                yield CallerSound(sound)
        elif kind == "DtmfData":
            yield KeyPressed(_key(part_of(frame, "dtmfData").get("data")))

    def started(self, start: CallStarted, output: Codec) -> None:
        """Nothing is said first."""

    def sound(self, sound: bytes) -> str:
        """A message with sound."""
        data = base64.b64encode(sound).decode("ascii")
        return _message("AudioData", audioData={"data": data}, stopAudio=None)

    def mark(self, name: str) -> None:
        """There is none."""

    def clear(self) -> str:
        """Drop what is queued."""
        return _message("StopAudio", audioData=None, stopAudio={})

    def hang_up(self) -> None:
        """There is none: a call ends over Call Automation, or with the socket."""


def _message(kind: str, **members: object) -> str:
    return json.dumps({"kind": kind, **members})


def _key(value: object) -> str:
    """A key, plain or in base64: the documents say the one and show the other."""
    text = str(value)
    if text in _KEYS:
        return text
    return from_base64(text).decode("ascii", "replace")
