"""
Messages held against the carriers' own documents, field by field.

The names of fields, events and commands are those of the pages that each entry
names, as they stood in November 2026. What a carrier sends must have no other
fields, and what goes to it must have no other and lack none that is required.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from attrs import frozen

from realtime_sync import connect
from realtime_sync.audio.telephony import (
    ASTERISK_WEBSOCKET,
    AUDIOHOOK,
    AZURE,
    EXOTEL,
    PLIVO,
    SIGNALWIRE,
    TELNYX,
    TWILIO,
    VONAGE,
    CallBridge,
    Carrier,
)
from realtime_sync.testing import MemoryTransport
from realtime_sync.testing.carrier import LINES


@frozen
class Document:
    """What a carrier's pages say of its messages: events and their fields."""

    page: str
    received: Mapping[str, str]
    sent: Mapping[str, str]
    key: str = "event"
    event: str = "event"


_TWILIO = Document(
    page="twilio.com/docs/voice/media-streams/websocket-messages",
    received={
        "connected": "protocol version",
        "start": "sequenceNumber streamSid start.streamSid start.accountSid "
        "start.callSid start.tracks start.customParameters.* "
        "start.mediaFormat.encoding start.mediaFormat.sampleRate "
        "start.mediaFormat.channels",
        "media": "sequenceNumber streamSid media.track media.chunk media.timestamp "
        "media.payload",
        "dtmf": "sequenceNumber streamSid dtmf.track dtmf.digit",
        "mark": "sequenceNumber streamSid mark.name",
        "stop": "sequenceNumber streamSid stop.accountSid stop.callSid",
    },
    sent={
        "media": "streamSid media.payload",
        "mark": "streamSid mark.name",
        "clear": "streamSid",
    },
)

DOCUMENTS: list[tuple[Carrier, Document]] = [
    (TWILIO, _TWILIO),
    # SignalWire's page of cXML's <Stream> describes the same messages.
    (SIGNALWIRE, _TWILIO),
    (
        TELNYX,
        Document(
            page="developers.telnyx.com/api-reference/websockets/"
            "stream-call-media-over-websocket",
            received={
                "connected": "version",
                "start": "sequence_number stream_id start.user_id "
                "start.call_control_id start.call_session_id start.from start.to "
                "start.tags start.client_state start.custom_parameters.* "
                "start.media_format.encoding start.media_format.sample_rate "
                "start.media_format.channels",
                "media": "sequence_number stream_id media.track media.chunk "
                "media.timestamp media.payload",
                "dtmf": "sequence_number stream_id occurred_at dtmf.digit",
                "mark": "sequence_number stream_id mark.name",
                "stop": "sequence_number stream_id stop.user_id "
                "stop.call_control_id",
            },
            sent={"media": "media.payload", "mark": "mark.name", "clear": ""},
        ),
    ),
    (
        PLIVO,
        Document(
            page="plivo.com/docs/voice/audio-streaming/audio-streaming",
            received={
                "start": "sequenceNumber extra_headers start.callId start.streamId "
                "start.accountId start.tracks start.mediaFormat.encoding "
                "start.mediaFormat.sampleRate",
                "media": "sequenceNumber streamId extra_headers media.track "
                "media.chunk media.timestamp media.payload",
                "dtmf": "sequenceNumber streamId extra_headers dtmf.track dtmf.digit "
                "dtmf.timestamp",
                "playedStream": "sequenceNumber streamId name",
                "stop": "sequenceNumber streamId",
            },
            sent={
                "playAudio": "streamId? media.contentType media.sampleRate "
                "media.payload",
                "checkpoint": "streamId name",
                "clearAudio": "streamId",
            },
        ),
    ),
    (
        EXOTEL,
        Document(
            page="developer.exotel.com/docs/agentstream/websocket-protocol",
            received={
                "connected": "",
                "start": "sequence_number stream_sid start.stream_sid start.call_sid "
                "start.account_sid start.from start.to start.custom_parameters.* "
                "start.media_format.encoding start.media_format.sample_rate "
                "start.media_format.bit_rate",
                "media": "sequence_number stream_sid media.chunk media.timestamp "
                "media.payload",
                "dtmf": "sequence_number stream_sid dtmf.digit dtmf.duration",
                "mark": "sequence_number stream_sid mark.name",
                "stop": "sequence_number stream_sid stop.call_sid stop.account_sid "
                "stop.reason",
            },
            sent={
                "media": "stream_sid media.payload",
                "mark": "stream_sid mark.name",
                "clear": "stream_sid",
            },
        ),
    ),
    (
        VONAGE,
        Document(
            page="developer.vonage.com/en/voice/voice-api/guides/websockets",
            received={
                # The members of the NCCO's ``headers`` stand beside the others.
                "websocket:connected": "content-type uuid language",
                "websocket:dtmf": "digit duration",
                "websocket:notify": "payload.*",
            },
            sent={"notify": "payload.*", "clear": ""},
            key="action",
        ),
    ),
    (
        AZURE,
        Document(
            page="learn.microsoft.com/azure/communication-services/how-tos/"
            "call-automation/audio-streaming-quickstart",
            received={
                "AudioMetadata": "audioMetadata.subscriptionId "
                "audioMetadata.encoding audioMetadata.sampleRate "
                "audioMetadata.channels audioMetadata.length",
                "AudioData": "audioData.data audioData.timestamp "
                "audioData.participantRawID audioData.silent",
                "DtmfData": "dtmfData.data",
            },
            sent={
                "AudioData": "audioData.data stopAudio",
                "StopAudio": "audioData stopAudio",
            },
            key="kind",
            event="kind",
        ),
    ),
    (
        AUDIOHOOK,
        Document(
            page="developer.genesys.cloud/devapps/audiohook/protocol-reference",
            received={
                name: f"version id seq serverseq position {parameters}"
                for name, parameters in {
                    "open": "parameters.organizationId parameters.conversationId "
                    "parameters.participant.* parameters.media parameters.language "
                    "parameters.customConfig.* parameters.inputVariables.*",
                    "ping": "parameters.rtt",
                    "dtmf": "parameters.digit",
                    "close": "parameters.reason",
                }.items()
            },
            sent={
                name: f"version id seq clientseq {parameters}"
                for name, parameters in {
                    "opened": "parameters.media parameters.startPaused?",
                    "pong": "parameters",
                    "event": "parameters.entities",
                }.items()
            },
            key="type",
            event="type",
        ),
    ),
    (
        ASTERISK_WEBSOCKET,
        Document(
            page="docs.asterisk.org/Configuration/Channel-Drivers/WebSocket",
            received={
                "MEDIA_START": "connection_id channel channel_id format "
                "optimal_frame_size ptime channel_variables.*",
                "MEDIA_MARK_PROCESSED": "channel_id correlation_id",
                "DTMF_END": "channel_id digit duration_ms",
            },
            sent={"MARK_MEDIA": "correlation_id", "FLUSH_MEDIA": ""},
            key="command",
        ),
    ),
]

