"""Numbers and their English words."""

from __future__ import annotations

import pytest

from realtime_sync.server.voice.numerals import (
    find_numeral,
    find_numerals,
    numeral_in_words,
    ordinal_numeral,
)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (99, "ninety nine"),
        (100, "one hundred"),
        (2026, "two thousand twenty six"),
        (1_000_001, "one million one"),
        (-7, "minus seven"),
        (2.5, "two point five"),
        (3.0, "three"),
    ],
)
def test_numbers_are_said_in_words(value: float, words: str) -> None:
    """Whole numbers, negative ones and fractions have one spelling each."""
    assert words == numeral_in_words(value)


def test_very_large_numbers_stay_in_digits() -> None:
    """From a million million on, words would be longer than anyone listens."""
    assert str(10**12) == numeral_in_words(10**12)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1, "first"),
        (8, "eighth"),
        (12, "twelfth"),
        (20, "twentieth"),
        (21, "twenty first"),
        (30, "thirtieth"),
        (104, "one hundred fourth"),
    ],
)
def test_ordinals_are_said_in_words(value: int, words: str) -> None:
    """Only the last word of an ordinal differs from the number."""
    assert words == ordinal_numeral(value)


@pytest.mark.parametrize("value", [*range(0, 1100, 7), 1984, 12_345, 7_000_042])
def test_words_are_read_back_as_the_number(value: int) -> None:
    """What `numeral_in_words` says, `find_numeral` understands, to the last word."""
    words = numeral_in_words(value).split()

    assert (value, len(words)) == find_numeral(words)


def test_numbers_in_a_sentence_are_found_in_order() -> None:
    """Neighbouring numbers stay apart; digits, "and" and fractions are read."""
    said = "add one hundred and five to 12 then seven eight minus two point five"

    assert [105, 12, 7, 8, -2.5] == find_numerals(said.split())


def test_a_word_that_is_no_number_gives_none() -> None:
    """Nor does the end of the sentence."""
    assert find_numeral(["house"]) is None
    assert find_numeral(["one"], 1) is None
