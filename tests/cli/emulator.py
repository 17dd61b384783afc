"""A terminal for tests: what a person would see of what is written to it."""

from __future__ import annotations

import io
import re

_TOKENS = re.compile(
    r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b\][^\x07]*\x07|([\r\n])|(.)", re.S
)


class Terminal(io.StringIO):
    """
    A stream that says it is a terminal, and keeps its rows.

    It obeys what rich needs: colours are left out, the cursor goes up and to the
    left, lines are erased, and a row that is full is continued in the next.

    Args:
        columns: its width.
        encoding: of what is written to it.
    """

    def __init__(self, columns: int = 80, encoding: str = "utf-8") -> None:
        super().__init__()
        self._columns = columns
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of whoever looks."""
        return self._encoding

    def isatty(self) -> bool:
        """It is."""
        return True

    @property
    def shown(self) -> list[str]:
        """Its rows, without what cannot be seen at their ends."""
        return "\n".join(self._rows()[0]).rstrip().split("\n")

    @property
    def row(self) -> int:
        """The row in which the cursor is."""
        return self._rows()[1]

    def _rows(self) -> tuple[list[str], int]:
        self.getvalue().encode(self._encoding)
        rows: list[list[str]] = [[]]
        row = column = 0
        for numbers, command, control, letter in _TOKENS.findall(self.getvalue()):
            if command == "A":
                row -= int(numbers or 1)
            elif command == "K" and numbers == "2":
                rows[row] = []
            elif control == "\r":
                column = 0
            elif control == "\n" or (letter and column == self._columns):
                row, column = row + 1, 0
            if row == len(rows):
                rows.append([])
            if letter:
                rows[row] += " " * (column + 1 - len(rows[row]))
                rows[row][column] = letter
                column += 1
        return ["".join(each).rstrip() for each in rows], row
