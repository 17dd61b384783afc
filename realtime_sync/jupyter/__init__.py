"""
Notebooks: one session per name, live output, sound, pictures.

::

    from realtime_sync import jupyter

    session = jupyter.connect("gpt-realtime-2.1")
    jupyter.LiveTranscript(session)

Needs nothing but IPython, which every notebook has.
"""

from __future__ import annotations

from .html import html_of
from .live import LiveTranscript
from .naming import close, connect, sessions
from .playing import BrowserPlayer
from .plots import Picture, latency, waveform

__all__ = [
    "BrowserPlayer",
    "LiveTranscript",
    "Picture",
    "close",
    "connect",
    "html_of",
    "latency",
    "sessions",
    "waveform",
]
