"""Files that are no recordings: one line, the code of bad input, and no page."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from realtime_sync.cli.main import main
from realtime_sync.recording import reader

HEAD = {"format": "realtime-sync-recording", "version": 1}


def own(*lines: Any) -> bytes:
    """A recording that begins as ours do."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in (HEAD, *lines))


FRAME = {"type": "session.created"}
NO_RECORDINGS = {
    "binary": random.Random(1).randbytes(5000),
    "a wav": b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(2000),
    "a wav with line feeds": b"RIFF\n\x00\x00WAVE\n" + bytes(2000),
    "no event": b'{"t": "x"}\n',
    "deep": b"[" * 100_000 + b"\n",
    "deep within": b'{"type":' + b"[" * 200_000 + b"]" * 200_000 + b"}\n",
    "empty": b"",
    "blank lines": b"\n\n  \n",
    "cut within its first line": b'{"format": "realtime-sync-reco',
    "another encoding": '{"type": "é"}\n'.encode("utf-16"),
    "a number": b"17\n",
}
BROKEN = {
    "no time": own({"t": "x", "dir": "in", "frame": FRAME}),
    "no number of a connection": own({"t": 0, "dir": "in", "conn": [], "frame": 1}),
    "no base64": own({"t": 0, "dir": "in", "base64": 7}),
    "a note that is none": own({"t": 0, "dir": "note", "note": "x"}),
    "text for what was asked": own({"t": 0, "dir": "in", "asked": "x", "frame": FRAME}),
    "no object among what was asked": own(
        {"t": 0, "dir": "in", "asked": [{}, 1], "frame": FRAME}
    ),
    "time without end": own({"t": 1e300, "dir": "in", "frame": FRAME}),
    "negative audio": own({"t": 0, "dir": "in", "frame": {"audio_bytes": -1}}),
    "no snapshot": own(
        {"t": 0, "dir": "note", "note": {"type": "recording.snapshot", "snapshot": 1}}
    ),
    "another version": b'{"format":"realtime-sync-recording","version":[]}\n',
}


def told(capsys: Any) -> str:
    """What went wrong, which is one line."""
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("realtime-sync: ")
    return str(line)


@pytest.mark.parametrize("command", ["tail", "replay", "report", "debug"])
@pytest.mark.parametrize("name", NO_RECORDINGS)
def test_what_is_no_recording_is_one_line(
    name: str, command: str, tmp_path: Path, capsys: Any
) -> None:
    """For every command that reads one."""
    path = tmp_path / "file.jsonl"
    path.write_bytes(NO_RECORDINGS[name])
    if (command, name) == ("tail", "no event"):  # It shows whatever there is.
        assert 0 == main([command, str(path)])
        return

    assert 2 == main([command, str(path)])
    assert told(capsys)
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["replay", "report", "debug"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_recording_is_one_line(
    name: str, command: str, tmp_path: Path, capsys: Any
) -> None:
    """It begins as ours do, and does not go on so."""
    path = tmp_path / "file.jsonl"
    path.write_bytes(BROKEN[name])

    assert 2 == main([command, str(path)])
    assert str(path) in told(capsys)
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "head", [{"started": "x"}, {"started": 1e300}, {"started": []}]
)
def test_a_beginning_that_is_no_date_is_none(
    head: dict[str, Any], tmp_path: Path, capsys: Any
) -> None:
    """The rest can be read all the same."""
    path = tmp_path / "file.jsonl"
    line = {"t": 0, "dir": "in", "frame": FRAME}
    path.write_bytes(
        b"".join(json.dumps(e).encode() + b"\n" for e in ({**HEAD, **head}, line))
    )

    assert 0 == main(["report", str(path)])


def test_a_line_without_end_is_not_read(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk image has no lines, and would fill the memory."""
    monkeypatch.setattr(reader, "LONGEST_LINE", 1 << 20)
    path = tmp_path / "file.jsonl"
    path.write_bytes(b" " * (2 << 20) + b"{}\n")

    assert 2 == main(["replay", str(path)])
    assert "more than 1 MiB" in told(capsys)
