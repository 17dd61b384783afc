"""Calls of every carrier, with somebody at the other end who really listens."""

from __future__ import annotations

import base64
import threading
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import audio, connect
from realtime_sync.audio.telephony import (
    ASTERISK_WEBSOCKET,
    AUDIOHOOK,
    AUDIOSOCKET,
    AZURE,
    EXOTEL,
    PCMA,
    PLIVO,
    SIGNALWIRE,
    TELNYX,
    TWILIO,
    VONAGE,
    CallBridge,
    Carrier,
    Codec,
    linear,
)
from realtime_sync.errors import ConfigurationError, RemoteProtocolError
from realtime_sync.testing import FakeCarrier, MemoryTransport, frames
from realtime_sync.testing.carrier import LINES
from tests.phone import STARTED, STOPPED, Phone

CARRIERS: list[Any] = [
    pytest.param(TWILIO, {}, None, id="twilio"),
    pytest.param(SIGNALWIRE, {}, None, id="signalwire"),
    pytest.param(
        SIGNALWIRE,
        {"coding": "audio/x-l16", "rate": 24_000},
        linear(24_000),
        id="signalwire-l16",
    ),
    pytest.param(TELNYX, {}, None, id="telnyx"),
    pytest.param(TELNYX, {"coding": "PCMA"}, PCMA, id="telnyx-pcma"),
    pytest.param(
        TELNYX,
        {"coding": "L16", "rate": 16_000},
        linear(16_000, big_endian=True),
        id="telnyx-l16",
    ),
    pytest.param(PLIVO, {}, None, id="plivo"),
    pytest.param(VONAGE, {"rate": 8_000}, linear(8_000), id="vonage-8"),
    pytest.param(VONAGE, {"rate": 16_000}, None, id="vonage-16"),
    pytest.param(VONAGE, {"rate": 24_000}, linear(24_000), id="vonage-24"),
    pytest.param(EXOTEL, {}, None, id="exotel"),
    pytest.param(EXOTEL, {"coding": "raw/slin"}, None, id="exotel-slin"),
    pytest.param(EXOTEL, {"rate": 16_000}, linear(16_000), id="exotel-16"),
    pytest.param(AUDIOSOCKET, {}, None, id="audiosocket"),
    pytest.param(AZURE, {}, None, id="azure"),
    pytest.param(AZURE, {"rate": 24_000}, linear(24_000), id="azure-24"),
    pytest.param(AUDIOHOOK, {}, None, id="audiohook"),
    pytest.param(ASTERISK_WEBSOCKET, {}, None, id="chan-websocket"),
    pytest.param(ASTERISK_WEBSOCKET, {"control": "json"}, None, id="chan-json"),
]

LINES_OF_ONE = {
    "twilio",
    "telnyx",
    "plivo",
    "vonage-16",
    "exotel",
    "azure",
    "audiohook",
    "audiosocket",
    "chan-websocket",
}
"""One of each carrier."""

PATIENT: dict[str, Any] = {
    "min_speech_ms": 400,
    "barge_in": True,
    "pause_on_speech": True,
}
"""Options of a bridge that waits whether the caller says more than "uh-huh"."""


