"""The echo of a loudspeaker in a room that is made of figures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy
import pytest

from realtime_sync import audio, connect
from realtime_sync.errors import ConfigurationError
from realtime_sync.server import Prompt, Say, open_engine
from realtime_sync.server.voice import default_synthesizer
from realtime_sync.testing import MemoryTransport

BLOCK = 960
"""Bytes of 20 ms at 24 kHz."""

WORDS = (
    "The capital of France is Paris. It has about two million inhabitants, and lies "
    "on the river Seine. Would you like to hear more about it, or about another city? "
)


@pytest.fixture(scope="module")
def speech() -> bytes:
    """The demo's own voice, for about half a minute."""
    return default_synthesizer().speak(WORDS) * 4


class Room:
    """
    What a microphone hears of a loudspeaker, 20 ms after 20 ms.

    Args:
        delay: seconds on the way, devices included.
        decay: seconds in which the sound of the room has fallen by 60 dB.
        loudness: of the echo, 1.0 being as loud as it was played.
    """

    def __init__(
        self, delay: float = 0.08, decay: float = 0.3, loudness: float = 0.5
    ) -> None:
        chance = numpy.random.default_rng(7)
        length = int(24_000 * 0.25)
        tail = 10 ** (-3 * numpy.arange(length) / 24_000 / decay)
        sound = chance.standard_normal(length) * tail
        sound[0] = 3.0
        sound *= loudness / numpy.sqrt((sound**2).sum())
        answer = numpy.concatenate([numpy.zeros(int(24_000 * delay)), sound])
        self._size = len(answer) + BLOCK // 2
        self._answer = numpy.fft.rfft(answer, self._size)
        self._noise = chance
        # What is still in the air.
        self._sound = numpy.zeros(self._size)

    def hear(self, played: bytes, near: bytes = b"") -> bytes:
        """What the microphone gives while so much is played, and somebody speaks."""
        new = numpy.frombuffer(played, dtype="<i2").astype(float)
        self._sound += numpy.fft.irfft(
            numpy.fft.rfft(new, self._size) * self._answer, self._size
        )
        heard = self._sound[: len(new)] + self._noise.standard_normal(len(new)) * 10
        self._sound = numpy.concatenate(
            [self._sound[len(new) :], numpy.zeros(len(new))]
        )
        if near:
            heard = heard + numpy.frombuffer(near, dtype="<i2")
        return heard.clip(-32_768, 32_767).astype("<i2").tobytes()


def power(sound: bytes) -> float:
    """Mean of the squares."""
    return float((numpy.frombuffer(sound, dtype="<i2").astype(float) ** 2).mean())


