"""
The recording of a stored session: both sides in one file.
"""

from __future__ import annotations

import io
import wave
from typing import Final

from ..engine.sound import NATIVE_RATE

MOST_BYTES: Final = 64 << 20
"""Of both sides together: about eleven minutes."""


class LiveSessionRecording:
    """
    What was heard and said, 16-bit PCM at 24 kHz.

    Attributes:
        full: whether it was not kept, being too long or too old.
    """

    def __init__(self) -> None:
        self._heard = bytearray()
        self._said = bytearray()
        self.full = False

    def add(self, heard: bytes, said: bytes) -> None:
        """Append as much of either side."""
        if self.full:
            return
        self._heard += heard
        self._said += said
        if len(self._heard) + len(self._said) > MOST_BYTES:
            self.forget()

    def forget(self) -> None:
        """Let it go; there is none from now on."""
        self.full = True
        self._heard.clear()
        self._said.clear()

    def wav(self) -> bytes:
        """Return it as a WAV file: the user on the left, the model on the right."""
        both = bytearray(2 * len(self._heard))
        for at, side in enumerate((self._heard, self._said)):
            both[2 * at :: 4], both[2 * at + 1 :: 4] = side[0::2], side[1::2]
        file = io.BytesIO()
        with wave.open(file, "wb") as written:
            written.setnchannels(2)
            written.setsampwidth(2)
            written.setframerate(NATIVE_RATE)
            written.writeframes(bytes(both))
        return file.getvalue()
