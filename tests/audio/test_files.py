"""Reading, writing and streaming audio files."""

from __future__ import annotations

import io
import sys
import time
import wave
from pathlib import Path
from types import SimpleNamespace
from typing import Any

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


class Buffer:
    """Stands in for a session: keeps what is appended."""

    def __init__(self, **config: Any) -> None:
        self.config = SimpleNamespace(**config)
        self.input_audio_buffer = self
        self.blocks: list[bytes] = []

    def append(self, block: bytes) -> None:
        """Keep one block."""
        self.blocks.append(block)


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

    with pytest.raises(ConfigurationError, match=r"realtime-sync\[audio\]"):
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


def test_a_file_is_streamed_in_the_session_format(tmp_path: Path) -> None:
    """A telephone session gets G.711, followed by its own kind of silence."""
    path = sine_file(tmp_path / "sine.wav", "WAV", "PCM_16", 44_100, 2)
    wire = SimpleNamespace(type="audio/pcmu", rate=None)
    session = Buffer(audio=SimpleNamespace(input=SimpleNamespace(format=wire)))
    seconds = audio.stream_file(session, path, pace="full", silence=0.1)

    assert 0.58 == seconds
    assert [160] * 29 == [len(block) for block in session.blocks]
    assert audio.read_file(path, "g711_ulaw") == b"".join(session.blocks[:24])
    assert b"\xff" * 160 == session.blocks[-1]


def test_a_session_that_has_said_nothing_takes_pcm(tmp_path: Path) -> None:
    """The protocol's default is what is sent."""
    path = sine_file(tmp_path / "sine.wav", "WAV", "PCM_16", 24_000, 1)
    session = Buffer()
    audio.stream_file(session, path, pace="full")

    assert audio.read_file(path) == b"".join(session.blocks)


def test_a_format_can_be_forced(tmp_path: Path) -> None:
    """For servers that do not say what they expect."""
    path = sine_file(tmp_path / "sine.wav", "WAV", "PCM_16", 24_000, 1)
    session = Buffer()
    audio.stream_file(
        session, path, pace="full", format={"type": "audio/pcm", "rate": 16_000}
    )

    assert 15_360 == len(b"".join(session.blocks))


def test_a_block_is_sent_when_its_end_is_due(tmp_path: Path) -> None:
    """Real-time pace is that of a microphone: 20 ms are sent 20 ms after they began."""
    path = sine_file(tmp_path / "sine.wav", "WAV", "PCM_16", 24_000, 1)
    session = Buffer()
    pacer = Remembering()
    audio.stream_file(session, path, pace=pacer)

    assert [0.0] + [0.02 * n for n in range(1, 25)] == pytest.approx(pacer.positions)


def test_a_stopped_pacer_ends_the_stream(tmp_path: Path) -> None:
    """What was not yet due is not sent."""
    path = sine_file(tmp_path / "sine.wav", "WAV", "PCM_16", 24_000, 1)
    session = Buffer()
    seconds = audio.stream_file(session, path, pace=Remembering(stop_after=11))

    assert 10 == len(session.blocks)
    assert 0.2 == seconds


def test_realtime_is_the_default_pace(tmp_path: Path) -> None:
    """A fifth of a second of audio takes a fifth of a second."""
    path = tmp_path / "short.wav"
    audio.write_wav(path, audio.tone(440, 0.2))
    start = time.monotonic()
    audio.stream_file(Buffer(), path)

    assert 0.2 <= time.monotonic() - start < 5


def test_an_unknown_pace_is_refused(tmp_path: Path) -> None:
    """The message names the two there are."""
    with pytest.raises(ConfigurationError, match="realtime"):
        audio.stream_file(
            Buffer(), tmp_path / "any.wav", pace="slow"  # type: ignore[arg-type]
        )


class Remembering(audio.Pacer):
    """Never waits; remembers for which positions it was asked to."""

    def __init__(self, stop_after: int = 1_000) -> None:
        super().__init__()
        self.positions: list[float] = []
        self.stop_after = stop_after

    def wait(self, position: float) -> bool:
        """Note the position."""
        self.positions.append(position)
        return len(self.positions) <= self.stop_after
