"""The bridge to Twilio Media Streams, with a caller that the test plays."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync import Session, audio, connect
from realtime_sync.audio.telephony import TwilioBridge
from realtime_sync.errors import RemoteProtocolError
from realtime_sync.server import serve

START = {
    "event": "start",
    "sequenceNumber": "1",
    "start": {
        "accountSid": "AC1",
        "streamSid": "MZ1",
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {
            "encoding": "audio/x-mulaw",
            "sampleRate": 8000,
            "channels": 1,
        },
        "customParameters": {"language": "en"},
    },
    "streamSid": "MZ1",
}
STOP = {"event": "stop", "streamSid": "MZ1", "stop": {"callSid": "CA1"}}
BLOCK = 160
"""Bytes of 20 ms."""


class Caller:
    """
    Twilio, with the telephone behind it.

    Attributes:
        messages: what was sent to it.
        sound: what the caller would hear, without an end.
        bridge: where marks are returned to, when there is one.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.sound = b""
        self.bridge: TwilioBridge | None = None
        self.changed = threading.Condition()

    def send(self, text: str) -> None:
        """Take a message; return marks at once."""
        message = json.loads(text)
        with self.changed:
            self.messages.append(message)
            if message["event"] == "media":
                self.sound += base64.b64decode(message["media"]["payload"])
            self.changed.notify_all()
        if message["event"] == "mark" and self.bridge is not None:
            self.bridge.receive(message)

    def wait(self, event: str = "media", count: int = 1) -> None:
        """Wait for so many messages of a kind."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.count(event) >= count, 10)

    def count(self, event: str) -> int:
        """Messages of a kind so far."""
        return sum(message["event"] == event for message in self.messages)

    def speak(self, sound: bytes, **fields: Any) -> list[dict[str, Any]]:
        """Media messages with a sound."""
        return [
            {
                "event": "media",
                "streamSid": "MZ1",
                "media": {
                    "track": "inbound",
                    "payload": base64.b64encode(sound[at : at + BLOCK]).decode(),
                    **fields,
                },
            }
            for at in range(0, len(sound), BLOCK)
        ]


@pytest.fixture
def caller() -> Caller:
    """Who calls."""
    return Caller()


@pytest.fixture
def session() -> Iterator[Session]:
    """A session with a server that answers at length."""
    with serve(agent=lambda prompt: "a long answer " * 20) as server:
        with connect("any", base_url=server.url) as session:
            yield session


@pytest.fixture
def bridge(session: Session, caller: Caller) -> Iterator[TwilioBridge]:
    """A call that has begun."""
    with TwilioBridge(session, send=caller.send) as bridge:
        caller.bridge = bridge
        bridge.receive({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        bridge.receive(json.dumps(START))
        yield bridge


def test_the_call_is_known_from_its_start(bridge: TwilioBridge) -> None:
    """Ids and parameters, for the application's own records."""
    assert ("MZ1", "CA1", {"language": "en"}) == (
        bridge.stream_sid,
        bridge.call_sid,
        bridge.parameters,
    )
    assert not bridge.ended.is_set()


@pytest.mark.usefixtures("bridge")
def test_the_session_is_switched_to_mu_law(session: Session) -> None:
    """In both directions, so that nothing has to be converted."""
    assert audio.G711_ULAW == audio.session_format(session, "input")
    assert audio.G711_ULAW == audio.session_format(session, "output")


def test_a_session_that_speaks_mu_law_is_left_alone(caller: Caller) -> None:
    """Its configuration is the application's."""
    mu_law = {"format": {"type": "audio/pcmu"}}
    config = {"audio": {"input": mu_law, "output": mu_law}}
    sent: list[str] = []
    with serve(agent="echo") as server:
        with connect("any", base_url=server.url, config=config) as session:
            session.on("client.*", lambda event: sent.append(event.type), inline=True)
            with TwilioBridge(session, send=caller.send) as bridge:
                bridge.receive(START)

    assert [] == sent


