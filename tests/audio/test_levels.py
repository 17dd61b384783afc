"""Levels and meters."""

from __future__ import annotations

import pytest

from realtime_sync import audio


def test_a_sine_has_its_level() -> None:
    """The mean power of a sine is 3 dB below its peak."""
    measured = audio.level(audio.tone(1000, 0.1, level=-20))

    assert -20.0 == pytest.approx(measured.peak, abs=0.1)
    assert -23.0 == pytest.approx(measured.rms, abs=0.1)


def test_g711_is_measured_too() -> None:
    """Companding does not change the level much."""
    measured = audio.level(audio.tone(1000, 0.1, "g711_alaw", level=-20), "g711_alaw")

    assert -20.0 == pytest.approx(measured.peak, abs=0.3)


@pytest.mark.parametrize("quiet", [b"", bytes(960)])
def test_silence_has_a_level(quiet: bytes) -> None:
    """And not minus infinity, which no meter can draw."""
    assert audio.Level(-96.0, -96.0) == audio.level(quiet)


def test_the_loudest_sample_there_is() -> None:
    """-32768 has no positive counterpart in 16 bit."""
    assert 0.0 == audio.level(b"\x00\x80").peak


def test_a_meter_calls_back_at_even_intervals() -> None:
    """However the stream is cut."""
    levels: list[audio.Level] = []
    meter = audio.LevelMeter(levels.append, interval_ms=50)
    sound = audio.tone(440, 0.12)
    for start in range(0, len(sound), 700):
        meter.feed(sound[start : start + 700])

    assert 2 == len(levels)
    assert -20.0 == pytest.approx(levels[0].peak, abs=0.1)
