"""What the user said, in the form in which rules look at it."""

from __future__ import annotations

import re
from typing import Final

import attrs

from .word_errors import normal_words

_OPERATORS: Final = (
    (re.compile(r"(?<=\d)\s*-\s*(?=\d)"), " minus "),
    (re.compile(r"(?<=\d)\s*/\s*(?=\d)"), " divided by "),
    (re.compile(r"(?<=\d)\s*[*x×]\s*(?=\d)"), " times "),
    (re.compile(r"\+"), " plus "),
    (re.compile(r"÷"), " divided by "),
    (re.compile(r"\^"), " to the power of "),
)
_COURTESY: Final = re.compile(
    r"^(?:(?:please|hello|hi|hey|well|so|ok|now|and|then) )*"
    r"(?:(?:can|could|would|will) you (?:please |kindly )?)?"
    r"(?:i (?:would like|want) you to )?(?:please )?"
)


@attrs.frozen
class VoiceRequest:
    """
    One thing that the user said.

    Attributes:
        text: as it was typed or recognized.
        words: its words, in lower case, numbers and contractions in full.
        plain: the words in one string.
        core: the same without the courtesies that it began or ended with.
    """

    text: str
    words: tuple[str, ...]
    plain: str
    core: str

    @classmethod
    def of(cls, text: str) -> VoiceRequest:
        """Read what was typed or recognized."""
        words = tuple(normal_words(_request_with_operators(text)))
        plain = " ".join(words)
        core = _COURTESY.sub("", plain, count=1).removesuffix(" please")
        return cls(text, words, plain, core or plain)

    def has(self, *phrases: str) -> bool:
        """Whether any of the phrases occurs, in whole words."""
        return any(f" {phrase} " in f" {self.plain} " for phrase in phrases)


def request_as_sentence(words: str) -> str:
    """Words with a capital letter and a full stop."""
    words = words.strip()
    ended = words if words[-1:] in (".", "!", "?") else f"{words}."
    return ended[0].upper() + ended[1:]


def _request_with_operators(text: str) -> str:
    for pattern, words in _OPERATORS:
        text = pattern.sub(words, text)
    return text
