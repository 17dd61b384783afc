"""Carriers that wrap sound in JSON: one shape, and a table of names."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from ...errors import RemoteProtocolError
from .call_events import (
    CallEnded,
    CallerSound,
    CallEvent,
    CallStarted,
    CarrierComplained,
    KeyPressed,
    SoundHeard,
)
from .codecs import PCMU, Codec, codec_named
from .wire import (
    decoded_from_wire,
    parameters_from_wire,
    part_of_wire_message,
    sound_from_wire,
    text_from_wire,
)


@frozen(kw_only=True)
class JsonNames:
    """
    What one carrier calls things.

    Attributes:
        name: the carrier.
        stream: the member that names the stream.
        call: the member of ``start`` that names the call.
        format: the member of ``start`` that says how sound is coded.
        rate: the member of that with the samples per second.
        parameters: the member of ``start`` with what the application passed on.
        headers: the member of the message itself with that, as ``a=1;b=2``.
        coded: how sound is coded if ``start`` does not say.
        big_endian: whether 16-bit samples have the high byte first.
        play: the event that carries sound to the caller.
        clear: the event that drops what is queued.
        mark: the event that asks for word when all before it was heard.
        heard: the event that brings it.
        flat_marks: whether a mark's name is a member of the message itself.
        names_stream: whether what is sent names the stream.
        says_format: whether what is sent says how it is coded.
        codings: formats that the carrier has; none of another can be meant.
    """

    name: str
    stream: str = "streamSid"
    call: str = "callSid"
    format: str = "mediaFormat"
    rate: str = "sampleRate"
    parameters: str = "customParameters"
    headers: str = ""
    coded: str = "audio/x-mulaw"
    big_endian: bool = False
    play: str = "media"
    clear: str = "clear"
    mark: str = "mark"
    heard: str = "mark"
    flat_marks: bool = False
    names_stream: bool = True
    says_format: bool = False
    codings: tuple[str, ...] = ("g711_ulaw", "g711_alaw", "pcm16")


class JsonWire:
    """
    The messages of Twilio, and of those who followed it.

    Args:
        names: the carrier's.
    """

    def __init__(self, names: JsonNames) -> None:
        self._names = names
        self._stream: str | None = None
        self._output: Codec = PCMU

    def read(self, message: str | bytes | Mapping[str, Any]) -> Iterator[CallEvent]:
        """What a message says."""
        names = self._names
        frame = decoded_from_wire(message)
        event = frame.get("event")
        if event == "start":
            yield self._start(frame)
        elif event == "media":
            media = part_of_wire_message(frame, "media")
            track = text_from_wire(media.get("track")) or "inbound"
            if track in ("inbound", "inbound_track"):
                sound = sound_from_wire(media.get("payload", ""))
                if sound:
                    yield CallerSound(sound)
        elif event == names.heard:
            mark = frame if names.flat_marks else part_of_wire_message(frame, event)
            yield SoundHeard(str(mark.get("name")))
        elif event == "dtmf":
            yield KeyPressed(str(part_of_wire_message(frame, "dtmf").get("digit", "")))
        elif event == "stop":
            stop = frame.get("stop")
            reason = stop.get("reason") if isinstance(stop, Mapping) else None
            yield CallEnded(text_from_wire(reason) or "stop")
        elif event == "error":
            yield CarrierComplained(json.dumps(frame.get("payload", frame)))

    def _start(self, frame: Mapping[str, Any]) -> CallStarted:
        names = self._names
        start = part_of_wire_message(frame, "start")
        media = start.get(names.format)
        media = media if isinstance(media, Mapping) else {}
        coded = text_from_wire(media.get("encoding")) or names.coded
        # Exotel says how the payload is wrapped, where others say how it is coded.
        coded = names.coded if coded == "base64" else coded
        codec = codec_named(coded, media.get(names.rate), big_endian=names.big_endian)
        if codec.format.name not in names.codings:
            raise RemoteProtocolError(f"{names.name} has no {coded}")
        return CallStarted(
            stream=text_from_wire(start.get(names.stream))
            or text_from_wire(frame.get(names.stream)),
            call=text_from_wire(start.get(names.call)),
            codec=codec,
            parameters={
                **parameters_from_wire(frame.get(names.headers)),
                **parameters_from_wire(start.get(names.parameters)),
            },
        )

    def started(self, start: CallStarted, output: Codec) -> None:
        """Take note of the names and the coding."""
        self._stream, self._output = start.stream, output

    def sound(self, sound: bytes) -> str:
        """A message with sound."""
        media: dict[str, Any] = {"payload": base64.b64encode(sound).decode("ascii")}
        if self._names.says_format:
            form = self._output.format
            media["contentType"] = _CONTENT_TYPES[form.name]
            media["sampleRate"] = form.rate
        return self._message(self._names.play, media=media)

    def mark(self, name: str) -> str:
        """A message that asks for word."""
        event = self._names.mark
        if self._names.flat_marks:
            return self._message(event, name=name)
        return self._message(event, **{event: {"name": name}})

    def clear(self) -> str:
        """A message that drops what is queued."""
        return self._message(self._names.clear)

    def hang_up(self) -> None:
        """There is none: a call ends over REST, or with the socket."""

    def _message(self, event: str, **members: object) -> str:
        frame: dict[str, Any] = {"event": event}
        if self._names.names_stream:
            frame[self._names.stream] = self._stream
        return json.dumps({**frame, **members})


_CONTENT_TYPES = {
    "g711_ulaw": "audio/x-mulaw",
    "g711_alaw": "audio/x-alaw",
    "pcm16": "audio/x-l16",
}
