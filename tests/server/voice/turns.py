"""Speech as a server meets it: silence around it, cut out by voice activity."""

from __future__ import annotations

from pathlib import Path

from realtime_sync.server.voice import VoiceActivity, default_activity
from realtime_sync.server.voice.samples import (
    pcm_of_samples,
    resampled_samples,
    samples_of_pcm,
)

RATE = 24000
THRESHOLD = 0.5
PADDING_MS = 300
SILENCE_MS = 500

SENTENCES = tuple(
    (Path(__file__).parent / "sentences.txt").read_text(encoding="utf-8").splitlines()
)


def silence(milliseconds: int) -> bytes:
    """Nothing, at 24 kHz."""
    return bytes(2 * RATE * milliseconds // 1000)


def find_turns(pcm: bytes) -> list[bytes]:
    """
    The turns in 24 kHz audio, as the protocol's default detection cuts them.

    A turn begins ``PADDING_MS`` before the first chunk of speech and ends when
    ``SILENCE_MS`` have passed without any.
    """
    activity = default_activity()
    heard = pcm_of_samples(resampled_samples(samples_of_pcm(pcm), RATE, activity.rate))
    speech = _speech_chunks(activity, heard)
    chunk_ms = activity.chunk_bytes / 2 * 1000 / activity.rate
    turns: list[bytes] = []
    start = last = -1
    for place, is_speech in enumerate([*speech, *([False] * 64)]):
        if is_speech:
            start, last = (place if start < 0 else start), place
        elif start >= 0 and (place - last) * chunk_ms >= SILENCE_MS:
            turns.append(_cut(pcm, start * chunk_ms - PADDING_MS, place * chunk_ms))
            start = -1
    return turns


def _speech_chunks(activity: VoiceActivity, pcm: bytes) -> list[bool]:
    size = activity.chunk_bytes
    chunks = (pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size))
    return [activity.probability(chunk) >= THRESHOLD for chunk in chunks]


def _cut(pcm: bytes, start_ms: float, end_ms: float) -> bytes:
    first = max(0, round(start_ms * RATE / 1000))
    return pcm[2 * first : 2 * round(end_ms * RATE / 1000)]
