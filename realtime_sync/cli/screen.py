"""
What people look at, whatever it is: who says what, tables, how far a work is.

Text from a server is escaped by the screen, where it comes out, and nowhere before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from attrs import frozen

USER, SERVER, NOTE = "you", "server", "!"
LABEL = 8
"""Columns of the name of whoever speaks, and of what is indented below it."""


@frozen
class Status:
    """
    What goes on, for the last line of a live view.

    Attributes:
        state: in a word or two.
        level: of what is heard, in dBFS; None where nothing is.
        note: what else is to be known.
    """

    state: str
    level: float | None = None
    note: str = ""


@frozen
class Progress:
    """
    How far a work on several files is, for the last lines of a live view.

    Attributes:
        name: what is worked on.
        done: seconds of audio that are dealt with.
        total: seconds that there are.
        complete: files that are done.
        files: how many there are.
        left: seconds that it will take; None while nobody can tell.
    """

    name: str
    done: float
    total: float
    complete: int
    files: int
    left: float | None = None


@frozen
class ScreenTable:
    """
    Figures in rows.

    Attributes:
        columns: titles, and the side to which each column keeps.
        rows: as many cells as columns each.
        title: what the figures are.
    """

    columns: Sequence[tuple[str, Literal["left", "right"]]]
    rows: Sequence[Sequence[str]]
    title: str = ""


class Screen(Protocol):
    """
    Somewhere to show a conversation, or how far a work is.

    One thread at a time adds words; any thread may set the status.
    """

    live: bool
    """Whether somebody looks on while it happens."""

    def line(self, words: str, who: str = "") -> None:
        """Show something whole; its further lines stand below its first."""

    def add(self, words: str, who: str = "") -> None:
        """Show words of somebody who may go on speaking."""

    def end(self) -> None:
        """End what was begun with `add`, if anything was."""

    def aside(self, words: str, who: str = "") -> None:
        """Show a line to those who look on, and to nobody else."""

    def write(self, text: str) -> int:
        """Show whole lines as they are."""

    def flush(self) -> None:
        """Let it be seen."""

    def table(self, table: ScreenTable) -> None:
        """Show a table."""

    def status(self, now: Status | Progress | None) -> None:
        """Replace what stands below everything else."""


def screen_label(who: str) -> str:
    """What stands before words of somebody; nothing before words of nobody."""
    return f"{who} ".ljust(LABEL) if who else ""


def screen_clock(seconds: float) -> str:
    """Seconds as a clock shows them, such as ``4:05`` or ``1:00:00``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
