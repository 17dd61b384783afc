"""Where a conversation is shown, and who gets a live view."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Protocol

import pytest

from realtime_sync.cli.plain_screen import PlainScreen, plain_table
from realtime_sync.cli.screen import (
    NOTE,
    SERVER,
    USER,
    Progress,
    ScreenTable,
    Status,
    screen_clock,
)
from realtime_sync.cli.terminal import (
    open_side_screen_of_terminal,
    open_terminal_screen,
)

from .emulator import Terminal

EVIL = "[red]a[/red]\x1b[2J\x1b]0;title\x07 :smile:\u202e"
SHOWN = r"[red]a[/red]\x1b[2J\x1b]0;title\x07 :smile:\u202e"
TABLE = ScreenTable(
    [("name", "left"), ("count", "right")], [["a\n", "1"], ["bcd", "10"]]
)


class Opened(Protocol):
    """Puts a terminal where the standard output is."""

    def __call__(self, columns: int = 40, encoding: str = "utf-8") -> Terminal:
        """Of this width, for these letters."""


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """To be called in the test, because pytest replaces the stream before it."""

    def open_one(columns: int = 40, encoding: str = "utf-8") -> Terminal:
        terminal = Terminal(columns, encoding)
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setenv("COLUMNS", str(columns))
        return terminal

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return open_one


def test_a_pipe_has_lines_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """No status, no asides, no control characters."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    with open_terminal_screen() as screen:
        screen.status(Status("thinking", -20.0))
        screen.aside("for who looks on")
        screen.line("hello", USER)
        screen.add(" there", SERVER)
        screen.add("\nand here", SERVER)
        screen.status(None)

    assert not screen.live
    assert "you     hello\nserver  there\n        and here\n" == out.getvalue()


def test_a_terminal_has_a_live_view(opened: Opened) -> None:
    """The status stays below what is said, and is gone at the end."""
    stdout = opened()
    with open_terminal_screen() as screen:
        screen.status(Status("thinking", note="1 s"))
        screen.line("What is the capital of Peru, and of Chile?", USER)
        screen.add("Lima", SERVER)
        screen.add(", and", SERVER)
        during = stdout.shown

    assert screen.live
    assert [
        "you     What is the capital of Peru, and",
        "        of Chile?",
        "server  Lima, and",
        "● thinking  1 s",
    ] == during
    assert during[:3] == stdout.shown


@pytest.mark.parametrize("columns", [40, 41, 60, 100])
def test_words_are_wrapped_as_they_come(columns: int, opened: Opened) -> None:
    """No word is lost, doubled or cut, whatever the pieces and the width."""
    terminal = opened(columns)
    said = " ".join(f"word{number}" for number in range(60))
    with open_terminal_screen() as screen:
        screen.status(Status("speaking", -10.0))
        for at in range(0, len(said), 7):
            screen.add(said[at : at + 7], SERVER)

    lines = terminal.shown
    assert said.split() == " ".join(lines).split()[1:]
    assert all(len(line) <= columns for line in lines)
    assert lines[0].startswith("server  ")
    assert all(line.startswith("        ") for line in lines[1:])


@pytest.mark.parametrize("word", ["x" * 100, "日本語" * 20, "a\tb", "  two  spaces  "])
def test_odd_words_are_shown_whole(word: str, opened: Opened) -> None:
    """Longer than a row, twice as wide as others, or nothing but room."""
    stdout = opened()
    with open_terminal_screen() as screen:
        screen.add(word, SERVER)
        screen.add(word, SERVER)
    shown = "".join("".join(stdout.shown).split())

    assert "server" + "".join(word.split()) * 2 == shown


@pytest.mark.parametrize("method", ["line", "add", "aside"])
def test_what_a_server_says_is_neither_obeyed_nor_markup(
    method: str, opened: Opened
) -> None:
    """It is shown as it came, without colours that it asks for."""
    stdout = opened(100)
    with open_terminal_screen() as screen:
        getattr(screen, method)(EVIL, NOTE)
        screen.status(Status("thinking", note=EVIL))
        screen.status(Progress(EVIL, 1, 2, 1, 2))
        screen.table(ScreenTable([("a", "left")], [[EVIL]]))

    out = stdout.getvalue()
    assert SHOWN in out
    assert "\x07" not in out and "\u202e" not in out and "\x1b[2J" not in out
    assert "\x1b[31m" not in out and "\N{GRINNING FACE}" not in out


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1"])
def test_a_terminal_of_few_letters_has_a_live_view_too(
    encoding: str, opened: Opened
) -> None:
    """Everything that is drawn can be encoded, and rows are not too long for it."""
    terminal = opened(40, encoding)
    with open_terminal_screen() as screen:
        screen.status(Status("listening", -20.0, "日本語"))
        screen.line("say 日本語 now " * 3, USER)
        screen.table(ScreenTable([("a", "left")], [["日本"]], title="日"))
        screen.status(Progress("日本語", 1, 2, 1, 2, 3.0))
        shown = terminal.shown

    assert r"you     say \u65e5\u672c\u8a9e now say" == shown[0]
    assert all(len(row) <= 40 for row in shown)


