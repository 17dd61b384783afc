"""
The voice agent: hears English, answers by rules, speaks; all of it offline.
"""

from __future__ import annotations

import json
from typing import Any, Iterator, Mapping, Optional, Union

from ..voice import (
    Dialogue,
    Message,
    Recognizer,
    Synthesizer,
    ToolCall,
    ToolOutput,
    VoiceActivity,
    default_activity,
    default_recognizer,
    default_synthesizer,
)
from .base import Answer, Delegate, Prompt, item_text

_ELSEWHERE = ("client", "decisions")
"""Where what is handed on is not the agent's to answer."""
Turn = Union[Message, ToolCall, ToolOutput]


class VoiceAgent:
    """
    A real recognizer, a real synthesizer, and a `Dialogue` between them.

    Args:
        dialogue: decides what to say.
        recognizer: writes speech down; that of the ``demo`` extra by default.
        synthesizer: speaks; that of the ``demo`` extra by default.

    Raises:
        ConfigurationError: the ``demo`` extra is not installed.
    """

    def __init__(
        self,
        *,
        dialogue: Optional[Dialogue] = None,
        recognizer: Optional[Recognizer] = None,
        synthesizer: Optional[Synthesizer] = None,
    ) -> None:
        self.recognizer: Optional[Recognizer] = recognizer or default_recognizer()
        self.synthesizer: Synthesizer = synthesizer or default_synthesizer()
        self._dialogue = dialogue or Dialogue()
        # Asked for here, so that a missing extra shows when the server starts.
        self.activity()

    def reply(self, prompt: Prompt) -> Answer:
        """
        Let the dialogue answer.

        What it does not know, it hands on in a session that delegates to the client
        or to Decisions.
        """
        functions = [tool for tool in prompt.tools if tool.get("type") == "function"]
        turns = list(voice_history(prompt))
        if prompt.delegation in _ELSEWHERE and not self._dialogue.knows(turns):
            return Delegate("One moment, please.")
        return self._dialogue.reply(
            turns,
            functions,
            tool_choice=prompt.tool_choice,
            instructions=prompt.response_instructions or "",
        )

    def activity(self) -> VoiceActivity:
        """Return a voice activity detector for one session."""
        return default_activity()


def voice_history(prompt: Prompt) -> Iterator[Turn]:
    """Translate the items of a prompt for a dialogue."""
    for item in prompt.items:
        turn = _turn_for_voice_agent(item)
        if turn is not None:
            yield turn


def _turn_for_voice_agent(item: Mapping[str, Any]) -> Optional[Turn]:
    kind = item["type"]
    if kind == "message":
        return Message(role=item["role"], text=item_text(item))
    if kind == "function_call":
        return ToolCall(
            name=item["name"],
            arguments=_voice_agent_arguments(item["arguments"]),
            call_id=item["call_id"],
        )
    if kind == "function_call_output":
        return ToolOutput(output=item["output"], call_id=item["call_id"])
    return None


def _voice_agent_arguments(text: str) -> Mapping[str, Any]:
    try:
        arguments = json.loads(text)
    except ValueError:
        return {}
    return arguments if isinstance(arguments, dict) else {}
