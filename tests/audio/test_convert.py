"""Conversion between formats and rates, whole and streamed."""

from __future__ import annotations

import sys
from typing import Any

import numpy
import pytest

from realtime_sync import audio
from realtime_sync.errors import ConfigurationError


def snr(reference: bytes, result: bytes, skip: int = 0) -> float:
    """Signal to noise in dB, leaving out *skip* samples at either end."""
    end = -skip or None
    wanted = samples(reference)[skip:end].astype(float)
    noise = samples(result)[skip:end].astype(float) - wanted
    return float(10 * numpy.log10((wanted**2).sum() / (noise**2).sum()))


def samples(pcm: bytes) -> Any:
    """PCM bytes as int16."""
    return numpy.frombuffer(pcm, dtype="<i2")


@pytest.mark.parametrize("law", ["g711_ulaw", "g711_alaw"])
def test_companding_keeps_a_sine_at_35_decibels(law: str) -> None:
    """G.711 costs little on speech levels, both ways at 8 kHz."""
    sine = audio.tone(1004, 1, audio.audio_format("pcm16", rate=8000), level=-20)
    there = audio.convert(sine, "pcm16", law, rate=8000)
    back = audio.convert(there, law, "pcm16", to_rate=8000)

    assert len(sine) // 2 == len(there)
    assert snr(sine, back) >= 35


def test_a_change_of_rate_keeps_the_sine() -> None:
    """24 kHz to 8 kHz gives the sine that would have been made at 8 kHz."""
    narrow = audio.tone(440, 1, audio.audio_format("pcm16", rate=8000))
    result = audio.convert(audio.tone(440, 1), "pcm16", "pcm16", to_rate=8000)

    assert len(narrow) == len(result)
    assert snr(narrow, result, skip=200) > 60


def test_what_does_not_fit_the_lower_rate_is_removed() -> None:
    """Nothing of a 10 kHz tone folds down into the telephone band."""
    result = audio.convert(audio.tone(10_000, 1), "pcm16", "pcm16", to_rate=8000)

    assert abs(samples(result)[200:-200]).max() <= 2


@pytest.mark.parametrize("source", ["pcm16", "g711_ulaw"])
@pytest.mark.parametrize("target", ["pcm16", "g711_alaw"])
def test_pieces_cut_anywhere_convert_like_the_whole(source: str, target: str) -> None:
    """A stream has no seams, even when a sample is cut in two."""
    sine = audio.tone(440, 0.5, source)
    whole = audio.convert(sine, source, target, to_rate=16_000)
    stream = audio.Converter(source, target, to_rate=16_000)
    pieces = [stream.feed(sine[n : n + 333]) for n in range(0, len(sine), 333)]

    assert whole == b"".join(pieces) + stream.finish()


def test_channels_are_mixed_down() -> None:
    """Two channels become their mean."""
    stereo = numpy.array([[100, 300], [-50, 50]], dtype="<i2").tobytes()

    assert [200, 0] == samples(
        audio.convert(stereo, "pcm16", "pcm16", channels=2)
    ).tolist()


def test_audio_that_needs_no_conversion_is_passed_on() -> None:
    """The same format in and out touches no optional package."""
    pcm = audio.tone(440, 0.1)

    assert pcm == audio.convert(pcm, "pcm16", "audio/pcm")
    assert b"" == audio.convert(b"", "pcm16", "g711_ulaw")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_bytes_like_object_is_taken(kind: Any) -> None:
    """Audio comes in many clothes."""
    pcm = audio.tone(440, 0.02)

    assert len(pcm) // 2 == len(
        audio.convert(kind(pcm), "pcm16", "g711_ulaw", to_rate=24_000)
    )


def test_a_cut_sample_is_refused() -> None:
    """An odd number of bytes shifts all that follows by half a sample."""
    with pytest.raises(ConfigurationError, match="whole number"):
        audio.convert(b"\x00\x00\x00", "pcm16", "g711_ulaw")


def test_no_channels_is_refused() -> None:
    """A frame needs a sample."""
    with pytest.raises(ConfigurationError, match="0 channels"):
        audio.Converter("pcm16", "pcm16", channels=0)


@pytest.mark.parametrize("package", ["numpy", "soxr"])
def test_a_missing_package_is_named_with_its_extra(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to type."""
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(ConfigurationError, match=r"pip install .*\[audio\]") as caught:
        audio.convert(audio.tone(440, 0.1), "pcm16", "g711_ulaw")
    assert package in str(caught.value)


def test_loud_results_are_clipped_and_not_wrapped() -> None:
    """Resampling overshoots at the edges of a square wave."""
    square = numpy.tile(
        numpy.repeat(numpy.array([32_767, -32_768], dtype="<i2"), 30), 40
    )
    result = samples(
        audio.convert(square.tobytes(), "pcm16", "pcm16", to_rate=48_000)
    ).astype(int)
    inside = result[60:-60].reshape(-1, 60)

    assert (numpy.sign(inside[:, 15:45]) == numpy.sign(inside[:, 30:31])).all()
