"""The dialogue answers general questions, and remembers what it needs to."""

from __future__ import annotations

from datetime import datetime

import pytest

from realtime_sync.server.voice import DEMO_QUESTION, Dialogue, Message


def at_seven_past_three() -> datetime:
    """A Saturday in March."""
    return datetime(2026, 3, 21, 15, 7)


def answer(*texts: str) -> str:
    """What is said after these turns; the user has the first and the last."""
    history = [
        Message(role="assistant" if place % 2 else "user", text=text)
        for place, text in enumerate(texts)
    ]
    return Dialogue(clock=at_seven_past_three).reply(history).text


def test_the_question_of_the_demo_has_its_answer() -> None:
    """What `realtime-sync demo` asks is answered with the fact."""
    assert "The capital of France is Paris." == answer(DEMO_QUESTION)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is the capital of the Netherlands?", "Amsterdam"),
        ("which country has the capital rome", "Italy"),
        ("What's Norway's capital?", "Oslo"),
        ("What is the capital of Atlantis?", "do not know the capital of Atlantis"),
        ("What's 7*8?", "fifty six"),
        ("what is two plus three times four", "fourteen"),
        ("add two and three", "is five"),
        ("subtract two from nine", "is seven"),
        ("take four away from nine", "is five"),
        ("multiply six by seven", "forty two"),
        ("what is ten divided by four", "two point five"),
        ("what is ten divided by zero", "Nothing can be divided by zero"),
        ("twenty percent of fifty", "is ten"),
        ("what is half of ten", "is five"),
        ("the square root of sixteen", "is four"),
        ("two to the power of ten", "one thousand twenty four"),
        ("nine to the power of ninety", "no answer"),
        ("2^39 * 900", "more than a million million"),
        ("what time is it", "three oh seven in the afternoon"),
        ("What day is it today?", "Saturday, the twenty first of March"),
        ("what month is it", "March"),
        ("which year is it", "two thousand twenty six"),
        ("count to five", "One, two, three, four, five."),
        ("count down from ten to eight", "Ten, nine, eight."),
        ("please count", "How far"),
        ("count to one million", "at most"),
        ("how do you spell house", "H, O, U, S, E"),
        ("how many letters are in the word bridge", "six letters"),
        ("repeat after me the sky is blue", "The sky is blue."),
        ("Could you please say: Good luck, Anna?", "Good luck, Anna"),
        ("how many days are there in a week", "seven days"),
        ("hello", "How can I help you?"),
        ("thank you very much", "welcome"),
        ("tell me a story", "lighthouse"),
        ("Purple elephants", "You said: Purple elephants."),
        ("  ...  ", "did not hear"),
    ],
)
def test_questions_have_their_answers(question: str, expected: str) -> None:
    """Typed or recognized, with and without courtesies."""
    assert expected in answer(question)


@pytest.mark.parametrize(
    ("hour", "minute", "spoken"),
    [
        (0, 0, "twelve o'clock in the morning"),
        (8, 30, "eight thirty in the morning"),
        (12, 5, "twelve oh five in the afternoon"),
        (23, 59, "eleven fifty nine in the evening"),
    ],
)
def test_the_time_is_told_by_the_clock_it_was_given(
    hour: int, minute: int, spoken: str
) -> None:
    """Each part of the day has its words."""
    dialogue = Dialogue(clock=lambda: datetime(2026, 1, 1, hour, minute))
    reply = dialogue.reply([Message(role="user", text="What time is it?")])

    assert f"It is {spoken}." == reply.text


def test_a_name_is_remembered_through_the_conversation() -> None:
    """The last introduction counts."""
    said = ("My name is Anna.", "Nice to meet you, Anna.", "What is my name?")

    assert "Nice to meet you, Anna." == answer(said[0])
    assert "Your name is Anna." == answer(*said)
    assert "You have not told me your name." == answer("what is my name")


def test_what_was_said_can_be_said_again() -> None:
    """Both sides' last words are in the history."""
    assert "Oslo." == answer("x", "Oslo.", "please repeat that")
    assert "You said: Good day" == answer("Good day", "Hello.", "what did I say?")
    assert "I have not said anything yet." == answer("say that again")
    assert "You have not said anything yet." == answer("what did i say")


def test_nothing_said_is_answered_too() -> None:
    """A response asked for before any user message still says something."""
    assert "I did not hear any words." == Dialogue().reply([]).text
