"""Reading and writing audio files."""

from __future__ import annotations

import io
import os
import sys
import threading
import wave
from pathlib import Path
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


def test_a_file_is_read_without_callbacks_that_would_swallow_a_ctrl_c(
    tmp_path: Path,
) -> None:
    """The library reads from the descriptor itself."""
    path = sine_file(tmp_path / "a.wav", "WAV", "PCM_16", 24_000, 1)
    called: set[str] = set()
    sys.setprofile(lambda frame, event, arg: called.add(frame.f_code.co_name))
    try:
        sound = audio.read_file(path)
    finally:
        sys.setprofile(None)

    assert 480 * 48 == len(sound)
    assert "read" in called
    assert set() == {name for name in called if name.startswith("vio_")}


def test_a_file_without_frames_gives_no_blocks(tmp_path: Path) -> None:
    """An empty recording is not an error."""
    path = tmp_path / "empty.wav"
    soundfile.write(path, numpy.zeros(0), 8_000)

    assert b"" == audio.read_file(path)


def test_what_is_not_an_audio_file_is_said_so(tmp_path: Path) -> None:
    """The message names the file."""
    path = tmp_path / "notes.wav"
    path.write_text("bread, milk", encoding="utf-8")

    with pytest.raises(ConfigurationError, match="notes.wav is not an audio file") as e:
        audio.read_file(path)

    assert ".;" not in str(e.value)


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


def sided(path: Path, left: Any, right: Any, subtype: str = "PCM_16") -> Path:
    """A file with two channels, at 8 kHz."""
    soundfile.write(path, numpy.stack([left, right], axis=1), 8000, subtype=subtype)
    return path


def wave_of(seconds: float = 0.5) -> Any:
    """A tone at 8 kHz, as numbers."""
    return 0.5 * numpy.sin(numpy.arange(int(8000 * seconds)) / 3)


@pytest.mark.parametrize("chunk, heard", [(b"", True), (b"LIST\x04\0\0\0INFO", False)])
def test_a_size_of_zero_in_a_file_whose_own_size_is_right(
    tmp_path: Path, chunk: bytes, heard: bool
) -> None:
    """What follows tells whether there is sound: it is another chunk or it is none."""
    path = tmp_path / "half.wav"
    audio.write_wav(path, audio.tone(440, 0.5))
    whole = bytearray(path.read_bytes())
    data = whole.index(b"data")
    whole[data + 4 : data + 8] = bytes(4)
    whole[data + 8 : data + 8] = chunk
    whole[4:8] = (len(whole) - 8).to_bytes(4, "little")
    path.write_bytes(whole)

    assert heard == bool(audio.read_file(path))


@pytest.mark.parametrize("odd_chunk", [False, True])
@pytest.mark.parametrize("sizes", [0, 0xFFFFFFFF])
def test_a_wav_file_without_sizes_is_read_to_its_end(
    tmp_path: Path, sizes: int, odd_chunk: bool
) -> None:
    """Whoever writes to a pipe cannot go back to fill them in."""
    pcm = audio.tone(440, 0.5)
    path = tmp_path / "streamed.wav"
    audio.write_wav(path, pcm)
    whole = bytearray(path.read_bytes())
    if odd_chunk:
        whole[36:36] = b"LIST" + (4).to_bytes(4, "little") + b"INFO"
    data = whole.index(b"data")
    for at in (4, data + 4):
        whole[at : at + 4] = sizes.to_bytes(4, "little")
    path.write_bytes(whole)

    assert pcm == audio.read_file(path)
    assert 0.5 == pytest.approx(audio.file_seconds(path))


@pytest.mark.parametrize("before", [b"", bytes(5), bytes(5000), bytes(70_000)])
def test_sound_without_a_size_is_found_behind_whatever_is_before_it(
    tmp_path: Path, before: bytes
) -> None:
    """A cover picture may be larger than any header; odd chunks are padded."""
    pcm = audio.tone(440, 0.5)
    path = tmp_path / "streamed.wav"
    audio.write_wav(path, pcm)
    whole = bytearray(path.read_bytes())
    padding = bytes(len(before) % 2)
    whole[36:36] = b"LIST" + len(before).to_bytes(4, "little") + before + padding
    data = whole.index(b"data")
    for at in (4, data + 4):
        whole[at : at + 4] = bytes(4)
    path.write_bytes(whole)

    assert pcm == audio.read_file(path)


def test_a_file_of_nothing_but_empty_chunks_is_not_looked_through_for_ever(
    tmp_path: Path,
) -> None:
    """Eight bytes each, and there is no sound."""
    path = tmp_path / "hostile.wav"
    path.write_bytes(b"RIFF" + bytes(4) + b"WAVE" + (b"none" + bytes(4)) * 2000)

    with pytest.raises(ConfigurationError, match="not an audio file"):
        audio.read_file(path)


def test_one_channel_and_all_of_them_are_not_read_at_once(tmp_path: Path) -> None:
    """Nothing that was asked for is left out without a word."""
    path = tmp_path / "tone.wav"
    audio.write_wav(path, audio.tone(440, 0.1))

    with pytest.raises(ConfigurationError, match="say no channel"):
        audio.read_file(path, split=True, channel=0)  # type: ignore[call-overload]


