"""Calls on a live session: codings pass through, and nobody is cut off."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from realtime_sync import audio, connect, live
from realtime_sync.audio.telephony import (
    EXOTEL,
    PCMA,
    PCMU,
    TELNYX,
    TWILIO,
    CallBridge,
    Carrier,
    Codec,
    TwilioBridge,
)
from realtime_sync.errors import ConfigurationError
from realtime_sync.server import serve
from realtime_sync.testing import FakeCarrier, ManualClock
from tests.audio.live_frames import frame, quiet, voiced
from tests.session.live.live_session import LiveServer, delegated, live_session, said


class Call:
    """A call that a test moves by hand, joined to a live session."""

    def __init__(
        self,
        session: live.LiveSession,
        server: LiveServer,
        carrier: Carrier,
        codec: Codec,
        **options: Any,
    ) -> None:
        self.session, self.server, self.codec = session, server, codec
        clock = ManualClock()
        words = {PCMA: "PCMA", PCMU: "PCMU"}
        line: dict[str, Any] = {"coding": words[codec]} if carrier is TELNYX else {}
        self.carrier = FakeCarrier(carrier, clock=clock, **line)
        self.bridge = CallBridge(
            session,
            carrier,
            send=self.carrier.send,
            clock=clock.now,
            thread=False,
            **options,
        )
        self.carrier.call(self.bridge, codec=codec)
        self.carrier.advance(0.1)

    def sent(self) -> bytes:
        """What the session was sent of the caller."""
        appended = self.server.sent("session.input_audio.append")
        return b"".join(base64.b64decode(each["audio"]) for each in appended)

    def feed(self, frames: list[dict[str, Any]]) -> None:
        """Let the model speak, in real time."""
        for each in frames:
            self.server.feed(each)
            self.carrier.advance(0.1)


@contextmanager
def call(
    carrier: Carrier = TWILIO,
    codec: Codec = PCMU,
    format: str = "g711_ulaw",
    **options: Any,
) -> Iterator[Call]:
    """A call that has begun."""
    config = live.LiveConfig(format=format)
    with live_session(config=config, idle_audio=None) as (session, server):
        phone = Call(session, server, carrier, codec, **options)
        try:
            yield phone
        finally:
            phone.bridge.close()
            phone.carrier.close()


@pytest.mark.parametrize(
    ("carrier", "codec", "format"),
    [
        (TWILIO, PCMU, "g711_ulaw"),
        (TELNYX, PCMA, "g711_alaw"),
    ],
    ids=["mu-law", "A-law"],
)
def test_sound_passes_through_untouched(
    carrier: Carrier, codec: Codec, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways, byte for byte, and with no package that converts."""

    def convert(*args: Any, **options: Any) -> Any:
        raise AssertionError("nothing is to be converted")

    monkeypatch.setattr(audio.Converter, "feed", convert)
    spoken = bytes(range(256)) * 10
    with call(carrier, codec, format) as phone:
        phone.carrier.speak(spoken)
        phone.carrier.advance(0.1)
        assert spoken == phone.sent()
        sound = spoken[:2400]
        phone.feed([frame(sound[at : at + 800]) for at in range(0, 2400, 800)])
        phone.carrier.advance(1.0)

        assert sound in phone.carrier.ear
        assert [] == phone.carrier.errors
        kinds = {command["type"] for command in phone.server.transport.sent}
        assert {"session.start", "session.input_audio.append"} == kinds


@pytest.mark.parametrize(
    ("carrier", "codec", "format"),
    [
        (TWILIO, PCMU, "pcm16"),
        (TELNYX, PCMA, "g711_ulaw"),
        (EXOTEL, EXOTEL.input, "g711_ulaw"),
    ],
    ids=["mu-law and PCM", "A-law and mu-law", "PCM and mu-law"],
)
def test_session_of_another_coding_is_converted(
    carrier: Carrier, codec: Codec, format: str
) -> None:
    """A live session keeps what it was opened with; nobody hears noise."""
    with call(carrier, codec, format) as phone:
        phone.carrier.speak(codec.encoded(audio.tone(300, 1.0, codec.format, level=-6)))
        phone.carrier.advance(0.1)
        wire = audio.session_format(phone.session, "input")
        heard = audio.convert(
            phone.sent(), wire, "pcm16", rate=wire.rate, to_rate=24_000
        )
        assert 1.0 == pytest.approx(len(heard) / 48_000, abs=0.15)
        assert audio.level(heard).peak > -12
        phone.feed(voiced(5, wire) + quiet(10, wire))
        phone.carrier.advance(0.5)

        assert 500 == pytest.approx(phone.carrier.ear_ms, abs=800)
        assert [] == phone.carrier.errors


def test_silence_of_the_model_is_not_sent_to_the_carrier() -> None:
    """So music on hold is heard, and the end of what is said is known."""
    with call() as phone:
        phone.feed(quiet(30, audio.G711_ULAW))

        assert 0 == phone.carrier.ear_ms
        assert "heard" == phone.bridge.wait_heard(0.1)


