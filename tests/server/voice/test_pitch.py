"""The pitch of a voice is found in clean and in noisy speech."""

from __future__ import annotations

import numpy as np
import pytest

from realtime_sync.server.voice.pitch import median_pitch

RATE = 16000


def voiced(pitch: float, noise: float = 0.0) -> np.ndarray:
    """A second of ten harmonics, with some noise."""
    time = np.arange(RATE) / RATE
    tone = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 11))
    hiss = np.random.default_rng(0).normal(0, noise, RATE) if noise else 0
    return (0.1 * tone + hiss).astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("pitch", [90, 130, 175, 210, 300])
def test_the_pitch_is_found_within_two_percent(pitch: float, noise: float) -> None:
    """Neither half of it nor its double."""
    assert median_pitch(voiced(pitch, noise), RATE) == pytest.approx(pitch, rel=0.02)


def test_where_nothing_is_voiced_there_is_no_pitch() -> None:
    """Nothing at all, silence, a click shorter than a frame, and noise."""
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    for samples in (noise[:0], np.zeros(RATE, np.float32), noise[:100], noise):
        assert median_pitch(samples, RATE) is None
