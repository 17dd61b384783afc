"""Audio files: reading any of them, writing WAV."""

from __future__ import annotations

import os
import shutil
import struct
import sys
import wave
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, Literal, Union, overload

from attrs import frozen

from ..errors import ConfigurationError
from ..types import AudioBytes
from . import g711
from .convert import Resampler, rounded_after_convert
from .extras import require_extra
from .formats import PCM16, AudioFormat, FormatLike, audio_format

if TYPE_CHECKING:
    from soundfile import SoundFile

    from .g711 import Samples

FilePath = Union[str, "os.PathLike[str]"]

_SUBTYPES = {"pcm16": "PCM_16", "g711_ulaw": "ULAW", "g711_alaw": "ALAW"}
_QUIET = 1e-6
_CANCELLED = 0.7
"""
Of what the loudest channel alone would leave in the mean of all: with less than this
left, the others take it away.
"""

_CHUNKS = 1000
"""Chunks of a WAV file that are looked through for its sound."""


@frozen
class FileFormat:
    """
    What a file does not say about itself.

    Attributes:
        raw: format of a file that is nothing but samples; None for a file that says.
        rate: samples per second of such a file; those of the format by default.
        channels: interleaved channels of such a file.
        channel: the one channel to hear, from 0; None mixes them down.
    """

    raw: FormatLike | None = None
    rate: int | None = None
    channels: int = 1
    channel: int | None = None


@overload
def read_file(
    path: FilePath,
    format: FormatLike = PCM16,
    *,
    channel: int | None = None,
    split: Literal[False] = False,
    raw: FormatLike | None = None,
    rate: int | None = None,
    channels: int = 1,
) -> bytes: ...


@overload
def read_file(
    path: FilePath,
    format: FormatLike = PCM16,
    *,
    channel: None = None,
    split: Literal[True],
    raw: FormatLike | None = None,
    rate: int | None = None,
    channels: int = 1,
) -> tuple[bytes, ...]: ...


def read_file(
    path: FilePath,
    format: FormatLike = PCM16,
    *,
    channel: int | None = None,
    split: bool = False,
    raw: FormatLike | None = None,
    rate: int | None = None,
    channels: int = 1,
) -> bytes | tuple[bytes, ...]:
    """
    Read a whole audio file, converted to *format*.

    Args:
        path: any file that libsndfile reads: WAV of every kind (8 to 32 bit,
            float, mu-law, extensible), FLAC, Ogg, MP3; any rate and channels. A
            pipe is kept on disk first; ``"-"`` is the standard input.
        format: what to convert to; mono.
        channel: the one channel to hear, from 0; by default they are mixed down,
            and where they cancel each other out the loudest is heard.
        split: return every channel by itself: the two sides of a recorded call.
        raw: format of a file that is nothing but samples, ``"pcm16"``.
        rate: samples per second of such a file; those of the format by default.
        channels: interleaved channels of such a file.

    Raises:
        OSError: there is no such file, or it may not be read.
        ConfigurationError: it is not an audio file, it has no such channel, one
            channel and all of them are wanted, or a package is missing.
    """
    recorded = FileFormat(raw, rate, channels, channel)
    if split:
        if channel is not None:
            raise ConfigurationError("split=True returns every channel: say no channel")
        return _sides_of_file(path, audio_format(format), recorded)
    return b"".join(_file_blocks(path, format, 1000, recorded))


def file_blocks(
    path: FilePath,
    format: FormatLike = PCM16,
    *,
    block_ms: float = 20,
    channel: int | None = None,
    raw: FormatLike | None = None,
    rate: int | None = None,
    channels: int = 1,
) -> Iterator[bytes]:
    """
    Read an audio file block by block, converted to *format*.

    Memory does not grow with the file. Every block lasts *block_ms*
    milliseconds, the last one as long as what is left. The other arguments are
    those of `read_file`.

    Raises:
        OSError: there is no such file, or it may not be read.
        ConfigurationError: it is not an audio file, it has no such channel, or a
            package is missing.
    """
    return _file_blocks(
        path, format, block_ms, FileFormat(raw, rate, channels, channel)
    )


def file_seconds(
    path: FilePath,
    *,
    raw: FormatLike | None = None,
    rate: int | None = None,
    channels: int = 1,
) -> float:
    """
    How long an audio file lasts, in seconds, without decoding it.

    Raises:
        OSError: there is no such file, or it may not be read.
        ConfigurationError: it is not an audio file, or a package is missing.
    """
    with _opened_file(path, FileFormat(raw, rate, channels)) as file:
        return float(file.frames / file.samplerate)


