"""The measure of recognition is fair to spelling and counts words."""

from __future__ import annotations

import pytest

from realtime_sync.server.voice import normal_words, word_error_rate, word_errors


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Hello, World!", "hello world"),
        ("I don\N{RIGHT SINGLE QUOTATION MARK}t know.", "i do not know"),
        ("What's that? It's 21.", "what is that it is twenty one"),
        ("We can't; we cannot.", "we can not we can not"),
        ("My brother's 3rd car", "my brother's third car"),
        (
            "1,250 people paid 2.5%",
            "one thousand two hundred fifty people paid two " "point five percent",
        ),
        ("a well-known o'clock", "a well known oclock"),
        ("Un café, s'il vous plaît!", "un café s'il vous plaît"),
        ("Größe: 21_b", "größe twenty one b"),
        (
            "\u0645\u0631\u062d\u0628\u0627\u060c 5",
            "\u0645\u0631\u062d\u0628\u0627 five",
        ),
        ("Привет, мир.", "привет мир"),
    ],
)
def test_texts_are_compared_in_one_form(written: str, words: str) -> None:
    """Case, punctuation, digits and contractions make no difference."""
    assert words.split() == normal_words(written)


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("the cat sat", "the cat sat", 0),
        ("the cat sat", "the bat sat", 1),
        ("the cat sat", "the sat", 1),
        ("the cat sat", "the big cat sat", 1),
        ("the cat sat", "", 3),
        ("the cat sat", "sat cat the", 2),
    ],
)
def test_errors_are_words_changed_added_and_dropped(
    said: str, heard: str, errors: int
) -> None:
    """The count is the smallest number of edits between the words."""
    assert (errors, 3) == word_errors(said, heard)


def test_the_rate_is_errors_per_word_said() -> None:
    """One word wrong of four is a quarter; more heard than said exceeds one."""
    assert 0.25 == word_error_rate("one two three four", "one two three five")
    assert 2.0 == word_error_rate("one", "one two three")


def test_nothing_said_is_right_when_nothing_is_heard() -> None:
    """An empty reference has no words to divide by."""
    assert 0.0 == word_error_rate("", "...")
    assert 1.0 == word_error_rate("", "noise")
