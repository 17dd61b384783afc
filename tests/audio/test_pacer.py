"""Pacing against a clock that the test holds."""

from __future__ import annotations

import threading

from realtime_sync.audio import Pacer


class Clock(threading.Event):
    """A clock and the event that is waited on: waiting moves it, with a delay."""

    def __init__(self, late: float) -> None:
        super().__init__()
        self.now = 100.0
        self.late = late
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Move the clock past the timeout by as much as this machine is late."""
        assert timeout is not None
        self.waits.append(timeout)
        if not self.is_set():
            self.now += timeout + self.late
        return self.is_set()


def paced(clock: Clock) -> Pacer:
    """A pacer that lives by the clock of the test."""
    return Pacer(clock=lambda: clock.now, stop=clock)


def test_lateness_does_not_add_up() -> None:
    """After ten minutes of late wake-ups the stream is late by one of them."""
    clock = Clock(late=0.003)
    pacer = paced(clock)
    for block in range(30_001):
        pacer.wait(block * 0.02)

    assert abs(clock.now - 100.0 - 600.0) < 0.004


def test_a_late_block_is_followed_at_once() -> None:
    """Time that was lost is caught up without waiting."""
    clock = Clock(late=0.0)
    pacer = paced(clock)
    pacer.wait(0)
    clock.now += 1.0

    assert pacer.wait(0.5) is True
    assert [] == clock.waits


def test_stopping_ends_the_wait() -> None:
    """Another thread can end a paced stream at any moment."""
    clock = Clock(late=0.0)
    pacer = paced(clock)
    pacer.wait(0)
    clock.set()

    assert pacer.wait(3600) is False
    assert pacer.wait(-1) is False
