"""
What carriers say and understand, seen from their side.

They follow the same public descriptions as the code that talks to the carriers; a
real line has not been tried.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, Union

from attrs import frozen

Sent = Union[str, bytes]


@frozen
class CarrierMessage:
    """
    What a program asks of a carrier.

    Attributes:
        what: ``"sound"``, ``"mark"``, ``"clear"``, ``"hang up"``, or ``"answer"``
            where the carrier has one to give.
        sound: as it is coded on the line.
        mark: the name of a mark.
        answer: what the carrier says to it.
    """

    what: str
    sound: bytes = b""
    mark: str = ""
    answer: Sent = ""


class CarrierLine(Protocol):
    """One carrier's side of a call."""

    def begin(self) -> list[Sent]:
        """What comes first."""

    def caller(self, sound: bytes) -> Sent:
        """A piece of the caller's sound."""

    def key(self, digit: str) -> Sent | None:
        """A key that the caller presses."""

    def heard(self, mark: str) -> Sent | None:
        """Word that all before a mark was heard."""

    def stop(self) -> Sent | None:
        """The caller has hung up; None where the socket is just closed."""

    def read(self, message: Sent) -> Iterator[CarrierMessage]:
        """What a program asks with a message."""


def _coded_by_carrier(sound: bytes) -> str:
    return base64.b64encode(sound).decode("ascii")


