"""Conversion between formats, rates and channel counts, whole or streamed."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigurationError
from . import g711
from .extras import require
from .formats import AudioFormat, FormatLike, audio_format


def convert(
    data: Any,
    source: FormatLike,
    target: FormatLike,
    *,
    rate: int | None = None,
    to_rate: int | None = None,
    channels: int = 1,
) -> bytes:
    """
    Convert a whole piece of audio.

    ``audio.convert(pcm, "pcm16", "g711_ulaw", rate=24000, to_rate=8000)``

    Args:
        data: bytes-like audio, whole samples.
        source: format of *data*, `AudioFormat` or either dialect's name.
        target: format to convert to.
        rate: samples per second of *data*; that of the format by default.
        to_rate: samples per second of the result; that of the format by default.
        channels: interleaved channels in *data*; they are mixed down to one.

    Raises:
        ConfigurationError: an unknown format, a cut sample, or numpy or soxr is
            not installed.
    """
    converter = Converter(source, target, rate=rate, to_rate=to_rate, channels=channels)
    frame = converter.source.bytes_per_sample * channels
    size = memoryview(data).nbytes
    if size % frame:
        raise ConfigurationError(
            f"{size} bytes are not a whole number of {converter.source.name} frames "
            f"of {frame} bytes"
        )
    return converter.feed(data) + converter.finish()


class Converter:
    """
    Converts a stream, piece by piece, without clicks at the seams.

    Pieces may be cut anywhere, also inside a sample. A converter belongs to one
    stream and one thread at a time.
    """

    def __init__(
        self,
        source: FormatLike,
        target: FormatLike,
        *,
        rate: int | None = None,
        to_rate: int | None = None,
        channels: int = 1,
    ) -> None:
        if channels < 1:
            raise ConfigurationError(f"audio cannot have {channels} channels")
        self.source: AudioFormat = audio_format(source, rate=rate)
        self.target: AudioFormat = audio_format(target, rate=to_rate)
        self._channels = channels
        self._rest = b""
        self._same = self.source == self.target and channels == 1
        self._resampler: Resampler | None = None
        if self.source.rate != self.target.rate:
            self._resampler = Resampler(self.source.rate, self.target.rate)

    def feed(self, data: Any) -> bytes:
        """Convert one piece; some of it may come out with a later one."""
        whole = self._whole(data)
        if self._same or not whole:
            return whole
        samples = self._decode(whole)
        if self._resampler is not None:
            samples = self._resampler.feed(samples)
        return self._encode(samples)

    def finish(self) -> bytes:
        """End the stream: what was still inside comes out."""
        self._rest = b""
        if self._resampler is None:
            return b""
        return self._encode(self._resampler.finish())

    def _whole(self, data: Any) -> bytes:
        """What there is in whole frames; the rest waits for the next piece."""
        joined = self._rest + bytes(data) if self._rest else bytes(data)
        cut = len(joined) % (self.source.bytes_per_sample * self._channels)
        if not cut:
            self._rest = b""
            return joined
        self._rest = joined[-cut:]
        return joined[:-cut]

    def _decode(self, data: bytes) -> Any:
        """Bytes to samples: float32, mono, 16-bit scale."""
        numpy = require("numpy", why="convert audio")
        if self.source.name == "pcm16":
            samples = numpy.frombuffer(data, dtype="<i2")
        else:
            samples = g711.expand(data, self.source.name)
        if self._channels > 1:
            return samples.reshape(-1, self._channels).mean(axis=1, dtype=numpy.float32)
        return samples.astype(numpy.float32)

    def _encode(self, samples: Any) -> bytes:
        """Samples to bytes of the target format."""
        whole = rounded(samples)
        if self.target.name == "pcm16":
            return bytes(whole.tobytes())
        return g711.compress(whole, self.target.name)


class Resampler:
    """
    Changes the rate of a stream of mono float32 samples.

    Band-limited, by soxr at its high quality. No dither is added: silence stays
    silence, and the same input always gives the same output.
    """

    def __init__(self, rate: int, to_rate: int) -> None:
        soxr = require("soxr", why="change the rate of audio")
        self._numpy = require("numpy", why="change the rate of audio")
        self._stream = soxr.ResampleStream(rate, to_rate, 1, dtype="float32")

    def feed(self, samples: Any) -> Any:
        """Resample one piece; some of it may come out with a later one."""
        return self._stream.resample_chunk(samples)

    def finish(self) -> Any:
        """End the stream and return what was still inside."""
        nothing = self._numpy.zeros(0, dtype=self._numpy.float32)
        return self._stream.resample_chunk(nothing, last=True)


def rounded(samples: Any) -> Any:
    """Float samples on a 16-bit scale as little-endian int16, clipped."""
    numpy = require("numpy", why="convert audio")
    return numpy.clip(numpy.rint(samples), -32_768, 32_767).astype("<i2")
