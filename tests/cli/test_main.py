"""The command line, from arguments to exit code."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import __version__, audio, on
from realtime_sync.cli import main, serve
from realtime_sync.cli.main import command_line_parser
from realtime_sync.server import Failure, Server
from realtime_sync.server import serve as serve_in_process

Output = pytest.CaptureFixture[str]


def talk(*arguments: Any) -> int:
    """Run ``talk`` at full speed."""
    return main(["talk", *map(str, arguments), "--pace", "full"])


def written(folder: Path) -> list[str]:
    """What a command left in its folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_ask_prints_the_answer_and_nothing_else(
    server: Server, dialect: str, capsys: Output
) -> None:
    """The answer can be piped into another program."""
    code = main(["ask", "Hello there", "--url", server.url, "--dialect", dialect])

    assert 0 == code
    assert ("Hello there\n", "") == capsys.readouterr()


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_talk_finds_the_turn_and_writes_the_answer(
    server: Server, loud: Path, tmp_path: Path, dialect: str, capsys: Output
) -> None:
    """Transcript of both sides, latencies, three files; the same in both dialects."""
    folder = tmp_path / "out"
    code = talk(loud, "--url", server.url, "--dialect", dialect, "--out", folder)
    lines = capsys.readouterr().out.splitlines()

    assert 0 == code
    assert "you   " == lines[0][:6]
    assert "server" == lines[1][:6]
    assert lines[0].split()[1:] == lines[1].split()[1:]
    assert ["answer.wav", "question.wav", "session.jsonl"] == written(folder)
    assert audio.file_seconds(folder / "answer.wav") > 0.3
    assert audio.file_seconds(folder / "question.wav") > 1.5


@pytest.mark.usefixtures("key")
def test_talk_speaks_at_the_pace_of_speech(
    server: Server, loud: Path, tmp_path: Path, capsys: Output
) -> None:
    """The recording has the audio spread over the time it lasts."""
    folder = tmp_path / "out"
    code = main(["talk", str(loud), "--url", server.url, "--out", str(folder)])
    lines = (folder / "session.jsonl").read_text(encoding="utf-8").splitlines()
    sent = [
        line["t"]
        for line in map(json.loads, lines[1:])
        if line.get("frame", {}).get("type") == "input_audio_buffer.append"
    ]

    assert 0 == code
    # Since the recording began: a late first block is made up for by those behind it.
    assert sent[-1] >= 0.02 * (len(sent) - 1)
    assert "first audio" in capsys.readouterr().out


@pytest.mark.usefixtures("key")
def test_two_turns_in_one_file_are_two_turns(
    server: Server, loud: Path, tmp_path: Path, capsys: Output
) -> None:
    """A pause inside the file ends a turn, and both are answered."""
    speech = audio.read_file(loud)
    both = tmp_path / "both.wav"
    audio.write_wav(both, speech + audio.silence(1.5) + speech)
    code = talk(both, "--url", server.url, "--out", tmp_path / "out")
    out = capsys.readouterr().out

    assert 0 == code
    assert 2 == sum(line.startswith("you ") for line in out.splitlines())


@pytest.mark.usefixtures("key")
def test_a_file_without_speech_is_a_failure(
    server: Server, tmp_path: Path, capsys: Output
) -> None:
    """Nothing was said, so there is nothing to wait for."""
    quiet = tmp_path / "quiet.wav"
    audio.write_wav(quiet, audio.silence(0.5))
    code = talk(
        quiet, "--url", server.url, "--out", tmp_path / "out", "--timeout", "0.2"
    )

    assert 1 == code
    assert "found no speech" in capsys.readouterr().err


def test_an_answer_that_fails_is_a_failure(
    loud: Path, tmp_path: Path, capsys: Output
) -> None:
    """In the server's words."""

    def broken(prompt: Any) -> str:
        raise Failure("out of words")

    with serve_in_process(agent=broken) as server:
        code = talk(loud, "--url", server.url, "--out", tmp_path / "out")

    assert 1 == code
    assert "the answer is failed: out of words\n" in capsys.readouterr().err


