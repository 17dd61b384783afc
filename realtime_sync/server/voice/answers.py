"""
What the talker knows: sums, capitals, the clock, names, and small talk.

A rule is a function from a request and its situation to a sentence, or None when
the request is none of its business. The first sentence wins.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Optional

import attrs

from .numerals import (
    Number,
    find_numeral,
    find_numerals,
    numeral_in_words,
    ordinal_numeral,
)
from .request import VoiceRequest, request_as_sentence


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


Rule = Callable[[VoiceRequest, Situation], Optional[str]]

_CAPITALS: Final[Mapping[str, str]] = dict(
    pair.split(":")
    for pair in (
        "Argentina:Buenos Aires,Australia:Canberra,Austria:Vienna,Belgium:Brussels,"
        "Brazil:Brasilia,Canada:Ottawa,Chile:Santiago,China:Beijing,Colombia:Bogota,"
        "Cuba:Havana,Denmark:Copenhagen,Egypt:Cairo,England:London,Finland:Helsinki,"
        "France:Paris,Germany:Berlin,Greece:Athens,Hungary:Budapest,India:New Delhi,"
        "Iceland:Reykjavik,Ireland:Dublin,Israel:Jerusalem,Italy:Rome,Japan:Tokyo,"
        "Kenya:Nairobi,Mexico:Mexico City,Morocco:Rabat,New Zealand:Wellington,"
        "Norway:Oslo,Peru:Lima,Poland:Warsaw,Portugal:Lisbon,Russia:Moscow,"
        "South Korea:Seoul,Spain:Madrid,Sweden:Stockholm,Switzerland:Bern,"
        "Thailand:Bangkok,the Netherlands:Amsterdam,the United Kingdom:London,"
        "the United States:Washington,Turkey:Ankara,Ukraine:Kyiv,Vietnam:Hanoi"
    ).split(",")
)
_UNKNOWN: Final = re.compile(r"\bcapital (?:city )?of (?:the )?(\w+(?: \w+)?)$")

_TALK: Final[tuple[tuple[str, str], ...]] = (
    ("how are you|how do you do", "I am very well, thank you. How can I help you?"),
    (
        "who are you|what are you|what is your name",
        "I am a small voice agent that works without any network.",
    ),
    (
        "what can you do",
        "I can tell the time and the date, do sums, name capitals, count, spell, "
        "and repeat what you say.",
    ),
    (
        "tell me a joke",
        "Why did the clock go back to school? It had lost its sense of time.",
    ),
    (
        "tell me a story",
        "Once upon a time there was a lighthouse at the end of a long pier. "
        "Every evening an old man climbed the stairs and lit the lamp. "
        "One winter the snow was so deep that nobody could reach the door. "
        "The children of the village dug a path, and in the evening the lamp was "
        "shining again. From that day on the old man left the door open.",
    ),
    ("thank you|thanks", "You are welcome."),
    ("goodbye|good bye|bye|see you", "Goodbye, and have a good day."),
    ("days are there in a week|days are in a week", "There are seven days in a week."),
)
_GREETING: Final = re.compile(
    r"(?:hello|hi|good (?:morning|afternoon|evening))( there)?"
)
_REPEAT: Final = re.compile(
    r"\b(?:repeat after me|say after me|repeat|say)\b[\s:,]+(.+)$", re.I | re.S
)
_SPELL: Final = re.compile(r"^(?:.*\bhow do you )?spell (?:the )?(?:word )?([a-z']+)")
_LETTERS: Final = re.compile(r"\bhow many letters .*\b(?:in|have) (?:the word )?(\w+)$")
_NAME: Final = re.compile(r"\b(?:my name is|call me) ([a-z]+)")

_OCLOCK: Final = "o'clock"
_REWRITES: Final = (
    (r"\b(?:add|sum of) (.+) (?:and|to) (.+)", r"\1 plus \2"),
    (r"\b(?:subtract|take) (.+?) (?:away )?from (.+)", r"\2 minus \1"),
    (r"\bdifference between (.+) and (.+)", r"\1 minus \2"),
    (r"\b(?:multiply|product of) (.+) (?:by|and|with) (.+)", r"\1 times \2"),
    (r"\bdivide (.+) by (.+)", r"\1 over \2"),
    (r"\b(.+) percent of (.+)", r"\1 times \2 over one hundred"),
    (r"\bsquare root of (.+)", r"\1 power zero point five"),
    (r"\b(.+) squared|\bsquare of (.+)", r"\1\2 power two"),
    (r"\bhalf of (.+)", r"\1 over two"),
    (r"\b(?:double|twice) (.+)", r"two times \1"),
    (r"\bmultiplied by\b", "times"),
    (r"\bdivided by\b", "over"),
    (r"\bto the power of\b", "power"),
)
"""Ways to ask for a sum, and the same with a word between two numbers."""


def _answer_power(left: Number, right: Number) -> Number:
    result = left ** right if abs(left) <= 10**6 and abs(right) <= 40 else None
    if not isinstance(result, (int, float)):
        raise OverflowError  # Too large, or not real.
    return result


_Operation = tuple[int, Callable[[Number, Number], Number]]
_OPERATIONS: Final[Mapping[str, _Operation]] = {
    "plus": (1, operator.add),
    "and": (1, operator.add),
    "minus": (1, operator.sub),
    "less": (1, operator.sub),
    "times": (2, operator.mul),
    "over": (2, operator.truediv),
    "power": (3, _answer_power),
}
"""Words between numbers: how tightly they bind, and what they do."""


def answer_sum(request: VoiceRequest, situation: Situation) -> Optional[str]:
    """The answer to a sum, such as "what is seven times eight plus two"."""
    said = request.plain
    for pattern, infix in _REWRITES:
        said = re.sub(pattern, infix, said)
    words = said.split()
    try:
        results = (_answer_value_from(words, start) for start in range(len(words)))
        result = next((each for each in results if each is not None), None)
    except ZeroDivisionError:
        return "Nothing can be divided by zero."
    except OverflowError:
        return "There is no answer to that which I could say."
    if result is None:
        return None
    if abs(result) >= 10**12:
        return "That is more than a million million."
    rounded = round(result, 4)
    whole = int(rounded) if rounded == int(rounded) else rounded
    return f"The answer is {numeral_in_words(whole)}."


def _answer_value_from(words: list[str], start: int) -> Optional[Number]:
    """The value of numbers joined by operations, from a word on; None for none."""
    found = find_numeral(words, start)
    if found is None:
        return None
    values: list[Number] = [found.value]
    waiting: list[_Operation] = []

    def settle(level: int) -> None:
        while waiting and waiting[-1][0] >= level:
            right = values.pop()
            values.append(waiting.pop()[1](values.pop(), right))

    place = found.end
    while place < len(words) and words[place] in _OPERATIONS:
        following = find_numeral(words, place + 1)
        if following is None:
            break
        settle(_OPERATIONS[words[place]][0])
        waiting.append(_OPERATIONS[words[place]])
        values.append(following.value)
        place = following.end
    joined = bool(waiting)
    settle(0)
    return values[0] if joined else None


def answer_capital(request: VoiceRequest, situation: Situation) -> Optional[str]:
    """The capital of the country named, or the country of the city named."""
    if not request.has("capital", "capitals"):
        return None
    for country, city in _CAPITALS.items():
        if request.has(country.lower(), f"{country.lower()}'s"):
            return f"The capital of {country} is {city}."
    for country, city in _CAPITALS.items():
        if request.has(city.lower()):
            return f"{city} is the capital of {country}."
    unknown = _UNKNOWN.search(request.core)
    return f"I do not know the capital of {unknown[1].title()}." if unknown else None


def answer_name(request: VoiceRequest, situation: Situation) -> Optional[str]:
    """Take down the user's name, and give it back."""
    introduced = _NAME.search(request.plain)
    if introduced:
        return f"Nice to meet you, {introduced[1].title()}."
    if not request.has("what is my name", "who am i", "know my name"):
        return None
    names = [_NAME.search(VoiceRequest.of(said).plain) for said in situation.user_said]
    last = next((name for name in reversed(names) if name), None)
    return (
        f"Your name is {last[1].title()}."
        if last
        else "You have not told me your name."
    )


