"""How far a work on many files is, and when it will be over."""

from __future__ import annotations

from typing import Any

from realtime_sync.cli.plain_screen import PlainScreen
from realtime_sync.cli.progress import WorkProgress
from realtime_sync.cli.screen import Progress


class Seen(PlainScreen):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.now: Any = None

    def status(self, now: object) -> None:
        """Keep it."""
        self.now = now


def test_time_left_is_told_from_the_seconds_that_were_dealt_with() -> None:
    """Not from bytes that were sent, and not before anything can be told."""
    now = 100.0
    screen = Seen()
    work = WorkProgress(screen, [60.0, 30.0, 10.0], clock=lambda: now)
    work.begin(0, "a")
    first = screen.now
    now += 2
    work.reached(20.0)
    second = screen.now
    now += 4
    work.begin(1, "b")

    assert Progress("a", 0.0, 100.0, 0, 3, None) == first
    assert Progress("a", 20.0, 100.0, 0, 3, 8.0) == second
    assert Progress("b", 60.0, 100.0, 1, 3, 4.0) == screen.now


def test_what_was_done_before_took_no_time() -> None:
    """Files that are complete, and the beginning of one that was interrupted."""
    now = 0.0
    screen = Seen()
    work = WorkProgress(screen, [60.0, 40.0], clock=lambda: now)
    work.skip(0)
    work.begin(1, "b", 20.0)
    now += 5
    work.reached(30.0)

    assert Progress("b", 90.0, 100.0, 1, 2, 5.0) == screen.now
