"""
A session as one HTML page: transcript with players, waveforms, latencies, tokens.

::

    from realtime_sync import report

    report.write("call.jsonl", "call.html")

The page holds everything that it shows and loads nothing from anywhere.
"""

from __future__ import annotations

from ..state.latency import Turn
from .latency import latency_bars, latency_table
from .live_timeline import LiveListener, utterance_of_work
from .markup import Content, Markup, element
from .page import audio_url, body_of, document, player, said, style
from .page_writer import Told, html, tell, write
from .recording_reader import Listener
from .sound import Stretch, Track
from .tables import to_dataframe
from .timeline import MOMENTS, Entry, Problem, Story, Utterance
from .timeline_builder import NO_SOUND, problem, utterance_of
from .waveform import waveform

__all__ = [
    "Content",
    "Entry",
    "Listener",
    "LiveListener",
    "MOMENTS",
    "Markup",
    "NO_SOUND",
    "Problem",
    "Story",
    "Stretch",
    "Told",
    "Track",
    "Turn",
    "Utterance",
    "audio_url",
    "body_of",
    "document",
    "element",
    "html",
    "latency_bars",
    "latency_table",
    "player",
    "problem",
    "said",
    "style",
    "tell",
    "to_dataframe",
    "utterance_of",
    "utterance_of_work",
    "waveform",
    "write",
]