@pytest.mark.parametrize("number", [numpy.nan, numpy.inf, -numpy.inf])
def test_what_is_no_number_is_heard_as_no_more_than_a_click(
    tmp_path: Path, number: float
) -> None:
    """Nothing warns, and the rest of the file is as it was."""
    samples = numpy.zeros(8000, dtype="float32")
    samples[100:200] = number
    soundfile.write(tmp_path / "odd.wav", samples, 8000, subtype="FLOAT")
    pcm = audio.read_file(tmp_path / "odd.wav", audio.audio_format("pcm16", rate=8000))

    assert 16_000 == len(pcm)
    assert bytes(200) == pcm[:200] and bytes(2000) == pcm[400:2400]
    assert numpy.isnan(number) == (bytes(16_000) == pcm)


@pytest.mark.parametrize("factor", [-1.0, -0.99, -0.9, -0.6])
def test_channels_that_cancel_each_other_out_are_heard(
    tmp_path: Path, factor: float
) -> None:
    """A plug that was wired the wrong way is no silence."""
    path = sided(tmp_path / "anti.wav", wave_of(), factor * wave_of())

    assert audio.level(audio.read_file(path)).peak > -8


@pytest.mark.parametrize("channels", [2, 3, 5])
def test_one_channel_among_silent_ones_is_mixed_as_always(
    tmp_path: Path, channels: int
) -> None:
    """Silence takes nothing away."""
    frames = numpy.zeros((4000, channels))
    frames[:, 0] = wave_of()
    soundfile.write(tmp_path / "many.wav", frames, 8000)
    level = audio.level(audio.read_file(tmp_path / "many.wav"))

    assert -6 - 20 * numpy.log10(channels) == pytest.approx(level.peak, abs=0.5)


def test_channels_are_told_apart(tmp_path: Path) -> None:
    """The caller on one side of a recording, the agent on the other."""
    path = sided(tmp_path / "call.wav", wave_of(), numpy.zeros(4000))
    left, right = audio.read_file(path, split=True)

    assert left == audio.read_file(path, channel=0)
    assert right == audio.read_file(path, channel=1) == bytes(len(left))
    assert 24_000 == len(left)
    with pytest.raises(ConfigurationError, match="0 to 1, and no 2"):
        audio.read_file(path, channel=2)
    with pytest.raises(ConfigurationError, match="no True"):
        audio.read_file(path, channel=True)
    with pytest.raises(ConfigurationError, match="no -1"):
        list(audio.file_blocks(path, channel=-1))


@pytest.mark.parametrize("raw", ["pcm16", "g711_ulaw", "g711_alaw"])
def test_a_file_that_is_nothing_but_samples_is_read(tmp_path: Path, raw: str) -> None:
    """Its format and rate are for the caller to say."""
    sound = audio.tone(440, 0.5, audio.audio_format(raw, rate=8000))
    path = tmp_path / "samples.raw"
    path.write_bytes(sound)
    same = audio.read_file(path, raw, raw=raw, rate=8000) if raw != "pcm16" else sound

    assert sound == same
    assert 0.5 == audio.file_seconds(path, raw=raw, rate=8000)
    assert 24_000 == len(audio.read_file(path, raw=raw, rate=8000))
    assert len(sound) // 2 == len(
        audio.read_file(
            path,
            audio.audio_format(raw, rate=8000),
            raw=raw,
            rate=8000,
            channels=2,
        )
    )


def test_a_pipe_is_read(tmp_path: Path) -> None:
    """It cannot be gone back in, and need not."""
    pcm = audio.tone(440, 0.2)
    audio.write_wav(tmp_path / "tone.wav", pcm)
    whole = (tmp_path / "tone.wav").read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(whole,))
    writer.start()
    heard = audio.read_file(pipe)
    writer.join(10)

    assert pcm == heard


@pytest.mark.parametrize(
    "head, remedy",
    [
        (b"\0\0\0\x20ftypM4A ", "ffmpeg -i IN.m4a"),
        (b"\0\0\0\x14ftyp3gp4", "ffmpeg -i"),
        (b"\x1aE\xdf\xa3", "ffmpeg -i IN.webm"),
        (b"#!AMR\n", "ffmpeg -i IN.amr"),
        (b"\xff\xf1P\x80", "ffmpeg -i IN.aac"),
        (b"0&\xb2u\x8ef\xcf\x11", "ffmpeg -i IN.wma"),
        (b"hello", "--raw"),
    ],
)
def test_the_remedy_is_in_the_message(tmp_path: Path, head: bytes, remedy: str) -> None:
    """For what telephones and browsers record, and for a file without a header."""
    path = tmp_path / "talk"
    path.write_bytes(head + bytes(100))

    with pytest.raises(ConfigurationError, match=remedy):
        audio.read_file(path)


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    """A download that has failed, most often."""
    path = tmp_path / "talk.wav"
    path.write_bytes(b"")

    with pytest.raises(ConfigurationError, match="it is empty"):
        audio.read_file(path)


@pytest.mark.parametrize("channel", [2, -1, 0.5, "left"])
def test_a_channel_that_there_is_not_is_refused(tmp_path: Path, channel: Any) -> None:
    """With those that there are."""
    path = tmp_path / "two.wav"
    soundfile.write(path, [[0.1, 0.2]] * 100, 24_000)

    with pytest.raises(ConfigurationError, match="channels 0 to 1, and no"):
        audio.read_file(path, channel=channel)
