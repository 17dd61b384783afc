"""
Small talk, and what needs no table: the rules of the dialogue, in order.

A rule is a function from a request and its situation to a sentence, or None
when the request is none of its business. The first sentence wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Optional

import attrs

from .arithmetic import answer_sum
from .capitals import answer_capital
from .numerals import find_numbers, in_words, ordinal
from .request import Request

_LONGEST_COUNT: Final = 100


@attrs.frozen(kw_only=True)
class Situation:
    """
    What a rule may know besides the request.

    Attributes:
        now: local time.
        user_said: what the user said before, oldest first.
        last_answer: what was last said to the user, or "".
    """

    now: datetime
    user_said: tuple[str, ...] = ()
    last_answer: str = ""


Rule = Callable[[Request, Situation], Optional[str]]

_SMALL_TALK: Final[Mapping[str, str]] = {
    "how are you": "I am very well, thank you. How can I help you?",
    "how do you do": "How do you do?",
    "who are you": "I am a small voice agent that works without any network.",
    "what are you": "I am a small voice agent that works without any network.",
    "what is your name": "I have no name, but I am happy to help.",
    "what can you do": (
        "I can tell the time and the date, do sums, name capitals, count, spell, "
        "and repeat what you say."
    ),
    "tell me a joke": (
        "Why did the clock go back to school? It had lost its sense of time."
    ),
    "tell me a story": (
        "Once upon a time there was a lighthouse at the end of a long pier. "
        "Every evening an old man climbed the stairs and lit the lamp. "
        "One winter the snow was so deep that nobody could reach the door. "
        "The children of the village dug a path, and in the evening the lamp was "
        "shining again. From that day on the old man left the door open."
    ),
    "thank you": "You are welcome.",
    "thanks": "You are welcome.",
    "goodbye": "Goodbye, and have a good day.",
    "good bye": "Goodbye, and have a good day.",
    "bye": "Goodbye, and have a good day.",
    "see you": "Goodbye, and have a good day.",
    "good night": "Good night, and sleep well.",
    "i am sorry": "That is all right.",
}
_FACTS: Final[Mapping[str, str]] = {
    "days are there in a week": "There are seven days in a week.",
    "days are in a week": "There are seven days in a week.",
    "days are there in a year": "There are three hundred sixty five days in a year.",
    "days are in a year": "There are three hundred sixty five days in a year.",
    "weeks are there in a year": "There are fifty two weeks in a year.",
    "months are there in a year": "There are twelve months in a year.",
    "hours are there in a day": "There are twenty four hours in a day.",
    "minutes are there in an hour": "There are sixty minutes in an hour.",
    "seconds are there in a minute": "There are sixty seconds in a minute.",
    "color is the sky": "The sky is blue.",
    "colour is the sky": "The sky is blue.",
    "legs does a spider have": "A spider has eight legs.",
    "legs does a dog have": "A dog has four legs.",
}
_GREETINGS: Final = ("hello", "hi", "good morning", "good afternoon", "good evening")
_REPEAT: Final = re.compile(
    r"\b(?:repeat after me|say after me|repeat|say)\b[\s:,]+(.+)$", re.I | re.S
)
_SPELL: Final = re.compile(r"^(?:.*\bhow do you )?spell (?:the )?(?:word )?([a-z']+)")
_LETTERS: Final = re.compile(r"\bhow many letters .*\b(?:in|have) (?:the word )?(\w+)$")
_NAME: Final = re.compile(r"\b(?:my name is|call me) ([a-z]+)")


def greet(request: Request, situation: Situation) -> Optional[str]:
    """Answer a greeting that is nothing but one."""
    if request.plain in _GREETINGS or request.plain in ("hello there", "hi there"):
        return "Hello. How can I help you?"
    return None


def remember_name(request: Request, situation: Situation) -> Optional[str]:
    """Take down the user's name, and give it back."""
    introduced = _NAME.search(request.plain)
    if introduced:
        return f"Nice to meet you, {introduced[1].title()}."
    if not request.has("what is my name", "who am i", "know my name"):
        return None
    for said in reversed(situation.user_said):
        introduced = _NAME.search(Request.of(said).plain)
        if introduced:
            return f"Your name is {introduced[1].title()}."
    return "You have not told me your name."