class TwilioCarrierLine:
    """
    Twilio's messages, and SignalWire's.

    Args:
        coding: as in ``mediaFormat.encoding``.
        rate: samples per second.
    """

    def __init__(self, coding: str = "audio/x-mulaw", rate: int = 8000) -> None:
        self._format = {"encoding": coding, "sampleRate": rate, "channels": 1}

    def _said(self, event: str, **members: object) -> str:
        return json.dumps({"event": event, "streamSid": "MZ1", **members})

    def begin(self) -> list[Sent]:
        """``connected`` and ``start``."""
        start = {
            "accountSid": "AC1",
            "streamSid": "MZ1",
            "callSid": "CA1",
            "tracks": ["inbound"],
            "mediaFormat": self._format,
            "customParameters": {"language": "en"},
        }
        first = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
        return [json.dumps(first), self._said("start", start=start)]

    def caller(self, sound: bytes) -> Sent:
        """``media``."""
        media = {"track": "inbound", "chunk": "1", "payload": _coded_by_carrier(sound)}
        return self._said("media", media=media)

    def key(self, digit: str) -> Sent:
        """``dtmf``."""
        return self._said("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    def heard(self, mark: str) -> Sent:
        """``mark``."""
        return self._said("mark", mark={"name": mark})

    def stop(self) -> Sent:
        """``stop``."""
        return self._said("stop", stop={"accountSid": "AC1", "callSid": "CA1"})

    def read(self, message: Sent) -> Iterator[CarrierMessage]:
        """``media``, ``mark`` and ``clear``, which name the stream."""
        frame = json.loads(message)
        assert frame["streamSid"] == "MZ1", "a message for no stream"
        yield from _asked_of_carrier(frame, "media", "clear")


def _asked_of_carrier(
    frame: Mapping[str, Any], play: str, clear: str
) -> Iterator[CarrierMessage]:
    event = frame["event"]
    if event == play:
        payload = base64.b64decode(frame["media"]["payload"], validate=True)
        yield CarrierMessage("sound", sound=payload)
    elif event == "mark":
        yield CarrierMessage("mark", mark=frame["mark"]["name"])
    elif event == clear:
        yield CarrierMessage("clear")
    else:
        raise AssertionError(f"the carrier knows no {event!r}")


class TelnyxCarrierLine:
    """
    Telnyx's messages.

    Args:
        coding: ``"PCMU"``, ``"PCMA"`` or ``"L16"``.
        rate: samples per second.
    """

    def __init__(self, coding: str = "PCMU", rate: int = 8000) -> None:
        self._format = {"encoding": coding, "sample_rate": rate, "channels": 1}

    def _said(self, event: str, **members: object) -> str:
        frame = {"event": event, "sequence_number": "1", "stream_id": "s1"}
        return json.dumps({**frame, **members})

    def begin(self) -> list[Sent]:
        """``connected`` and ``start``."""
        start = {
            "user_id": "u1",
            "call_control_id": "v3:1",
            "media_format": self._format,
            "custom_parameters": {"language": "en"},
        }
        first = {"event": "connected", "version": "1.0.0"}
        return [json.dumps(first), self._said("start", start=start)]

    def caller(self, sound: bytes) -> Sent:
        """``media``."""
        media = {"track": "inbound", "chunk": "1", "payload": _coded_by_carrier(sound)}
        return self._said("media", media=media)

    def key(self, digit: str) -> Sent:
        """``dtmf``."""
        return self._said("dtmf", dtmf={"digit": digit})

    def heard(self, mark: str) -> Sent:
        """``mark``."""
        return self._said("mark", mark={"name": mark})

    def stop(self) -> Sent:
        """``stop``."""
        return self._said("stop", stop={"user_id": "u1", "call_control_id": "v3:1"})

    def read(self, message: Sent) -> Iterator[CarrierMessage]:
        """``media``, ``mark`` and ``clear``."""
        yield from _asked_of_carrier(json.loads(message), "media", "clear")


class PlivoCarrierLine:
    """Plivo's messages, with mu-law at 8 kHz."""

    def _said(self, event: str, **members: object) -> str:
        return json.dumps({"sequenceNumber": 1, "event": event, **members})

    def begin(self) -> list[Sent]:
        """``start``."""
        start = {
            "callId": "c1",
            "streamId": "s1",
            "accountId": "a1",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        }
        return [self._said("start", start=start, extra_headers="language=en;tier=1")]

    def caller(self, sound: bytes) -> Sent:
        """``media``."""
        media = {"track": "inbound", "chunk": 1, "payload": _coded_by_carrier(sound)}
        return self._said("media", streamId="s1", media=media)

    def key(self, digit: str) -> Sent:
        """``dtmf``."""
        return self._said("dtmf", streamId="s1", dtmf={"digit": digit})

    def heard(self, mark: str) -> Sent:
        """``playedStream``."""
        return self._said("playedStream", streamId="s1", name=mark)

    def stop(self) -> Sent:
        """``stop``."""
        return self._said("stop", streamId="s1")

    def read(self, message: Sent) -> Iterator[CarrierMessage]:
        """``playAudio``, ``checkpoint`` and ``clearAudio``."""
        frame = json.loads(message)
        if frame["event"] == "checkpoint":
            assert frame["streamId"] == "s1"
            yield CarrierMessage("mark", mark=frame["name"])
            return
        if frame["event"] == "playAudio":
            assert frame["media"]["contentType"] == "audio/x-mulaw"
            assert frame["media"]["sampleRate"] == 8000
        yield from _asked_of_carrier(frame, "playAudio", "clearAudio")


class ExotelCarrierLine:
    """
    Exotel's messages, with 16-bit PCM.

    Args:
        coding: as in ``media_format.encoding``.
        rate: samples per second: 8000, 16000 or 24000.
    """

    def __init__(self, coding: str = "audio/x-raw", rate: int = 8000) -> None:
        self._coding, self._rate = coding, rate

    def _said(self, event: str, **members: object) -> str:
        return json.dumps({"event": event, "stream_sid": "s1", **members})

    def begin(self) -> list[Sent]:
        """``connected`` and ``start``."""
        start = {
            "stream_sid": "s1",
            "call_sid": "c1",
            "account_sid": "a1",
            "custom_parameters": {"language": "en"},
            "media_format": {
                "encoding": self._coding,
                "sample_rate": str(self._rate),
                "bit_rate": "16",
            },
        }
        return [json.dumps({"event": "connected"}), self._said("start", start=start)]

    def caller(self, sound: bytes) -> Sent:
        """``media``."""
        return self._said(
            "media", media={"chunk": 1, "payload": _coded_by_carrier(sound)}
        )

    def key(self, digit: str) -> Sent:
        """``dtmf``."""
        return self._said("dtmf", dtmf={"duration": "100", "digit": digit})

    def heard(self, mark: str) -> Sent:
        """``mark``."""
        return self._said("mark", mark={"name": mark})

    def stop(self) -> Sent:
        """``stop``, with a reason."""
        return self._said("stop", stop={"call_sid": "c1", "reason": "callended"})

    def read(self, message: Sent) -> Iterator[CarrierMessage]:
        """``media``, ``mark`` and ``clear``, which name the stream."""
        frame = json.loads(message)
        assert frame["stream_sid"] == "s1", "a message for no stream"
        yield from _asked_of_carrier(frame, "media", "clear")


class VonageCarrierLine:
    """
    Vonage's messages.

    Args:
        rate: samples per second: 8000, 16000 or 24000.
    """

    def __init__(self, rate: int = 16_000) -> None:
        self._rate = rate

    def begin(self) -> list[Sent]:
        """``websocket:connected``, with the headers of the NCCO."""
        kind = f"audio/l16;rate={self._rate}"
        first = {"event": "websocket:connected", "content-type": kind}
        return [json.dumps({**first, "uuid": "u1", "language": "en"})]

    def caller(self, sound: bytes) -> Sent:
        """A binary message."""
        return sound

    def key(self, digit: str) -> Sent:
        """``websocket:dtmf``."""
        return json.dumps({"event": "websocket:dtmf", "digit": digit, "duration": 260})

    def heard(self, mark: str) -> Sent:
        """``websocket:notify``."""
        payload = json.loads(mark)
        return json.dumps({"event": "websocket:notify", "payload": payload})

    def stop(self) -> None:
        """The socket is closed."""

    def read(self, message: Sent) -> Iterator[CarrierMessage]:
        """Binary sound, and actions."""
        if isinstance(message, bytes):
            yield CarrierMessage("sound", sound=message)
            return
        frame = json.loads(message)
        if frame["action"] == "notify":
            yield CarrierMessage("mark", mark=json.dumps(frame["payload"]))
        else:
            assert frame["action"] == "clear"
            yield CarrierMessage("clear")


class AzureCarrierLine:
    """
    The messages of Azure Communication Services.

    Args:
        rate: samples per second: 16000 or 24000.
    """

    def __init__(self, rate: int = 16_000) -> None:
        self._rate = rate

    def begin(self) -> list[Sent]:
        """``AudioMetadata``."""
        told = {
            "subscriptionId": "s1",
            "encoding": "PCM",
            "sampleRate": self._rate,
            "channels": 1,
            "length": self._rate // 25,
        }
        return [json.dumps({"kind": "AudioMetadata", "audioMetadata": told})]

    def caller(self, sound: bytes) -> Sent:
        """``AudioData``."""
        said = {
            "data": _coded_by_carrier(sound),
            "timestamp": "2026-11-27T10:00:00Z",
            "participantRawID": "4:+1415",
            "silent": False,
        }
        return json.dumps({"kind": "AudioData", "audioData": said})

    def key(self, digit: str) -> Sent:
        """``DtmfData``, in base64."""
        data = _coded_by_carrier(digit.encode("ascii"))
        return json.dumps({"kind": "DtmfData", "dtmfData": {"data": data}})

    def heard(self, mark: str) -> None:
        """Nothing is said of that."""

    def stop(self) -> None:
        """The socket is closed."""

    def read(self, message: Sent) -> Iterator[CarrierMessage]:
        """``AudioData`` and ``StopAudio``."""
        frame = json.loads(message)
        if frame["kind"] == "AudioData":
            sound = base64.b64decode(frame["audioData"]["data"], validate=True)
            yield CarrierMessage("sound", sound=sound)
        else:
            assert frame["kind"] == "StopAudio" and frame["stopAudio"] == {}
            yield CarrierMessage("clear")


class AudioHookCarrierLine:
    """The messages of Genesys AudioHook, with mu-law."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._answered = 0
        self._opened = False

    def _said(self, kind: str, parameters: Mapping[str, object]) -> str:
        frame = {
            "version": "2",
            "id": "e160e428",
            "type": kind,
            "seq": next(self._numbers),
            "serverseq": self._answered,
            "position": "PT0.0S",
            "parameters": parameters,
        }
        return json.dumps(frame)

    def begin(self) -> list[Sent]:
        """``open`` with three offers, and a ``ping``."""
        offers = (["external", "internal"], ["internal"], ["external"])
        media = [
            {"type": "audio", "format": "PCMU", "channels": each, "rate": 8000}
            for each in offers
        ]
        told = {
            "organizationId": "o1",
            "conversationId": "c1",
            "participant": {"id": "p1", "ani": "+1", "aniName": "", "dnis": "+2"},
            "media": media,
            "language": "en-US",
            "inputVariables": {"language": "en"},
        }
        return [self._said("open", told), self._said("ping", {"rtt": "PT0.1S"})]

    def caller(self, sound: bytes) -> Sent:
        """A binary message."""
        return sound

    def key(self, digit: str) -> Sent:
        """``dtmf``."""
        return self._said("dtmf", {"digit": digit})

    def heard(self, mark: str) -> None:
        """Nothing is said of that."""

    def stop(self) -> Sent:
        """``close``, which is to be answered."""
        return self._said("close", {"reason": "end"})

    def read(self, message: Sent) -> Iterator[CarrierMessage]:
        """Binary sound, and a dialogue in numbers without a gap."""
        if isinstance(message, bytes):
            assert self._opened, "sound before a coding was chosen"
            yield CarrierMessage("sound", sound=message)
            return
        frame = json.loads(message)
        self._answered += 1
        assert frame["seq"] == self._answered, "a number is left out, or out of turn"
        assert (frame["version"], frame["id"]) == ("2", "e160e428")
        kind, told = frame["type"], frame["parameters"]
        if kind == "opened":
            (media,) = told["media"]
            assert media["channels"] == ["external"] and media["format"] == "PCMU"
            self._opened = True
        elif kind == "event":
            assert told["entities"] == [{"type": "barge_in", "data": {}}]
            yield CarrierMessage("clear")
        elif kind == "disconnect":
            yield CarrierMessage("hang up")
            answer = self._said("close", {"reason": "disconnect"})
            yield CarrierMessage("answer", answer=answer)
        else:
            assert kind in ("pong", "closed"), f"Genesys knows no {kind}"


class AudioSocketCarrierLine:
    """AudioSocket's messages: a byte of type, two of length, and a payload."""

    def __init__(self) -> None:
        self._held = b""

    @staticmethod
    def _packet(kind: int, payload: bytes = b"") -> bytes:
        high, low = divmod(len(payload), 256)
        return bytes([kind, high, low]) + payload

    def begin(self) -> list[Sent]:
        """The call's UUID."""
        return [self._packet(0x01, bytes(range(16)))]

    def caller(self, sound: bytes) -> Sent:
        """Signed linear, 16 bits, 8 kHz."""
        return self._packet(0x10, sound)

    def key(self, digit: str) -> Sent:
        """A byte of ASCII."""
        return self._packet(0x03, digit.encode("ascii"))

    def heard(self, mark: str) -> None:
        """Nothing is said of that."""

    def stop(self) -> Sent:
        """A hang-up."""
        return self._packet(0x00)

    def read(self, message: Sent) -> Iterator[CarrierMessage]:
        """Whole packets; the rest is kept."""
        assert isinstance(message, bytes)
        stream = self._held + message
        while len(stream) > 2 and len(stream) >= 3 + stream[1] * 256 + stream[2]:
            size = stream[1] * 256 + stream[2]
            payload, kind = stream[3 : 3 + size], stream[0]
            stream = stream[3 + size :]
            if kind == 0x10:
                yield CarrierMessage("sound", sound=payload)
            else:
                assert kind == 0x00, f"Asterisk knows no packet {kind}"
                yield CarrierMessage("hang up")
        self._held = stream


class ChannelWebSocketCarrierLine:
    """
    The messages of ``chan_websocket``, with mu-law.

    Args:
        control: ``"plain-text"`` or ``"json"``, as in the option ``f`` of the dial
            string: how events and commands are written.
    """

    def __init__(self, control: str = "plain-text") -> None:
        self._json = control == "json"

    def _said(self, event: str, **members: object) -> str:
        if self._json:
            return json.dumps({"event": event, "channel_id": "1", **members})
        return " ".join([event, *(f"{name}:{each}" for name, each in members.items())])

    def begin(self) -> list[Sent]:
        """``MEDIA_START``."""
        return [
            self._said(
                "MEDIA_START",
                connection_id="k1",
                channel="WebSocket/1",
                format="ulaw",
                optimal_frame_size=160,
                ptime=20,
            )
        ]

    def caller(self, sound: bytes) -> Sent:
        """A binary message."""
        return sound

    def key(self, digit: str) -> Sent:
        """``DTMF_END``."""
        return self._said("DTMF_END", digit=digit, duration_ms=100)

    def heard(self, mark: str) -> Sent:
        """``MEDIA_MARK_PROCESSED``."""
        return self._said("MEDIA_MARK_PROCESSED", correlation_id=mark)

    def stop(self) -> None:
        """The socket is closed."""

    def read(self, message: Sent) -> Iterator[CarrierMessage]:
        """Binary sound, and commands."""
        if isinstance(message, bytes):
            yield CarrierMessage("sound", sound=message)
            return
        if self._json:
            frame = json.loads(message)
            command, rest = frame["command"], frame.get("correlation_id", "")
        else:
            command, _, rest = message.partition(" ")
        if command == "MARK_MEDIA":
            yield CarrierMessage("mark", mark=rest)
        elif command == "FLUSH_MEDIA":
            yield CarrierMessage("clear")
        else:
            assert command == "HANGUP", f"Asterisk knows no {command}"
            yield CarrierMessage("hang up")
