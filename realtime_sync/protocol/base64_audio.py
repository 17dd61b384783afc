"""
Audio as base64: decoded, encoded, and how fast that is.
"""

from __future__ import annotations

import binascii
from typing import Any, Union

pybase64: Any = None
try:
    import pybase64
except ImportError:  # Only the standard library then; the same, slower.
    pass


def decode_audio(text: str) -> bytes:
    """
    Decode base64; missing padding is forgiven.

    Raises:
        ValueError: the text is not base64.
    """
    try:
        return _decode(text)
    except ValueError:
        return decode_audio_leniently(text)


def decode_audio_leniently(text: str) -> bytes:
    """
    What `decode_audio` does where it cannot be fast: odd text, no ``[speed]`` extra.

    Raises:
        ValueError: the text is not base64.
    """
    try:
        return binascii.a2b_base64(text)
    except binascii.Error:
        return binascii.a2b_base64(text + "==")


def encode_audio(audio: bytes) -> str:
    """Encode bytes as base64."""
    return encode_bytes(audio).decode("ascii")


def decode_audio_strictly(text: Union[str, memoryview]) -> bytes:
    """
    Decode base64, of which nothing is forgiven.

    Raises:
        ValueError: the text is not base64, or there is no ``[speed]`` extra.
    """
    if pybase64 is None:
        raise ValueError("it would not be worth while")
    decoded: bytes = pybase64.b64decode(text, validate=True)
    return decoded


def _encode_audio_slowly(audio: bytes) -> bytes:
    return binascii.b2a_base64(audio, newline=False)


if pybase64 is None:
    _decode, encode_bytes = decode_audio_leniently, _encode_audio_slowly
else:  # Uses vector instructions: a twentieth of the time.
    _decode, encode_bytes = decode_audio_strictly, pybase64.b64encode