def repeat_after(request: Request, situation: Situation) -> Optional[str]:
    """Say what is asked to be said, or what was said last."""
    if request.has("say that again", "repeat that", "repeat yourself"):
        return situation.last_answer or "I have not said anything yet."
    if request.has("what did i say", "what did i just say"):
        if not situation.user_said:
            return "You have not said anything yet."
        return f"You said: {situation.user_said[-1]}"
    if not request.core.startswith(("repeat ", "say ")):
        return None
    wanted = _REPEAT.search(request.text)
    return _sentence(wanted[1]) if wanted else None


def spell(request: Request, situation: Situation) -> Optional[str]:
    """Spell a word letter by letter, or count its letters."""
    counted = _LETTERS.search(request.core)
    if counted:
        word = counted[1]
        return f"The word {word} has {in_words(len(word))} letters."
    asked = _SPELL.search(request.core)
    if asked is None:
        return None
    letters = [letter.upper() for letter in asked[1] if letter.isalpha()]
    return f"{asked[1].title()} is spelled {', '.join(letters)}."


def count(request: Request, situation: Situation) -> Optional[str]:
    """Count up or down between the numbers named."""
    if not request.has("count"):
        return None
    bounds = [int(number) for number in find_numbers(request.words)]
    if not bounds:
        return "How far shall I count?"
    down = request.has("down", "backwards", "backward")
    first, last = (bounds[0], bounds[1]) if len(bounds) > 1 else (1, bounds[0])
    if down and first < last:
        first, last = last, first
    if abs(last - first) >= _LONGEST_COUNT:
        return f"I count {in_words(_LONGEST_COUNT)} numbers at most."
    step = 1 if first <= last else -1
    return _sentence(", ".join(in_words(n) for n in range(first, last + step, step)))


def tell_time(request: Request, situation: Situation) -> Optional[str]:
    """The time of day, the date, the day of the week, the year."""
    now = situation.now
    if request.has("what time", "the time", "time is it"):
        return f"It is {_time_in_words(now)}."
    if request.has("date", "day is it", "day is today", "today's date", "what day"):
        day = ordinal(now.day)
        return f"Today is {now:%A}, the {day} of {now:%B}."
    if request.has("what month", "which month"):
        return f"It is {now:%B}."
    if request.has("what year", "which year"):
        return f"It is {in_words(now.year)}."
    return None


def small_talk(request: Request, situation: Situation) -> Optional[str]:
    """Fixed answers to what people say to a voice agent."""
    for table in (_FACTS, _SMALL_TALK):
        for phrase, answer in table.items():
            if request.has(phrase):
                return answer
    return None


def _sum(request: Request, situation: Situation) -> Optional[str]:
    return answer_sum(request)


def _capital(request: Request, situation: Situation) -> Optional[str]:
    return answer_capital(request)


RULES: Final[tuple[Rule, ...]] = (
    repeat_after,
    spell,
    count,
    remember_name,
    _capital,
    _sum,
    tell_time,
    small_talk,
    greet,
)
"""Asked in this order; the first that answers is the one."""


def _sentence(words: str) -> str:
    words = words.strip()
    ended = words if words[-1] in ".!?" else f"{words}."
    return ended[0].upper() + ended[1:]


def _time_in_words(now: datetime) -> str:
    hour = in_words(now.hour % 12 or 12)
    part = "in the morning" if now.hour < 12 else "in the afternoon"
    if now.hour >= 18:
        part = "in the evening"
    if now.minute == 0:
        return f"{hour} o'clock {part}"
    minute = in_words(now.minute)
    return f"{hour} {minute if now.minute > 9 else f'oh {minute}'} {part}"
