"""What is typed wrong: one line, the code of bad input, and nothing is changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime_sync.audio import write_wav
from realtime_sync.cli import main
from realtime_sync.server import Server

ROOT = Path(__file__).parents[2]
NOBODY = "--url http://127.0.0.1:9/v1"
RECORDING = json.dumps({"type": "session.created"}) + "\n"
LATIN = "caf\udce9"
"""What Python makes of an argument that is not in UTF-8."""

Output = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recording, sound without a sample, scripts, and no text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "call.jsonl").write_text(RECORDING, encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    (tmp_path / "words").mkdir()
    write_wav(tmp_path / "zero.wav", b"")
    steps = [{"name": "a", "steps": ["hear"]}]
    for name, config in (("odd", {"instrctions": "x"}), ("wrong", {"voice": 5})):
        text = json.dumps({"calls": steps, "config": config})
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
    return tmp_path


def told(arguments: list[str], capsys: Output) -> str:
    """The last line of what a command says that is given wrong input."""
    try:
        code = main(arguments)
    except SystemExit as exc:  # from argparse, which shows the usage before its line
        assert isinstance(exc.code, int)
        code = exc.code
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert (2, "") == (code, printed.out), printed
    assert 1 == sum(line.startswith("realtime-sync") for line in lines), lines
    return lines[-1]


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("tail call.jsonl -n -3", "-3 is no number of lines"),
        ("tail call.jsonl -n 1.5", "invalid"),
        ("score call.jsonl --expected none", "--expected: there is no folder none"),
        ("score call.jsonl --expected latin.txt", "there is no folder latin.txt"),
        ("web --certificate words", "words cannot be read: Is a directory"),
        (f"web --password-file latin.txt {NOBODY}", "latin.txt is not text in UTF-8"),
        (f"talk zero.wav {NOBODY}", "there is no sound in zero.wav"),
        (f"talk zero.wav {NOBODY} --model gpt-live-1", "no sound in zero.wav"),
        (f"ask hello {NOBODY} --model gpt-live-1 --dialect beta", "has no dialects"),
        (f"web {NOBODY} --model gpt-live-1 --dialect xai", "has no dialects"),
        (f"doctor {NOBODY} --model gpt-live-1 --dialect beta", "has no dialects"),
        (f"tail --call live_1 {NOBODY} --dialect beta", "has no dialects"),
        (f"call odd.json {NOBODY}", "odd.json: config: .*no field 'instrctions'"),
        (f"call odd.json {NOBODY} --model gpt-live-1", "odd.json: config: .*no field"),
        (f"call wrong.json {NOBODY}", "wrong.json: config: .*expected text"),
        ("serve --agent echo --api-key=", "a key of api_keys (--api-key) is empty"),
        ("serve --agent chat:elsewhere", "'elsewhere' is no http:// or https:// URL"),
        ("serve --agent chat:http://[::1", "is no http:// or https:// URL"),
        ("serve --agent echo --fault drop_after:x", "no frame is a 'x'"),
        ("serve --agent echo --fault drop_after:-1", "no frame is a '-1'"),
        (
            "serve --agent echo --fault missing:response.craeted",
            "did you mean 'response.created'?",
        ),
        ("serve --agent echo --fault delay:2:nan", "no fault has an amount of nan"),
        ("serve --agent echo --fault cut:2:-1", "no fault has an amount of -1"),
    ],
)
def test_wrong_input_is_one_line(
    folder: Path, command: str, problem: str, capsys: Output
) -> None:
    """Before anybody is connected to: there is nobody."""
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    line = told(command.split(), capsys)

    for piece in problem.split(".*"):
        assert piece in line
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("text", ["", "  ", LATIN], ids=["empty", "blank", "latin"])
@pytest.mark.parametrize(
    "command",
    [
        f"ask {{}} {NOBODY}",
        f"ask hello {NOBODY} --model {{}}",
        "demo --question {}",
        "report call.jsonl --title {}",
        "score call.jsonl --tool {}",
        "score call.jsonl --says {}",
        "score call.jsonl --never-says {}",
        f"transcribe zero.wav {NOBODY} --language {{}}",
        f"transcribe zero.wav {NOBODY} --transcription-model {{}}",
    ],
    ids=lambda command: command.replace("{}", "").replace(NOBODY, ""),
)
def test_words_that_are_none_are_refused(
    folder: Path, command: str, text: str, capsys: Output
) -> None:
    """A variable of the shell that is not set; bytes that are in no encoding."""
    arguments = [text if each == "{}" else each for each in command.split()]
    line = told(arguments, capsys)

    assert "empty" in line or "no text" in line or "no question" in line
    assert not (folder / "call.html").exists()


@pytest.mark.parametrize(
    ("source", "command"),
    [("-", "talk {} --pace full"), ("pipe", "transcribe {}")],
    ids=["standard input", "pipe"],
)
def test_sound_in_a_pipe_is_heard(
    source: str, command: str, server: Server, key: None, loud: Path, tmp_path: Path
) -> None:
    """It can be read once, and a command looks first how long it is."""
    os.mkfifo(tmp_path / "pipe")
    piped = f'cat "{loud}" {"|" if source == "-" else "> pipe &"} '
    asked = f"{command.format(source)} --url {server.url}"
    line = f'{piped}"{sys.executable}" -m realtime_sync {asked}'
    answer = subprocess.run(
        ["sh", "-c", line],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (0, "") == (answer.returncode, answer.stderr), answer
    assert "ms of audio" in answer.stdout


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("talk -", "-"),
        ("transcribe -", "stdin"),
        ("talk /dev/stdin", "/dev/stdin"),
        ("transcribe /dev/stdin", "/dev/stdin"),
    ],
)
def test_what_is_no_sound_in_a_pipe_is_told_by_the_name_that_was_given(
    command: str, name: str, tmp_path: Path
) -> None:
    """And not by that of our copy, which is gone when the line is read."""
    answer = subprocess.run(
        [sys.executable, "-m", "realtime_sync", *command.split(), *NOBODY.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input="no sound",
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (2, "") == (answer.returncode, answer.stdout)
    assert answer.stderr.startswith(f"realtime-sync: {name} is not an audio file")


@pytest.mark.parametrize("arguments", ["talk -", "transcribe -"])
def test_a_standard_input_that_is_closed_is_one_line(
    arguments: str, tmp_path: Path
) -> None:
    """Of every command that hears it."""
    command = f'exec "{sys.executable}" -m realtime_sync {arguments} {NOBODY} <&-'
    answer = subprocess.run(
        ["sh", "-c", command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (2, "") == (answer.returncode, answer.stdout), answer
    assert 1 == len(answer.stderr.splitlines()), answer.stderr
