"""Conversion between formats, rates and channel counts, whole or streamed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..types import AudioBytes
from . import g711
from .extras import require_extra
from .formats import AudioFormat, FormatLike, audio_format

if TYPE_CHECKING:
    from .g711 import Linear, Samples


def convert(
    data: AudioBytes,
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

    def feed(self, data: AudioBytes) -> bytes:
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

    def _whole(self, data: AudioBytes) -> bytes:
        """What there is in whole frames; the rest waits for the next piece."""
        joined = self._rest + bytes(data) if self._rest else bytes(data)
        cut = len(joined) % (self.source.bytes_per_sample * self._channels)
        if not cut:
            self._rest = b""
            return joined
        self._rest = joined[-cut:]
        return joined[:-cut]

    def _decode(self, data: bytes) -> Samples:
        """Bytes to samples: float32, mono, 16-bit scale."""
        require_extra("numpy", why="convert audio")
        import numpy

        if self.source.name == "pcm16":
            samples = numpy.frombuffer(data, dtype="<i2")
        else:
            samples = g711.expand_g711(data, self.source.name)
        if self._channels > 1:
            frames = samples.reshape(-1, self._channels)
            mixed: Samples = frames.mean(axis=1, dtype=numpy.float32)
            return mixed
        return samples.astype(numpy.float32)

    def _encode(self, samples: Samples) -> bytes:
        """Samples to bytes of the target format."""
        whole = rounded_after_convert(samples)
        if self.target.name == "pcm16":
            return bytes(whole.tobytes())
        return g711.compress_g711(whole, self.target.name)


class Resampler:
    """
    Changes the rate of a stream of mono float32 samples.

    Band-limited, by soxr at its high quality. No dither is added: silence stays
    silence, and the same input always gives the same output.
    """

    def __init__(self, rate: int, to_rate: int) -> None:
        soxr = require_extra("soxr", why="change the rate of audio")
        require_extra("numpy", why="change the rate of audio")
        stream = soxr.ResampleStream(rate, to_rate, 1, dtype="float32")
        self._resample: Callable[..., Samples] = stream.resample_chunk

    def feed(self, samples: Samples) -> Samples:
        """Resample one piece; some of it may come out with a later one."""
        return self._resample(samples)

    def finish(self) -> Samples:
        """End the stream and return what was still inside."""
        import numpy

        nothing = numpy.zeros(0, dtype=numpy.float32)
        return self._resample(nothing, last=True)


def rounded_after_convert(samples: Samples) -> Linear:
    """Float samples on a 16-bit scale as little-endian int16, clipped."""
    require_extra("numpy", why="convert audio")
    import numpy

    return numpy.clip(numpy.rint(samples), -32_768, 32_767).astype("<i2")