def write_wav(
    path: FilePath | IO[bytes],
    data: AudioBytes,
    format: FormatLike = PCM16,
    *,
    rate: int | None = None,
) -> None:
    """
    Write mono audio as a 16-bit PCM WAV file.

    Only the standard library is used, unless *data* is G.711, which is expanded.

    Args:
        path: file to write, or an open binary file.
        data: bytes-like audio.
        format: format of *data*.
        rate: samples per second, where it is not the usual one of the format.
    """
    source = audio_format(format, rate=rate)
    if source.name != "pcm16":
        data = g711.expand_g711(data, source.name).astype("<i2").tobytes()
    target = os.fspath(path) if isinstance(path, (str, os.PathLike)) else path
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(source.rate)
        file.writeframes(bytes(data))


def _file_blocks(
    path: FilePath, format: FormatLike, block_ms: float, recorded: FileFormat
) -> Iterator[bytes]:
    target = audio_format(format)
    size = target.size(block_ms)
    if size <= 0:
        raise ConfigurationError(f"blocks of {block_ms} ms hold no audio")
    waiting = bytearray()
    for piece in _converted_file(path, target, recorded):
        waiting += piece
        while len(waiting) >= size:
            yield bytes(waiting[:size])
            del waiting[:size]
    if waiting:
        yield bytes(waiting)


def _converted_file(
    path: FilePath, target: AudioFormat, recorded: FileFormat
) -> Iterator[bytes]:
    """The file's audio in pieces of whatever length, in the target format."""
    with _opened_file(path, recorded) as file:
        channel = recorded.channel
        there = channel in range(file.channels) and not isinstance(channel, bool)
        if channel is not None and not there:
            raise ConfigurationError(
                f"{path} has channels 0 to {file.channels - 1}, and no {channel}"
            )
        resampler = None
        if file.samplerate != target.rate:
            resampler = Resampler(file.samplerate, target.rate)
        for frames in _frames_of_file(file):
            samples = (
                _mixed_file_channels(frames)
                if channel is None
                else frames[:, channel].copy()
            )
            if resampler is not None:
                samples = resampler.feed(samples)
            yield _encoded_file_samples(samples, target)
        if resampler is not None:
            yield _encoded_file_samples(resampler.finish(), target)


def _sides_of_file(
    path: FilePath, target: AudioFormat, recorded: FileFormat
) -> tuple[bytes, ...]:
    """Every channel of a file by itself."""
    with _opened_file(path, recorded) as file:
        resamplers: list[Resampler | None] = [None] * file.channels
        if file.samplerate != target.rate:
            resamplers = [Resampler(file.samplerate, target.rate) for _ in resamplers]
        sides = [bytearray() for _ in resamplers]
        for frames in _frames_of_file(file):
            for side, samples, resampler in zip(sides, frames.T.copy(), resamplers):
                given = samples if resampler is None else resampler.feed(samples)
                side += _encoded_file_samples(given, target)
        for side, resampler in zip(sides, resamplers):
            if resampler is not None:
                side += _encoded_file_samples(resampler.finish(), target)
        return tuple(bytes(side) for side in sides)


def _frames_of_file(file: SoundFile) -> Iterator[Samples]:
    """Frames of all channels, finite: what is no number is silence."""
    require_extra("numpy", why="read audio files")
    import numpy

    while True:
        frames = file.read(8192, dtype="float32", always_2d=True)
        if not len(frames):
            return
        yield numpy.nan_to_num(frames, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)


def _mixed_file_channels(frames: Samples) -> Samples:
    """One channel of many; the loudest where they cancel each other out."""
    mean: Samples = frames.mean(axis=1)
    if frames.shape[1] > 1:
        powers = (frames**2).mean(axis=0)
        loudest = int(powers.argmax())
        power = float(powers[loudest])
        least = power * (_CANCELLED / frames.shape[1]) ** 2
        if power > _QUIET and float((mean**2).mean()) < least:
            mean = frames[:, loudest].copy()
    return mean


def _encoded_file_samples(samples: Samples, target: AudioFormat) -> bytes:
    """Samples between -1 and 1 as bytes of the target format."""
    whole = rounded_after_convert(samples * 32_768)
    if target.name == "pcm16":
        return bytes(whole.tobytes())
    return g711.compress_g711(whole, target.name)


_CONTAINERS = (
    (4, b"ftyp", "MP4 and M4A", "m4a"),
    (0, b"\x1aE\xdf\xa3", "WebM and Matroska", "webm"),
    (0, b"#!AMR", "AMR", "amr"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "WMA", "wma"),
    (0, b"ADIF", "AAC", "aac"),
    # Without the bits that say which version, and whether there is a checksum.
    *((0, bytes((0xFF, second)), "AAC", "aac") for second in (0xF0, 0xF1, 0xF8, 0xF9)),
)
"""Recordings that people have and nobody here reads: where, by what, name, suffix."""


