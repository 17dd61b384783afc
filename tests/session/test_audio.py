"""Audio with what is needed to play it."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import Audio
from realtime_sync.errors import ConfigurationError
from realtime_sync.session.audio import audio_format_name


def test_it_knows_how_long_it_plays() -> None:
    """By format and rate."""
    assert 1.0 == Audio(bytes(48_000)).seconds
    assert 0.5 == Audio(bytes(4_000), "g711_ulaw", 8_000).seconds
    assert 0.0 == Audio(b"").seconds


def test_pcm_is_saved_as_a_wav_that_others_read(tmp_path: Path) -> None:
    """Mono, 16 bit, at its rate."""
    path = Audio(b"\1\0\2\0", rate=16_000).save(tmp_path / "a.wav")
    with wave.open(str(path)) as file:
        read = file.getparams()[:4], file.readframes(9)

    assert ((1, 2, 16_000, 2), b"\1\0\2\0") == read


@pytest.mark.parametrize(("format", "tag"), [("g711_alaw", 6), ("g711_ulaw", 7)])
def test_g711_is_saved_with_its_own_tag(format: str, tag: int) -> None:
    """One byte a sample; an odd number of bytes is padded, not counted."""
    data = Audio(b"abc", format, 8_000).wav()

    assert tag == int.from_bytes(data[20:22], "little")
    assert 3 == int.from_bytes(data[40:44], "little")
    assert len(data) - 8 == int.from_bytes(data[4:8], "little")
    assert data.endswith(b"abc\0")


def test_a_format_that_is_none_is_refused() -> None:
    """With those that are."""
    with pytest.raises(ConfigurationError, match="pcm16"):
        Audio(b"", "mp3")


def test_a_notebook_shows_a_player() -> None:
    """And no repr shows the samples."""
    audio = Audio(bytes(48_000))

    assert "<audio controls" in audio._repr_html_()
    assert "<48000 bytes>" in repr(audio)
    assert len(repr(audio)) < 100


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("g711_ulaw", "g711_ulaw"),
        ("pcm16", "pcm16"),
        ({"type": "audio/pcmu"}, "g711_ulaw"),
        ({"type": "audio/pcma"}, "g711_alaw"),
        ({"type": "audio/pcm", "rate": 24000}, "pcm16"),
        ("opus", "pcm16"),
        (None, "pcm16"),
        ({}, "pcm16"),
    ],
)
def test_wire_formats_have_one_name(value: Any, name: str) -> None:
    """Whichever dialect they are in."""
    assert name == audio_format_name(value)


def test_a_whole_wav_can_be_read_from_memory() -> None:
    """Without a file."""
    with wave.open(io.BytesIO(Audio(bytes(8)).wav())) as file:
        assert 4 == file.getnframes()
