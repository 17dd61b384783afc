"""How telephone sound is coded: the words of carriers, and the order of bytes."""

from __future__ import annotations

import array
import re
import sys

from attrs import evolve, frozen

from ...errors import RemoteProtocolError
from ..formats import G711_ALAW, G711_ULAW, PCM16, AudioFormat


@frozen
class Codec:
    """
    How sound is coded in one direction of a call.

    Attributes:
        format: coding and samples per second.
        big_endian: 16-bit samples with the high byte first, as networks have it.
    """

    format: AudioFormat
    big_endian: bool = False

    def decoded(self, sound: bytes) -> bytes:
        """Sound of the carrier as sound of ours."""
        return swapped_for_codec(sound) if self.big_endian else sound

    def encoded(self, sound: bytes) -> bytes:
        """Sound of ours as sound of the carrier."""
        return swapped_for_codec(sound) if self.big_endian else sound


PCMU = Codec(G711_ULAW)
PCMA = Codec(G711_ALAW)


def linear(rate: int, *, big_endian: bool = False) -> Codec:
    """16-bit PCM at a rate."""
    return Codec(evolve(PCM16, rate=rate), big_endian)


_WORDS = {
    "mulaw": G711_ULAW,
    "ulaw": G711_ULAW,
    "pcmu": G711_ULAW,
    "g711ulaw": G711_ULAW,
    "alaw": G711_ALAW,
    "pcma": G711_ALAW,
    "g711alaw": G711_ALAW,
    "l16": PCM16,
    "slin": PCM16,
    "linear16": PCM16,
    "pcm": PCM16,
    "pcm16": PCM16,
    "raw": PCM16,
}
"""Carriers' words, small and without ``audio/``, ``x-``, ``raw/`` and signs."""

# Bounded: Python refuses to read numbers of thousands of digits.
_SLIN = re.compile(r"slin(\d{1,9})")
_NUMBER = re.compile(r"\d{1,9}")


def codec_named(
    word: object, rate: object = None, *, big_endian: bool = False
) -> Codec:
    """
    Look up what a carrier calls its coding.

    Args:
        word: ``"audio/x-mulaw"``, ``"PCMA"``, ``"audio/l16;rate=16000"``,
            ``"raw/slin"``, ``"slin16"``.
        rate: samples per second, a number or its digits; that in the word, else
            8000 by default.
        big_endian: how this carrier sends 16-bit samples.

    Raises:
        RemoteProtocolError: the coding is not spoken here; it is named.
    """
    text = str(word).strip().lower()
    name, _, options = text.partition(";")
    hertz = _hertz_of_codec(rate) or _hertz_of_codec(options) or 8_000
    plain = re.sub(r"^(audio/|raw/)?(x-)?|[-_ ]", "", name)
    slin = _SLIN.fullmatch(plain)
    if slin is not None:
        # Asterisk says kilohertz, rounded down: slin44 is 44,100.
        plain, thousands = "slin", int(slin[1])
        hertz = 44_100 if thousands == 44 else thousands * 1_000
    found = _WORDS.get(plain)
    if found is None:
        raise RemoteProtocolError(
            f"the call is in {word}, which is not spoken here: have the carrier "
            "send mu-law (PCMU), A-law (PCMA) or 16-bit PCM (L16)"
        )
    if found is not PCM16:
        if hertz != found.rate:
            raise RemoteProtocolError(f"the call is in {word} at {hertz} Hz, not 8000")
        return Codec(found)
    if not 8_000 <= hertz <= 48_000:
        raise RemoteProtocolError(f"the call has {hertz} samples per second")
    return linear(hertz, big_endian=big_endian)


def _hertz_of_codec(value: object) -> int | None:
    digits = _NUMBER.search(str(value)) if value is not None else None
    return int(digits[0]) if digits is not None else None


def swapped_for_codec(sound: bytes) -> bytes:
    """16-bit samples with their bytes in the other order; half a sample is cut."""
    samples = array.array("h", sound[: len(sound) // 2 * 2])
    samples.byteswap()
    return samples.tobytes()


assert array.array("h").itemsize == 2, sys.platform
