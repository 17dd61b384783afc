"""Speech recognition by pocketsphinx, whose English models are in its wheel."""

from __future__ import annotations

import queue
from typing import Final

import numpy as np
import pocketsphinx

from realtime_sync.errors import RealtimeError

from .decoder_process import DecoderProcess, DecoderStopped
from .pitch import median_pitch
from .samples import Samples, pcm_of_samples, resampled_samples, samples_of_pcm

RATE: Final = 16000
"""Sampling rate that the acoustic model was trained at, in hertz."""

# Imported by the decoder's process; named here so that a missing package shows
# when the recognizer is made, not when it is first needed.
ENGINE: Final = pocketsphinx.__name__

# 54 dB below full scale; the decoder finds a word even in silence.
_FAINTEST: Final = 0.002
_USUAL_PITCH: Final = 185.0
_MOST_STRETCHED: Final = 1.12


class SphinxRecognizer:
    """
    `Recognizer` on a pool of decoders, each in a process of its own.

    A decoder works on one turn at a time, so that each call borrows one. Any
    thread may call `transcribe`; when all decoders are in use, it waits for
    the next to come free, with no limit but the length of their turns. While
    it waits, other threads run.

    Args:
        decoders: how many turns are recognized side by side.
    """

    def __init__(self, *, decoders: int = 1) -> None:
        self._idle: queue.SimpleQueue[DecoderProcess] = queue.SimpleQueue()
        self._count = decoders
        for _ in range(decoders):
            self._idle.put(DecoderProcess())

    def transcribe(self, pcm: bytes, rate: int) -> str:
        """
        Write down what is said, in lower case without punctuation.

        Args:
            pcm: one turn of speech, 16-bit little-endian mono.
            rate: sampling rate of ``pcm`` in hertz.

        Raises:
            RealtimeError: the decoder's process died of this turn, twice.
        """
        samples = resampled_samples(samples_of_pcm(pcm), rate, RATE)
        if not (np.abs(samples) > _FAINTEST).any():
            return ""
        return self._decode(pcm_of_samples(voice_for_recognizer(samples)))

    def close(self) -> None:
        """Wait for the turns in hand and end the processes; a use starts new ones."""
        decoders = [self._idle.get() for _ in range(self._count)]
        for decoder in decoders:
            decoder.close()
            self._idle.put(decoder)

    def _decode(self, pcm: bytes) -> str:
        decoder = self._idle.get()
        try:
            if not decoder.usable:
                decoder = DecoderProcess()
            try:
                return decoder.decode(pcm)
            except DecoderStopped:
                decoder = DecoderProcess()
                return decoder.decode(pcm)
        except DecoderStopped as error:
            raise RealtimeError(
                "speech recognition failed: its process ended twice; "
                "what it wrote to standard error says why"
            ) from error
        finally:
            self._idle.put(decoder)


def voice_for_recognizer(samples: Samples) -> Samples:
    """
    Bring a high voice down towards those that the model was trained on.

    A high voice comes from a short throat, whose resonances lie higher than
    those of most speakers in the model. Played slower by as much as its pitch
    is above the usual one, at most by an eighth, it is understood better.
    """
    pitch = median_pitch(samples, RATE)
    if pitch is None or pitch <= _USUAL_PITCH:
        return samples
    return resampled_samples(
        samples, RATE, RATE * min(pitch / _USUAL_PITCH, _MOST_STRETCHED)
    )