@pytest.mark.parametrize("carrier, line, codec", CARRIERS)
@pytest.mark.parametrize("lag", [0.0, 0.15, 0.6])
def test_a_whole_call(
    carrier: Carrier, line: dict[str, Any], codec: Codec | None, lag: float
) -> None:
    """Greeting, two turns, an interruption, keys, a goodbye, the end."""
    keys: list[str] = []
    started: list[CallBridge] = []
    with Phone(
        carrier,
        line,
        codec,
        network={"lag": lag},
        on_start=started.append,
        on_dtmf=keys.append,
    ) as phone:
        phone.say(0.5)
        assert 0.0 == phone.carrier.ear_ms
        phone.dial(2.0 + 2 * lag)

        # The greeting that was asked for before the call began is heard whole.
        assert [phone.bridge] == started
        slack = carrier.block_ms + 5
        assert 500 == pytest.approx(phone.carrier.ear_ms, abs=slack)

        for turn in (1, 2):
            phone.transport.take()
            heard = phone.sound(0.2, phone.bridge.input.format)
            phone.carrier.speak(phone.bridge.input.encoded(heard))
            phone.carrier.advance(lag + 0.1)
            phone.say(0.4)
            phone.carrier.advance(1.0 + lag)
            appended = phone.transport.commands("input_audio_buffer.append")
            assert appended
            assert 500 + 400 * turn == pytest.approx(
                phone.carrier.ear_ms, abs=3 * slack
            )

        before = phone.carrier.ear_ms
        phone.say(5.0, item_id="long")
        phone.carrier.advance(1.3 + lag)
        phone.transport.take()
        phone.transport.feed(STARTED)
        phone.carrier.advance(1.0 + 2 * lag)
        ear = phone.carrier.ear_ms - before
        (cut,) = phone.transport.commands("conversation.item.truncate")
        assert cut["item_id"] == "long"
        assert abs(cut["audio_end_ms"] - ear) <= 20
        assert ear < 2500

        phone.carrier.press("12#")
        phone.carrier.advance(lag + 0.1)
        assert ["1", "2", "#"] == keys

        before = phone.carrier.ear_ms
        phone.say(0.6)
        outcome = phone.while_time_passes(lambda: phone.bridge.wait_heard(10))
        assert "heard" == outcome
        assert 600 == pytest.approx(phone.carrier.ear_ms - before, abs=slack)

        phone.carrier.hang_up()
        phone.bridge.close()
        phone.carrier.advance(lag + 0.1)
        assert 1 == len(phone.ends)
        assert [] == phone.carrier.errors


@pytest.mark.parametrize("carrier, line, codec", CARRIERS)
def test_the_same_sound_arrives_at_the_ear(
    carrier: Carrier, line: dict[str, Any], codec: Codec | None
) -> None:
    """Neither noise nor another byte order: a tone is the same tone."""
    with Phone(carrier, line, codec) as phone:
        phone.dial(0.1)
        phone.say(1.0)
        phone.carrier.advance(2.0)
        heard = phone.bridge.output.decoded(bytes(phone.carrier.ear))
        form = phone.bridge.output.format
        loud = audio.level(heard[: form.size(900)], form)

        assert -12 < loud.peak < -3
        assert 1000 == pytest.approx(phone.carrier.ear_ms, abs=25)


@pytest.mark.parametrize("carrier, line, codec", CARRIERS)
def test_every_message_is_as_long_as_the_carrier_wants_it_and_marks_are_few(
    carrier: Carrier, line: dict[str, Any], codec: Codec | None
) -> None:
    """Whatever the server's pieces are like."""
    with Phone(carrier, line, codec) as phone:
        phone.dial(0.1)
        phone.say(1.0)
        phone.carrier.advance(2.0)
        other = LINES[carrier.name](**line)
        asked = [each for m in phone.carrier.messages for each in other.read(m)]
        sounds = [len(each.sound) for each in asked if each.what == "sound"]
        marks = sum(each.what == "mark" for each in asked)

        assert {phone.codec.format.size(carrier.block_ms)} == set(sounds)
        assert (5 <= marks <= 10) if carrier.marks else marks == 0


@pytest.mark.parametrize("lag", [0.0, 0.3])
def test_marks_that_are_lost_leave_the_clock(lag: float) -> None:
    """An answer that was heard for seconds is not deleted as unheard."""
    with Phone(TWILIO, network={"lose_marks": 1.0, "lag": lag}) as phone:
        phone.dial(0.1 + lag)
        phone.say(6.0, item_id="long")
        phone.carrier.advance(2.5 + lag)
        phone.transport.take()
        phone.transport.feed(STARTED)
        phone.carrier.advance(1.0 + lag)
        (cut,) = phone.transport.commands("conversation.item.truncate")

        assert abs(cut["audio_end_ms"] - phone.carrier.ear_ms) <= 20


def test_some_lost_marks_and_an_uneven_network_do_no_harm() -> None:
    """What arrives is enough."""
    network = {"lose_marks": 0.4, "lag": 0.1, "jitter": 0.03, "seed": 3}
    with Phone(TWILIO, network=network) as phone:
        phone.dial(0.5)
        phone.say(6.0, item_id="long")
        phone.carrier.advance(3.0)
        phone.transport.take()
        phone.transport.feed(STARTED)
        phone.carrier.advance(1.0)
        (cut,) = phone.transport.commands("conversation.item.truncate")

        assert abs(cut["audio_end_ms"] - phone.carrier.ear_ms) <= 60


