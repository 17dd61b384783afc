"""Companding against the tables of ITU-T G.711."""

from __future__ import annotations

import io
from typing import Any

import numpy
import pytest
import soundfile

from realtime_sync.audio import convert, g711
from realtime_sync.state.latency import peak

MU_LAW = {
    # code: 14-bit value, from table 2a (positive) and 2b (negative)
    0x80: 8031,
    0x8F: 4191,
    0x90: 3999,
    0x9F: 2079,
    0xA0: 1983,
    0xAF: 1023,
    0xB0: 975,
    0xBF: 495,
    0xC0: 471,
    0xCF: 231,
    0xD0: 219,
    0xDF: 99,
    0xE0: 93,
    0xEF: 33,
    0xF0: 30,
    0xFE: 2,
    0xFF: 0,
    0x00: -8031,
    0x0F: -4191,
    0x2F: -1023,
    0x6F: -33,
    0x7E: -2,
    0x7F: 0,
}
"""Segment end points of mu-law: the ends of every chord."""

A_LAW = {
    # code (even bits inverted): 13-bit value, from table 1a and 1b
    0xAA: 4032,
    0xA5: 2112,
    0xBA: 2016,
    0xB5: 1056,
    0x8A: 1008,
    0x85: 528,
    0x9A: 504,
    0x95: 264,
    0xEA: 252,
    0xE5: 132,
    0xFA: 126,
    0xF5: 66,
    0xCA: 63,
    0xC5: 33,
    0xDA: 31,
    0xD5: 1,
    0x2A: -4032,
    0x25: -2112,
    0x0A: -1008,
    0x55: -1,
}
"""Segment end points of A-law."""

EVERY_SAMPLE = numpy.arange(-32_768, 32_768).astype(numpy.int16)


@pytest.mark.parametrize(("code", "value"), MU_LAW.items())
def test_mu_law_codes_decode_to_the_values_of_the_table(code: int, value: int) -> None:
    """A code decodes to four times its 14-bit value."""
    assert value * 4 == g711.expand_g711(bytes([code]), "g711_ulaw")[0]


@pytest.mark.parametrize(("code", "value"), A_LAW.items())
def test_a_law_codes_decode_to_the_values_of_the_table(code: int, value: int) -> None:
    """A code decodes to eight times its 13-bit value."""
    assert value * 8 == g711.expand_g711(bytes([code]), "g711_alaw")[0]


@pytest.mark.parametrize("law", ["g711_ulaw", "g711_alaw"])
def test_every_code_survives_decoding_and_encoding(law: str) -> None:
    """A trunk that converts back and forth does not degrade the audio."""
    codes = bytes(range(256))
    again = g711.compress_g711(g711.expand_g711(codes, law), law)

    # mu-law has two zeros; the negative one comes back as the positive one.
    assert codes.replace(b"\x7f", b"\xff" if law == "g711_ulaw" else b"\x7f") == again


@pytest.mark.parametrize(
    ("law", "subtype"), [("g711_ulaw", "ULAW"), ("g711_alaw", "ALAW")]
)
def test_every_sample_is_coded_as_an_independent_coder_does(
    law: str, subtype: str
) -> None:
    """libsndfile agrees, but for negative samples just on a decision value."""
    raw = io.BytesIO()
    soundfile.write(raw, EVERY_SAMPLE, 8000, format="RAW", subtype=subtype)
    theirs = numpy.frombuffer(raw.getvalue(), dtype=numpy.uint8)
    ours = numpy.frombuffer(g711.compress_g711(EVERY_SAMPLE, law), dtype=numpy.uint8)
    lower, _ = g711.g711_levels(law)
    on_the_edge = set((-numpy.array(lower)).tolist())

    assert {int(s) for s in EVERY_SAMPLE[ours != theirs]} <= on_the_edge
    assert (
        decoded_by_libsndfile(subtype)
        == g711.expand_g711(bytes(range(256)), law).tolist()
    )


def test_the_loudest_samples_are_clipped_and_not_wrapped() -> None:
    """Full scale is beyond the last decision value of either law."""
    loud = numpy.array([32_767, -32_768], dtype=numpy.int16)

    assert b"\x80\x00" == g711.compress_g711(loud, "g711_ulaw")
    assert b"\xaa\x2a" == g711.compress_g711(loud, "g711_alaw")


def decoded_by_libsndfile(subtype: str) -> Any:
    """All 256 codes as libsndfile decodes them."""
    samples, _ = soundfile.read(
        io.BytesIO(bytes(range(256))),
        format="RAW",
        subtype=subtype,
        channels=1,
        samplerate=8000,
        dtype="int16",
    )
    return samples.tolist()


@pytest.mark.parametrize("law", ["g711_ulaw", "g711_alaw"])
def test_peaks_are_measured_by_the_samples_that_are_converted(law: str) -> None:
    """What finds the end of speech without numpy agrees with what converts audio."""
    for code in range(256):
        pcm = convert(bytes([code]), law, "pcm16", to_rate=8_000)

        assert abs(peak(pcm) - peak(bytes([code]), law)) <= 1, code
