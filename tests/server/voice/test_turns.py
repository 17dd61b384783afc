"""Voice activity tells speech from silence and noise, and finds the turns."""

from __future__ import annotations

import pytest

from realtime_sync.server.voice import default_activity, default_synthesizer
from realtime_sync.server.voice.samples import (
    pcm_of_samples,
    resampled_samples,
    samples_of_pcm,
)
from tests.server.voice.turns import RATE, find_turns, silence


def probabilities(pcm: bytes) -> list[float]:
    """What a new detector makes of 16 kHz audio, chunk by chunk."""
    activity = default_activity()
    size = activity.chunk_bytes
    whole = range(0, len(pcm) - size + 1, size)
    return [activity.probability(pcm[at : at + size]) for at in whole]


def test_a_chunk_is_thirty_two_milliseconds() -> None:
    """Whoever feeds the detector can rely on its two numbers."""
    activity = default_activity()

    assert (16000, 1024) == (activity.rate, activity.chunk_bytes)


def test_silence_is_no_speech() -> None:
    """A second of zeros never comes near the threshold."""
    assert max(probabilities(bytes(32000))) < 0.2


def test_speech_is_speech() -> None:
    """Most of a sentence is above the threshold."""
    spoken = samples_of_pcm(
        default_synthesizer().speak("The garden is full of flowers.")
    )
    heard = probabilities(pcm_of_samples(resampled_samples(spoken, RATE, 16000)))

    assert sum(chunk > 0.5 for chunk in heard) > len(heard) / 2


def test_a_reset_detector_starts_anew() -> None:
    """The same stream gives the same numbers again."""
    activity = default_activity()
    spoken = default_synthesizer().speak("Good morning.")
    chunk = spoken[12000 : 12000 + activity.chunk_bytes]
    first = activity.probability(chunk)
    activity.probability(chunk)
    activity.reset()

    assert first == pytest.approx(activity.probability(chunk))


def test_two_sentences_a_second_apart_are_two_turns() -> None:
    """Half a second of silence ends a turn; the turns keep their order."""
    first = default_synthesizer().speak("How are you today?")
    second = default_synthesizer().speak("I would like to go home now.")
    turns = find_turns(silence(500) + first + silence(1000) + second)

    assert 2 == len(turns)
    assert len(turns[0]) < len(turns[1])
