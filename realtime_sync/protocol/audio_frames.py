"""
The audio of a long frame, decoded from the frame's own bytes.

JSON would copy it to a string first, only to have it decoded from there. What is cut
out here is what JSON would have found; whatever could make a difference is left to
JSON.
"""

from __future__ import annotations

from typing import Final, Optional

from .base64_audio import decode_audio_strictly, encode_bytes

SHORTEST: Final = 4096
"""Bytes of a frame for which it pays."""

_HEAD = 512
_KIND = b'audio.delta"'
_NAME = b'"delta"'
_QUOTE = b'"'
_COLONS = (b': "', b':"')
_BACKSLASH = b"\\"


def frame_without_audio(frame: bytes) -> Optional[tuple[bytes, bytes]]:
    """
    Take the audio out of the text of a delta.

    Returns:
        The text with an empty string in its place, and the audio; None where the
        whole text has to be decoded to know.
    """
    name = frame.find(_NAME, 0, _HEAD)
    if name < 0:
        return None
    colon = name + len(_NAME)
    begin = frame.find(_QUOTE, colon, _HEAD) + 1
    if frame[colon:begin] not in _COLONS:
        return None
    end = frame.find(_QUOTE, begin)
    rest = frame[:begin] + frame[end:]
    # With a backslash a quote may be no end. A second member of the name would win.
    if _KIND not in rest or _BACKSLASH in rest or rest.find(_NAME, begin) >= 0:
        return None
    try:
        audio = decode_audio_strictly(memoryview(frame)[begin:end])
    except ValueError:
        return None
    odd = len(audio) % 3
    if odd and not frame.startswith(encode_bytes(audio[-odd:]), end - 4):
        return None  # It would not be the same text when it is encoded again.
    return rest, audio
