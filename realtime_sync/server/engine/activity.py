"""
Sources of voice activity that need no model: by energy, and by script.

Both follow the `realtime_sync.server.voice.VoiceActivity` protocol: one object per
session, given one chunk after the other.
"""

from __future__ import annotations

from typing import Iterable, Sequence

from .sound import NATIVE_RATE, sound_samples


class EnergyActivity:
    """
    Takes everything louder than a level for speech.

    Args:
        level: mean absolute sample value, of 32,767, above which a chunk is speech.
    """

    rate = NATIVE_RATE
    chunk_bytes = NATIVE_RATE // 1000 * 2 * 20

    def __init__(self, level: float = 300.0) -> None:
        self._level = level

    def probability(self, chunk: bytes) -> float:
        """Return how surely *chunk* is speech: 0.5 exactly at the level."""
        # Every fourth sample tells the level of a chunk as well as all of them.
        samples = sound_samples(chunk)[::4]
        mean = sum(map(abs, samples)) / max(len(samples), 1)
        return mean / (mean + self._level)

    def reset(self) -> None:
        """Do nothing: no chunk depends on those before it."""


class ScriptedActivity:
    """
    Finds speech where it is told to, whatever the audio is.

    Args:
        spans: begin and end of every stretch of speech, in milliseconds of audio
            since the beginning of the stream.
    """

    rate = NATIVE_RATE
    chunk_bytes = NATIVE_RATE // 1000 * 2 * 20

    def __init__(self, spans: Iterable[Sequence[float]]) -> None:
        self._spans = [(float(start), float(end)) for start, end in spans]
        self._ms = 0.0

    def probability(self, chunk: bytes) -> float:
        """Return 1.0 inside a span of the script, else 0.0."""
        at = self._ms
        self._ms += len(chunk) * 1000 / (self.rate * 2)
        return float(any(start <= at < end for start, end in self._spans))

    def reset(self) -> None:
        """Do nothing: the script follows the whole stream."""
