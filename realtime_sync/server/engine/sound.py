"""
Just enough audio for the engine: formats, G.711, rates; nothing but the library.

The engine must run where numpy is not installed, and it moves little audio: what
clients send is stored as it came, and only what the voice activity detector, the
recognizer and a G.711 client need is converted.
"""

from __future__ import annotations

import array
import sys
from functools import lru_cache
from typing import Any, Mapping

import attrs

NATIVE_RATE = 24_000
"""Rate of the protocol's PCM, in hertz; agents speak and hear at this rate."""


@attrs.frozen
class SoundFormat:
    """
    A format of audio: one of Realtime's three, or GPT-Live's PCM at 16 kHz.

    Attributes:
        name: as in GA's ``format.type``.
        rate: samples per second.
        width: bytes per sample.
    """

    name: str
    rate: int
    width: int

    @property
    def bytes_per_ms(self) -> int:
        """Bytes in one millisecond."""
        return self.rate * self.width // 1000

    def milliseconds(self, size: int) -> float:
        """How long *size* bytes last."""
        return size / self.bytes_per_ms

    def offset(self, milliseconds: float) -> int:
        """Where the sample at *milliseconds* begins, in bytes."""
        return int(milliseconds * self.rate / 1000) * self.width


PCM = SoundFormat("audio/pcm", NATIVE_RATE, 2)
PCMU = SoundFormat("audio/pcmu", 8_000, 1)
PCMA = SoundFormat("audio/pcma", 8_000, 1)
_FORMATS = {form.name: form for form in (PCM, PCMU, PCMA)}


def sound_format(config: Mapping[str, Any]) -> SoundFormat:
    """Return the format that a GA ``format`` object names."""
    return _FORMATS[config["type"]]


def to_native_sound(data: bytes, form: SoundFormat) -> bytes:
    """Convert audio of a session to 16-bit PCM at 24 kHz."""
    if form is PCM:
        return data[: len(data) // 2 * 2]
    return resample_sound(expand_sound(data, form), form.rate, NATIVE_RATE)


def from_native_sound(pcm: bytes, form: SoundFormat) -> bytes:
    """Convert 16-bit PCM at 24 kHz to the format of a session."""
    if form is PCM:
        return pcm[: len(pcm) // 2 * 2]
    return compress_sound(resample_sound(pcm, NATIVE_RATE, form.rate), form)


def expand_sound(data: bytes, form: SoundFormat) -> bytes:
    """Turn bytes of *form* into 16-bit PCM of the same rate."""
    if form.width == PCM.width:
        return data[: len(data) // 2 * 2]
    table = _sound_expansion(form.name)
    return _packed_sound(array.array("h", [table[code] for code in data]))


def compress_sound(pcm: bytes, form: SoundFormat) -> bytes:
    """Turn 16-bit PCM into bytes of *form*, of the same rate."""
    if form.width == PCM.width:
        return pcm
    table = _sound_compression(form.name)
    return bytes([table[sample & 0xFFFF] for sample in sound_samples(pcm)])


def sound_samples(pcm: bytes) -> "array.array[int]":
    """Unpack 16-bit little-endian PCM; a cut sample at the end is left out."""
    samples = array.array("h", pcm[: len(pcm) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def resample_sound(pcm: bytes, rate: int, to_rate: int) -> bytes:
    """
    Change the rate of 16-bit PCM.

    A whole step down takes the mean of its samples, everything else is drawn with
    straight lines: good enough to tell speech from silence, and for a telephone.
    """
    if rate == to_rate or not pcm:
        return pcm
    samples = sound_samples(pcm)
    if rate % to_rate == 0:
        step = rate // to_rate
        whole = len(samples) // step * step
        sums = [samples[offset:whole:step] for offset in range(step)]
        means = [sum(group) // step for group in zip(*sums)]
        return _packed_sound(array.array("h", means))
    count = len(samples) * to_rate // rate
    samples.append(samples[-1])
    drawn = array.array("h", bytes(2 * count))
    for index in range(count):
        whole, rest = divmod(index * rate, to_rate)
        left = samples[whole]
        drawn[index] = left + (samples[whole + 1] - left) * rest // to_rate
    return _packed_sound(drawn)


def _packed_sound(samples: "array.array[int]") -> bytes:
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


@lru_cache(maxsize=None)
def _sound_expansion(name: str) -> tuple[int, ...]:
    """All 256 codes of a law, decoded; see ITU-T G.711."""
    return tuple(
        (_ulaw_sound_sample if name == PCMU.name else _alaw_sound_sample)(code)
        for code in range(256)
    )


def _ulaw_sound_sample(code: int) -> int:
    code = ~code & 0xFF
    segment, step = code >> 4 & 7, code & 15
    magnitude = ((2 * step + 33) << segment) - 33 << 2
    return -magnitude if code & 0x80 else magnitude


def _alaw_sound_sample(code: int) -> int:
    code ^= 0x55
    segment, step = code >> 4 & 7, code & 15
    magnitude = 2 * step + 1 if segment == 0 else (2 * step + 33) << segment - 1
    return magnitude << 3 if code & 0x80 else -(magnitude << 3)


@lru_cache(maxsize=None)
def _sound_compression(name: str) -> bytes:
    """The nearest code for each of the 65,536 samples, seen as unsigned."""
    decoded = sorted(
        (sample, code) for code, sample in enumerate(_sound_expansion(name))
    )
    table = bytearray(65_536)
    place = 0
    for sample in range(-32_768, 32_768):
        while place + 1 < len(decoded) and (
            abs(decoded[place + 1][0] - sample) <= abs(decoded[place][0] - sample)
        ):
            place += 1
        table[sample & 0xFFFF] = decoded[place][1]
    return bytes(table)
