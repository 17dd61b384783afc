"""Audio files: reading any of them, writing WAV, streaming to a session."""

from __future__ import annotations

import os
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Literal, Union

from ..errors import ConfigurationError
from . import g711
from .convert import Resampler, rounded
from .extras import require
from .formats import PCM16, AudioFormat, FormatLike, audio_format
from .generate import silence as silent
from .pacing import Pacer

FilePath = Union[str, "os.PathLike[str]"]
Pace = Union[Literal["realtime", "full"], Pacer]


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


def stream_file(
    session: Any,
    path: FilePath,
    *,
    pace: Pace = "realtime",
    block_ms: float = 20,
    format: FormatLike | None = None,
    silence: float = 0.0,
) -> float:
    """
    Send an audio file to a session's input audio buffer.

    The file is read, mixed down to mono and resampled to the session's input
    format as it goes; memory does not grow with it. At ``"realtime"`` pace each
    block is sent when a microphone would have heard its end, measured from the
    start, so that lateness never adds up. Commits nothing: server VAD finds the
    turn, or you commit.

    May be called from any thread except the session's reader; it returns when
    everything is sent, and raises what ``session.input_audio_buffer.append``
    raises when the connection is gone.

    Args:
        session: an open session.
        path: any file that `read_file` reads.
        pace: ``"realtime"``, ``"full"`` (as fast as the socket takes it), or a
            `Pacer` of your own, which can be stopped from another thread.
        block_ms: milliseconds of audio per append.
        format: input format, where it is not the session's.
        silence: seconds of silence to send after the file, for server VAD.

    Returns:
        Seconds of audio sent.
    """
    target = audio_format(format) if format else session_format(session, "input")
    pacer = Pacer() if pace == "realtime" else pace
    if isinstance(pacer, Pacer):
        pacer.wait(0)
    elif pacer != "full":
        raise ConfigurationError(f'pace is "realtime" or "full", not {pace!r}')
    sent = 0
    for block in _blocks_then_silence(path, target, block_ms, silence):
        due = target.ms(sent + len(block)) / 1000
        if isinstance(pacer, Pacer) and not pacer.wait(due):
            break
        session.input_audio_buffer.append(block)
        sent += len(block)
    return target.ms(sent) / 1000


def session_format(session: Any, direction: Literal["input", "output"]) -> AudioFormat:
    """
    The audio format that a session uses in one direction.

    pcm16 at 24 kHz where the server has not said otherwise.
    """
    audio = getattr(session.config, "audio", None)
    wire = getattr(getattr(audio, direction, None), "format", None)
    name = getattr(wire, "type", None)
    rate = getattr(wire, "rate", None)
    if not isinstance(name, str):
        return PCM16
    return audio_format(name, rate=rate if isinstance(rate, int) else None)


def _blocks_then_silence(
    path: FilePath, target: AudioFormat, block_ms: float, seconds: float
) -> Iterator[bytes]:
    yield from file_blocks(path, target, block_ms=block_ms)
    left = silent(seconds, target)
    size = target.size(block_ms)
    for start in range(0, len(left), size):
        yield left[start : start + size]


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
