"""
Who answers: scripted, echo, voice and chat agents.
"""

from __future__ import annotations

from .base import Agent, Answer, Call, Delegate, Failure, Prompt, Say, item_text
from .echo import Echo
from .scripted import Scripted
from .tools import McpTool

__all__ = [
    "Agent",
    "Answer",
    "Call",
    "Delegate",
    "Echo",
    "Failure",
    "McpTool",
    "Prompt",
    "Say",
    "Scripted",
    "item_text",
]
