"""Plain lines, for a pipe, a file, or a terminal without a live view."""

from __future__ import annotations

import sys
from typing import TextIO

from ..protocol.escape import one_line, terminal_text
from .screen import LABEL, Progress, ScreenTable, Status, screen_label


class PlainScreen:
    """
    Lines without a live view, as for a pipe or a file.

    Args:
        out: where to print; the standard output at the time of the call.
    """

    live = False

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._open = False
        self._failure: OSError | None = None

    def line(self, words: str, who: str = "") -> None:
        """See `Screen`."""
        self.end()
        self.write(screen_label(who) + hanging_on_plain_screen(words, who) + "\n")

    def add(self, words: str, who: str = "") -> None:
        """See `Screen`."""
        label = ""
        if not self._open:
            words, label = words.lstrip() if who else words, screen_label(who)
        self._open = True
        self.write(label + hanging_on_plain_screen(words, who))

    def end(self) -> None:
        """See `Screen`."""
        if self._open:
            self._open = False
            self.write("\n")

    def aside(self, words: str, who: str = "") -> None:
        """Nobody looks on."""

    def write(self, text: str) -> int:
        """See `Screen`."""
        try:
            self._out.write(text)
            self._out.flush()
        except OSError as exc:
            self._failure = self._failure or exc
            raise
        return len(text)

    def flush(self) -> None:
        """See `Screen`."""
        self._out.flush()

    def table(self, table: ScreenTable) -> None:
        """See `Screen`."""
        self.end()
        self.write(plain_table(table) + "\n")

    def status(self, now: Status | Progress | None) -> None:
        """Nobody looks on."""

    def close(self) -> None:
        """
        End what was begun.

        Raises:
            OSError: something could not be written, which may have been said where
                handlers run, whose errors reach nobody.
        """
        self.end()
        if self._failure is not None:
            raise self._failure


def hanging_on_plain_screen(words: str, who: str = "") -> str:
    """Words whose further lines cannot be taken for somebody else's."""
    indent = " " * LABEL if who else ""
    return terminal_text(words).replace("\n", "\n" + indent)


def plain_table(table: ScreenTable) -> str:
    """A table in letters, as wide as it has to be."""
    rows = [[one_line(cell) for cell in row] for row in table.rows]
    rows.insert(0, [title for title, _ in table.columns])
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [one_line(table.title)] if table.title else []
    for row in rows:
        cells = [
            cell.ljust(width) if side == "left" else cell.rjust(width)
            for cell, width, (_, side) in zip(row, widths, table.columns)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
