"""
Audio: formats, conversion, files.

Needs ``pip install "realtime-sync[audio]"``; importing it loads none of those
packages, the function that needs one does.
"""

from __future__ import annotations

from .convert import Converter, convert
from .files import (
    file_blocks,
    file_seconds,
    read_file,
    write_wav,
)
from .formats import G711_ALAW, G711_ULAW, PCM16, AudioFormat, audio_format
from .generate import silence, tone
from .ledger import PlaybackLedger, PlayedPart
from .pacing import Pacer
from .streaming import session_format, stream, stream_file

__all__ = [
    "AudioFormat",
    "Converter",
    "G711_ALAW",
    "G711_ULAW",
    "PCM16",
    "Pacer",
    "PlaybackLedger",
    "PlayedPart",
    "audio_format",
    "convert",
    "file_blocks",
    "file_seconds",
    "read_file",
    "session_format",
    "silence",
    "stream",
    "stream_file",
    "tone",
    "write_wav",
]
