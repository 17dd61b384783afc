"""What a command reads is still there when it has written."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import pytest

from realtime_sync.cli import main
from realtime_sync.cli.output_files import refuse_to_overwrite
from realtime_sync.errors import ConfigurationError

Output = pytest.CaptureFixture[str]

RECORDING = json.dumps({"type": "session.created"}) + "\n"
SCRIPT = '{"calls": [{"name": "a", "steps": [{"say": "Hello."}]}]}'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recording, a script of calls, and a question that was spoken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "a.jsonl").write_text(RECORDING, encoding="utf-8")
    (tmp_path / "calls.json").write_text(SCRIPT, encoding="utf-8")
    with wave.open("question.wav", "wb") as spoken:
        spoken.setnchannels(1)
        spoken.setsampwidth(2)
        spoken.setframerate(8000)
        spoken.writeframes(bytes(1600))
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "talk question.wav --local --out .",
        "talk ./question.wav --local --out calls/..",
        "talk question.wav --local --model gpt-live-1 --out .",
        "score calls --jsonl calls/a.jsonl",
        "score calls/a.jsonl --html calls/a.jsonl",
        "score calls/*.jsonl --junit calls/a.jsonl",
        "call calls.json --local --html calls.json",
    ],
)
def test_what_is_read_is_not_overwritten(
    folder: Path, command: str, capsys: Output
) -> None:
    """The only recording of a call would be lost to a mistyped name."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    before = [path.read_bytes() for path in files]
    code = main(command.split())
    (line,) = capsys.readouterr().err.splitlines()

    assert 2 == code
    assert line.endswith("is read here and would be overwritten: write to another file")
    assert before == [path.read_bytes() for path in files]


def test_other_files_are_overwritten(folder: Path) -> None:
    """What the command before has written, beside what is read."""
    (folder / "calls" / "page.html").touch()
    written = [folder / "calls" / "page.html", folder / "calls" / "new.jsonl"]
    refuse_to_overwrite([folder / "calls", folder / "nowhere"], written)

    with pytest.raises(ConfigurationError, match="a.jsonl is read here"):
        refuse_to_overwrite([folder / "calls"], [*written, folder / "calls/a.jsonl"])
