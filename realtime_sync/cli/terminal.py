"""Which screen there is: a live view on a terminal, plain lines everywhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from .plain_screen import PlainScreen
from .screen import Screen


@contextmanager
def open_terminal_screen(*, json: bool = False) -> Iterator[Screen]:
    """
    What to show a conversation on while the block runs.

    On a terminal it is a live view, if rich is installed.

    Args:
        json: the standard output is for a program, and people get plain lines on
            the standard error.
    """
    with _opened_on_terminal(
        sys.stderr if json else sys.stdout, live=not json
    ) as screen:
        yield screen


@contextmanager
def open_side_screen_of_terminal(screen: Screen) -> Iterator[Screen]:
    """
    What to show on while results go elsewhere: *screen*, or the standard error.

    Args:
        screen: where the results go.
    """
    # Two that write to one terminal would draw over each other.
    if screen.live or sys.stdout.isatty():
        yield screen
        return
    with _opened_on_terminal(sys.stderr, live=True) as side:
        yield side


@contextmanager
def _opened_on_terminal(out: TextIO, *, live: bool) -> Iterator[Screen]:
    # TERM=dumb is a terminal that cannot move its cursor.
    if live and out.isatty() and os.environ.get("TERM") != "dumb":
        try:
            from .live_screen import LiveScreen
        except ImportError:
            pass
        else:
            with LiveScreen(out) as drawn:
                yield drawn
            return
    plain = PlainScreen(out)
    try:
        yield plain
    except BaseException:
        plain.end()
        raise
    plain.close()
