"""A caller who improvises."""

from __future__ import annotations

import re
from typing import Optional

from .chat_model import ChatModel

_INSTRUCTIONS = (
    "You play somebody who calls a service by telephone and speaks with its agent. "
    "This is who you are and what you want: {persona}\n"
    "Say one short sentence at a time, as people do on the telephone, in plain words "
    "without lists, symbols or stage directions. When you have what you want, or when "
    "it is clear that you will not get it, say goodbye and end with [hang up]."
)
_END = re.compile(r"\[\s*hang\s*up\s*\]", re.IGNORECASE)
_DIRECTIONS = re.compile(r"\[[^\]]*\]|\*[^*]*\*")


class Persona:
    """
    Who a caller is, and what was said so far.

    Args:
        persona: who it is and what it wants.
        model: finds its words.
    """

    def __init__(self, persona: str, model: ChatModel) -> None:
        self._model = model
        self._over = False
        content = _INSTRUCTIONS.format(persona=persona)
        self._messages = [{"role": "system", "content": content}]
        self.hears("")

    def hears(self, text: str) -> None:
        """Tell it what the agent has said."""
        # For the model of the persona it is the agent who is the user.
        said = text or "(The line is open and nobody says anything.)"
        self._messages.append({"role": "user", "content": said})

    def next_line(self) -> Optional[str]:
        """
        What it says next; None once it has hung up.

        Raises:
            RestError: the model cannot be asked.
        """
        if self._over:
            return None
        answer = self._model.ask(self._messages)
        self._messages.append({"role": "assistant", "content": answer})
        self._over = bool(_END.search(answer))
        spoken = " ".join(_DIRECTIONS.sub(" ", answer).split())
        return spoken or None
