"""What a newcomer types first, and terminals that are not like ours."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
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


@pytest.mark.parametrize(
    "arguments",
    [["ask", "hello", "--local"], ["talk", "--mic", "--local"], ["serve"], ["demo"]],
    ids=" ".join,
)
def test_one_hint_is_enough_where_no_extra_is_installed(arguments: list[str]) -> None:
    """Each command that starts the voice server names what has all of it."""
    code = (
        "import sys\n"
        "gone = 'hibari numpy pocketsphinx soundfile websockets werkzeug'\n"
        "sys.modules.update(dict.fromkeys(gone.split()))\n"
        "from realtime_sync.cli import main\n"
        f"sys.exit(main({arguments!r}))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )

    assert 2 == answer.returncode
    assert "[demo]" in answer.stderr


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


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_closed_output_is_no_traceback(server: Server, stream: str) -> None:
    """What nobody wants to see is shown to nobody."""
    command = f'exec "{sys.executable}" -m realtime_sync ask hi --url {server.url}'
    answer = subprocess.run(
        ["sh", "-c", f"{command} {stream}>&-"],
        cwd=ROOT,
        env={**os.environ, "OPENAI_API_KEY": "good-key"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (0, "") == (answer.returncode, answer.stderr)
    assert ("" if stream == "1" else "hi\n") == answer.stdout


def test_an_answer_that_cannot_be_written_is_no_success(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """It is printed where handlers run, whose errors nobody else would hear of."""

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("OPENAI_API_KEY", "good-key")
    monkeypatch.setattr(sys, "stdout", Full())
    code = main(["ask", "hi", "--url", server.url])

    assert 2 == code
    assert "realtime-sync: No space left on device\n" == capsys.readouterr().err


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


@pytest.fixture
def installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[bool, bool, str], str]:
    """Runs the package out of a folder, as a clone or not, installed or not."""

    def hint(clone: bool, metadata_inside: bool, metadata: str) -> str:
        place = tmp_path / "my clone"
        shutil.copytree(
            Path(errors.__file__).parent,
            place / "realtime_sync",
            ignore=lambda folder, names: [
                name
                for name in names
                if name not in ("errors.py", "protocol", "escape.py", "__init__.py")
            ],
        )
        for stub in place.rglob("__init__.py"):
            stub.write_text("")
        if clone:
            (place / "setup.cfg").touch()
        if metadata:
            folder = (place if metadata_inside else tmp_path / "site") / metadata
            folder.mkdir(parents=True)
            name = "METADATA" if metadata.endswith("dist-info") else "PKG-INFO"
            (folder / name).write_text("Name: realtime-sync\nVersion: 0.1.0\n")
        code = (
            f"import sys; sys.path[:0] = [{str(place)!r}, {str(tmp_path / 'site')!r}]\n"
            "from realtime_sync.errors import install_command\n"
            "print(install_command('audio'))"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True
        )
        assert "" == done.stderr
        return done.stdout.strip().replace(str(place), "CLONE")

    return hint


@pytest.mark.parametrize(
    ("clone", "inside", "metadata", "source"),
    [
        (True, False, "", "CLONE"),
        (True, True, "realtime_sync.egg-info", "CLONE"),
        (True, False, "realtime_sync-0.1.0.dist-info", "realtime-sync"),
        (False, True, "realtime_sync-0.1.0.dist-info", "realtime-sync"),
        (False, False, "", "realtime-sync"),
    ],
)
def test_a_hint_names_what_pip_can_find(
    installation: Callable[[bool, bool, str], str],
    clone: bool,
    inside: bool,
    metadata: str,
    source: str,
) -> None:
    """What is installed is extended; a clone on the path is named by its folder."""
    expected = f'python -m pip install "{source}[audio]"'

    assert expected == installation(clone, inside, metadata)
