"""
Carriers: who sends telephone calls to a program, and in which words.

A `Carrier` is a value. What a carrier lacks, marks or a way to drop what it has
queued, is a property of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from attrs import frozen

from .asterisk import AsteriskWebSocketWire, AudioSocketWire
from .audiohook import AudioHookWire
from .azure import AzureWire
from .codecs import PCMU, Codec, linear
from .json_wire import JsonNames, JsonWire
from .vonage import VonageWire
from .wire import TelephoneWire


@frozen
class Carrier:
    """
    A telephone company, or a switchboard, that streams calls.

    Attributes:
        name: as people know it.
        wire: makes what reads and writes the messages of one call.
        input: how the caller's sound is coded, where the carrier does not say.
        output: how it takes sound; None for like the caller's.
        marks: whether it reports what was heard.
        clears: whether it drops what it has queued when it is told to.
        hangs_up: whether it ends a call when the stream says so.
        tail: seconds from the last sound that was sent until it was surely heard,
            where there are no marks.
        block_ms: milliseconds of sound that it wants in one message.
        transport: how its messages come: ``"websocket"``, or ``"tcp"`` for a stream
            of bytes.
    """

    name: str
    wire: Callable[[], TelephoneWire]
    input: Codec = PCMU
    output: Codec | None = None
    marks: bool = True
    clears: bool = True
    hangs_up: bool = False
    tail: float = 0.3
    block_ms: float = 20.0
    transport: Literal["websocket", "tcp"] = "websocket"


_TWILIO = JsonNames(name="Twilio", codings=("g711_ulaw",))
_SIGNALWIRE = JsonNames(name="SignalWire")

TWILIO = Carrier("Twilio", lambda: JsonWire(_TWILIO))
"""Twilio Media Streams, bidirectional: ``<Connect><Stream>``."""

SIGNALWIRE = Carrier("SignalWire", lambda: JsonWire(_SIGNALWIRE))
"""SignalWire's ``<Stream>`` in cXML: Twilio's messages, and L16 besides mu-law."""

_TELNYX = JsonNames(
    name="Telnyx",
    stream="stream_id",
    call="call_control_id",
    format="media_format",
    rate="sample_rate",
    parameters="custom_parameters",
    names_stream=False,
    big_endian=True,
)

TELNYX = Carrier("Telnyx", lambda: JsonWire(_TELNYX))
"""
Telnyx media streaming with ``stream_bidirectional_mode: "rtp"``.

What is sent is coded as ``stream_bidirectional_codec`` says, which need not be the
coding of what comes: see *output* of `CallBridge`.
"""

_PLIVO = JsonNames(
    name="Plivo",
    stream="streamId",
    call="callId",
    play="playAudio",
    clear="clearAudio",
    mark="checkpoint",
    heard="playedStream",
    flat_marks=True,
    says_format=True,
    headers="extra_headers",
)

PLIVO = Carrier("Plivo", lambda: JsonWire(_PLIVO))
"""Plivo audio streaming: ``<Stream bidirectional="true">``."""

_EXOTEL = JsonNames(
    name="Exotel",
    stream="stream_sid",
    call="call_sid",
    format="media_format",
    rate="sample_rate",
    parameters="custom_parameters",
    coded="slin",
)

EXOTEL = Carrier(
    "Exotel", lambda: JsonWire(_EXOTEL), input=linear(8_000), block_ms=100.0
)
"""Exotel's Voicebot applet: 16-bit PCM, in messages of at least 100 ms."""

VONAGE = Carrier("Vonage", VonageWire, input=linear(16_000))
"""Vonage voice WebSockets: binary 16-bit PCM at 8, 16 or 24 kHz."""

AZURE = Carrier(
    "Azure Communication Services",
    AzureWire,
    input=linear(16_000),
    marks=False,
    tail=0.7,
)
"""Azure Communication Services, ``enableBidirectional``: 16-bit PCM at 16 or 24 kHz."""

AUDIOHOOK = Carrier(
    "Genesys AudioHook",
    AudioHookWire,
    output=PCMU,
    marks=False,
    hangs_up=True,
    tail=0.7,
    block_ms=200.0,
)
"""
Genesys Cloud's Audio Connector: AudioHook with sound in both directions.

Genesys limits how many messages it takes in a second, so they are long.
"""

AUDIOSOCKET = Carrier(
    "Asterisk AudioSocket",
    AudioSocketWire,
    input=linear(8_000),
    marks=False,
    clears=False,
    hangs_up=True,
    tail=0.7,
    transport="tcp",
)
"""Asterisk's AudioSocket over TCP: ``send=connection.sendall``."""

ASTERISK_WEBSOCKET = Carrier(
    "Asterisk chan_websocket", AsteriskWebSocketWire, hangs_up=True
)
"""Asterisk's ``chan_websocket``: binary sound, commands as text."""
