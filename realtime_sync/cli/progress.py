"""How far a work on many files is, and when it will be over."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from .screen import Progress, Screen

SOON = 1.0
"""Seconds before which nobody can tell how long it will take."""


class WorkProgress:
    """
    Tells a screen how much of the audio of some files is dealt with.

    `reached` may be called from any thread; the others by the one that works.

    Args:
        screen: to tell.
        lengths: seconds that each file lasts.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        screen: Screen,
        lengths: Sequence[float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._screen = screen
        self._lengths = lengths
        self._total = sum(lengths)
        self._clock = clock
        self._began: float | None = None
        self._known = 0.0
        self._file = 0
        self._name = ""

    def begin(self, file: int, name: str, known: float = 0.0) -> None:
        """
        Begin with a file.

        Args:
            file: its number, from 0.
            name: to be shown.
            known: seconds of it that took no time, because they were done before.
        """
        if self._began is None:
            self._began = self._clock()
        self._file, self._name = file, name
        self._known += known
        self.reached(known)

    def skip(self, file: int) -> None:
        """Count a file for which there is nothing to do."""
        self._known += self._lengths[file]

    def reached(self, seconds: float) -> None:
        """Show how far the file is."""
        done = sum(self._lengths[: self._file]) + seconds
        self._screen.status(
            Progress(
                self._name,
                done,
                self._total,
                self._file,
                len(self._lengths),
                self._left(done),
            )
        )

    def _left(self, done: float) -> float | None:
        took = self._clock() - (self._began or 0.0)
        heard = done - self._known
        if took < SOON or heard <= 0:
            return None
        return took * (self._total - done) / heard
