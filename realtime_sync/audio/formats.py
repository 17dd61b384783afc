"""The audio formats of the protocol, and the arithmetic of bytes and time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

from attrs import evolve, frozen

from ..errors import ConfigurationError
from ..protocol.audio_formats import BYTES_PER_SAMPLE, WORDS, audio_format_of_word


@frozen
class AudioFormat:
    """
    One way to write mono audio as bytes.

    Attributes:
        name: name in the beta dialect and in this library, ``"pcm16"``.
        wire: media type in the GA dialect, ``"audio/pcm"``.
        rate: samples per second.
        bytes_per_sample: 2 for PCM, 1 for G.711.
        silence: one sample of silence.
    """

    name: str
    wire: str
    rate: int
    bytes_per_sample: int
    silence: bytes

    @property
    def bytes_per_second(self) -> int:
        """How many bytes one second of audio takes."""
        return self.rate * self.bytes_per_sample

    @property
    def bytes_per_ms(self) -> float:
        """How many bytes one millisecond takes: 48.0 for pcm16, 8.0 for G.711."""
        return self.bytes_per_second / 1000

    def ms(self, size: int) -> float:
        """How many milliseconds *size* bytes last."""
        return size * 1000 / self.bytes_per_second

    def size(self, ms: float) -> int:
        """How many bytes *ms* milliseconds take, in whole samples, rounded down."""
        # The small addend keeps 20 ms from becoming 19.99 by floating point.
        return int(ms * self.rate / 1000 + 1e-6) * self.bytes_per_sample


def _format(word: str, *, silence: bytes) -> AudioFormat:
    kind, rate = WORDS[word]
    return AudioFormat(word, kind, rate, BYTES_PER_SAMPLE[kind], silence)


PCM16 = _format("pcm16", silence=b"\x00\x00")
"""Signed 16-bit little-endian PCM, mono, 24 kHz: what the service prefers."""

G711_ULAW = _format("g711_ulaw", silence=b"\xff")
"""G.711 mu-law, mono, 8 kHz: the telephone of North America and Japan."""

G711_ALAW = _format("g711_alaw", silence=b"\xd5")
"""G.711 A-law, mono, 8 kHz: the telephone of the rest of the world."""

_BY_TYPE = {fmt.wire: fmt for fmt in (PCM16, G711_ULAW, G711_ALAW)}

FORMATS: Mapping[str, AudioFormat] = {
    **_BY_TYPE,
    **{word: evolve(_BY_TYPE[kind], rate=rate) for word, (kind, rate) in WORDS.items()},
}
"""Every spelling of a format, of all dialects."""

FormatLike = Union[str, AudioFormat, Mapping[str, Any]]
"""A format by name (either dialect), as a wire mapping, or as itself."""


def audio_format(value: FormatLike, *, rate: int | None = None) -> AudioFormat:
    """
    Look up an audio format.

    Args:
        value: ``"pcm16"``, ``"audio/pcmu"``, ``{"type": "audio/pcm", "rate":
            24000}``, or an `AudioFormat`.
        rate: samples per second, where it is not the usual one of the format.

    Raises:
        ConfigurationError: there is no such format, or the rate is not positive.
    """
    if isinstance(value, AudioFormat):
        found = value
    else:
        if isinstance(value, Mapping):
            rate = rate or value.get("rate")
            value = str(value.get("type"))
        known = audio_format_of_word(value)
        if known is None:
            raise ConfigurationError(
                f"audio in {value!r} is neither played nor sent; the formats are "
                f"{', '.join(sorted(FORMATS))}"
            )
        kind, usual = known
        found = _at_rate(_BY_TYPE[kind], usual)
    if rate is None or rate == found.rate:
        return found
    if rate <= 0:
        raise ConfigurationError(f"an audio rate must be positive, not {rate!r}")
    return _at_rate(found, rate)


def _at_rate(found: AudioFormat, rate: int) -> AudioFormat:
    return found if rate == found.rate else evolve(found, rate=rate)
