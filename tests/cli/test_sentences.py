"""Sentences that the recognizer was not built around, spoken through ``talk``."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from realtime_sync import audio
from realtime_sync.cli import main
from realtime_sync.server import Server, serve
from realtime_sync.server.voice import default_synthesizer, word_errors

LIST = Path(__file__).parent.parent / "server" / "voice" / "sentences.txt"
SEED = 2026

Output = pytest.CaptureFixture[str]


@pytest.fixture
def voice_server() -> Iterator[Server]:
    """The local voice server."""
    with serve(agent="voice") as server:
        yield server


def drawn(count: int) -> list[str]:
    """So many sentences of the list, drawn by the seed."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return random.Random(SEED).sample([line for line in lines if line], count)


def heard(server: Server, sentence: str, folder: Path, out: Output) -> list[str]:
    """The turns that the server finds in a sentence, in words."""
    path = folder / "sentence.wav"
    audio.write_wav(path, default_synthesizer().speak(sentence))
    arguments = ["--url", server.url, "--out", str(folder), "--pace", "full"]
    assert 0 == main(["talk", str(path), *arguments])
    lines = out.readouterr().out.splitlines()
    return [line[8:] for line in lines if line.startswith("you ")]


def rates(
    server: Server, sentences: Sequence[str], folder: Path, out: Output
) -> tuple[int, float]:
    """How many sentences were found as one turn each, and the word error rate."""
    found = wrong = words = 0
    for sentence in sentences:
        turns = heard(server, sentence, folder, out)
        found += len(turns) == 1
        errors, count = word_errors(sentence, " ".join(turns))
        wrong += errors
        words += count
    return found, wrong / words


@pytest.mark.parametrize("count", [3, pytest.param(10, marks=pytest.mark.deep)])
def test_drawn_sentences_are_found_and_understood(
    count: int, voice_server: Server, tmp_path: Path, capsys: Output
) -> None:
    """Each is one turn; at most one word in ten is wrong."""
    found, rate = rates(voice_server, drawn(count), tmp_path, capsys)

    assert count == found
    assert rate <= 0.10


@pytest.mark.deep
def test_the_whole_list_is_found_and_understood(
    voice_server: Server, tmp_path: Path, capsys: Output
) -> None:
    """The same for every sentence of the list."""
    sentences = [line for line in LIST.read_text(encoding="utf-8").splitlines() if line]
    found, rate = rates(voice_server, sentences, tmp_path, capsys)
    print(f"{len(sentences)} sentences: {found} turns, word error rate {rate:.1%}")

    assert len(sentences) == found
    assert rate <= 0.10
