"""
The echo agent: says what it was told.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Optional

from ..engine.activity import EnergyActivity
from ..voice.interfaces import Recognizer, Synthesizer, VoiceActivity
from .base import Answer, Call, Prompt, Say, item_text
from .tone import ToneRecognizer, ToneSynthesizer


class Echo:
    """
    Repeats the last item: text as text, audio as the same audio.

    Tools are called too, so that they can be tried: a forced one, or one whose name
    is in the user's words, is called with the words as every string argument; its
    output is repeated afterwards.
    """

    def __init__(self) -> None:
        self.recognizer: Optional[Recognizer] = ToneRecognizer()
        self.synthesizer: Synthesizer = ToneSynthesizer()

    def reply(self, prompt: Prompt) -> Answer:
        """Answer with the last item of the conversation."""
        last = prompt.last
        if last is None:
            return None
        tool = _tool_to_echo(prompt, last)
        if tool is not None:
            return Call(tool["name"], dict(_echo_arguments(tool, item_text(last))))
        words = item_text(last)
        if prompt.modality == "audio" and last["id"] in prompt.audio:
            return Say(words, prompt.audio[last["id"]])
        return Say(words)

    def activity(self) -> VoiceActivity:
        """Return a detector that takes everything loud for speech."""
        return EnergyActivity()


def _tool_to_echo(
    prompt: Prompt, last: Mapping[str, Any]
) -> Optional[Mapping[str, Any]]:
    functions = [tool for tool in prompt.tools if tool.get("type") == "function"]
    if last.get("role") != "user" or prompt.tool_choice == "none" or not functions:
        return None
    choice = prompt.tool_choice
    if isinstance(choice, Mapping):
        return next((t for t in functions if t["name"] == choice.get("name")), None)
    if choice == "required":
        return functions[0]
    words = item_text(last)
    return next((tool for tool in functions if tool["name"] in words), None)


def _echo_arguments(tool: Mapping[str, Any], words: str) -> Iterator[tuple[str, Any]]:
    schema = tool.get("parameters") or {}
    for name, part in (schema.get("properties") or {}).items():
        if part.get("type") == "string":
            yield name, (part.get("enum") or [words])[0]
