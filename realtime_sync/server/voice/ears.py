"""Speech recognition by pocketsphinx, whose English models are in its wheel."""

from __future__ import annotations

import queue
from typing import Any, Final

import numpy as np
from pocketsphinx import Decoder

from .pitch import median_pitch
from .samples import Samples, pcm_of, resample, samples_of

RATE: Final = 16000
"""Sampling rate that the acoustic model was trained at, in hertz."""

SETTINGS: Final = {"fwdflatsfwin": 50, "fwdflatefwid": 2}
"""
Where the decoder differs from its defaults.

The second pass looks for a word in twice as many frames, and also for those
that the first pass saw end in two frames only; short words are lost otherwise.
"""

# 54 dB below full scale; the decoder finds a word even in silence.
_FAINTEST: Final = 0.002
_USUAL_PITCH: Final = 185.0
_MOST_STRETCHED: Final = 1.12


class SphinxEars:
    """
    `Ears` on a pool of decoders.

    A decoder holds the state of one utterance, so that each call borrows one.
    Any thread may call `transcribe`; when all decoders are in use, it waits
    for the next to come free, with no limit but the length of their turns.

    Args:
        decoders: how many turns are recognised side by side.
    """

    def __init__(self, *, decoders: int = 1) -> None:
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(decoders):
            self._idle.put(Decoder(loglevel="FATAL", **SETTINGS))

    def transcribe(self, pcm: bytes, rate: int) -> str:
        """
        Write down what is said, in lower case without punctuation.

        Args:
            pcm: one turn of speech, 16-bit little-endian mono.
            rate: sampling rate of ``pcm`` in hertz.
        """
        samples = resample(samples_of(pcm), rate, RATE)
        if not (np.abs(samples) > _FAINTEST).any():
            return ""
        heard = pcm_of(at_usual_height(samples))
        decoder = self._idle.get()
        try:
            return _decode(decoder, heard)
        finally:
            self._idle.put(decoder)


def at_usual_height(samples: Samples) -> Samples:
    """
    Bring a high voice down towards those that the model was trained on.

    A high voice comes from a short throat, whose resonances lie higher than
    those of most speakers in the model. Played slower by as much as its pitch
    is above the usual one, at most by an eighth, it is understood better.
    """
    pitch = median_pitch(samples, RATE)
    if pitch is None or pitch <= _USUAL_PITCH:
        return samples
    return resample(samples, RATE, RATE * min(pitch / _USUAL_PITCH, _MOST_STRETCHED))


def _decode(decoder: Any, pcm: bytes) -> str:
    decoder.start_utt()
    try:
        decoder.process_raw(pcm, full_utt=True)
    finally:
        decoder.end_utt()
    best = decoder.hyp()
    return str(best.hypstr) if best else ""
