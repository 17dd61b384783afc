"""What a newcomer types first, and terminals that are not like ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime_sync import errors
from realtime_sync.cli import main
from realtime_sync.server import Server

ROOT = Path(__file__).parents[2]
Output = pytest.CaptureFixture[str]


def run(
    *arguments: str, encoding: str = "utf-8", stdin: int | None = subprocess.DEVNULL
) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "realtime_sync", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": encoding, "OPENAI_API_KEY": "good-key"},
        stdin=stdin,
        capture_output=True,
        encoding=encoding,
        timeout=60,
    )


def test_the_command_alone_shows_its_help(capsys: Output) -> None:
    """A usage line would not say what the commands are for."""
    code = main([])
    out, err = capsys.readouterr()

    assert (0, "") == (code, err)
    assert "transcribe" in out


def test_the_package_is_the_command() -> None:
    """``python -m realtime_sync`` works where the script is not on the path."""
    answer = run()

    assert 0 == answer.returncode
    assert "demo" in answer.stdout


def test_a_missing_key_names_the_variable_and_the_way_without(capsys: Output) -> None:
    """Who has no key is told of the local server."""
    code = main(["ask", "hello"])
    line = capsys.readouterr().err

    assert 2 == code
    assert "OPENAI_API_KEY" in line
    assert "--local" in line


@pytest.mark.parametrize("seconds", ["nan", "inf", "-inf", "0", "-1", "1e300", "soon"])
def test_a_time_that_cannot_be_waited_for_is_refused(
    seconds: str, capsys: Output
) -> None:
    """It fails at the argument, not somewhere behind it."""
    with pytest.raises(SystemExit) as caught:
        main(["ask", "hello", f"--timeout={seconds}"])

    assert 2 == caught.value.code
    assert "--timeout" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"RIFF\xff\xfe\x00", b"\x80abc", b"ID3\xff\xfb"])
def test_tail_of_what_is_not_text_is_one_line(
    content: bytes, tmp_path: Path, capsys: Output
) -> None:
    """A sound file is easily named by mistake."""
    path = tmp_path / "question.wav"
    path.write_bytes(content)
    code = main(["tail", str(path)])

    assert 2 == code
    assert 1 == len(capsys.readouterr().err.splitlines())


def test_a_closed_standard_input_is_one_line() -> None:
    """Services and schedulers start programs like that."""
    answer = subprocess.run(
        ["sh", "-c", f'exec "{sys.executable}" -m realtime_sync ask <&-'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert 2 == answer.returncode
    assert 1 == len(answer.stderr.splitlines())


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "say 日本語 😀 now"),
        ("cp1252", r"say \u65e5\u672c\u8a9e \U0001f600 now"),
        ("ascii", r"say \u65e5\u672c\u8a9e \U0001f600 now"),
        ("latin-1", r"say \u65e5\u672c\u8a9e \U0001f600 now"),
    ],
)
def test_letters_that_a_terminal_lacks_are_shown_as_escapes(
    server: Server, encoding: str, shown: str
) -> None:
    """Nothing is lost silently, and nothing ends in a traceback."""
    answer = run("ask", "say 日本語 😀 now", "--url", server.url, encoding=encoding)

    assert 0 == answer.returncode
    assert shown == answer.stdout.strip()


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_json_is_json_in_every_encoding(server: Server, encoding: str) -> None:
    """Escapes of JSON, not of Python, whatever the terminal lacks."""
    said = "日本語 😀"
    answer = run("ask", said, "--json", "--url", server.url, encoding=encoding)

    assert said == json.loads(answer.stdout)["text"]


@pytest.mark.parametrize(
    ("origin", "source"),
    [
        (None, "realtime-sync"),
        ('{"url": "file:///home/me/my%20clone", "dir_info": {}}', "/home/me/my clone"),
        ('{"url": "file:///C:/clone", "dir_info": {}}', "C:/clone"),
        ('{"url": "https://host/realtime-sync.whl"}', "realtime-sync"),
        ("{}", "realtime-sync"),
    ],
)
def test_a_hint_names_what_pip_can_find(origin: str | None, source: str) -> None:
    """Whoever installed a clone is sent to the clone, not to an index without it."""
    assert source == errors._source(origin)
    assert errors.install_command("audio").endswith('[audio]"')
