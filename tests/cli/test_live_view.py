"""The commands on a terminal, from what is typed to what is left on it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from realtime_sync.cli import main
from realtime_sync.server import Server, serve

from .emulator import Terminal

pytestmark = pytest.mark.usefixtures("key")


def shown(
    monkeypatch: pytest.MonkeyPatch, columns: int, *arguments: Any
) -> tuple[int, Terminal]:
    """Run a command on a terminal of so many columns."""
    terminal = Terminal(columns)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm-256color")
    return main([*map(str, arguments)]), terminal


@pytest.mark.parametrize("columns", [40, 100])
def test_an_answer_is_written_word_by_word(
    columns: int, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below it, what goes on; at the end, how long it took."""
    question = "one two three four five six seven eight nine ten eleven twelve"
    code, terminal = shown(monkeypatch, columns, "ask", question, "--url", server.url)
    *answer, took = terminal.shown

    assert 0 == code
    assert question == " ".join(" ".join(answer).split())
    assert re.fullmatch(r"first text \d+ ms", took)
    assert all(len(row) <= columns for row in answer)
    assert "writing" in terminal.getvalue()


@pytest.mark.parametrize("columns", [40, 100])
def test_a_conversation_leaves_what_was_said_and_how_long_it_took(
    columns: int,
    server: Server,
    loud: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The level and the state are gone with it."""
    arguments = ["talk", loud, "--url", server.url, "--pace", "full"]
    code, terminal = shown(monkeypatch, columns, *arguments, "--out", tmp_path / "o")
    rows = terminal.shown

    assert 0 == code
    assert ["you", "server"] == [row.split()[0] for row in rows[:2]]
    assert "milliseconds from end of speech" in rows
    assert "█" in terminal.getvalue() and "speaking" in terminal.getvalue()
    assert not any("█" in row or "speaking" in row for row in rows)
    assert all(len(row) <= columns for row in rows if "wrote" not in row)


@pytest.mark.parametrize("columns", [40, 100])
def test_segments_of_many_files_are_shown_as_they_come(
    columns: int, server: Server, loud: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With their times, below the name of the file; and at the end a table."""
    (loud.parent / "second.wav").write_bytes(loud.read_bytes())
    command = ["transcribe", loud.parent, "--url", server.url]
    code, terminal = shown(monkeypatch, columns, *command)
    rows = terminal.shown

    assert 0 == code
    assert ["loud.wav", "second.wav"] == [rows[0], rows[2]]
    assert all(re.match(r"0:0\d    \S", rows[number]) for number in (1, 3))
    assert rows[5].split() == ["file", "seconds", "segments", "words", "took"]
    assert "1/2 files" in terminal.getvalue() and "/2 files" not in "".join(rows)


def test_the_text_of_one_file_is_printed_as_it_is(
    server: Server, loud: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what was asked for, so that nothing stands beside it."""
    command = ["transcribe", loud, "--url", server.url, "--format", "srt"]
    code, terminal = shown(monkeypatch, 60, *command)

    assert 0 == code
    assert "1" == terminal.shown[0]
    assert " --> " in terminal.shown[1]
    assert 3 == len(terminal.shown)


def test_a_failure_is_told_below_what_was_said(
    loud: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What came before the loss stays."""
    with serve(agent="echo", faults=["drop_after:response.output_text.delta"]) as lossy:
        code, terminal = shown(monkeypatch, 60, "ask", "hello", "--url", lossy.url)

    assert 1 == code
    assert ["hello"] == terminal.shown
    assert 1 == len(capsys.readouterr().err.splitlines())
