"""Microphone and loudspeaker on a sound card in pure Python."""

from __future__ import annotations

import sys
import threading

import pytest

from realtime_sync import audio, connect
from realtime_sync.errors import ConfigurationError
from realtime_sync.server import serve
from tests.audio.sounddevice_standin import Card
from tests.stress.sequenced_server import wait_until


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    """The sound card that the library finds."""
    card = Card()
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    return card


@pytest.mark.usefixtures("card")
def test_devices_are_listed() -> None:
    """With what a user needs to choose one."""
    assert (
        audio.Device(0, "Mic", 1, 0, 48_000, True, False),
        audio.Device(1, "Horn", 0, 2, 48_000, False, True),
    ) == audio.devices()


def test_a_microphone_gives_blocks(card: Card) -> None:
    """What was spoken, in blocks of 20 ms, until it is closed."""
    sound = audio.tone(440, 0.1)
    card.spoken += sound
    seen: list[bytes] = []
    with audio.Microphone(on_block=seen.append) as microphone:
        blocks = [block for block, _ in zip(microphone, range(5))]

    assert sound == b"".join(blocks)
    assert blocks == seen[:5]
    assert [] == list(microphone)
    assert 0 == card.open_streams


def test_a_microphone_of_another_rate_is_resampled(card: Card) -> None:
    """Many can only do what they like best."""
    card.rates = {48_000}
    card.spoken += audio.tone(440, 1, audio.audio_format("pcm16", rate=48_000))
    recorded = b""
    with audio.Microphone() as microphone:
        for block in microphone:
            recorded += block
            if len(recorded) >= 4800:
                break

    assert 48_000 == card.opened[0]["samplerate"]
    assert -20.0 == pytest.approx(audio.level(recorded[1000:4000]).peak, abs=0.2)


def test_a_microphone_can_speak_the_language_of_telephones(card: Card) -> None:
    """Blocks come in the session's format."""
    card.spoken += audio.tone(440, 0.1, audio.audio_format("pcm16", rate=8000))
    with audio.Microphone(format="g711_ulaw") as microphone:
        block = next(iter(microphone))

    assert 160 == len(block)
    assert 8000 == card.opened[0]["samplerate"]


def test_a_microphone_that_nobody_listens_to_keeps_the_last_seconds(card: Card) -> None:
    """What is too old is dropped and counted; memory does not grow."""
    with audio.Microphone(block_ms=1, keep=0.002) as microphone:
        wait_until(lambda: microphone.dropped >= 3, "what is dropped")


def test_a_loudspeaker_plays_what_is_written(card: Card) -> None:
    """And silence when there is nothing."""
    sound = audio.tone(440, 0.1, level=-6)
    with audio.Speaker() as speaker:
        speaker.write(sound)
        assert speaker.player.wait_idle(10)
        card.wait_heard(len(card.heard) + len(sound) + 1920)
    heard = bytes(card.heard)

    assert sound in heard
    assert b"" == heard.replace(sound, b"").strip(b"\0")
    assert 0 == card.open_streams
    assert 0 == speaker.underruns


def test_the_account_of_a_loudspeaker_counts_its_latency(card: Card) -> None:
    """What the card holds has not been heard yet."""
    card.latency = 3600
    with audio.Speaker() as speaker:
        speaker.player.play(audio.tone(440, 0.1), item_id="a")
        assert speaker.player.wait_idle(10)
        heard = speaker.player.ledger.heard_ms("a")

    assert 0.0 == heard


def test_underruns_are_counted(card: Card) -> None:
    """As the device reports them."""
    card.underflows = 2
    with audio.Speaker() as speaker:
        card.wait_heard(960 * 4)

    assert 2 == speaker.underruns


def test_a_device_that_cannot_be_opened_is_said_so(card: Card) -> None:
    """The message is the device's own."""
    card.broken = True

    with pytest.raises(ConfigurationError, match="Device unavailable"):
        audio.Speaker().open()
    with pytest.raises(ConfigurationError, match="Device unavailable"):
        audio.Microphone().open()


@pytest.mark.usefixtures("card")
def test_an_unknown_device_is_said_so() -> None:
    """With the name that was asked for."""
    with pytest.raises(ConfigurationError, match="nobody"):
        audio.Microphone("nobody").open()


def test_a_loudspeaker_takes_pcm_only() -> None:
    """No sound card speaks mu-law."""
    with pytest.raises(ConfigurationError, match="pcm16"):
        audio.Speaker(format="g711_ulaw")


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to type."""
    monkeypatch.setitem(sys.modules, "sounddevice", None)

    with pytest.raises(ConfigurationError, match=r"pip install .*\[audio\]"):
        audio.devices()


def test_a_missing_system_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installing the Python package again would not help."""

    class Finder:
        """Finds sounddevice, which then finds no PortAudio."""

        @staticmethod
        def find_spec(name: str, *rest: object) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])

    with pytest.raises(ConfigurationError, match="libportaudio2"):
        audio.devices()


def conversation(card: Card, seconds: float) -> tuple[int, int, float]:
    """
    Talk through the card, being interrupted again and again.

    Returns:
        Underruns, interruptions, the slowest callback in seconds over its block.
    """
    with serve(agent=lambda prompt: "a long answer " * 20) as server:
        with connect("any", base_url=server.url) as session:
            with audio.Speaker() as speaker, audio.Microphone() as microphone:
                stop = threading.Event()
                timer = threading.Timer(seconds, stop.set)
                timer.start()
                turn = audio.tone(440, 0.5, level=-6) + audio.silence(2.0)
                card.spoken += turn * int(seconds / 2.5 + 1)
                audio.talk(session, microphone, speaker, stop=stop)
                timer.join()
                cut = [item for item in session.snapshot.items if item.truncated]
                return speaker.underruns + microphone.dropped, len(cut), card.late


def test_a_conversation_through_a_card_has_no_gaps(card: Card) -> None:
    """Six seconds of talking, answering and interrupting."""
    gaps, interruptions, late = conversation(card, 6)

    assert 0 == gaps
    assert interruptions >= 1
    # Other programs may run on this machine; the long test is the strict one.
    assert late < 0.2


@pytest.mark.alone
@pytest.mark.deep
@pytest.mark.timeout(120)
def test_a_minute_through_a_card_has_no_gaps(card: Card) -> None:
    """The same for a minute."""
    gaps, interruptions, late = conversation(card, 60)
    print(
        f"a minute: {interruptions} interruptions, latest callback {late * 1e3:.1f} ms"
    )

    assert 0 == gaps
    assert interruptions >= 15
    assert late < 0.02
