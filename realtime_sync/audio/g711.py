"""
G.711 companding, by table.

The tables are built from the definition in ITU-T G.711: eight segments per sign,
sixteen steps in each, every segment's step twice that of the one before. PCM is
16 bit, that is the 14-bit (mu-law) and 13-bit (A-law) numbers of the
recommendation shifted to the left. Like the ITU's reference software, negative
samples are folded by their ones' complement.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ..types import AudioBytes
from .extras import require_extra

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Samples = NDArray[numpy.float32]
    Linear = NDArray[numpy.int16]


def expand_g711(data: AudioBytes, law: str) -> Linear:
    """
    Turn G.711 bytes into linear samples.

    Args:
        data: bytes-like G.711 audio.
        law: ``"g711_ulaw"`` or ``"g711_alaw"``.

    Returns:
        A numpy array of int16.
    """
    require_extra("numpy", why="convert audio")
    import numpy

    return _g711_expansion(law)[numpy.frombuffer(data, dtype=numpy.uint8)]


def compress_g711(samples: Linear, law: str) -> bytes:
    """
    Turn linear samples into G.711 bytes.

    Args:
        samples: numpy array of int16.
        law: ``"g711_ulaw"`` or ``"g711_alaw"``.
    """
    require_extra("numpy", why="convert audio")
    import numpy

    codes = _g711_compression(law)[samples.astype(numpy.int16).view(numpy.uint16)]
    return bytes(codes.tobytes())


def g711_levels(law: str) -> tuple[list[int], list[int]]:
    """
    The positive half of a law, in 16-bit units.

    Returns:
        The lower decision value of each of the 128 intervals, ascending, and the
        value that each interval is decoded to.
    """
    lower: list[int] = []
    value: list[int] = []
    edge = 0
    for segment in range(8):
        if law == "g711_ulaw":
            step = 8 << segment
        else:
            # A-law's first two segments have the same step.
            step = 16 << max(segment - 1, 0)
        for position in range(16):
            # The first interval of mu-law is half as wide, so that zero is
            # coded as zero.
            first = law == "g711_ulaw" and segment == position == 0
            width = step // 2 if first else step
            lower.append(edge)
            value.append(0 if first else edge + step // 2)
            edge += width
    return lower, value


@lru_cache(maxsize=None)
def _g711_expansion(law: str) -> Linear:
    """All 256 codes decoded, indexed by code."""
    require_extra("numpy", why="convert audio")
    import numpy

    _, value = g711_levels(law)
    table = numpy.zeros(256, dtype=numpy.int16)
    for code in range(256):
        # mu-law sends its magnitude inverted, A-law with every other bit inverted.
        interval = (code & 0x7F) ^ (0x7F if law == "g711_ulaw" else 0x55)
        table[code] = value[interval] if code & 0x80 else -value[interval]
    return table


@lru_cache(maxsize=None)
def _g711_compression(law: str) -> NDArray[numpy.uint8]:
    """All 65,536 samples coded, indexed by the sample seen as unsigned."""
    require_extra("numpy", why="convert audio")
    import numpy

    lower, _ = g711_levels(law)
    samples = numpy.arange(65_536, dtype=numpy.uint16).view(numpy.int16)
    magnitude = numpy.where(samples < 0, ~samples, samples)
    interval = numpy.searchsorted(lower, magnitude, side="right") - 1
    sign = numpy.where(samples < 0, 0, 0x80)
    mask = 0x7F if law == "g711_ulaw" else 0x55
    codes: NDArray[numpy.uint8] = (sign | (interval ^ mask)).astype(numpy.uint8)
    return codes
