"""The synthesizer speaks 16-bit mono at 24 kHz, in two voices."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from realtime_sync.server.voice import VOICES, default_synthesizer
from realtime_sync.server.voice.samples import Samples, samples_of_pcm
from realtime_sync.server.voice.voices import synthesizer_voice

SENTENCE = "The river runs through the middle of the town."


def pitch(samples: Samples) -> float:
    """The median pitch of the louder half of the frames, in hertz."""
    frames = np.array(
        [samples[at : at + 1200] for at in range(0, len(samples) - 1200, 600)]
    )
    loudness = np.sum(frames**2, axis=1)
    voiced = frames[loudness > np.median(loudness)]
    shortest, longest = 24000 // 400, 24000 // 100
    echoes = [np.correlate(frame, frame, "full")[1199:] for frame in voiced]
    periods = [shortest + np.argmax(echo[shortest:longest]) for echo in echoes]
    return float(24000 / np.median(periods))


def test_a_sentence_takes_as_long_as_it_takes_to_say() -> None:
    """Nine words are said in two to five seconds, loudly enough."""
    samples = samples_of_pcm(default_synthesizer().speak(SENTENCE))

    assert 2 < len(samples) / 24000 < 5
    assert 0.1 < np.abs(samples).max() <= 1


def test_the_same_sentence_gives_the_same_bytes() -> None:
    """The noise in the voice comes from a fixed seed."""
    synthesizer = default_synthesizer()

    assert synthesizer.speak(SENTENCE) == synthesizer.speak(SENTENCE)


def test_speed_changes_the_pace() -> None:
    """Twice as fast takes about half the time, in either voice."""
    synthesizer = default_synthesizer()
    for voice in VOICES:
        slow = len(synthesizer.speak(SENTENCE, voice=voice, speed=0.75))
        fast = len(synthesizer.speak(SENTENCE, voice=voice, speed=1.5))

        assert 0.5 == pytest.approx(fast / slow, abs=0.1)


def test_the_deep_voice_is_deeper_and_no_slower() -> None:
    """Pitch is lower by an eighth or so; the length differs by less."""
    synthesizer = default_synthesizer()
    usual = samples_of_pcm(synthesizer.speak(SENTENCE))
    deep = samples_of_pcm(synthesizer.speak(SENTENCE, voice="deep"))

    assert pitch(deep) < 0.92 * pitch(usual)
    assert 1.0 == pytest.approx(len(deep) / len(usual), abs=0.1)


def test_names_of_the_api_have_voices_and_unknown_names_the_default() -> None:
    """No name makes the synthesizer fail."""
    assert VOICES["deep"] == synthesizer_voice("cedar")
    assert VOICES["heart"] == synthesizer_voice("marin")
    assert VOICES["heart"] == synthesizer_voice("nobody") == synthesizer_voice(None)


@pytest.mark.parametrize("text", ["", "   ", "..."])
def test_nothing_to_say_does_not_fail(text: str) -> None:
    """At most a moment of silence comes out."""
    assert len(default_synthesizer().speak(text)) < 48000


def test_threads_may_speak_at_the_same_time() -> None:
    """Each gets its own sentence, unharmed by the others."""
    synthesizer = default_synthesizer()
    sentences = [f"This is sentence number {count}." for count in range(1, 9)]
    alone = [synthesizer.speak(sentence) for sentence in sentences]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(synthesizer.speak, sentences))

    assert alone == together