def test_a_carrier_that_stalls_is_believed_when_it_goes_on() -> None:
    """It played nothing for a second, and says so by its marks."""
    with Phone(TWILIO, network={"stall": (1.0, 1.0), "lag": 0.05}) as phone:
        phone.dial(0.1)
        phone.say(8.0, item_id="long")
        phone.carrier.advance(3.4)
        phone.transport.take()
        phone.transport.feed(STARTED)
        phone.carrier.advance(1.0)
        (cut,) = phone.transport.commands("conversation.item.truncate")

        assert phone.carrier.ear_ms < 2600
        assert abs(cut["audio_end_ms"] - phone.carrier.ear_ms) <= 45


def test_codecs_may_differ_in_the_two_directions() -> None:
    """Telnyx sends what the caller's network has, and takes what was ordered."""
    wide = linear(16_000, big_endian=True)
    with Phone(TELNYX, {"coding": "PCMA"}, wide, output=wide) as phone:
        phone.dial(0.1)
        phone.say(0.5)
        phone.carrier.speak(phone.sound(0.1, "g711_alaw"))
        phone.carrier.advance(1.0)

        assert PCMA == phone.bridge.input
        assert "g711_alaw" == audio.session_format(phone.session, "input").name
        assert 500 == pytest.approx(phone.carrier.ear_ms, abs=25)