@contextmanager
def _opened_file(path: FilePath, recorded: FileFormat) -> Iterator[SoundFile]:
    soundfile = require_extra("soundfile", why="read audio files")
    with ExitStack() as stack:
        binary = stack.enter_context(_seekable_file(path))
        options: dict[str, Any] = {}
        if recorded.raw is not None:
            form = audio_format(recorded.raw, rate=recorded.rate)
            options = {
                "format": "RAW",
                "subtype": _SUBTYPES[form.name],
                "endian": "LITTLE",
                "samplerate": form.rate,
                "channels": recorded.channels,
            }
        else:
            binary = stack.enter_context(_file_with_sizes(binary))
        try:
            source = _read_by_library(binary)
            file = soundfile.SoundFile(source, closefd=False, **options)
        except soundfile.LibsndfileError as exc:
            raise ConfigurationError(
                f"{os.fspath(path)} is not an audio file that can be read: "
                f"{exc.error_string.rstrip('.')}; {_remedy_for_file(binary)}"
            ) from exc
        yield stack.enter_context(file)


def _read_by_library(binary: IO[bytes]) -> int | IO[bytes]:
    """
    The number of a file, where the library can read from that.

    Else it calls back for every piece, and a Ctrl-C in a callback is lost.
    """
    if os.name == "posix":  # Elsewhere a number is known to one C runtime alone.
        with suppress(OSError):  # It is in memory.
            number = binary.fileno()
            os.lseek(number, 0, os.SEEK_SET)
            return number
    return binary


def _remedy_for_file(binary: IO[bytes]) -> str:
    """What to do about a file that cannot be read."""
    binary.seek(0)
    head = binary.read(16)
    if not head:
        return "it is empty"
    for at, mark, name, suffix in _CONTAINERS:
        if head[at:].startswith(mark):
            return f"convert {name} first: ffmpeg -i IN.{suffix} OUT.wav"
    return "if it is nothing but samples, say raw= and rate= (--raw, --rate)"


@contextmanager
def _seekable_file(path: FilePath) -> Iterator[IO[bytes]]:
    """
    A file to read and to go back in; a pipe is kept on disk first.

    Opened here and not by soundfile, whose error for a file that is not there is
    "System error".
    """
    with ExitStack() as stack:
        if os.fspath(path) == "-":
            if sys.stdin is None:
                raise ConfigurationError("the standard input is closed")
            given: IO[bytes] = sys.stdin.buffer
        else:
            given = stack.enter_context(open(path, "rb"))
        if given.seekable():
            yield given
            return
        kept = stack.enter_context(TemporaryFile())
        shutil.copyfileobj(given, kept)
        kept.seek(0)
        yield kept


@contextmanager
def _file_with_sizes(binary: IO[bytes]) -> Iterator[IO[bytes]]:
    """
    The file, or a copy with its sizes put right.

    A WAV file that was written to a pipe has 0 where its writer could not go back;
    libsndfile takes that for no sound.
    """
    total = binary.seek(0, os.SEEK_END)
    at = _unsized_sound_of_file(binary, total)
    binary.seek(0)
    if at is None:
        yield binary
        return
    with TemporaryFile() as copy:
        size = min(total - at, 0xFFFF_FFFF - at)
        header = binary.read(at)
        copy.write(header[:4] + struct.pack("<I", at + size - 8) + header[8 : at - 4])
        copy.write(struct.pack("<I", size))
        shutil.copyfileobj(binary, copy)
        copy.seek(0)
        yield copy


def _is_chunk_of_file(head: bytes, left: int) -> bool:
    """Whether this is the beginning of a chunk that ends before the file does."""
    name, size = head[:4], int.from_bytes(head[4:], "little")
    return len(head) == 8 and name.isascii() and 8 + size <= left and b"\0" not in name


def _unsized_sound_of_file(binary: IO[bytes], total: int) -> int | None:
    """Where the sound of a WAV file begins that says it has none, and has."""
    binary.seek(0)
    header = binary.read(12)
    if header[:4] != b"RIFF" or header[8:12] != b"WAVE":
        return None
    (whole,) = struct.unpack("<I", header[4:8])
    at = 12
    for _ in range(_CHUNKS):
        # A picture or a cue sheet before the sound may be of any size.
        binary.seek(at)
        chunk = binary.read(8)
        if len(chunk) < 8:
            break
        name, size = struct.unpack("<4sI", chunk)
        at += 8
        if name == b"data":
            wrong = whole + 8 != total or not _is_chunk_of_file(
                binary.read(8), total - at
            )
            return at if size == 0 and wrong and at < total else None
        at += size + size % 2
    return None
