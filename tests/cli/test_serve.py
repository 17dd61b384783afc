"""``realtime-sync serve``: the server as a program."""

from __future__ import annotations

import base64
import json
import math
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from realtime_sync.cli import main
from realtime_sync.cli.main import command_line_parser


class Stop:
    """Stands in for Ctrl-C: talks to the server first, then ends it."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.frames: list[Any] = []

    def wait(self) -> None:
        url = self._capsys.readouterr().out.split()[2].replace("http", "ws", 1)
        one = websocket.create_connection(f"{url}/realtime?model=m", timeout=10)
        self.frames.append(json.loads(one.recv()))
        part = {"type": "input_text", "text": "hello"}
        item = {"type": "message", "role": "user", "content": [part]}
        one.send(json.dumps({"type": "conversation.item.create", "item": item}))
        one.send(json.dumps({"type": "response.create"}))
        while self.frames[-1]["type"] != "response.done":
            self.frames.append(json.loads(one.recv()))
        one.shutdown()


def test_turns_are_printed_until_it_is_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scenario answers, a fault shows, the log can be read."""
    file = tmp_path / "s.json"
    file.write_text('{"replies": [{"say": "Good day."}]}')
    agent, fault = f"scripted:{file}", "unknown_fields"
    arguments = ["serve", "--agent", agent, "--port", "0", "--fault", fault]
    options = command_line_parser().parse_args(arguments)
    stop = Stop(capsys)
    code = options.run(options, stop)
    printed = capsys.readouterr().out

    assert 0 == code
    assert "x_trace" in stop.frames[0]
    assert "user: hello" in printed
    assert "assistant: Good day." in printed


class LiveStop(Stop):
    """Talks GPT-Live to the server."""

    def wait(self) -> None:
        url = self._capsys.readouterr().out.split()[2].replace("http", "ws", 1)
        one = websocket.create_connection(f"{url}/live/sessions", timeout=10)
        wave = [round(9000 * math.sin(at / 8)) for at in range(24_000)]
        pcm = struct.pack(f"<{len(wave)}h", *wave) + bytes(48 * 3000)
        audio = base64.b64encode(pcm).decode()
        session = {"model": "gpt-live-1"}
        one.send(json.dumps({"type": "session.start", "session": session}))
        one.send(json.dumps({"type": "session.input_audio.append", "audio": audio}))
        while "Good day." not in self.said():
            self.frames.append(json.loads(one.recv()))
        one.send(json.dumps({"type": "session.close"}))
        while self.frames[-1]["type"] != "session.closed":
            self.frames.append(json.loads(one.recv()))
        one.shutdown()

    def said(self) -> str:
        """What the model has said so far."""
        kind = "session.output_transcript.delta"
        return "".join(f["delta"] for f in self.frames if f["type"] == kind)


def test_live_turns_are_printed_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same scenario answers both protocols on the same port."""
    file = tmp_path / "s.json"
    file.write_text('{"replies": [{"say": "Good day."}]}')
    options = command_line_parser().parse_args(
        ["serve", "--agent", f"scripted:{file}", "--port", "0"]
    )
    options.run(options, LiveStop(capsys))
    printed = capsys.readouterr().out

    assert "assistant: Good day." in printed
    assert "closed: close_requested" in printed


def test_quiet_prints_no_turns(capsys: pytest.CaptureFixture[str]) -> None:
    """Only where it listens."""
    arguments = ["serve", "--agent", "echo", "--port", "0", "--quiet"]
    options = command_line_parser().parse_args(arguments)
    options.run(options, Stop(capsys))

    assert "hello" not in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_sigterm_closes_what_is_open() -> None:
    """Whoever started it in the background ends it without dropping anybody."""
    process = subprocess.Popen(
        [sys.executable, "-m", "realtime_sync.cli"]
        + ["serve", "--agent", "echo", "--port", "0"],
        cwd=Path(__file__).parent.parent.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as lines:
        url = lines.readline().split()[2].replace("http", "ws", 1)
        one = websocket.create_connection(f"{url}/realtime?model=m", timeout=10)
        process.terminate()
        while (ended := one.recv_data_frame(True))[0] != websocket.ABNF.OPCODE_CLOSE:
            pass
        one.shutdown()

    assert 0 == process.wait(30)
    assert 1001 == int.from_bytes(ended[1].data[:2], "big")


@pytest.mark.parametrize(
    "arguments",
    [["--agent", "parrot"], ["--agent", "scripted:none.json"], ["--fault", "explode"]],
)
def test_bad_input_is_one_line_and_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback."""
    code = main(["serve", "--agent", "echo", "--port", "0", *arguments])
    captured = capsys.readouterr()

    assert 2 == code
    assert 1 == len(captured.err.strip().splitlines())
    assert 1 == threading.active_count()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], 403),
        (["--allow-host", "box.local"], 403),
        (["--allow-origin", "https://app.example"], 403),
        (["--allow-host", "box.local", "--allow-origin", "app.example"], 200),
    ],
)
def test_other_hosts_and_pages_come_in_when_allowed(
    arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are needed for a page of another site that calls it by another name."""
    answers: list[int] = []

    class Page:
        def wait(self) -> None:
            url = capsys.readouterr().out.split()[2]
            answer = requests.post(
                f"{url}/realtime/client_secrets",
                headers={"Host": "box.local", "Origin": "https://app.example"},
                timeout=10,
            )
            answers.append(answer.status_code)

    command = ["serve", "--agent", "echo", "--port", "0", *arguments]
    options = command_line_parser().parse_args(command)
    options.run(options, Page())

    assert [status] == answers
