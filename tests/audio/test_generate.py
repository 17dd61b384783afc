"""Tones and silence."""

from __future__ import annotations

import numpy
import pytest

from realtime_sync import audio


@pytest.mark.parametrize("name", ["pcm16", "g711_ulaw", "g711_alaw"])
def test_silence_decodes_to_nothing(name: str) -> None:
    """Silence is the format's own: 0x00 is loud in G.711."""
    quiet = audio.silence(0.1, name)
    pcm = audio.convert(quiet, name, "pcm16", to_rate=audio.audio_format(name).rate)

    assert audio.audio_format(name).size(100) == len(quiet)
    assert abs(numpy.frombuffer(pcm, dtype="<i2").astype(int)).max() <= 8


@pytest.mark.parametrize("name", ["pcm16", "g711_ulaw"])
def test_a_tone_has_its_level_and_length(name: str) -> None:
    """-20 dBFS peaks at a tenth of full scale."""
    format = audio.audio_format(name)
    sine = audio.tone(1000, 0.25, name, level=-20)
    pcm = audio.convert(sine, name, "pcm16", to_rate=format.rate)
    peak = abs(numpy.frombuffer(pcm, dtype="<i2").astype(int)).max()

    assert format.size(250) == len(sine)
    assert 3150 < peak < 3400
