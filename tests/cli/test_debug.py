"""``realtime-sync debug``: the page of a recording, as a program."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from urllib.request import urlopen

import pytest

from realtime_sync.cli import main
from realtime_sync.cli.main import command_line_parser
from tests.report.recordings import head, spoken_turn

Output = pytest.CaptureFixture[str]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A recording of one turn."""
    path = tmp_path / "call.jsonl"
    path.write_text("\n".join([head(), *spoken_turn(1.0, 1)]) + "\n")
    return path


class Stop(threading.Event):
    """Stands in for Ctrl-C: looks at the page first."""

    def __init__(self, capsys: Output, how: str) -> None:
        super().__init__()
        self._capsys = capsys
        self._how = how
        self.told = ""
        self.about: dict[str, object] = {}

    def wait(self, timeout: float | None = None) -> bool:
        """Look at the page, then end."""
        self.told = self._capsys.readouterr().out
        url = self.told.split()[-1]
        with urlopen(url.replace("/debug?", "/debug/about?"), timeout=10) as answer:
            self.about = json.load(answer)
        if self._how == "interrupt":
            raise KeyboardInterrupt
        return True


@pytest.mark.parametrize("how", ["interrupt", "terminate"])
def test_page_is_served_until_it_is_stopped(
    log: Path, capsys: Output, how: str
) -> None:
    """The address is printed; nothing is opened where nobody sits at a terminal."""
    options = command_line_parser().parse_args(["debug", str(log)])
    stop = Stop(capsys, how)
    code = options.run(options, stop)
    printed = capsys.readouterr().out

    assert 0 == code
    assert stop.told.startswith("17 events: http://127.0.0.1:")
    assert 17 == stop.about["events"] and "call.jsonl" == stop.about["name"]
    assert ("closing" in printed) == (how == "interrupt")


def test_page_is_opened_in_the_browser_of_whoever_sits_there(
    log: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless it is not wanted."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for arguments in (["debug", str(log)], ["debug", str(log), "--no-browser"]):
        options = command_line_parser().parse_args(arguments)
        options.run(options, Stop(capsys, "terminate"))

    assert 1 == len(opened) and "/debug?token=" in opened[0]


def test_what_is_no_recording_is_one_line(tmp_path: Path, capsys: Output) -> None:
    """Exit code 2, as for the other commands."""
    code = main(["debug", str(tmp_path / "none.jsonl")])

    assert 2 == code
    assert 1 == len(capsys.readouterr().err.splitlines())
