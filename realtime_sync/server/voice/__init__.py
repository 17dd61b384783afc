"""
How the local voice server hears, speaks and thinks.

The interfaces are small so that another engine can be put in; the engines
behind the ``default_*`` functions are imported when they are first asked for.
Importing this package loads none of them.

.. versionadded:: 0.1
"""

from __future__ import annotations

from .conversation import Message, Reply, ToolCall, ToolOutput
from .demo import DEMO_QUESTION
from .dialogue import Dialogue
from .engines import default_activity, default_recognizer, default_synthesizer
from .interfaces import Recognizer, Synthesizer, VoiceActivity
from .voices import VOICES
from .word_errors import normal_words, word_error_rate, word_errors

__all__ = [
    "DEMO_QUESTION",
    "Dialogue",
    "Recognizer",
    "Message",
    "Synthesizer",
    "Reply",
    "ToolCall",
    "ToolOutput",
    "VOICES",
    "VoiceActivity",
    "default_activity",
    "default_recognizer",
    "default_synthesizer",
    "normal_words",
    "word_error_rate",
    "word_errors",
]
