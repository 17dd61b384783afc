"""The bar that shows how far a file is read."""

from __future__ import annotations

import io
import sys

import pytest

from realtime_sync.cli.progress import ProgressBar


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


@pytest.mark.parametrize(
    ("errors", "output", "printing", "shown"),
    [
        (Terminal(), io.StringIO(), False, True),
        (Terminal(), io.StringIO(), True, True),
        (Terminal(), Terminal(), False, True),
        (Terminal(), Terminal(), True, False),
        (io.StringIO(), Terminal(), False, False),
    ],
)
def test_bar_is_shown_where_it_disturbs_nobody(
    errors: io.StringIO,
    output: io.StringIO,
    printing: bool,
    shown: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not in a file, and not on the terminal on which the text appears."""
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setattr(sys, "stdout", output)
    with ProgressBar("a.wav", 2.0, printing=printing) as progress:
        progress.reached(1.0)
        drawn = errors.getvalue()

    assert shown is (" 50 % 1 s" in drawn)
    assert shown is errors.getvalue().endswith("\x1b[K")
