"""
Audio: formats, conversion, files, devices, playback, telephony.

Needs the extra ``audio``; importing it loads none of those
packages, the function that needs one does.
"""

from __future__ import annotations

from .barge_in import Attachment
from .convert import Converter, convert
from .devices import Device, Microphone, Speaker, devices
from .echo import EchoCanceller
from .files import (
    file_blocks,
    file_seconds,
    read_file,
    write_wav,
)
from .formats import G711_ALAW, G711_ULAW, PCM16, AudioFormat, audio_format
from .generate import silence, tone
from .ledger import PlaybackLedger, PlayedPart
from .levels import Level, LevelMeter, level
from .live_playback import LiveAttachment
from .paced_stream import session_format, stream, stream_file
from .pacer import Pacer
from .player import Player
from .preroll import PreRoll
from .push_to_talk import TALK_CONFIG, PushToTalk, talk
from .spoken_format import SpokenFormat

__all__ = [
    "Attachment",
    "AudioFormat",
    "Converter",
    "Device",
    "EchoCanceller",
    "G711_ALAW",
    "G711_ULAW",
    "Level",
    "LevelMeter",
    "LiveAttachment",
    "Microphone",
    "PCM16",
    "Pacer",
    "PlaybackLedger",
    "PlayedPart",
    "Player",
    "PreRoll",
    "PushToTalk",
    "Speaker",
    "SpokenFormat",
    "TALK_CONFIG",
    "audio_format",
    "convert",
    "devices",
    "file_blocks",
    "file_seconds",
    "level",
    "read_file",
    "session_format",
    "silence",
    "stream",
    "stream_file",
    "talk",
    "tone",
    "write_wav",
]
