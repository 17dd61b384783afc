"""What a command reads is still there when it has written."""

from __future__ import annotations

import errno
import json
import os
import wave
from pathlib import Path

import pytest

from realtime_sync.cli import main
from realtime_sync.cli.output_files import check_outputs, refuse_to_overwrite
from realtime_sync.errors import ConfigurationError
from tests.rawserver import RawServer

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
        "call calls.json --local --junit calls/../calls.json",
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


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("score calls --html {long}", "File name too long: {long}"),
        ("score calls --junit {long}", "File name too long: {long}"),
        ("score calls --jsonl {long}", "File name too long: {long}"),
        ("score calls --jsonl none/a", "there is no folder none for none/a"),
        ("score calls --html calls", "calls is a folder: name a file in it"),
        ("score calls --html astray", "there is no folder"),
        ("score calls --html a.out --junit ./a.out", "would be written twice"),
        ("score calls --html a.out --jsonl calls/../a.out", "would be written twice"),
        ("call calls.json --local --html {long}", "File name too long: {long}"),
        ("call calls.json --local --html a --junit a", "would be written twice"),
        ("call calls.json --local --jsonl calls/a.jsonl", "is the recording of a call"),
        ("call calls.json --local --jsonl calls/a.07.jsonl", "the recording of a call"),
        ("call calls.json --local --out new --html new/a.jsonl", "there is no folder"),
        ("report calls/a.jsonl -o {long}", "File name too long: {long}"),
        ("report calls/a.jsonl -o none/a.html", "there is no folder none"),
        ("report calls/a.jsonl -o calls", "calls is a folder"),
        ("report calls/a.jsonl -o astray", "there is no folder"),
        ("report .", "that is a folder: ."),
        ("talk question.wav --local --out held", "held/answer.wav is a folder"),
        ("talk question.wav --local --out calls.json", "where a folder is wanted"),
        ("talk question.wav --local --out held --model gpt-live-1", "is a folder"),
        ("demo --out held", "held/answer.wav is a folder"),
        ("demo --live --out held/answer.wav", "client/report.html is a folder"),
        ("bench text --out none/a", "there is no folder none"),
        ("bench text --out held", "held.json is a folder"),
        ("bench text --out .", ". is a folder"),
    ],
)
def test_what_cannot_be_written_is_said_before_the_work(
    folder: Path, command: str, problem: str, capsys: Output
) -> None:
    """In a line; and nothing is there afterwards that was not there."""
    for held in ("held/answer.wav/client/report.html", "held.json"):
        (folder / held).mkdir(parents=True)
    (folder / "astray").symlink_to(folder / "none" / "a.html")
    before = sorted(path for path in folder.rglob("*") if path.is_file())
    long = "a" * 300
    code = main(command.format(long=long).split())
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()

    assert (2, "") == (code, printed.out)
    assert problem.format(long=long) in line
    assert before == sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_file_that_can_be_written_stays_as_it_is_until_then(folder: Path) -> None:
    """Also what a link leads to, and a pipe, whose opening would wait for a reader."""
    (folder / "old.xml").write_text("old", encoding="utf-8")
    (folder / "link.xml").symlink_to(folder / "new.xml")
    os.mkfifo(folder / "pipe")
    there = sorted(folder.iterdir())
    check_outputs(
        [folder / name for name in ("old.xml", "link.xml", "pipe", "other.xml")]
    )
    check_outputs([Path(os.devnull), Path(os.devnull)])

    assert "old" == (folder / "old.xml").read_text(encoding="utf-8")
    assert there == sorted(folder.iterdir())


@pytest.mark.parametrize("kind", ["--html", "--jsonl", "--junit"])
def test_a_report_goes_to_a_pipe_that_has_no_name(folder: Path, kind: str) -> None:
    """As a shell makes them: ``--jsonl /dev/stdout | jq``, and ``>(jq)``."""
    reading, writing = os.pipe()
    with open(reading, "rb") as pipe:
        with open(writing, "wb"):
            code = main(["score", "calls", kind, f"/dev/fd/{writing}"])
        text = pipe.read()

    assert code in (0, 1)
    assert text[:1] in (b"<", b"{")


def test_what_the_system_does_not_let_be_written_is_said_before_the_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its reason: a file of another user, a full disk."""

    def refused(path: object, *given: object, **more: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    (folder / "old.xml").touch()
    monkeypatch.setattr("builtins.open", refused)
    for name in ("old.xml", "new.xml"):
        with pytest.raises(PermissionError, match=name):
            check_outputs([folder / name])


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("model", ["gpt-realtime-2.1", "gpt-live-1"])
@pytest.mark.parametrize("server", ["nobody", "one that refuses"])
def test_a_run_without_a_connection_leaves_the_files_of_the_run_before(
    folder: Path, server: str, model: str, capsys: Output
) -> None:
    """It has nothing to put in their place."""
    kept = folder / "calls" / "session.jsonl"
    kept.write_text(RECORDING, encoding="utf-8")
    with RawServer(lambda peer: peer.refuse("401 Unauthorized")) as refusing:
        url = refusing.url if server != "nobody" else "http://127.0.0.1:1/v1"
        code = main(
            ["talk", "question.wav", "--url", url, "--model", model, "--out", "calls"]
        )

    assert 2 == code
    assert capsys.readouterr().err
    assert RECORDING == kept.read_text(encoding="utf-8")
    assert {"a.jsonl", "session.jsonl"} == {p.name for p in kept.parent.iterdir()}


def test_other_files_are_overwritten(folder: Path) -> None:
    """What the command before has written, beside what is read."""
    (folder / "calls" / "page.html").touch()
    written = [folder / "calls" / "page.html", folder / "calls" / "new.jsonl"]
    refuse_to_overwrite([folder / "calls", folder / "nowhere"], written)

    with pytest.raises(ConfigurationError, match="a.jsonl is read here"):
        refuse_to_overwrite([folder / "calls"], [*written, folder / "calls/a.jsonl"])
