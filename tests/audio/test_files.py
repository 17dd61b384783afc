"""Reading and writing audio files."""

from __future__ import annotations

import io
import sys
import wave
from pathlib import Path

import numpy
import pytest
import soundfile

from realtime_sync import audio
from realtime_sync.errors import ConfigurationError

KINDS = [
    # format, subtype, rate, channels, dB that its resolution allows
    ("WAV", "PCM_16", 24_000, 1, 70),
    ("WAV", "PCM_U8", 8_000, 1, 20),
    ("WAV", "PCM_16", 44_100, 2, 55),
    ("WAV", "PCM_24", 48_000, 1, 55),
    ("WAV", "PCM_32", 16_000, 2, 55),
    ("WAV", "FLOAT", 22_050, 1, 55),
    ("WAV", "DOUBLE", 96_000, 2, 55),
    ("WAV", "ULAW", 8_000, 1, 30),
    ("WAV", "ALAW", 8_000, 1, 30),
    ("WAVEX", "PCM_24", 44_100, 2, 55),
    ("WAVEX", "FLOAT", 11_025, 1, 55),
    ("FLAC", "PCM_16", 44_100, 1, 55),
]


def sine_file(path: Path, format: str, subtype: str, rate: int, channels: int) -> Path:
    """480 ms of 440 Hz at -20 dBFS, the same in every channel."""
    seconds = numpy.arange(rate * 48 // 100) / rate
    sine = 0.1 * numpy.sin(2 * numpy.pi * 440 * seconds)
    frames = numpy.repeat(sine[:, None], channels, axis=1)
    soundfile.write(path, frames, rate, format=format, subtype=subtype)
    return path


@pytest.mark.parametrize(("format", "subtype", "rate", "channels", "decibels"), KINDS)
def test_every_kind_of_file_becomes_mono_pcm_at_24_khz(
    tmp_path: Path, format: str, subtype: str, rate: int, channels: int, decibels: int
) -> None:
    """Rate, channels and width of the file do not matter."""
    path = sine_file(tmp_path / "sine.wav", format, subtype, rate, channels)
    pcm = numpy.frombuffer(audio.read_file(path), dtype="<i2").astype(float)
    wanted = numpy.frombuffer(audio.tone(440, 0.48), dtype="<i2").astype(float)
    noise = (pcm - wanted)[600:-600]
    wanted = wanted[600:-600]

    assert 11_520 == len(pcm)
    assert 10 * numpy.log10((wanted**2).sum() / (noise**2).sum()) > decibels
    assert 0.48 == audio.file_seconds(path)


def test_a_file_can_be_read_as_g711(tmp_path: Path) -> None:
    """Eight bytes per millisecond, whatever the file."""
    path = sine_file(tmp_path / "sine.wav", "WAV", "PCM_16", 44_100, 2)

    assert 3840 == len(audio.read_file(path, "g711_ulaw"))


def test_blocks_last_what_was_asked_for(tmp_path: Path) -> None:
    """All blocks are of one size but the last."""
    path = sine_file(tmp_path / "sine.wav", "WAV", "PCM_16", 16_000, 1)
    sizes = [len(block) for block in audio.file_blocks(path, block_ms=50)]

    assert [2400] * 9 + [1440] == sizes


def test_a_file_without_frames_gives_no_blocks(tmp_path: Path) -> None:
    """An empty recording is not an error."""
    path = tmp_path / "empty.wav"
    soundfile.write(path, numpy.zeros(0), 8_000)

    assert b"" == audio.read_file(path)


def test_what_is_not_an_audio_file_is_said_so(tmp_path: Path) -> None:
    """The message names the file."""
    path = tmp_path / "notes.wav"
    path.write_text("bread, milk", encoding="utf-8")

    with pytest.raises(ConfigurationError, match="notes.wav is not an audio file"):
        audio.read_file(path)


def test_a_file_that_is_not_there_is_a_file_not_found_error(tmp_path: Path) -> None:
    """The error of the operating system is not disguised."""
    with pytest.raises(FileNotFoundError):
        audio.read_file(tmp_path / "nothing.wav")


def test_reading_without_soundfile_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to type."""
    monkeypatch.setitem(sys.modules, "soundfile", None)

    with pytest.raises(ConfigurationError, match=r"pip install .*\[audio\]"):
        audio.read_file(tmp_path / "any.wav")


def test_a_block_without_audio_is_refused(tmp_path: Path) -> None:
    """Blocks of no length would never end."""
    with pytest.raises(ConfigurationError, match="hold no audio"):
        list(audio.file_blocks(tmp_path / "any.wav", block_ms=0))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """A WAV file by the standard library, in a file or in memory."""
    pcm = audio.tone(440, 0.25)
    memory = io.BytesIO()
    audio.write_wav(tmp_path / "tone.wav", pcm)
    audio.write_wav(memory, memoryview(pcm))

    assert pcm == audio.read_file(tmp_path / "tone.wav")
    assert (tmp_path / "tone.wav").read_bytes() == memory.getvalue()


def test_g711_is_written_as_pcm(tmp_path: Path) -> None:
    """Every program can play the result, at the rate of the telephone."""
    audio.write_wav(
        tmp_path / "call.wav", audio.tone(440, 0.25, "g711_alaw"), "audio/pcma"
    )
    with wave.open(str(tmp_path / "call.wav")) as file:
        rate, width, frames = (
            file.getframerate(),
            file.getsampwidth(),
            file.getnframes(),
        )

    assert (8000, 2, 2000) == (rate, width, frames)