def test_what_the_server_echoes_counts_whatever_it_was_asked_for() -> None:
    """It acknowledges mu-law and goes on hearing PCM: it gets PCM."""
    with Phone(TWILIO) as phone:
        phone.dial(0.1)
        pcm = {"format": {"type": "audio/pcm", "rate": 24_000}}
        config = {"type": "realtime", "audio": {"input": pcm, "output": pcm}}
        phone.transport.feed({"type": "session.updated", "session": config})
        phone.transport.take()
        phone.carrier.speak(phone.sound(1.0, "g711_ulaw"))
        phone.carrier.advance(0.1)
        phone.say(0.5)
        phone.carrier.advance(1.0)
        appended = phone.transport.commands("input_audio_buffer.append")
        size = sum(len(each["audio"]) * 3 // 4 for each in appended)

        assert 48_000 == pytest.approx(size, rel=0.04)
        assert 500 == pytest.approx(phone.carrier.ear_ms, abs=25)


@pytest.mark.parametrize("coding", ["OPUS", "G722", "AMR-WB", "audio/ogg"])
def test_a_coding_that_is_not_spoken_is_refused_by_its_name(coding: str) -> None:
    """Noise would be worse than a call that ends."""
    with Phone(TELNYX, {"coding": coding}) as phone:
        phone.dial()
        (error,) = phone.carrier.errors

        assert isinstance(error, RemoteProtocolError)
        assert coding in str(error)


def dropped(phone: Phone) -> int:
    """How often the carrier was told to drop what it has queued."""
    phone.carrier.advance(0.1)
    other = LINES[phone.carrier.carrier.name]()
    asked = [each for m in phone.carrier.messages for each in other.read(m)]
    return sum(each.what == "clear" for each in asked)


def heard_all(phone: Phone) -> None:
    """An answer that was heard to its end."""
    phone.say(0.5)
    phone.carrier.advance(3.0)


def asked_for(phone: Phone) -> None:
    """A response that has said nothing yet."""
    response = {"id": "r9", "object": "realtime.response", "status": "in_progress"}
    phone.transport.feed({"type": "response.created", "response": response})


def written(phone: Phone) -> None:
    """An answer in writing, which nobody hears."""
    phone.transport.feed(*list(frames.answer("Hello there")({}))[:-2])


def waiting(phone: Phone) -> None:
    """Music that nobody speaks over."""
    form = phone.bridge.player.format
    phone.bridge.player.fill_with(phone.sound(0.4, form))
    phone.carrier.advance(1.0)


@pytest.mark.parametrize("before", [None, heard_all, asked_for, written, waiting])
@pytest.mark.parametrize(
    "carrier, line, codec", [each for each in CARRIERS if each.id in LINES_OF_ONE]
)
def test_who_speaks_when_nothing_is_said_interrupts_nothing(
    carrier: Carrier, line: dict[str, Any], codec: Codec | None, before: Any
) -> None:
    """However often: no callback, no order to drop anything, and music plays on."""
    told: list[Any] = []
    with Phone(carrier, line, codec, on_interrupted=told.append) as phone:
        phone.transport.feed(STARTED)
        phone.dial(0.3)
        if before is not None:
            before(phone)
        ear = phone.carrier.ear_ms
        for _ in range(3):
            phone.transport.feed(STARTED)
            phone.carrier.advance(0.2)

        assert [] == told
        assert 0 == dropped(phone)
        assert (before is waiting) == (phone.carrier.ear_ms > ear)


def test_a_mark_of_what_was_never_sent_says_nothing() -> None:
    """Whoever says so, the model believes what was heard, and no more."""
    with Phone(TWILIO) as phone:
        phone.dial(0.1)
        phone.say(4.0)
        phone.carrier.advance(1.0)
        for name in ("99999999", "-1", "", "1e9", "8" * 18):
            mark = {"name": f"realtime-sync:{name}"}
            phone.bridge.receive({"event": "mark", "mark": mark})
        phone.transport.take()
        phone.transport.feed(STARTED)
        phone.carrier.advance(0.3)
        (cut,) = phone.transport.commands("conversation.item.truncate")

        assert abs(cut["audio_end_ms"] - phone.carrier.ear_ms) <= 20


def test_an_announcement_is_heard_to_its_end() -> None:
    """What the law wants said is not interrupted by a cough."""
    with Phone(TWILIO) as phone:
        phone.dial(0.1)
        phone.bridge.play(phone.sound(1.0, audio.PCM16), interruptible=False)
        phone.carrier.advance(0.5)
        phone.transport.feed(STARTED)
        phone.carrier.advance(1.0)
        whole = phone.carrier.ear_ms
        phone.bridge.play(phone.sound(1.0, "g711_ulaw"), "g711_ulaw")
        phone.carrier.advance(0.5)
        phone.transport.feed(STARTED)
        phone.carrier.advance(1.0)

        assert 1000 == pytest.approx(whole, abs=21)
        assert phone.carrier.ear_ms - whole < 700


def test_a_short_sound_of_the_caller_interrupts_nothing() -> None:
    """It takes some speech to be an interruption: "uh-huh" is none."""
    with Phone(TWILIO, min_speech_ms=300, barge_in=True) as phone:
        phone.dial(0.1)
        phone.say(6.0, item_id="long")
        phone.carrier.advance(1.0)
        phone.transport.take()
        for seconds in (0.2, 0.5):
            phone.transport.feed(STARTED)
            phone.carrier.speak(phone.sound(seconds, "g711_ulaw"))
            phone.transport.feed(STOPPED)
            cuts = len(phone.transport.commands("conversation.item.truncate"))
            assert (seconds == 0.5) == (cuts == 1)


def test_music_is_heard_while_nobody_speaks_and_is_no_part_of_the_account() -> None:
    """It gives way to the model, and ends with its block."""
    with Phone(TWILIO) as phone:
        phone.dial(0.1)
        with phone.bridge.hold(phone.sound(0.3, audio.PCM16)):
            phone.carrier.advance(1.0)
            music = phone.carrier.ear_ms
            phone.say(0.5, item_id="a")
            phone.carrier.advance(1.0)
            said = phone.bridge.player.ledger.heard_ms("a")
        phone.carrier.advance(0.3)
        after = phone.carrier.ear_ms
        phone.carrier.advance(1.0)

        assert 1000 == pytest.approx(music, abs=40)
        assert 500.0 == said
        assert after == phone.carrier.ear_ms


@pytest.mark.parametrize(
    "pressed, wanted", [("12345", "1234"), ("12#4", "12"), ("#", ""), ("1", "1")]
)
def test_keys_are_collected(pressed: str, wanted: str) -> None:
    """Up to a number, a terminator or the end of the time."""
    with Phone(TWILIO) as phone:
        phone.dial(0.1)
        timer = threading.Timer(0.05, phone.carrier.press, [pressed])
        timer.start()
        collected = phone.while_time_passes(
            lambda: phone.bridge.collect_digits(4, timeout=0.5, terminator="#")
        )
        timer.join()

        assert wanted == collected


def test_an_interruption_ends_the_waiting_for_a_goodbye() -> None:
    """Whoever hangs up wants to know."""
    with Phone(TWILIO) as phone:
        phone.dial(0.1)
        phone.say(5.0)
        timer = threading.Timer(0.05, phone.transport.feed, [STARTED])
        timer.start()
        outcome = phone.while_time_passes(lambda: phone.bridge.wait_heard(10))
        timer.join()

        assert "interrupted" == outcome


def test_a_call_that_nothing_can_be_sent_to_has_failed() -> None:
    """It is said by the end's reason, and by whoever receives."""
    with Phone(TWILIO) as phone:
        phone.dial(0.1)

        def gone(message: object) -> None:
            raise BrokenPipeError("gone")

        bridge = CallBridge(
            phone.session,
            TWILIO,
            send=gone,
            clock=phone.clock.now,
            thread=False,
            on_end=phone.ends.append,
        )
        phone.carrier.call(bridge)
        phone.carrier.advance(0.1)
        phone.say(1.0)
        phone.carrier.advance(4.0)
        outcome = bridge.wait_heard(1)

        assert ["failed"] == phone.ends
        assert "failed" == outcome
        with pytest.raises(BrokenPipeError, match="gone"):
            bridge.receive({"event": "mark", "mark": {"name": "x"}})


@pytest.mark.parametrize(
    "carrier",
    [AUDIOSOCKET, ASTERISK_WEBSOCKET, AUDIOHOOK],
    ids=lambda each: each.name,
)
def test_a_switchboard_is_told_to_hang_up(carrier: Carrier) -> None:
    """It has a word for it."""
    with Phone(carrier) as phone:
        phone.dial(0.1)
        phone.bridge.hang_up()
        phone.carrier.advance(0.1)

        assert phone.carrier.hung_up.is_set()
        assert ["closed"] == phone.ends


def test_a_carrier_without_a_word_for_it_is_not_told_to_hang_up() -> None:
    """The error says how it is done."""
    with Phone(TWILIO) as phone:
        phone.dial(0.1)

        with pytest.raises(ConfigurationError, match="Twilio .* REST"):
            phone.bridge.hang_up()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_audiosocket_is_a_stream(size: int) -> None:
    """Packets come in whatever pieces TCP makes of them."""
    with Phone(AUDIOSOCKET) as phone:
        name = bytes([1, 0, 16]) + bytes(16)
        stream = name + bytes([0x10, 1, 0x40]) + bytes(320) + bytes([3, 0, 1]) + b"5"
        keys: list[str] = []
        bridge = CallBridge(
            phone.session,
            AUDIOSOCKET,
            send=phone.carrier.send,
            on_dtmf=keys.append,
            thread=False,
        )
        with bridge:
            for at in range(0, len(stream), size):
                bridge.receive(stream[at : at + size])

        assert "00000000-0000-0000-0000-000000000000" == bridge.call_id
        assert ["5"] == keys


def test_in_real_time_a_call_needs_no_hand() -> None:
    """For a program that is tested as it runs."""
    transport = MemoryTransport()
    with connect("m", transport=transport) as session, FakeCarrier(TWILIO) as carrier:
        with CallBridge(session, TWILIO, send=carrier.send) as bridge:
            carrier.call(bridge)
            assert bridge.started.wait(10)
            bridge.play(audio.silence(0.3))
            outcome = bridge.wait_heard(10)

    assert "heard" == outcome
    assert 300 == carrier.ear_ms


@pytest.mark.parametrize("lag", [0.0, 0.15])
@pytest.mark.parametrize("end", ["stop", "closed"])
def test_a_call_that_ends_leaves_in_the_conversation_what_was_heard(
    end: str, lag: float
) -> None:
    """Whoever goes on with the session, a summary or a person, is told no more."""
    with Phone(TWILIO, network={"lag": lag}) as phone:
        phone.dial(0.1 + lag)
        phone.say(6.0, item_id="long")
        phone.carrier.advance(1.5 + lag)
        phone.transport.take()
        ear = phone.carrier.ear_ms
        phone.carrier.hang_up() if end == "stop" else phone.bridge.close()
        phone.carrier.advance(0.005 + lag)
        (cut,) = phone.transport.commands("conversation.item.truncate")

        assert [end] == phone.ends
        assert abs(cut["audio_end_ms"] - ear) <= 20 + 2000 * lag


def test_a_call_that_ends_after_everything_was_heard_changes_nothing() -> None:
    """The conversation is what it is."""
    with Phone(TWILIO) as phone:
        phone.dial(0.1)
        phone.say(1.0)
        phone.carrier.advance(2.0)
        phone.transport.take()
        phone.carrier.hang_up()
        phone.carrier.advance(0.1)

        assert ["stop"] == phone.ends
        assert [] == phone.transport.take()


@pytest.mark.parametrize("carrier", [TWILIO, VONAGE, EXOTEL, AUDIOSOCKET])
@pytest.mark.parametrize("lag", [0.0, 0.15])
def test_an_answer_goes_on_where_it_was_after_uh_huh(
    carrier: Carrier, lag: float
) -> None:
    """It is silent for as long as nobody knows, and no word is lost."""
    with Phone(carrier, network={"lag": lag}, **PATIENT) as phone:
        phone.dial(0.1 + lag)
        phone.say(4.0, item_id="long")
        phone.carrier.advance(1.0 + lag)
        phone.transport.take()
        before = phone.carrier.ear_ms
        phone.transport.feed(STARTED)
        form = phone.bridge.input.format
        phone.carrier.speak(phone.bridge.input.encoded(phone.sound(0.3, form)))
        silent = phone.carrier.ear_ms - before
        phone.transport.feed(STOPPED)
        phone.carrier.advance(4.0)

        assert silent <= 100 + carrier.block_ms + 1000 * lag
        assert 4000 == pytest.approx(phone.carrier.ear_ms, abs=carrier.block_ms)
        assert [] == phone.transport.commands("conversation.item.truncate")
        assert 4000 == phone.bridge.player.ledger.heard_ms("long")


def test_speech_that_goes_on_interrupts_the_answer_that_was_paused() -> None:
    """And the next one is heard again."""
    with Phone(TWILIO, **PATIENT) as phone:
        phone.dial(0.1)
        phone.say(4.0, item_id="long")
        phone.carrier.advance(1.0)
        phone.transport.take()
        phone.transport.feed(STARTED)
        phone.carrier.speak(phone.sound(0.5, "g711_ulaw"))
        ear = phone.carrier.ear_ms
        (cut,) = phone.transport.commands("conversation.item.truncate")
        phone.say(1.0, response_id="r2", item_id="next")
        phone.carrier.advance(2.0)

        assert abs(cut["audio_end_ms"] - ear) <= 20
        assert 1000 == pytest.approx(phone.carrier.ear_ms - ear, abs=20)


def test_a_pause_ends_by_itself_where_nobody_says_that_speech_has_ended() -> None:
    """A server that forgets it must not mute the call."""
    with Phone(TWILIO, **PATIENT) as phone:
        phone.dial(0.1)
        phone.say(4.0, item_id="long")
        phone.carrier.advance(1.0)
        phone.transport.feed(STARTED)
        phone.carrier.advance(7.0)

        assert 4000 == pytest.approx(phone.carrier.ear_ms, abs=20)


@pytest.mark.parametrize("carrier", [TWILIO, VONAGE, EXOTEL])
def test_a_file_is_played(carrier: Carrier, tmp_path: Path) -> None:
    """Whatever it is: to the caller it is a second of tone."""
    path = tmp_path / "tone.wav"
    audio.write_wav(path, audio.tone(440, 1.0, level=-6))
    with Phone(carrier) as phone:
        phone.dial(0.1)
        phone.bridge.play(path)
        phone.carrier.advance(2.0)
        form = phone.bridge.output.format
        heard = phone.bridge.output.decoded(bytes(phone.carrier.ear))

        assert 1000 == pytest.approx(phone.carrier.ear_ms, abs=carrier.block_ms)
        assert -12 < audio.level(heard[: form.size(900)], form).peak < -3


def test_a_tool_that_takes_long_has_its_silence_filled_once() -> None:
    """Not at once, and one that is quick is not talked over."""
    with Phone(TWILIO) as phone:
        phone.dial(0.1)
        filler = phone.sound(0.5, audio.PCM16)
        with phone.bridge.hold(filler, after=1.0, repeat=False):
            phone.carrier.advance(0.9)
            early = phone.carrier.ear_ms
            phone.carrier.advance(3.0)
        filled = phone.carrier.ear_ms
        with phone.bridge.hold(filler, after=1.0, repeat=False):
            phone.carrier.advance(0.5)
        phone.carrier.advance(3.0)

        assert 0.0 == early
        assert 500 == pytest.approx(filled, abs=20)
        assert filled == phone.carrier.ear_ms


@pytest.mark.parametrize("size", [1, 161, 319, 321])
@pytest.mark.parametrize("big_endian", [False, True])
def test_the_callers_sound_may_be_cut_inside_a_sample(
    size: int, big_endian: bool
) -> None:
    """One lost byte would make noise of the rest of the call."""
    carrier = TELNYX if big_endian else SIGNALWIRE
    codec = linear(24_000, big_endian=big_endian)
    line = {"coding": "L16" if big_endian else "audio/x-l16", "rate": 24_000}
    with Phone(carrier, line, codec) as phone:
        phone.dial(0.1)
        phone.transport.take()
        sound = phone.sound(0.05, codec.format)
        sent = codec.encoded(sound)
        for at in range(0, len(sent), size):
            payload = base64.b64encode(sent[at : at + size]).decode()
            phone.bridge.receive({"event": "media", "media": {"payload": payload}})
        heard = b"".join(
            base64.b64decode(frame["audio"]) for frame in phone.transport.take()
        )

        assert sound == heard


@pytest.mark.parametrize("track", [None, "", "inbound", "inbound_track"])
def test_a_track_that_is_not_named_is_the_callers(track: str | None) -> None:
    """Null says nothing by itself."""
    with Phone(TWILIO) as phone:
        phone.dial(0.1)
        phone.transport.take()
        media = {"track": track, "payload": "//8="}
        phone.bridge.receive({"event": "media", "media": media})

        assert 1 == len(phone.transport.take())


@pytest.mark.parametrize("digit", ["", None, "12", "w", {}, "\x1b[2J"])
def test_what_is_no_key_is_not_pressed(digit: Any) -> None:
    """An empty key would end every collection: it is in each terminator."""
    keys: list[str] = []
    with Phone(TWILIO, on_dtmf=keys.append) as phone:
        phone.dial(0.1)
        phone.bridge.receive({"event": "dtmf", "dtmf": {"digit": digit}})
        phone.bridge.receive({"event": "dtmf", "dtmf": {"digit": "#"}})

        assert ["#"] == keys


@pytest.mark.parametrize("end", ["stop", "close"])
def test_what_comes_after_the_end_of_a_call_is_not_heard(end: str) -> None:
    """The session may go on, and nobody has spoken to it."""
    keys: list[str] = []
    with Phone(TWILIO, on_dtmf=keys.append) as phone:
        phone.dial(0.1)
        if end == "stop":
            phone.bridge.receive({"event": "stop"})
        else:
            phone.bridge.close()
        phone.transport.take()
        phone.bridge.receive({"event": "media", "media": {"payload": "//8="}})
        phone.bridge.receive({"event": "dtmf", "dtmf": {"digit": "1"}})

        assert [] == phone.transport.take()
        assert [] == keys


@pytest.mark.parametrize("carrier", [TWILIO, VONAGE, AUDIOSOCKET])
@pytest.mark.parametrize("waits", ["before", "after"])
def test_a_goodbye_that_the_end_of_the_call_cut_off_was_not_heard(
    carrier: Carrier, waits: str
) -> None:
    """Nor was it interrupted: nobody spoke."""
    with Phone(carrier) as phone:
        phone.dial(0.1)
        phone.say(3.0)
        phone.carrier.advance(0.5)
        if waits == "before":
            timer = threading.Timer(0.05, phone.bridge.close)
            timer.start()
            outcome = phone.bridge.wait_heard(5)
            timer.join()
        else:
            phone.bridge.close()
            outcome = phone.bridge.wait_heard(5)

        assert "failed" == outcome


def test_what_was_heard_before_the_end_of_the_call_was_heard() -> None:
    """The end of a call takes nothing back."""
    with Phone(TWILIO) as phone:
        phone.dial(0.1)
        phone.say(0.5)
        phone.carrier.advance(2)
        phone.carrier.hang_up()
        phone.carrier.advance(0.5)

        assert "heard" == phone.bridge.wait_heard(1)


def test_music_that_waits_for_the_call_is_played_in_its_coding() -> None:
    """Like everything that was said before."""
    with Phone(TELNYX, {"coding": "PCMA"}, PCMA) as phone:
        music = audio.tone(440, 0.2, audio.audio_format("g711_ulaw"), level=-6)
        with phone.bridge.hold(music, "g711_ulaw"):
            phone.dial(0.5)
        heard = audio.convert(bytes(phone.carrier.ear), "g711_alaw", "pcm16")

        assert audio.level(heard).rms > -30


def test_the_order_to_hang_up_is_not_mixed_with_sound() -> None:
    """On a stream, half a message of one thread inside of another's is noise."""
    entered, go_on = threading.Event(), threading.Event()
    sent: list[bytes] = []

    def send(message: bytes) -> None:
        sent.append(message[:1] + b" begins")
        if message[0] == 0x10 and not entered.is_set():
            entered.set()
            go_on.wait(10)
        sent.append(message[:1] + b" ends")

    transport = MemoryTransport()
    with connect("m", transport=transport, dispatch="inline") as session:
        with CallBridge(session, AUDIOSOCKET, send=send) as bridge:
            bridge.receive(bytes([1, 0, 16]) + bytes(16))
            bridge.play(bytes(48_000), audio.audio_format("pcm16", rate=8_000))
            assert entered.wait(10)
            ending = threading.Thread(target=bridge.hang_up)
            ending.start()
            assert bridge.ended.wait(10)
            go_on.set()
            ending.join(10)

    assert [b"\x10 begins", b"\x10 ends", b"\0 begins", b"\0 ends"] == sent


def test_hanging_up_on_a_socket_that_is_stuck_says_so() -> None:
    """Within the time that the bridge was given, and the bridge is closed."""
    entered, go_on = threading.Event(), threading.Event()
    ends: list[str] = []

    def send(message: bytes) -> None:
        entered.set()
        go_on.wait(10)

    transport = MemoryTransport()
    with connect("m", transport=transport, dispatch="inline") as session:
        bridge = CallBridge(
            session, AUDIOSOCKET, send=send, close_timeout=0.05, on_end=ends.append
        )
        bridge.receive(bytes([1, 0, 16]) + bytes(16))
        bridge.play(bytes(48_000), audio.audio_format("pcm16", rate=8_000))
        assert entered.wait(10)
        with pytest.raises(TimeoutError, match="does not return"):
            bridge.hang_up()
        go_on.set()
        bridge.player.close(10)

    assert ["closed"] == ends


def test_a_mark_of_thousands_of_digits_is_none_of_ours() -> None:
    """Python refuses to read it, and the call goes on."""
    with Phone(TWILIO) as phone:
        phone.dial(0.1)
        phone.say(1.0)
        phone.carrier.advance(0.1)
        name = "realtime-sync:" + "9" * 5000
        phone.bridge.receive({"event": "mark", "mark": {"name": name}})

        assert phone.bridge.player.sounding
        assert [] == phone.ends


@pytest.mark.parametrize(
    "media",
    [
        {"encoding": "audio/x-l16", "sampleRate": "9" * 5000},
        {"encoding": "audio/x-l16;rate=" + "9" * 5000},
        {"encoding": "slin" + "9" * 5000},
    ],
)
def test_a_rate_of_thousands_of_digits_is_refused(media: dict[str, str]) -> None:
    """By an error of ours, as any other rate that no call has."""
    with Phone(SIGNALWIRE) as phone:
        with pytest.raises(RemoteProtocolError, match="the call (has|is in)"):
            phone.bridge.receive({"event": "start", "start": {"mediaFormat": media}})
