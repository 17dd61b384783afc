"""A small dialogue in English, made of rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any, Final, Optional, Union

from .answers import RULES, Situation
from .conversation import Message, Reply, ToolOutput, Turn
from .instructions import spoken_instructions
from .request import VoiceRequest
from .tools import choose_tool, spoken_tool_output

_NOTHING_HEARD: Final = "I did not hear any words."
_ASKING: Final = "What {} should I use?"
_ASKED: Final = re.compile(r"What (.+) should I use\?")

ToolChoice = Union[str, Mapping[str, Any]]
"""``auto``, ``none``, ``required``, or the one function that is to be called."""


class Dialogue:
    """
    Answers questions about the time, sums, capitals and the like, and calls tools.

    It keeps nothing between calls, so that one object serves every session
    and any thread.

    Args:
        clock: gives the local time, for questions about time and date.
    """

    def __init__(self, *, clock: Callable[[], datetime] = datetime.now) -> None:
        self._clock = clock

    def reply(
        self,
        history: Sequence[Turn],
        tools: Sequence[Mapping[str, Any]] = (),
        *,
        tool_choice: ToolChoice = "auto",
        instructions: str = "",
    ) -> Reply:
        """
        Decide what to say, or what to call, after all that happened so far.

        Args:
            history: the conversation, oldest first.
            tools: definitions as `session.tools` has them.
            tool_choice: as `session.tool_choice` has it.
            instructions: of this response alone; they are followed when there is
                nothing to answer.
        """
        outputs = _outputs_at_end_of_dialogue(history)
        if outputs:
            return Reply(text=" ".join(map(spoken_tool_output, outputs)))
        said = _said_in_dialogue("user", history)
        if instructions.strip() and not _dialogue_waits_for_answer(history):
            return Reply(text=spoken_instructions(instructions, self._known))
        if not said or not VoiceRequest.of(said[-1]).words:
            return Reply(text=_NOTHING_HEARD)
        forced = tool_choice == "required"
        if isinstance(tool_choice, Mapping):
            forced, name = True, tool_choice.get("name")
            tools = [tool for tool in tools if tool.get("name") == name]
        offered = () if tool_choice == "none" else tools
        wanted = choose_tool(_dialogue_request(history, said), offered, forced=forced)
        if wanted is not None and wanted.missing and not forced:
            return Reply(text=_ASKING.format(wanted.missing[0].replace("_", " ")))
        if wanted is not None:
            return Reply(calls=(wanted.call,))
        known = self._known(said[-1], said[:-1], history)
        return Reply(text=known or f"You said: {said[-1].strip().rstrip('.')}.")

    def knows(self, history: Sequence[Turn]) -> bool:
        """Return whether it has an answer of its own to what the user said last."""
        said = _said_in_dialogue("user", history)
        return bool(said) and self._known(said[-1], said[:-1], history) is not None

    def _known(
        self, text: str, said: Sequence[str] = (), history: Sequence[Turn] = ()
    ) -> Optional[str]:
        """What some rule answers, or None."""
        request = VoiceRequest.of(text)
        answers = _said_in_dialogue("assistant", history)
        situation = Situation(
            now=self._clock(),
            user_said=tuple(said),
            last_answer=answers[-1] if answers else "",
        )
        return next(filter(None, (rule(request, situation) for rule in RULES)), None)


def _said_in_dialogue(role: str, history: Sequence[Turn]) -> list[str]:
    return [t.text for t in history if isinstance(t, Message) and t.role == role]


def _dialogue_waits_for_answer(history: Sequence[Turn]) -> bool:
    """Whether the user spoke last; a system message does not come between."""
    roles = [t.role for t in history if isinstance(t, Message) and t.role != "system"]
    return roles[-1:] == ["user"]


def _outputs_at_end_of_dialogue(history: Sequence[Turn]) -> list[str]:
    """What functions gave back since somebody last said something."""
    at_end = takewhile(lambda turn: not isinstance(turn, Message), reversed(history))
    return [turn.output for turn in at_end if isinstance(turn, ToolOutput)][::-1]


def _dialogue_request(history: Sequence[Turn], said: Sequence[str]) -> VoiceRequest:
    """What the user said last, completed by what was said before if we asked."""
    messages = [turn for turn in history if isinstance(turn, Message)]
    asked = _ASKED.fullmatch(messages[-2].text) if len(messages) > 1 else None
    if asked is None or len(said) < 2:
        return VoiceRequest.of(said[-1])
    return VoiceRequest.of(f"{said[-2].rstrip('.?! ')} {asked[1]} {said[-1]}")