def test_what_was_said_before_the_call_began_waits_for_it() -> None:
    """The greeting, without the silence around it."""
    config = live.LiveConfig(format="g711_ulaw")
    with live_session(config=config, idle_audio=None) as (session, server):
        clock = ManualClock()
        with FakeCarrier(TWILIO, clock=clock) as carrier:
            with CallBridge(
                session, TWILIO, send=carrier.send, clock=clock.now, thread=False
            ) as bridge:
                ulaw = audio.G711_ULAW
                server.feed(*quiet(5, ulaw), *voiced(8, ulaw), *quiet(30, ulaw))
                carrier.advance(0.2)
                assert 0 == carrier.ear_ms
                carrier.call(bridge)
                carrier.advance(2.0)

                # A moment of silence before it, so that no frame comes too late.
                assert 900 == pytest.approx(carrier.ear_ms, abs=30)


def test_caller_who_breaks_in_hears_no_more_of_what_waits() -> None:
    """The carrier drops what it has queued, where much waits."""
    with call(marks=True) as phone:
        phone.server.feed(said("assistant", "A story", 0))
        phone.server.feed(*voiced(30, audio.G711_ULAW))
        phone.carrier.advance(1.0)
        phone.server.feed(said("user", " stop", 2800), *quiet(2, audio.G711_ULAW))
        phone.carrier.advance(2.0)

        assert 1000 == pytest.approx(phone.carrier.ear_ms, abs=450)
        clears = [m for m in phone.carrier.messages if '"clear"' in str(m)]
        assert 1 == len(clears)


@pytest.mark.parametrize(
    "option", [{"min_speech_ms": 300}, {"pause_on_speech": True}], ids=str
)
def test_options_for_voice_detection_are_refused(option: dict[str, Any]) -> None:
    """At the line of the program: there is none in a live session."""
    with live_session() as (session, server):
        with pytest.raises(ConfigurationError, match="not for live sessions"):
            CallBridge(session, TWILIO, send=lambda message: None, **option)


def waited(phone: Call, seconds: float = 20.0) -> tuple[threading.Thread, list[str]]:
    """What waiting until all was heard gives, with the clock moved meanwhile."""
    given: list[str] = []
    thread = threading.Thread(
        target=lambda: given.append(phone.bridge.wait_heard(seconds))
    )
    thread.start()
    return thread, given


def test_goodbye_is_heard_before_the_call_ends() -> None:
    """A text that was not taken up, work that is open, and speech are waited for."""
    server = LiveServer()
    server.silent.add("session.commentary.append")
    config = live.LiveConfig(format="g711_ulaw")
    with live_session(server, config=config, idle_audio=None) as (session, _):
        phone = Call(session, server, TWILIO, PCMU)
        handle = session.say("Goodbye")
        thread, given = waited(phone)
        phone.feed(quiet(20, audio.G711_ULAW))
        assert thread.is_alive() and not given
        named = {"client_event_id": handle.event_id, "start_ms": 0, "end_ms": 200}
        server.feed({"type": "session.commentary.appended", **named})
        phone.feed(voiced(8, audio.G711_ULAW) + quiet(14, audio.G711_ULAW))
        for _ in range(100):
            phone.carrier.advance(0.05)
            thread.join(0.02)
            if given:
                break

        assert ["heard"] == given
        assert phone.carrier.ear_ms >= 800
        phone.bridge.close()
        phone.carrier.close()


def test_work_that_is_open_is_more_to_say() -> None:
    """Until it is answered; and what is refused is never said."""
    server = LiveServer()

    def refuse(command: dict[str, Any]) -> Any:
        if command["type"] != "session.commentary.append":
            return None
        error = {"type": "invalid_request_error", "code": None, "message": "no"}
        named = {"client_event_id": command["event_id"]}
        return {"type": "error", "error": {**error, **named}}

    with live_session(server) as (session, server):
        found = [session.has_more_to_say]
        server.feed(delegated("item_1"))
        found.append(session.has_more_to_say)
        session.say("The gate is B12.", delegation_id="item_1").acknowledged()
        found.append(session.has_more_to_say)
        server.answer = refuse
        session.say("Too long.")

        assert [False, True, False, False] == [*found, session.has_more_to_say]


def test_call_is_answered_by_the_local_server() -> None:
    """As a program does it: a carrier, a bridge, a greeting, in mu-law."""
    config = live.LiveConfig(format="g711_ulaw")
    with serve(agent="echo") as server:
        with connect("gpt-live-1", base_url=server.url, config=config) as session:
            with FakeCarrier(TWILIO) as carrier:
                with TwilioBridge(
                    session,
                    send=carrier.send,
                    on_start=lambda: session.say("Welcome to the theatre."),
                ) as bridge:
                    carrier.call(bridge)
                    session.wait_said("theatre", timeout=20)

                    assert "heard" == bridge.wait_heard(20)
                    assert carrier.ear_ms > 500
                    assert [] == carrier.errors