def answer_repeated(request: VoiceRequest, situation: Situation) -> Optional[str]:
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
    return request_as_sentence(wanted[1]) if wanted else None


def answer_spelled_or_counted(
    request: VoiceRequest, situation: Situation
) -> Optional[str]:
    """Spell a word, count its letters, or count between two numbers."""
    if counted := _LETTERS.search(request.core):
        return f"The word {counted[1]} has {numeral_in_words(len(counted[1]))} letters."
    if asked := _SPELL.search(request.core):
        letters = [letter.upper() for letter in asked[1] if letter.isalpha()]
        return f"{asked[1].title()} is spelled {', '.join(letters)}."
    if not request.has("count"):
        return None
    bounds = [int(number) for number in find_numerals(request.words)]
    if not bounds:
        return "How far shall I count?"
    first, last = (bounds[0], bounds[1]) if len(bounds) > 1 else (1, bounds[0])
    if request.has("down", "backwards", "backward") and first < last:
        first, last = last, first
    if abs(last - first) >= 100:
        return "I count one hundred numbers at most."
    step = 1 if first <= last else -1
    return request_as_sentence(
        ", ".join(numeral_in_words(n) for n in range(first, last + step, step))
    )


def answer_time(request: VoiceRequest, situation: Situation) -> Optional[str]:
    """The time of day, the date, the month, the year."""
    now = situation.now
    if request.has("what time", "the time", "time is it"):
        part = ("morning", "afternoon", "evening")[(now.hour >= 12) + (now.hour >= 18)]
        minute = f"{'oh ' if now.minute < 10 else ''}{numeral_in_words(now.minute)}"
        hour = numeral_in_words(now.hour % 12 or 12)
        return f"It is {hour} {minute if now.minute else _OCLOCK} in the {part}."
    if request.has("date", "day is it", "day is today", "what day"):
        return f"Today is {now:%A}, the {ordinal_numeral(now.day)} of {now:%B}."
    if request.has("what month", "which month"):
        return f"It is {now:%B}."
    if request.has("what year", "which year"):
        return f"It is {numeral_in_words(now.year)}."
    return None


def answer_small_talk(request: VoiceRequest, situation: Situation) -> Optional[str]:
    """Fixed answers to what people say to a voice agent."""
    for phrases, answer in _TALK:
        if request.has(*phrases.split("|")):
            return answer
    greeted = _GREETING.fullmatch(request.plain)
    return "Hello. How can I help you?" if greeted else None


RULES: Final[tuple[Rule, ...]] = (
    answer_repeated,
    answer_spelled_or_counted,
    answer_name,
    answer_capital,
    answer_sum,
    answer_time,
    answer_small_talk,
)
"""Asked in this order; the first that answers is the one."""