CASES = [pytest.param(*each, id=each[0].name) for each in DOCUMENTS]
OPTIONS = {"Asterisk chan_websocket": {"control": "json"}}


def paths(frame: Mapping[str, Any], above: str = "") -> set[str]:
    """The fields of a message, those of objects with a point between."""
    found: set[str] = set()
    for name, value in frame.items():
        if isinstance(value, Mapping) and value:
            found |= paths(value, f"{above}{name}.")
        else:
            found.add(f"{above}{name}")
    return found


def unknown(found: set[str], known: str) -> set[str]:
    """Fields that a document does not have."""
    names = {each.rstrip("?") for each in known.split()}
    wild = tuple(each[:-1] for each in names if each.endswith("*"))
    return {each for each in found - names if not each.startswith(wild or ("*",))}


@pytest.mark.parametrize("carrier, document", CASES)
def test_what_the_fake_carrier_sends_is_what_the_document_describes(
    carrier: Carrier, document: Document
) -> None:
    """A test against a fake that sends something else would prove nothing."""
    line = LINES[carrier.name](**OPTIONS.get(carrier.name, {}))
    mark = json.dumps({"mark": "m"}) if carrier is VONAGE else "m"
    said = [*line.begin(), line.caller(b"12"), line.key("5"), line.heard(mark)]
    said.append(line.stop())
    frames = [json.loads(each) for each in said if isinstance(each, str)]
    name = document.event
    events = {frame[name] for frame in frames}
    strange = {
        (frame[name], *unknown(paths(frame) - {name}, known))
        for frame in frames
        for known in [document.received[frame[name]]]
        if unknown(paths(frame) - {name}, known)
    }

    assert strange == set()
    assert events == set(document.received)


@pytest.mark.parametrize("carrier, document", CASES)
def test_what_is_sent_has_the_fields_of_the_document(
    carrier: Carrier, document: Document
) -> None:
    """None that it does not have, and all that it wants."""
    line = LINES[carrier.name](**OPTIONS.get(carrier.name, {}))
    sent: list[str | bytes] = []
    with connect("m", transport=MemoryTransport(), dispatch="inline") as session:
        with CallBridge(session, carrier, send=sent.append, thread=False) as bridge:
            for message in line.begin():
                bridge.receive(message)
            if "language" in json.dumps(line.begin()):
                assert "en" == bridge.parameters["language"]
            bridge.play(bytes(160), "g711_ulaw")
            bridge.player.run_due()
            bridge.interrupt()
            bridge.player.run_due()

    frames = [json.loads(each) for each in sent if isinstance(each, str)]
    assert {frame[document.key] for frame in frames} == set(document.sent)
    for frame in frames:
        known = document.sent[frame[document.key]]
        found = paths(frame) - {document.key}
        wanted = {each for each in known.split() if each[-1] not in "?*"}

        assert unknown(found, known) == set()
        assert wanted <= found
