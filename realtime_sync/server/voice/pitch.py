"""How high a voice is."""

from __future__ import annotations

from typing import Final, Optional

import numpy as np

from .samples import Samples

_LOWEST, _HIGHEST = 70, 400
_FRAME_S, _HOP_S = 0.04, 0.02
_CLEAR: Final = 0.5


def median_pitch(samples: Samples, rate: int) -> Optional[float]:
    """
    The median pitch of the voiced parts, or None where there are none.

    Args:
        samples: a stretch of speech.
        rate: its sampling rate in hertz.

    Returns:
        The pitch in hertz, from 70 to 400.
    """
    frames = _loud_pitch_frames(samples, int(_FRAME_S * rate), int(_HOP_S * rate))
    if not len(frames):
        return None
    echoes = _pitch_echoes(frames)
    shortest, longest = rate // _HIGHEST, rate // _LOWEST
    window = echoes[:, shortest : longest + 1]
    strongest = np.argmax(window, axis=1)
    clear = window[np.arange(len(window)), strongest] > _CLEAR
    if not clear.any():
        return None
    return float(rate / np.median(strongest[clear] + shortest))


def _loud_pitch_frames(samples: Samples, size: int, hop: int) -> Samples:
    """The frames above a tenth of the loudest one's energy, without their mean."""
    if len(samples) < size:
        return np.empty((0, size), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    frames = frames - frames.mean(axis=1, keepdims=True)
    energy = np.sum(frames**2, axis=1)
    loud: Samples = frames[(energy > energy.max() / 10) & (energy > 0)]
    return loud


def _pitch_echoes(frames: Samples) -> Samples:
    """
    How alike each frame is to itself, delayed by 0, 1, 2 ... samples.

    Each delay is weighed by the length of the overlap, so that a period does
    not look weaker than half of it.
    """
    size = frames.shape[1]
    spectrum = np.fft.rfft(frames, 2 * size)
    alike = np.fft.irfft(np.abs(spectrum) ** 2)[:, :size]
    alike = alike / alike[:, :1] * (size / (size - np.arange(size)))
    # Two periods are as alike as one: a slight preference for the shorter.
    return np.asarray(alike * (1 - 0.2 * np.arange(size) / size), np.float32)
