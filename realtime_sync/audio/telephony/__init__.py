"""Telephone calls: bridges between a telephone company and a session."""

from __future__ import annotations

from .bridge import CallBridge, TwilioBridge
from .carriers import (
    ASTERISK_WEBSOCKET,
    AUDIOHOOK,
    AUDIOSOCKET,
    AZURE,
    EXOTEL,
    PLIVO,
    SIGNALWIRE,
    TELNYX,
    TWILIO,
    VONAGE,
    Carrier,
)
from .codecs import PCMA, PCMU, Codec, linear

__all__ = [
    "ASTERISK_WEBSOCKET",
    "AUDIOHOOK",
    "AUDIOSOCKET",
    "AZURE",
    "CallBridge",
    "Carrier",
    "Codec",
    "EXOTEL",
    "PCMA",
    "PCMU",
    "PLIVO",
    "SIGNALWIRE",
    "TELNYX",
    "TWILIO",
    "TwilioBridge",
    "VONAGE",
    "linear",
]