def test_the_caller_is_heard_and_answered(
    bridge: TwilioBridge, session: Session, caller: Caller
) -> None:
    """Speech in, speech out, and a mark now and then."""
    with session.expect("input_audio_buffer.committed") as committed:
        for message in caller.speak(
            audio.tone(440, 0.5, "g711_ulaw", level=-6) + audio.silence(1, "g711_ulaw")
        ):
            bridge.receive(json.dumps(message).encode())
    committed.result(10)
    caller.wait("mark")

    assert {"media", "mark"} == {message["event"] for message in caller.messages}
    assert {"MZ1"} == {message["streamSid"] for message in caller.messages}
    assert ["media"] * 6 + ["mark"] == [m["event"] for m in caller.messages[:7]]
    assert audio.level(caller.sound[:800], "g711_ulaw").peak > -30


def test_without_marks_time_tells_what_was_heard(
    session: Session, caller: Caller
) -> None:
    """For services that speak the protocol but return none."""
    with TwilioBridge(session, send=caller.send, marks=False, lead=0.0) as bridge:
        bridge.receive(START)
        session.conversation.add_message("Tell me")
        session.response.create().result()
        caller.wait("media", 10)
        (part,) = bridge.interrupt()

    assert 0 == caller.count("mark")
    assert 0 < part.heard_ms <= len(caller.sound) / 8


def test_keys_are_told(session: Session, caller: Caller) -> None:
    """One call for each; without a listener they are nothing."""
    keys: list[str] = []
    with TwilioBridge(session, send=caller.send, on_dtmf=keys.append) as bridge:
        for digit in "1#":
            bridge.receive({"event": "dtmf", "dtmf": {"digit": digit}})
    TwilioBridge(session, send=caller.send).receive(
        {"event": "dtmf", "dtmf": {"digit": "1"}}
    )

    assert ["1", "#"] == keys


def test_the_end_of_the_call_ends_the_bridge_and_not_the_session(
    bridge: TwilioBridge, session: Session
) -> None:
    """The application may have something left to do."""
    bridge.receive(STOP)
    bridge.close()

    assert bridge.ended.is_set()
    assert session.is_open
    assert () == bridge.interrupt()


def test_a_caller_that_hangs_up_in_the_middle_is_no_failure(session: Session) -> None:
    """The WebSocket library raises something; it is logged."""

    def gone(text: str) -> None:
        raise BrokenPipeError

    bridge = TwilioBridge(session, send=gone)
    bridge.receive(START)
    session.conversation.add_message("Tell me")
    session.response.create().result()
    assert bridge.player.wait_idle(10)
    bridge.close()

    assert session.is_open


def test_what_the_model_is_not_to_hear_is_not_sent(
    bridge: TwilioBridge, session: Session, caller: Caller
) -> None:
    """Its own voice on the outbound track, empty sounds, unknown messages."""
    sent: list[str] = []
    session.on("client.*", lambda event: sent.append(event.type), inline=True)
    for message in caller.speak(b"\xff" * 160, track="outbound"):
        bridge.receive(message)
    for message in caller.speak(b"x", payload=""):
        bridge.receive(message)
    bridge.receive({"event": "weather"})
    bridge.receive({"event": "mark", "mark": {"name": "the application's own"}})
    bridge.receive(START)

    assert [] == sent


@pytest.mark.parametrize(
    "message",
    [
        "no json",
        "[]",
        b"\xff",
        {"event": "media"},
        {"event": "media", "media": {"payload": "*"}},
        {"event": "media", "media": {"payload": 5}},
        {"event": "start", "start": {"mediaFormat": {"encoding": "audio/x-l16"}}},
    ],
)
def test_what_twilio_does_not_send_is_refused(
    session: Session, caller: Caller, message: Any
) -> None:
    """With an error that says what it was."""
    bridge = TwilioBridge(session, send=caller.send)

    with pytest.raises(RemoteProtocolError):
        bridge.receive(message)