def test_no_color_has_no_colours(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As https://no-color.org has it; the live view stays."""
    stdout = opened()
    colours = {}
    for name in ("", "1"):
        monkeypatch.setenv("NO_COLOR", name)
        with open_terminal_screen() as screen:
            screen.line("hello", USER)
        colours[name] = "\x1b[1;36m" in stdout.getvalue()
        stdout.truncate(0)

    assert {"": True, "1": False} == colours


def test_a_terminal_that_cannot_move_its_cursor_has_lines(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as that of an editor."""
    stdout = opened()
    monkeypatch.setenv("TERM", "dumb")
    with open_terminal_screen() as screen:
        screen.line("hello", USER)

    assert "you     hello\n" == stdout.getvalue()


def test_without_rich_a_terminal_has_lines(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever installed no extra can still ask."""
    stdout = opened()
    monkeypatch.setitem(sys.modules, "realtime_sync.cli.live_screen", None)
    with open_terminal_screen() as screen:
        screen.line("hello", USER)

    assert "you     hello\n" == stdout.getvalue()


def test_the_live_view_is_loaded_where_it_is_shown() -> None:
    """A pipe does not wait for it."""
    program = (
        "import sys, realtime_sync.cli.main, realtime_sync.cli.ask\n"
        "from realtime_sync.cli.terminal import open_terminal_screen\n"
        "with open_terminal_screen() as screen: screen.line('hello')\n"
        "assert 'rich' not in sys.modules"
    )
    command = [sys.executable, "-c", program]

    assert b"hello" in subprocess.run(command, stdout=-1, check=True, timeout=60).stdout


def test_json_leaves_the_standard_output_to_programs(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People read plain lines on the other one."""
    stdout = opened()
    err = Terminal()
    monkeypatch.setattr(sys, "stderr", err)
    with open_terminal_screen(json=True) as screen:
        screen.line("hello", USER)

    assert ("", "you     hello\n") == (stdout.getvalue(), err.getvalue())


@pytest.mark.parametrize(
    ("out", "err", "live"),
    [
        (io.StringIO(), Terminal(), True),
        (io.StringIO(), io.StringIO(), False),
        (Terminal(), Terminal(), True),
        (Terminal(), io.StringIO(), True),
    ],
)
def test_progress_is_shown_on_the_terminal_that_there_is(
    out: io.StringIO,
    err: io.StringIO,
    live: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On one of them only, and not in a file."""
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("TERM", "xterm")
    with open_terminal_screen() as screen, open_side_screen_of_terminal(screen) as side:
        side.status(Progress("a.wav", 1, 2, 1, 1))
    drawn = ["50%" in each.getvalue() for each in (out, err)]

    assert live is side.live
    assert [live and out.isatty(), live and not out.isatty()] == drawn


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (40, " 25%  3:20 left  2/14 files"),
        (60, " 25%  3:20 left  2/14 files  6:50 of 27:20"),
        (20, " 25%"),
    ],
)
def test_progress_is_as_wide_as_the_terminal(
    columns: int, told: str, opened: Opened
) -> None:
    """What is most telling stays, and a bar of some length."""
    terminal = opened(columns)
    with open_terminal_screen() as screen:
        screen.status(Progress("x" * 100, 410, 1640, 2, 14, 200))
        name, bar = terminal.shown

    assert bar.endswith(told)
    assert bar.startswith("━") and len(bar) <= columns - len("^C")
    assert "x" * columns == name


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_what_is_drawn_leaves_room_for_an_interrupt(
    columns: int, opened: Opened
) -> None:
    """A terminal echoes it behind the last row; broken, it could not be erased."""
    terminal = opened(columns)
    with open_terminal_screen() as screen:
        screen.status(Status("speaking", -3.0, "word " * 40))
        (row,) = terminal.shown

    assert len(row) <= columns - len("^C")


def test_a_table_can_be_read_in_letters() -> None:
    """Its columns stand below each other, and no cell has two lines."""
    assert "name  count\na\\n       1\nbcd      10" == plain_table(TABLE)


def test_a_table_fits_into_a_narrow_terminal(opened: Opened) -> None:
    """Its cells are wrapped, and whole."""
    stdout = opened()
    titles = ("turn", "turn found", "transcript", "first audio", "done")
    row = ["1", "250", "300", "400", "2000"]
    with open_terminal_screen() as screen:
        screen.table(ScreenTable([(title, "right") for title in titles], [row]))
    rows = stdout.shown

    assert row == rows[-1].split()
    assert set(" ".join(titles).split()) <= set(" ".join(rows).split())
    assert all(len(each) <= 40 for each in rows)


def test_a_failure_leaves_the_terminal_as_it_was(opened: Opened) -> None:
    """The cursor is shown again, and what was said stays."""
    stdout = opened()
    with pytest.raises(KeyboardInterrupt):
        with open_terminal_screen() as screen:
            screen.add("half a sen", SERVER)
            screen.status(Status("speaking"))
            raise KeyboardInterrupt

    assert (["server  half a sen"], 1) == (stdout.shown, stdout.row)
    assert stdout.getvalue().rindex("\x1b[?25h") > stdout.getvalue().rindex("\x1b[?25l")


def test_whole_lines_are_written_above_the_status(opened: Opened) -> None:
    """They are as long as they are, so that they can be copied."""
    stdout = opened()
    text = "word " * 20 + "\n[b]two[/b]\n"
    with open_terminal_screen() as screen:
        screen.status(Status("listening"))
        screen.write(text)
        screen.flush()

    assert text in stdout.getvalue()
    assert len(stdout.shown) == stdout.row


def test_lines_go_to_the_stream_that_is_given() -> None:
    """For a screen of one's own."""
    out = io.StringIO()
    screen = PlainScreen(out)
    screen.write("one\n")
    screen.table(TABLE)
    screen.flush()

    assert f"one\n{plain_table(TABLE)}\n" == out.getvalue()


def test_a_clock_has_hours_where_there_are_any() -> None:
    """As one reads it."""
    assert ["0:00", "4:05", "1:00:00"] == [
        screen_clock(each) for each in (0.2, 245, 3600)
    ]
