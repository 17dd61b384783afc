"""How far a transcript is from what was said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from .numerals import numeral_in_words, ordinal_numeral

_CONTRACTIONS: Final = {
    "can't": "can not",
    "cannot": "can not",
    "won't": "will not",
    "shan't": "shall not",
    "let's": "let us",
    "gonna": "going to",
    "wanna": "want to",
    "o'clock": "oclock",
    "okay": "ok",
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
}
_ENDINGS: Final = {
    "n't": " not",
    "'re": " are",
    "'ve": " have",
    "'ll": " will",
    "'m": " am",
    "'d": " would",
}
_IS_CONTRACTED: Final = re.compile(
    r"\b(it|he|she|that|there|here|what|who|where|when|how|this|everything)'s\b"
)
_NUMBER: Final = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_ORDINAL: Final = re.compile(r"\b(\d+)(?:st|nd|rd|th)\b")
_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+")
"""Letters of any script; where no spaces are written, a sentence is a word."""
_SYMBOLS: Final = {"%": " percent ", "&": " and ", "°": " degrees ", "-": " "}


class WordErrorCount(NamedTuple):
    """How many words are wrong, and out of how many said."""

    errors: int
    words: int


def normal_words(text: str) -> list[str]:
    """
    The words of a text in the one form in which they are compared.

    Lower case, without punctuation; numbers are spelled out ("21" is "twenty
    one"), contractions written in full ("don't" is "do not").
    """
    text = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    text = _ORDINAL.sub(lambda match: ordinal_numeral(int(match[1])), text)
    text = _NUMBER.sub(lambda match: f" {_spelled_for_word_errors(match[0])} ", text)
    for symbol, meaning in _SYMBOLS.items():
        text = text.replace(symbol, meaning)
    text = _IS_CONTRACTED.sub(r"\1 is", text)
    return [
        part
        for word in _WORD.findall(text)
        for part in _in_full_for_word_errors(word).split()
    ]


def word_errors(reference: str, hypothesis: str) -> WordErrorCount:
    """
    Count the words to change, to add and to drop.

    The counts of several sentences can be added up; the rate over all of them
    is the sum of errors by the sum of words.

    Args:
        reference: what was said.
        hypothesis: what was understood.
    """
    said, heard = normal_words(reference), normal_words(hypothesis)
    return WordErrorCount(_word_distance(said, heard), len(said))


def word_error_rate(reference: str, hypothesis: str) -> float:
    """
    Errors per word said: 0.0 is word for word right, 0.1 one word in ten.

    It can exceed 1.0, when more is heard than was said. Both texts are
    normalized by `normal_words`; where nothing was said, the rate is 0.0 if
    nothing was heard, else 1.0.

    Args:
        reference: what was said.
        hypothesis: what was understood.
    """
    errors, words = word_errors(reference, hypothesis)
    return errors / words if words else float(errors > 0)


def _spelled_for_word_errors(digits: str) -> str:
    plain = digits.replace(",", "")
    return numeral_in_words(float(plain) if "." in plain else int(plain))


def _in_full_for_word_errors(word: str) -> str:
    if word in _CONTRACTIONS:
        return _CONTRACTIONS[word]
    for ending, meaning in _ENDINGS.items():
        if word.endswith(ending) and len(word) > len(ending):
            return word[: -len(ending)] + meaning
    return word


def _word_distance(left: Sequence[str], right: Sequence[str]) -> int:
    row = list(range(len(right) + 1))
    for count, word in enumerate(left, start=1):
        diagonal, row[0] = row[0], count
        for place, other in enumerate(right, start=1):
            change = diagonal + (word != other)
            diagonal = row[place]
            row[place] = min(change, row[place] + 1, row[place - 1] + 1)
    return row[-1]
