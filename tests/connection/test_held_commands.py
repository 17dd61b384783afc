"""Commands that wait for a connection."""

from __future__ import annotations

from threading import Lock
from typing import Any

import pytest

from realtime_sync.connection.held_commands import HeldCommands
from realtime_sync.errors import ConnectionLost
from realtime_sync.protocol import events


def audio(mark: int, size: int = 10) -> Any:
    """A piece of microphone audio."""
    return events.InputAudioBufferAppend(audio=bytes([mark]) * size)


def commit() -> Any:
    """Another command."""
    return events.InputAudioBufferCommit()


def made(*, limit: int, audio_bytes: int) -> HeldCommands:
    """A gap with a lock of its own."""
    return HeldCommands(limit, audio_bytes, Lock())


def hold(gap: HeldCommands, command: Any) -> bool:
    """Hold a command under the lock, as who expects its answer does."""
    with gap._lock:
        return gap.hold(command)


def test_commands_are_kept_in_order() -> None:
    """Audio and other commands alike."""
    gap = made(limit=10, audio_bytes=100)
    given = [audio(1), commit(), audio(2), commit()]
    held = [hold(gap, command) for command in given]

    assert [True] * 4 == held
    assert given == gap.take()


def test_more_commands_than_allowed_are_refused() -> None:
    """The caller learns of it; what is held stays."""
    gap = made(limit=2, audio_bytes=0)
    hold(gap, commit())
    hold(gap, commit())
    with pytest.raises(ConnectionLost, match="2 commands wait"):
        hold(gap, commit())

    assert 2 == len(gap.take())


def test_audio_does_not_count_against_the_limit() -> None:
    """It has a limit of its own."""
    gap = made(limit=1, audio_bytes=1000)
    for mark in range(5):
        hold(gap, audio(mark))
    hold(gap, commit())

    assert 6 == len(gap.take())


def test_the_latest_audio_is_kept() -> None:
    """The oldest goes, whole pieces, and is counted; other commands stay."""
    gap = made(limit=10, audio_bytes=20)
    order = commit()
    for command in (audio(1), order, audio(2), audio(3)):
        hold(gap, command)

    assert [order, audio(2), audio(3)] == gap.take()
    assert 10 == gap.dropped_audio_bytes


def test_equal_pieces_of_audio_are_told_apart() -> None:
    """Silence equals silence: the oldest goes all the same, not its twin."""
    gap = made(limit=10, audio_bytes=20)
    first, second, third = audio(0), audio(0), audio(0)
    order = commit()
    for command in (first, second, order, third):
        hold(gap, command)
    kept = gap.take()

    assert [id(second), id(order), id(third)] == [id(command) for command in kept]


def test_without_a_budget_audio_is_dropped() -> None:
    """It is accepted, so that the microphone's thread goes on."""
    gap = made(limit=10, audio_bytes=0)

    assert hold(gap, audio(1))
    assert [] == gap.take()
    assert 10 == gap.dropped_audio_bytes


def test_the_gap_is_over_when_nothing_is_left() -> None:
    """What comes after the last look is sent by its own thread."""
    gap = made(limit=10, audio_bytes=100)
    hold(gap, commit())
    first, second = gap.take(), gap.take()

    assert (1, 0) == (len(first), len(second))
    assert not hold(gap, commit())


def test_what_could_not_be_sent_goes_to_the_front() -> None:
    """Before what came meanwhile, in its own order."""
    gap = made(limit=10, audio_bytes=100)
    one, two, three = commit(), audio(2), commit()
    hold(gap, one)
    hold(gap, two)
    taken = gap.take()
    hold(gap, three)
    gap.put_back(taken)
    kept = gap.take()

    assert [id(one), id(two), id(three)] == [id(command) for command in kept]


def test_audio_that_was_put_back_counts_again() -> None:
    """The budget holds for all of it."""
    gap = made(limit=10, audio_bytes=20)
    hold(gap, audio(1))
    hold(gap, audio(2))
    gap.put_back(gap.take())
    hold(gap, audio(3))

    assert [audio(2), audio(3)] == gap.take()


def test_at_the_end_everything_is_handed_back() -> None:
    """And nothing is taken any more, so that nothing is lost unseen."""
    gap = made(limit=10, audio_bytes=100)
    given = [commit(), audio(1)]
    for command in given:
        hold(gap, command)

    assert given == gap.end()
    assert not hold(gap, commit())
