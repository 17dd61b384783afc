"""Genesys AudioHook: binary sound, and a dialogue of numbered messages beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ...errors import ConfigurationError, RemoteProtocolError
from .call_events import (
    AnswerWanted,
    CallEnded,
    CallerSound,
    CallEvent,
    CallStarted,
    CarrierComplained,
    FlowChanged,
    KeyPressed,
)
from .codecs import PCMU, Codec
from .wire import (
    decoded_from_wire,
    parameters_from_wire,
    part_of_wire_message,
    text_from_wire,
)

_ANSWERS = {"ping": "pong", "update": "updated", "close": "closed"}
"""What a message of Genesys is answered with."""

_PROBE = "00000000-0000-0000-0000-000000000000"
"""The conversation of a connection that only tries whether somebody answers."""

_CALLER = ("external",)


class AudioHookWire:
    """
    The messages of AudioHook, version 2, as the Audio Connector speaks it.

    Each side numbers what it says, and repeats the last number of the other. Genesys
    offers codings, and is sent nothing but the answer until one was chosen: mu-law
    of the caller alone.
    """

    def __init__(self) -> None:
        self._id = ""
        # The number of the last message: ours, and theirs.
        self._said = self._heard = 0
        self._media: Mapping[str, Any] = {}

    def read(self, message: str | bytes | Mapping[str, Any]) -> Iterator[CallEvent]:
        """What a message says."""
        if isinstance(message, (bytes, bytearray, memoryview)):
            if message:
                yield CallerSound(bytes(message))
            return
        frame = decoded_from_wire(message)
        number = frame.get("seq")
        self._heard = number if type(number) is int else self._heard
        kind = text_from_wire(frame.get("type")) or ""
        if kind == "open":
            self._id = text_from_wire(frame.get("id")) or ""
            yield from self._open(part_of_wire_message(frame, "parameters"))
        elif kind in _ANSWERS:
            yield AnswerWanted(partial(self._message, _ANSWERS[kind]))
        elif kind in ("paused", "resumed"):
            yield FlowChanged(kind == "resumed")
        elif kind == "dtmf":
            yield KeyPressed(
                str(part_of_wire_message(frame, "parameters").get("digit", ""))
            )
        elif kind == "error":
            yield CarrierComplained(json.dumps(frame.get("parameters", frame)))
        if kind == "close":
            told = frame.get("parameters")
            reason = told.get("reason") if isinstance(told, Mapping) else None
            yield CallEnded(text_from_wire(reason) or "end")

    def _open(self, told: Mapping[str, Any]) -> Iterator[CallEvent]:
        call = text_from_wire(told.get("conversationId"))
        if call == _PROBE:
            yield AnswerWanted(partial(self._message, "opened", media=[]))
            return
        offered = told.get("media")
        media = offered if isinstance(offered, list) else []
        chosen = next(filter(_is_spoken_by_audiohook, media), None)
        if chosen is None:
            info = "mu-law (PCMU) at 8 kHz of the external channel alone is spoken here"
            refused = partial(self._message, "disconnect", reason="error", info=info)
            yield AnswerWanted(refused)
            raise RemoteProtocolError(
                f"AudioHook does not offer what is needed: {info}"
            )
        self._media = chosen
        who = parameters_from_wire(told.get("participant"))
        names = ("ani", "aniName", "dnis")
        yield CallStarted(
            stream=self._id,
            call=call,
            codec=PCMU,
            parameters={
                **{name: who[name] for name in names if name in who},
                **parameters_from_wire(told.get("inputVariables")),
            },
        )

    def started(self, start: CallStarted, output: Codec) -> str:
        """
        Choose a coding.

        Raises:
            ConfigurationError: the program wants to send another one.
        """
        if output != PCMU:
            raise ConfigurationError("AudioHook takes sound as it sends it: as PCMU")
        return self._message("opened", media=[self._media], startPaused=False)

    def sound(self, sound: bytes) -> bytes:
        """Sound is sent as it is."""
        return sound

    def mark(self, name: str) -> None:
        """There is none; that all was played is said of all that was sent."""

    def clear(self) -> str:
        """Drop what is queued."""
        return self._message("event", entities=[{"type": "barge_in", "data": {}}])

    def hang_up(self) -> str:
        """Give the call back to the flow that it came from."""
        return self._message("disconnect", reason="completed")

    def _message(self, kind: str, **parameters: object) -> str:
        self._said += 1
        frame = {
            "version": "2",
            "id": self._id,
            "type": kind,
            "seq": self._said,
            "clientseq": self._heard,
            "parameters": parameters,
        }
        return json.dumps(frame)


def _is_spoken_by_audiohook(media: object) -> bool:
    """Whether an offer is what is spoken here."""
    if not isinstance(media, Mapping):
        return False
    channels = media.get("channels")
    coding = media.get("type", "audio"), media.get("format"), media.get("rate")
    caller = isinstance(channels, list) and tuple(channels) == _CALLER
    return caller and coding == ("audio", "PCMU", 8_000)
