"""
Sounds to send: silence, a tone, speech. PCM of 16 bits, mono, 24 kHz.

What the local server's detector takes for speech depends on its agent: with
``"echo"`` and scripts everything loud is speech, ``"voice"`` really listens.
"""

from __future__ import annotations

from typing import Optional

from ..audio import silence as _silence
from ..audio import tone as _tone
from ..server.voice import default_synthesizer


def silence(seconds: float) -> bytes:
    """Digital silence."""
    return _silence(seconds)


def tone(seconds: float, frequency: float = 440.0, *, level: float = -20.0) -> bytes:
    """
    A sine.

    Args:
        seconds: how long.
        frequency: Hertz.
        level: of its peaks, in dB relative to full scale.
    """
    return _tone(frequency, seconds, level=level)


def speech(text: str, *, voice: Optional[str] = None, pause: float = 0.0) -> bytes:
    """
    English words, spoken.

    Args:
        text: the words.
        voice: name of the voice.
        pause: seconds of silence to add, so that the end of the turn is heard.

    Raises:
        ConfigurationError: the extra ``voice`` is not installed.
    """
    return default_synthesizer().speak(text, voice=voice) + _silence(pause)
