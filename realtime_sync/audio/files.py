"""Audio files: reading any of them, writing WAV."""

from __future__ import annotations

import os
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Union

from ..errors import ConfigurationError
from . import g711
from .convert import Resampler, rounded
from .extras import require
from .formats import PCM16, AudioFormat, FormatLike, audio_format

FilePath = Union[str, "os.PathLike[str]"]


def read_file(path: FilePath, format: FormatLike = PCM16) -> bytes:
    """
    Read a whole audio file, converted to *format*.

    Args:
        path: any file that libsndfile reads: WAV of every kind (8 to 32 bit,
            float, mu-law, extensible), FLAC, Ogg, MP3; any rate and channels.
        format: what to convert to; mono.

    Raises:
        OSError: there is no such file, or it may not be read.
        ConfigurationError: it is not an audio file, or a package is missing.
    """
    return b"".join(file_blocks(path, format, block_ms=1000))


def file_blocks(
    path: FilePath, format: FormatLike = PCM16, *, block_ms: float = 20
) -> Iterator[bytes]:
    """
    Read an audio file block by block, converted to *format*.

    Memory does not grow with the file. Every block lasts *block_ms*
    milliseconds, the last one as long as what is left.

    Raises:
        OSError: there is no such file, or it may not be read.
        ConfigurationError: it is not an audio file, or a package is missing.
    """
    target = audio_format(format)
    size = target.size(block_ms)
    if size <= 0:
        raise ConfigurationError(f"blocks of {block_ms} ms hold no audio")
    waiting = bytearray()
    for piece in _converted(path, target):
        waiting += piece
        while len(waiting) >= size:
            yield bytes(waiting[:size])
            del waiting[:size]
    if waiting:
        yield bytes(waiting)


def file_seconds(path: FilePath) -> float:
    """
    How long an audio file lasts, in seconds, without decoding it.

    Raises:
        OSError: there is no such file, or it may not be read.
        ConfigurationError: it is not an audio file, or a package is missing.
    """
    with _opened(path) as file:
        return float(file.frames / file.samplerate)


def write_wav(
    path: FilePath | IO[bytes],
    data: Any,
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
        data = g711.expand(data, source.name).astype("<i2").tobytes()
    target: Any = path if hasattr(path, "write") else os.fspath(path)
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(source.rate)
        file.writeframes(bytes(data))


def _converted(path: FilePath, target: AudioFormat) -> Iterator[bytes]:
    """The file's audio in pieces of whatever length, in the target format."""
    with _opened(path) as file:
        resampler = None
        if file.samplerate != target.rate:
            resampler = Resampler(file.samplerate, target.rate)
        while True:
            frames = file.read(8192, dtype="float32", always_2d=True)
            if not len(frames):
                break
            samples = frames.mean(axis=1)
            if resampler is not None:
                samples = resampler.feed(samples)
            yield _encoded(samples, target)
        if resampler is not None:
            yield _encoded(resampler.finish(), target)


def _encoded(samples: Any, target: AudioFormat) -> bytes:
    """Samples between -1 and 1 as bytes of the target format."""
    whole = rounded(samples * 32_768)
    if target.name == "pcm16":
        return bytes(whole.tobytes())
    return g711.compress(whole, target.name)


@contextmanager
def _opened(path: FilePath) -> Iterator[Any]:
    soundfile = require("soundfile", why="read audio files")
    # Opened here and not by soundfile, whose error for a file that is not there
    # is "System error".
    with open(path, "rb") as raw:
        try:
            file = soundfile.SoundFile(raw)
        except soundfile.LibsndfileError as exc:
            raise ConfigurationError(
                f"{os.fspath(path)} is not an audio file that can be read: "
                f"{exc.error_string}"
            ) from exc
        with file:
            yield file
