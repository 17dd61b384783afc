"""A bar that shows how far a file is read."""

from __future__ import annotations

import sys

from ..protocol.escape import one_line

CELLS = 24


class ProgressBar:
    """
    A bar on the standard error, if that is a terminal.

    Args:
        name: of the file.
        length: seconds that it lasts.
        printing: whether text comes on the standard output meanwhile, which on a
            terminal shows as well how far it is.
    """

    def __init__(self, name: str, length: float, *, printing: bool = False) -> None:
        self._name = one_line(name)
        self._length = max(length, 0.001)
        self._shown = sys.stderr.isatty() and not (printing and sys.stdout.isatty())
        self._last = -1

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._last >= 0:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def reached(self, seconds: float) -> None:
        """Show how far it is."""
        share = min(1.0, seconds / self._length)
        percent = int(share * 100)
        if not self._shown or percent == self._last:
            return
        self._last = percent
        full = round(share * CELLS)
        cells = "█" * full + "·" * (CELLS - full)
        state = "listening" if percent == 100 else f"{seconds:.0f} s"
        sys.stderr.write(f"\r\x1b[K{self._name[:30]} [{cells}] {percent:3d} % {state}")
        sys.stderr.flush()