def erle(speech: bytes, **room: float) -> list[float]:
    """Echo return loss enhancement in dB, second by second."""
    space, player = Room(**room), audio.Player()
    canceller = audio.EchoCanceller((), player)
    player.play(speech)
    figures = []
    for _ in range(len(speech) // (50 * BLOCK)):
        before, after = b"", b""
        for _ in range(50):
            heard = space.hear(player.pull(BLOCK))
            before += heard
            after += canceller.feed(heard)
        figures.append(10 * numpy.log10(power(before) / max(power(after), 1.0)))
    canceller.close()
    player.close()
    return figures


@pytest.mark.parametrize("delay", [0.02, 0.2])
def test_the_echo_is_gone_after_a_second(speech: bytes, delay: float) -> None:
    """By far more than it takes for turn detection to hear nothing."""
    figures = erle(speech[: 48_000 * 6], delay=delay)

    assert numpy.median(figures[1:]) > 20


@pytest.mark.deep
@pytest.mark.parametrize("delay", [0.02, 0.05, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("decay", [0.15, 0.3, 0.6])
@pytest.mark.parametrize("loudness", [0.2, 0.5, 0.9])
def test_rooms(speech: bytes, delay: float, decay: float, loudness: float) -> None:
    """Dry and echoing ones, with devices that are quick and slow."""
    figures = erle(speech, delay=delay, decay=decay, loudness=loudness)
    shown = [round(float(each)) for each in figures]
    print(f"delay {delay}, decay {decay}, loudness {loudness}: {shown} dB")

    assert numpy.median(figures[1:]) > 20


class Conversation:
    """A session on the local engine, in a room with a loudspeaker."""

    def __init__(self, speech: bytes, *, cancel: bool) -> None:
        def answer(prompt: Prompt) -> Say:
            return Say("words", speech)

        transport = MemoryTransport(open_engine(answer))
        self.session = connect("m", transport=transport, dispatch="inline")
        self.room, self.player = Room(), audio.Player()
        self.attachment = self.player.attach(self.session)
        self.canceller = audio.EchoCanceller((), self.player) if cancel else None
        self.started = 0
        self.session.on("input_audio_buffer.speech_started", self.note, inline=True)
        self.session.response.create()

    def note(self, event: Any) -> None:
        """Count what turn detection takes for speech."""
        self.started += 1

    def run(self, seconds: float, near: bytes = b"") -> None:
        """Let time pass, with somebody who speaks."""
        for at in range(0, int(seconds * 48_000), BLOCK):
            spoken = near[at : at + BLOCK].ljust(BLOCK, b"\0") if near else b""
            heard = self.room.hear(self.player.pull(BLOCK), spoken)
            if self.canceller is not None:
                heard = self.canceller.feed(heard)
            if heard:
                self.session.input_audio_buffer.append(heard)

    def close(self) -> None:
        """End it."""
        if self.canceller is not None:
            self.canceller.close()
        self.attachment.detach()
        self.player.close()
        self.session.close()


@pytest.fixture
def conversations(speech: bytes) -> Iterator[Any]:
    """Makes conversations, and ends them."""
    made: list[Conversation] = []

    def make(**options: Any) -> Conversation:
        made.append(Conversation(speech, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_without_it_the_model_interrupts_itself(conversations: Any) -> None:
    """Which is what it is for: the test would show nothing otherwise."""
    conversation = conversations(cancel=False)
    conversation.run(3.0)

    assert conversation.started > 0
    assert conversation.attachment.interruptions > 0


def test_double_talk_still_interrupts(conversations: Any) -> None:
    """The model does not hear itself, and hears who speaks at the same time."""
    conversation = conversations(cancel=True)
    conversation.run(6.0)
    alone = conversation.attachment.interruptions
    near = default_synthesizer().speak("Stop, please. What about London?")
    conversation.run(2.0, near)

    assert alone == 0
    assert conversation.attachment.interruptions >= 1


def test_it_is_a_microphone_for_talk(speech: bytes) -> None:
    """Blocks in, blocks out, as long as what came in."""
    player = audio.Player()
    blocks = [speech[at : at + BLOCK] for at in range(0, 48_000, BLOCK)]
    cleaned = b"".join(audio.EchoCanceller(blocks, player))
    player.close()

    # Nothing is played, so nothing is taken out; what rates need is still inside.
    assert len(cleaned) == pytest.approx(48_000, abs=5 * BLOCK)
    assert power(cleaned) > 0.5 * power(b"".join(blocks))


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_any_rate_will_do(rate: int, speech: bytes) -> None:
    """Of the microphone; the loudspeaker has its own."""
    player = audio.Player()
    form = audio.audio_format("pcm16", rate=rate)
    canceller = audio.EchoCanceller((), player, format=form)
    blocks = [canceller.feed(bytes(form.size(20))) for _ in range(50)]
    canceller.close()
    player.close()

    # What two resamplers keep back is longer the fewer samples there are.
    assert sum(map(len, blocks)) == pytest.approx(form.size(1000), abs=form.size(200))


def test_playback_that_nobody_listens_to_is_not_kept(speech: bytes) -> None:
    """A microphone that never comes costs nothing, and one that comes late is right."""
    player, room = audio.Player(), Room()
    canceller = audio.EchoCanceller((), player)
    player.play(speech[: 48_000 * 12])
    for _ in range(300):
        room.hear(player.pull(BLOCK))
    before, after = b"", b""
    for block in range(300):
        heard = room.hear(player.pull(BLOCK))
        cleaned = canceller.feed(heard)
        if block >= 100:
            before, after = before + heard, after + cleaned
    canceller.close()
    player.close()

    assert 10 * numpy.log10(power(before) / max(power(after), 1.0)) > 15


def test_a_call_is_not_cancelled_in_mu_law() -> None:
    """It is refused where it is asked for."""
    with audio.Player(format="g711_ulaw") as player:
        with pytest.raises(ConfigurationError, match="g711_ulaw"):
            audio.EchoCanceller((), player)


def test_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of microphones."""
    monkeypatch.setitem(sys.modules, "pywebrtc_audio", None)
    with audio.Player() as player, pytest.raises(ConfigurationError, match="echo"):
        audio.EchoCanceller((), player)
