"""What was said before anybody listened."""

from __future__ import annotations

from realtime_sync import audio


def test_the_last_milliseconds_are_kept() -> None:
    """In whole blocks, at least as much as was asked for."""
    kept = audio.PreRoll(45)
    for number in range(10):
        kept.push(bytes([number]) * 960)

    assert b"".join(bytes([number]) * 960 for number in (7, 8, 9)) == kept.take()
    assert b"" == kept.take()


def test_a_short_past_is_kept_whole() -> None:
    """There is no more than there was."""
    kept = audio.PreRoll(300, "g711_ulaw")
    kept.push(b"abc")

    assert b"abc" == kept.take()


def test_no_preroll_keeps_nothing() -> None:
    """Zero milliseconds is a valid wish."""
    kept = audio.PreRoll(0)
    kept.push(b"ab")
    kept.push(b"cd")

    assert b"" == kept.take()
