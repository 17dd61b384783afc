"""
Ears, mouth and wits of the local voice server.

The interfaces are small so that another engine can be put in; the engines
behind the ``default_*`` functions are imported when they are first asked for.
Importing this package loads none of them.

.. versionadded:: 0.1
"""

from __future__ import annotations

from .conversation import Message, Reply, ToolCall, ToolOutput
from .demo import DEMO_QUESTION
from .dialogue import Dialogue
from .engines import default_activity, default_ears, default_mouth
from .interfaces import Ears, Mouth, VoiceActivity
from .scoring import normal_words, word_error_rate, word_errors

__all__ = [
    "DEMO_QUESTION",
    "Dialogue",
    "Ears",
    "Message",
    "Mouth",
    "Reply",
    "ToolCall",
    "ToolOutput",
    "VoiceActivity",
    "default_activity",
    "default_ears",
    "default_mouth",
    "normal_words",
    "word_error_rate",
    "word_errors",
]
