"""Audio for tests."""

from __future__ import annotations

import base64
import math
import struct


def silence(milliseconds: int) -> bytes:
    """PCM at 24 kHz without a sound."""
    return bytes(48 * milliseconds)


def loud(milliseconds: int) -> bytes:
    """PCM at 24 kHz that every energy detector takes for speech."""
    wave = [round(9000 * math.sin(index / 8)) for index in range(240)]
    block = struct.pack(f"<{len(wave)}h", *wave)
    return (block * (milliseconds // 10 + 1))[: 48 * milliseconds]


def b64(data: bytes) -> str:
    """Base64 text."""
    return base64.b64encode(data).decode()
