"""How far what was understood is from what was said."""

from __future__ import annotations

from attrs import frozen

from ..errors import ConfigurationError, install_command
from ..server.voice import normal_words
from .arguments import text


@frozen
class WordErrors:
    """
    The difference of two texts, in words. Two can be added.

    Attributes:
        errors: words to change, to drop and to add.
        words: words that were said.
        changes: the differences, for people: ``said -> understood``, with a dash
            for a word that is not there.
    """

    errors: int = 0
    words: int = 0
    changes: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Errors per word that was said; where nothing was said, 0.0 or 1.0."""
        return self.errors / self.words if self.words else float(self.errors > 0)

    def __add__(self, other: WordErrors) -> WordErrors:
        if not isinstance(other, WordErrors):
            return NotImplemented
        return WordErrors(
            self.errors + other.errors,
            self.words + other.words,
            self.changes + other.changes,
        )


def word_errors(reference: str, understood: str) -> WordErrors:
    """
    Compare two texts word by word.

    Both are brought into one form first: lower case, no punctuation, numbers spelled
    out, contractions written in full.

    Args:
        reference: what was said.
        understood: what was made of it.

    Raises:
        ConfigurationError: the extra ``evaluation`` is not installed.
    """
    try:
        from rapidfuzz.distance import Levenshtein
    except ImportError as exc:
        raise ConfigurationError(
            f"word errors need rapidfuzz: {install_command('evaluation')}"
        ) from exc
    said, heard = normal_words(reference), normal_words(understood)
    steps = Levenshtein.editops(said, heard)
    return WordErrors(
        errors=len(steps),
        words=len(said),
        changes=tuple(
            f"{said[step.src_pos] if step.tag != 'insert' else '-'} -> "
            f"{heard[step.dest_pos] if step.tag != 'delete' else '-'}"
            for step in steps
        ),
    )


def same_words(text: str, other: str) -> bool:
    """Whether two texts differ in no word."""
    return normal_words(text) == normal_words(other)


def words_looked_for(words: str) -> list[str]:
    """
    The words that are looked for in a text.

    Raises:
        ConfigurationError: there are none, and every text would have them.
    """
    found = normal_words(text("what is looked for", words, empty=True))
    if not found:
        raise ConfigurationError(f"there is no word in {words!r} to look for")
    return found


def contains_words(text: str, words: str) -> bool:
    """
    Whether some words follow each other in a text, however they are written.

    Raises:
        ConfigurationError: there are no words to look for.
    """
    whole, part = normal_words(text), words_looked_for(words)
    size = len(part)
    return any(
        whole[place : place + size] == part for place in range(len(whole) - size + 1)
    )
