"""
Makes the picture of the terminal: ``python docs/terminal_picture.py``.

It runs the command on a pseudo-terminal of its own, as a person would, and draws
what is on it at the end. Needs a POSIX system and the extra ``demo``.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import struct
import sys
import tempfile
import termios
from collections.abc import Sequence
from fcntl import ioctl
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, SVG_EXPORT_THEME
from rich.text import Text

TARGET = Path(__file__).with_name("_static") / "terminal.svg"
THEMES = {"dark": SVG_EXPORT_THEME, "light": DEFAULT_TERMINAL_THEME}
TOKENS = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|([\r\n])|([^\x00-\x1f])", re.S)
FONT = re.compile(r"@font-face \{.*?\}", re.S)


def run(command: Sequence[str], columns: int) -> str:
    """What a command writes to a terminal of so many columns."""
    size = struct.pack("HHHH", 50, columns, 0, 0)
    pid, fd = pty.fork()
    if pid == 0:
        ioctl(1, termios.TIOCSWINSZ, size)
        hidden = ("NO_COLOR", "COLUMNS", "LINES")
        environment = {k: v for k, v in os.environ.items() if k not in hidden}
        os.execvpe(command[0], command, {**environment, "TERM": "xterm-256color"})
    written = bytearray()
    while True:
        try:
            piece = os.read(fd, 65_536)
        except OSError:  # How Linux says that nobody has the terminal any more.
            break
        if not piece:
            break
        written += piece
    os.waitpid(pid, 0)
    return written.decode("utf-8")


def rows(written: str, columns: int) -> list[Text]:
    """What stands on the terminal after that."""
    cells: list[list[tuple[str, str]]] = [[]]
    row = column = 0
    style = ""
    for numbers, command, control, letter in TOKENS.findall(written):
        if command == "m":
            style = "" if numbers in ("", "0") else f"{style}\x1b[{numbers}m"
        elif command == "A":
            row -= int(numbers or 1)
        elif command == "K":
            cells[row] = []
        elif control == "\r":
            column = 0
        elif control == "\n" or (letter and column == columns):
            row, column = row + 1, 0
        if row == len(cells):
            cells.append([])
        if letter:
            cells[row] += [(" ", "")] * (column + 1 - len(cells[row]))
            cells[row][column] = letter, style
            column += 1
    return [
        Text.from_ansi("".join(f"{how}{letter}\x1b[0m" for letter, how in each))
        for each in cells
    ]


def picture(title: str, shown: Sequence[Text], columns: int, theme: str) -> str:
    """Rows of a terminal as SVG that loads nothing."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=columns, file=nowhere, highlight=False)
        for each in [*shown, Text()]:  # The last row would be cut at its foot.
            console.print(each, no_wrap=True)
        # A fixed name keeps two pictures of one run the same, byte for byte.
        svg = console.export_svg(title=title, theme=THEMES[theme], unique_id="terminal")
    return FONT.sub("", svg).replace("Fira Code, monospace", "monospace")


def main() -> None:
    """Run the command and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--theme", choices=THEMES, default="dark")
    parser.add_argument("--output", type=Path, default=TARGET)
    parser.add_argument("command", nargs="*", default=["demo"])
    options = parser.parse_args()
    command = [sys.executable, "-m", "realtime_sync", *options.command]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
        os.chdir(folder)
        written = run(command, options.columns)
    shown = rows(written, options.columns)
    while shown and not shown[-1].plain.strip():
        shown.pop()
    title = " ".join(["realtime-sync", *options.command])
    text = picture(title, shown, options.columns, options.theme)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
