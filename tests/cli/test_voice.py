"""The command line with real speech on both sides."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from realtime_sync import audio
from realtime_sync.cli import main
from realtime_sync.cli.main import command_line_parser
from realtime_sync.errors import ConfigurationError
from realtime_sync.server.voice import default_recognizer, normal_words, word_error_rate

from .emulator import Terminal

Output = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("dialect", "more"), [("ga", []), ("beta", ["--json"])], ids=["ga", "beta-json"]
)
def test_demo_answers_a_spoken_question_aloud(
    tmp_path: Path, dialect: str, more: list[str], capsys: Output
) -> None:
    """The question is understood word for word, the answer is speech."""
    out = tmp_path / "demo"
    arguments = ["--dialect", dialect, "--out", str(out), "--pace", "full", *more]
    code = main(["demo", *arguments])
    lines = capsys.readouterr().out.splitlines()
    if more:
        (turn,) = map(json.loads, lines)
        said, answered = turn["said"], turn["answer"]
    else:
        said = next(line[8:] for line in lines if line.startswith("you "))
        answered = next(line[8:] for line in lines if line.startswith("server "))
    heard = default_recognizer().transcribe(audio.read_file(out / "answer.wav"), 24_000)

    assert 0 == code
    assert "what is the capital of france" == " ".join(normal_words(said))
    assert word_error_rate(answered, heard) <= 0.2
    assert {"question.wav", "answer.wav", "session.jsonl", "report.html"} == {
        path.name for path in out.iterdir()
    }


def test_first_sound_is_one_figure_in_terminal_table_and_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever compares them finds no three answers to one question."""
    terminal = Terminal(100)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    code = main(["demo", "--out", str(tmp_path), "--pace", "full"])
    live = re.findall(r"first sound (\d+) ms", terminal.getvalue())[-1]
    row = re.search(r"first audio +done\n +1 (.*)", "\n".join(terminal.shown))
    page = (tmp_path / "report.html").read_text("utf-8")
    head, cells = (
        re.findall(rf"<{tag}[^>]*>([^<]*)</{tag}>", page.split("<table")[1])
        for tag in ("th", "td")
    )

    assert 0 == code and row is not None
    assert live == row[1].split()[2]
    assert live == cells[head.index("first audio") - 1].replace(",", "")


def are_commands(steps: str) -> bool:
    """Whether each second line is a page that was written, or a command."""
    page, *commands = [line.strip() for line in steps.splitlines()[1::2]]
    typed = [shlex.split(command) for command in commands]
    return Path(page).is_file() and all(
        name == "realtime-sync" and command_line_parser().parse_args(rest).run
        for name, *rest in typed
    )


def test_demo_plays_both_sides_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """And ends with what to try next, each of which there is."""
    heard = bytearray()

    class Loudspeaker(audio.Player):
        """Plays as a device does, but at once."""

        def __init__(self) -> None:
            super().__init__()
            self.player = self

        def write(self, data: bytes) -> None:
            self.play(data)
            heard.extend(self.pull(len(data)))

    monkeypatch.setattr(audio, "Speaker", Loudspeaker)
    code = main(["demo", "--play", "--out", str(tmp_path), "--pace", "full"])
    answer = audio.read_file(tmp_path / "answer.wav")
    question = bytes(heard[: -len(answer)])

    assert 0 == code
    assert answer == heard[-len(answer) :]
    assert audio.read_file(tmp_path / "question.wav").startswith(question)
    assert audio.level(question).rms > -40
    assert are_commands(capsys.readouterr().out.partition("next:\n")[2])


def test_without_a_loudspeaker_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """It is found out before anything is spoken, in one line."""

    def missing() -> None:
        raise ConfigurationError("there is no loudspeaker")

    monkeypatch.setattr(audio, "Speaker", missing)
    code = main(["demo", "--play", "--out", str(tmp_path / "out")])

    assert (2, "realtime-sync: there is no loudspeaker\n") == (
        code,
        capsys.readouterr().err,
    )
    assert not (tmp_path / "out").exists()


def test_ask_local_needs_no_key(capsys: Output) -> None:
    """The local voice server reads and writes, too."""
    assert 0 == main(["ask", "What is the capital of Peru?", "--local"])
    assert "Lima" in capsys.readouterr().out


def test_a_file_that_is_not_there_starts_no_server(capsys: Output) -> None:
    """Loading the voices for nothing would take seconds."""
    assert 2 == main(["talk", "nowhere.wav", "--local"])
    assert "realtime-sync: no such file: nowhere.wav\n" == capsys.readouterr().err
