"""A live view on a terminal, drawn by rich; the only module that knows it."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table as Grid
from rich.text import Text

from ..protocol.escape import one_line, terminal_text
from .screen import (
    NOTE,
    SERVER,
    USER,
    Progress,
    ScreenTable,
    Status,
    screen_clock,
    screen_label,
)

# Names of the terminal's own colours: they can be read on its dark or light ground.
STYLES = {USER: "bold cyan", SERVER: "bold green", NOTE: "bold red"}
STATES = {"listening": "cyan", "thinking": "magenta", "speaking": "green"}
CELLS = 12
WIDE = 60
"""Columns below which the meter is half as long."""
LOWEST, HIGHEST = -60.0, 0.0
"""dBFS at both ends of the meter."""
ECHO = 3
"""
Columns that stay free at the end of the last row: a terminal writes ``^C`` there, and
a row that it breaks would not be found again.
"""
SHORTEST = 8
"""Columns that a bar of progress keeps, whatever stands beside it."""


class LiveScreen:
    """
    Lines that scroll, with what goes on below them.

    What somebody says is shown word by word. A line of it that is full scrolls
    with the others, so that the part which is drawn again and again is two lines
    at most, however long somebody speaks.

    Opened by ``with``. What is drawn below is read by rich when it draws, under
    its own lock, so that any thread may draw.

    Args:
        out: a terminal.
    """

    live = True

    def __init__(self, out: TextIO) -> None:
        self._label = Text()
        self._words: str | None = None
        self._status: Status | Progress | None = None
        # Text from outside must never be read as markup, or be given colours.
        self._console = Console(
            file=out,
            force_terminal=True,
            force_jupyter=False,
            markup=False,
            emoji=False,
            highlight=False,
        )
        self._live = Live(
            console=self._console,
            get_renderable=self._drawn,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> LiveScreen:
        self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._status = None
            self.end()
        finally:
            self._live.stop()

    def line(self, words: str, who: str = "") -> None:
        """See `Screen`."""
        self.end()
        self._print(*self._rows(self._shown(words), _live_label(who)))

    def add(self, words: str, who: str = "") -> None:
        """See `Screen`."""
        if self._words is None:
            words = words.lstrip() if who else words
            self._label, self._words = _live_label(who), ""
        self._words += self._shown(words)
        *whole, last = self._rows(self._words, self._label)
        if whole:
            # The row as it was wrapped may have lost the space at its end.
            rest = last.plain[len(self._label) :]
            self._words = self._words[self._words.rindex(rest) :] if rest else ""
            self._label = Text(" " * len(self._label))
            self._print(*whole)
        else:
            self._live.refresh()

    def end(self) -> None:
        """See `Screen`."""
        if self._words is not None:
            row, self._words = self._row(), None
            self._print(row)

    def aside(self, words: str, who: str = "") -> None:
        """See `Screen`."""
        self.end()
        self._print(
            *self._rows(self._shown(words), _live_label(who), "" if who else "dim")
        )

    def write(self, text: str) -> int:
        """See `Screen`."""
        self._console.print(Text(self._encodable(text), end=""), soft_wrap=True, end="")
        return len(text)

    def flush(self) -> None:
        """Rich has done so."""

    def table(self, table: ScreenTable) -> None:
        """See `Screen`."""
        self.end()
        grid = Grid(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        columns = list(zip(*[[title for title, _ in table.columns], *table.rows]))
        room = sum(max(map(len, each)) + 2 for each in columns)
        for (title, side), cells in zip(table.columns, columns):
            # Titles give way first, and figures never: they are what is looked for.
            least = max(map(len, [*title.split(), *cells[1:]]))
            narrow = side == "right" and room > self._console.width
            grid.add_column(
                title, justify=side, overflow="fold", width=least if narrow else None
            )
        for row in table.rows:
            grid.add_row(*(Text(self._encodable(one_line(cell))) for cell in row))
        if table.title:
            self._print(*self._rows(self._shown(table.title), Text(), "bold"))
        self._console.print(grid)

    def status(self, now: Status | Progress | None) -> None:
        """See `Screen`."""
        if now != self._status:
            self._status = now
            self._live.refresh()

    def _rows(self, shown: str, label: Text, style: str = "") -> list[Text]:
        """Words as rows that are as wide as there is room, the first with a label."""
        width = max(1, self._console.width - len(label))
        found = Text(shown, style=style).wrap(self._console, width) or [Text()]
        blank = " " * len(label)
        return [
            Text.assemble(blank if number else label, each)
            for number, each in enumerate(found)
        ]

    def _print(self, *rows: Text) -> None:
        # They have the right width, so that nothing is to be cut off.
        self._console.print(
            *rows, sep="\n", no_wrap=True, overflow="ignore", crop=False
        )

    def _row(self) -> Text:
        return Text.assemble(self._label, self._words or "")

    def _drawn(self) -> RenderableType:
        """What stands below the lines that scroll."""
        parts: list[RenderableType] = []
        if self._words is not None:
            parts.append(self._row())
        if isinstance(self._status, Progress):
            parts += self._progress(self._status)
        elif self._status is not None:
            parts.append(self._state(self._status))
        # At its end, rich goes up the rows that are drawn, and down one at least.
        return Group(*parts) if parts else Text()

    def _state(self, now: Status) -> Text:
        drawn = self._console.encoding.startswith("utf")
        full, empty, dot = ("█", "·", "●") if drawn else ("#", ".", "*")
        text = Text(no_wrap=True)
        if now.level is not None:
            share = (now.level - LOWEST) / (HIGHEST - LOWEST)
            size = CELLS if self._console.width >= WIDE else CELLS // 2
            cells = round(max(0.0, min(1.0, share)) * size)
            text.append(full * cells, "green").append(empty * (size - cells), "dim")
            text.append(" ")
        style = STATES.get(now.state, "dim")
        text.append(f"{dot} ", style).append(self._shown(f"{now.state:<9} "), style)
        text.append(self._shown(now.note), "dim")
        text.truncate(self._console.width - ECHO, overflow="crop")
        return text

    def _progress(self, now: Progress) -> list[RenderableType]:
        width = self._console.width - ECHO
        share = min(1.0, now.done / now.total) if now.total else 0.0
        text = f"{share:4.0%}"
        # The most telling first: a narrow terminal has no room for the others.
        for more in (
            f"{screen_clock(now.left)} left" if now.left is not None else "",
            f"{now.complete}/{now.files} files" if now.files > 1 else "",
            f"{screen_clock(now.done)} of {screen_clock(now.total)}",
        ):
            if more and len(text) + len(more) + 4 + SHORTEST <= width:
                text += f"  {more}"
        bar = Grid.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(
                total=max(now.total, 0.001),
                completed=min(now.done, now.total),
                width=max(1, width - len(text) - 2),
                style="dim",
                complete_style="green",
                finished_style="green",
            ),
            Text(text, no_wrap=True),
        )
        name = Text(self._shown(one_line(now.name)), style="dim")
        name.truncate(self._console.width, overflow="crop")
        return [name, bar]

    def _shown(self, words: str) -> str:
        # A tab would be as wide as where it stands, which is not known yet.
        return self._encodable(terminal_text(words).replace("\t", "    "))

    def _encodable(self, text: str) -> str:
        # Before the lines are made: an escape is wider than the letter.
        encoding = self._console.encoding
        return text.encode(encoding, "backslashreplace").decode(encoding)


def _live_label(who: str) -> Text:
    return Text(screen_label(who), style=STYLES.get(who, "dim"))
