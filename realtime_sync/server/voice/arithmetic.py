"""Sums that are spoken: "what is seven times eight plus two"."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from typing import Final, Optional

from .numerals import Number, find_number, find_numbers, in_words
from .request import Request

_Operation = Callable[[Number, Number], Number]
_OPERATIONS: Final[tuple[tuple[tuple[str, ...], int, _Operation], ...]] = (
    (("plus",), 1, operator.add),
    (("and",), 1, operator.add),
    (("minus",), 1, operator.sub),
    (("less",), 1, operator.sub),
    (("multiplied", "by"), 2, operator.mul),
    (("times",), 2, operator.mul),
    (("divided", "by"), 2, operator.truediv),
    (("over",), 2, operator.truediv),
    (("to", "the", "power", "of"), 3, operator.pow),
)
"""Words, how tightly they bind, and what they do."""

_COMMANDS: Final[tuple[tuple[re.Pattern[str], _Operation], ...]] = (
    (re.compile(r"\badd (.+) (?:and|to) "), operator.add),
    (re.compile(r"\bsum of (.+) and "), operator.add),
    (re.compile(r"\bsubtract (.+) from "), lambda left, right: right - left),
    (re.compile(r"\btake (.+) (?:away )?from "), lambda left, right: right - left),
    (re.compile(r"\bdifference between (.+) and "), lambda a, b: abs(a - b)),
    (re.compile(r"\bmultiply (.+) (?:by|and|with) "), operator.mul),
    (re.compile(r"\bproduct of (.+) and "), operator.mul),
    (re.compile(r"\bdivide (.+) by "), operator.truediv),
    (re.compile(r"\b(.+) percent of "), lambda left, right: left * right / 100),
)
_FUNCTIONS: Final[tuple[tuple[str, Callable[[Number], Number]], ...]] = (
    ("square root of", math.sqrt),
    ("squared", lambda value: value * value),
    ("square of", lambda value: value * value),
    ("half of", lambda value: value / 2),
    ("a third of", lambda value: value / 3),
    ("a quarter of", lambda value: value / 4),
    ("double", lambda value: value * 2),
    ("twice", lambda value: value * 2),
)
_LARGEST: Final = 10**12


def answer_sum(request: Request) -> Optional[str]:
    """The answer to a sum, as a sentence, or None if there is none to do."""
    numbers = find_numbers(request.words)
    if not numbers:
        return None
    try:
        result = _result(request, numbers)
    except ZeroDivisionError:
        return "Nothing can be divided by zero."
    except (ValueError, OverflowError):
        return "There is no answer to that which I could say."
    if result is None:
        return None
    if abs(result) >= _LARGEST:
        return "That is more than a million million."
    return f"The answer is {in_words(_tidy(result))}."


def _result(request: Request, numbers: Sequence[Number]) -> Optional[Number]:
    if len(numbers) >= 2:
        for pattern, operation in _COMMANDS:
            if pattern.search(request.plain):
                return operation(numbers[0], numbers[1])
        return _chain(request.words)
    for phrase, function in _FUNCTIONS:
        if request.has(phrase):
            return function(numbers[0])
    return None


def _chain(words: Sequence[str]) -> Optional[Number]:
    """The value of the first run of numbers joined by operations."""
    for start in range(len(words)):
        found = find_number(words, start)
        if found is None:
            continue
        values, operations = [found.value], list[tuple[int, _Operation]]()
        place = found.end
        while (step := _operation(words, place)) is not None:
            binding, operation, after = step
            following = find_number(words, after)
            if following is None:
                break
            values.append(following.value)
            operations.append((binding, operation))
            place = following.end
        if operations:
            return _evaluate(values, operations)
    return None


def _operation(
    words: Sequence[str], place: int
) -> Optional[tuple[int, _Operation, int]]:
    for phrase, binding, operation in _OPERATIONS:
        if tuple(words[place : place + len(phrase)]) == phrase:
            return binding, operation, place + len(phrase)
    return None


def _evaluate(values: list[Number], operations: list[tuple[int, _Operation]]) -> Number:
    for level in (3, 2, 1):
        place = 0
        while place < len(operations):
            binding, operation = operations[place]
            if binding != level:
                place += 1
                continue
            values[place : place + 2] = [_apply(operation, *values[place : place + 2])]
            del operations[place]
    return values[0]


def _apply(operation: _Operation, left: Number, right: Number) -> Number:
    if operation is operator.pow and (abs(left) > 10**6 or abs(right) > 40):
        raise OverflowError
    return operation(left, right)


def _tidy(value: Number) -> Number:
    rounded = round(value, 4)
    return int(rounded) if rounded == int(rounded) else rounded
