"""Between 16-bit bytes and arrays of samples, at any sampling rate."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import soxr

Samples = npt.NDArray[np.float32]


def samples_of_pcm(pcm: bytes) -> Samples:
    """Samples from -1 to 1 of 16-bit little-endian mono; an odd byte is dropped."""
    whole = memoryview(pcm)[: len(pcm) & ~1]
    samples: Samples = np.frombuffer(whole, dtype="<i2").astype(np.float32)
    samples /= 32768
    return samples


def pcm_of_samples(samples: Samples) -> bytes:
    """16-bit little-endian mono; what lies beyond -1 and 1 is clipped."""
    scaled = np.clip(samples * 32768, -32768, 32767)
    return np.rint(scaled).astype("<i2").tobytes()


def resampled_samples(samples: Samples, rate: float, to: float) -> Samples:
    """The same sound at another sampling rate, in hertz."""
    if rate == to or not len(samples):
        return samples
    changed: Any = soxr.resample(samples, rate, to, quality="HQ")
    return cast(Samples, changed)
