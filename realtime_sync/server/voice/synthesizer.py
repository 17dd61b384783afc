"""Speech synthesis by hibari-tts, whose American voice is inside its wheel."""

from __future__ import annotations

import threading
from typing import Any, Final, Optional

from hibari import Hibari

from .samples import pcm_of_samples, resampled_samples
from .voices import synthesizer_voice

RATE: Final = 24000
"""Sampling rate of the speech, in hertz."""

_SLOWEST, _FASTEST = 0.5, 2.0


class HibariSynthesizer:
    """
    A `Synthesizer` with two voices out of one model.

    The wheel holds one voice, and others would have to be downloaded. The
    second is the same speech, spoken faster and then stretched by resampling,
    which lowers pitch and resonances together: a larger speaker at the pace
    of the first.

    Any thread may call `speak`. Calls run one after the other: each takes
    about a fiftieth of the time of the speech that it makes.
    """

    def __init__(self) -> None:
        self._model: Any = Hibari()
        # Guards the model, whose pronunciation tables fill on first use.
        self._speaking = threading.Lock()

    def speak(
        self, text: str, *, voice: Optional[str] = None, speed: float = 1.0
    ) -> bytes:
        """
        Say the text; the same arguments give the same bytes.

        Args:
            text: plain English; nothing to say gives no bytes.
            voice: ``heart`` (the default), ``deep``, or one of the API's names.
            speed: pace from 0.5 to 2.0; what lies beyond is clipped.

        Returns:
            Speech, 16-bit little-endian mono at 24,000 hertz.
        """
        depth = synthesizer_voice(voice).depth
        pace = min(max(speed * depth, _SLOWEST), _FASTEST)
        with self._speaking:
            spoken = self._model(text, speed=pace, seed=0)
        return pcm_of_samples(resampled_samples(spoken, RATE, RATE * depth))
