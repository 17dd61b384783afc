"""Speech recognition by pocketsphinx, whose English models are in its wheel."""

from __future__ import annotations

import queue
from typing import Any, Final

from pocketsphinx import Decoder

from .samples import pcm_of, resample, samples_of

RATE: Final = 16000
"""Sampling rate that the acoustic model was trained at, in hertz."""


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
            self._idle.put(Decoder(loglevel="FATAL"))

    def transcribe(self, pcm: bytes, rate: int) -> str:
        """
        Write down what is said, in lower case without punctuation.

        Args:
            pcm: one turn of speech, 16-bit little-endian mono.
            rate: sampling rate of ``pcm`` in hertz.
        """
        heard = pcm_of(resample(samples_of(pcm), rate, RATE))
        if not heard:
            return ""
        decoder = self._idle.get()
        try:
            return _decode(decoder, heard)
        finally:
            self._idle.put(decoder)


def _decode(decoder: Any, pcm: bytes) -> str:
    decoder.start_utt()
    try:
        decoder.process_raw(pcm, full_utt=True)
    finally:
        decoder.end_utt()
    best = decoder.hyp()
    return str(best.hypstr) if best else ""
