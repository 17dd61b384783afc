"""Formats: names, bytes and milliseconds."""

from __future__ import annotations

import pytest

from realtime_sync import audio
from realtime_sync.errors import ConfigurationError


@pytest.mark.parametrize(
    ("name", "per_ms"), [("pcm16", 48.0), ("g711_ulaw", 8.0), ("g711_alaw", 8.0)]
)
def test_a_format_knows_its_bytes_per_millisecond(name: str, per_ms: float) -> None:
    """The service's formats have whole bytes per millisecond."""
    assert per_ms == audio.audio_format(name).bytes_per_ms


@pytest.mark.parametrize(
    ("beta", "ga"),
    [
        ("pcm16", "audio/pcm"),
        ("g711_ulaw", "audio/pcmu"),
        ("g711_alaw", {"type": "audio/pcma"}),
    ],
)
def test_both_dialects_name_the_same_format(beta: str, ga: str) -> None:
    """A format is one thing with several spellings."""
    assert audio.audio_format(beta) == audio.audio_format(ga)


def test_a_rate_beside_the_name_is_kept() -> None:
    """Some servers take PCM of other rates than 24 kHz."""
    format = audio.audio_format({"type": "audio/pcm", "rate": 16_000})

    assert 16_000 == format.rate
    assert 32.0 == format.bytes_per_ms
    assert "pcm16" == format.name


def test_sizes_are_whole_samples() -> None:
    """A block never ends inside a sample, whatever its duration."""
    odd = audio.audio_format("pcm16", rate=11_025)

    assert 440 == odd.size(20)
    assert 960 == audio.PCM16.size(20)
    assert 20.0 == audio.PCM16.ms(960)


@pytest.mark.parametrize("bad", ["mp3", "", {"rate": 24_000}])
def test_an_unknown_format_names_the_known_ones(bad: object) -> None:
    """The message is enough to correct the call."""
    with pytest.raises(ConfigurationError, match="g711_ulaw"):
        audio.audio_format(bad)  # type: ignore[arg-type]


def test_a_rate_must_be_positive() -> None:
    """A negative rate would turn every duration around."""
    with pytest.raises(ConfigurationError, match="positive"):
        audio.audio_format("pcm16", rate=-1)