@pytest.mark.usefixtures("key")
def test_silence_is_not_streamed_for_ever(
    server: Server, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In real time, a file without speech is given up soon."""
    monkeypatch.setattr("realtime_sync.cli.voice_demo.PATIENCE", 0.1)
    quiet = tmp_path / "quiet.wav"
    audio.write_wav(quiet, audio.silence(0.1))
    code = main(["talk", str(quiet), "--url", server.url, "--out", str(tmp_path)])

    assert 1 == code
    assert "found no speech" in capsys.readouterr().err


@pytest.mark.usefixtures("key")
def test_what_the_server_complains_about_is_shown(
    server: Server, loud: Path, tmp_path: Path, capsys: Output
) -> None:
    """It may be why the answer is not what one expects."""

    def provoke(event: Any, ctx: Any) -> None:
        ctx.session.conversation.item.delete("nothing")

    with on("session.updated", provoke):
        code = talk(loud, "--url", server.url, "--out", tmp_path / "out")

    assert 0 == code
    assert "the server says: Error deleting item" in capsys.readouterr().err


def one_line(capsys: Output) -> str:
    """What was printed as an error, which must be one line."""
    error = capsys.readouterr().err

    assert 1 == error.count("\n")
    return error


def test_a_file_that_is_not_there(capsys: Output) -> None:
    """Said before any server is looked for."""
    assert 2 == talk("nowhere.wav", "--url", "http://127.0.0.1:1/v1")
    assert "realtime-sync: no such file: nowhere.wav\n" == one_line(capsys)


def test_a_file_that_is_not_a_wav(tmp_path: Path, capsys: Output) -> None:
    """The file is named."""
    path = tmp_path / "list.wav"
    path.write_text("bread", encoding="utf-8")

    assert 2 == talk(path, "--url", "http://127.0.0.1:1/v1")
    assert "list.wav is not an audio file" in one_line(capsys)


def test_no_key(capsys: Output) -> None:
    """OpenAI is not asked without one."""
    assert 2 == main(["ask", "Hello"])
    assert "OPENAI_API_KEY" in one_line(capsys)


@pytest.mark.parametrize("early", [True, False])
def test_a_refused_key(
    early: bool, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is refused at the handshake or after it; the key is not shown."""
    monkeypatch.setenv("OPENAI_API_KEY", "bad-key")
    with serve_in_process(
        agent="echo", api_keys=["good-key"], refuse_early=early
    ) as server:
        code = main(["ask", "Hello", "--url", server.url])
    line = one_line(capsys)

    assert 2 == code
    assert "authentication failed" in line
    assert "bad-key" not in line


def test_no_server(server: Server, capsys: Output) -> None:
    """The address is named."""
    server.close()

    assert 2 == main(["ask", "Hello", "--url", server.url])
    assert f"127.0.0.1:{server.port}" in one_line(capsys)


@pytest.mark.parametrize(
    "arguments", [["sing"], ["talk"], ["ask", "x", "--local", "--url", "y"]]
)
def test_bad_arguments_end_with_the_usage(arguments: list[str], capsys: Output) -> None:
    """As every command line program does."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert 2 == caught.value.code
    assert "usage: realtime-sync" in capsys.readouterr().err


def test_version_is_told(capsys: Output) -> None:
    """For a report of a bug."""
    with pytest.raises(SystemExit) as caught:
        main(["--version"])

    assert 0 == caught.value.code
    assert f"realtime-sync {__version__}\n" == capsys.readouterr().out


def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what can be explained is made into one line."""

    def broken(options: argparse.Namespace) -> int:
        raise AttributeError("oops")

    monkeypatch.setattr("realtime_sync.cli.ask.run_ask", broken)

    with pytest.raises(AttributeError):
        main(["ask", "Hello"])


def serving(stop: threading.Event) -> int:
    """Run ``serve`` as the command line would, but for the way it ends."""
    options = command_line_parser().parse_args(
        ["serve", "--agent", "echo", "--port", "0"]
    )
    return serve.run_serve(options, stop)


def test_serve_says_where_and_ends(capsys: Output) -> None:
    """The line that it prints can be pasted."""
    stop = threading.Event()
    stop.set()
    code = serving(stop)

    assert 0 == code
    assert "listening on http://127.0.0.1:" in capsys.readouterr().out


def test_serve_on_a_port_in_use(server: Server, capsys: Output) -> None:
    """One line, and the remedy."""
    code = main(["serve", "--agent", "echo", "--port", str(server.port)])

    assert 2 == code
    assert str(server.port) in one_line(capsys)


def test_serve_ends_with_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """It is how one ends it, and so it is no failure."""

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    assert 0 == serving(Interrupted())


@pytest.mark.parametrize("arguments", [[], ["--help"], ["ask", "Hello"]])
def test_ctrl_c_is_one_line_even_before_the_command_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, arguments: list[str]
) -> None:
    """Making the parser takes a moment, too."""

    def interrupted(commands: object) -> None:
        raise KeyboardInterrupt

    # The package has a function of the same name.
    module = sys.modules["realtime_sync.cli.main"]
    monkeypatch.setattr(module, "COMMANDS", (interrupted,))

    assert 130 == main(arguments)
    assert "realtime-sync: interrupted\n" == one_line(capsys)


def test_the_module_is_the_command() -> None:
    """``python -m realtime_sync.cli`` needs no installation."""
    answer = subprocess.run(
        [sys.executable, "-m", "realtime_sync.cli", "--help"],
        cwd=Path(__file__).parent.parent.parent,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "demo" in answer.stdout
