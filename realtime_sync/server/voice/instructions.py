"""What to say when nothing was asked, and a response's instructions say what."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Optional

_QUOTED: Final = re.compile(r"[\"“«](.+?)[\"”»]", re.S)
_STEPS: Final = re.compile(
    r"(?<=[.!?;])\s+|,? and (?:then )?(?=ask\b|say\b|tell\b)|\n+"
)
_WHO: Final = r"(?:the )?(?:user|caller|customer|guest|person|them|him|her)"
_ACTS: Final = (
    (re.compile(r"\b(?:greet|welcome)\b|\bsay (?:hello|hi)\b", re.I), "Hello."),
    (re.compile(r"\bsay (?:good ?bye|farewell)\b", re.I), "Goodbye."),
    (re.compile(r"\b(?:thank|say thank you)\b", re.I), "Thank you."),
    (re.compile(r"\bask\b.*\bhow you can help\b", re.I), "How can I help you?"),
    (
        re.compile(r"\bask\b.*\b(?:for|about) (?:their|his|her|the|your) (.+)$", re.I),
        "What is your {}?",
    ),
    (
        re.compile(
            rf"\b(?:tell|inform|remind|assure) {_WHO} (?:that )?(.+)$"
            r"|\b(?:say|announce|explain)(?: that)?[\s:,]+(.+)$",
            re.I | re.S,
        ),
        "{}.",
    ),
)
"""What is wanted of the speaker, and the words for it; the first that fits."""


def spoken_instructions(
    instructions: str, answer: Callable[[str], Optional[str]]
) -> str:
    """
    Turn instructions into what is to be said.

    Quoted words are said as they stand; otherwise each sentence is an act that is
    known, or a question that *answer* answers, or is said itself.

    Args:
        instructions: of a response, not empty.
        answer: what the dialogue says to a request, None if it knows nothing.
    """
    quoted = _QUOTED.findall(instructions)
    if quoted:
        return " ".join(quoted)
    steps = [step.strip(" .;") for step in _STEPS.split(instructions)]
    return " ".join(_step_of_instructions(step, answer) for step in steps if step)


def _step_of_instructions(step: str, answer: Callable[[str], Optional[str]]) -> str:
    for pattern, words in _ACTS:
        found = pattern.search(step)
        if found:
            about = next((group for group in found.groups() if group), "")
            return _capital_of_instructions(words.format(about.strip(" .!?")))
    return answer(step) or _capital_of_instructions(f"{step}.")


def _capital_of_instructions(words: str) -> str:
    return words[:1].upper() + words[1:]
