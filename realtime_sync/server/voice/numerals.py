"""Numbers as English words, and English words as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Final, NamedTuple, Optional, Union

Number = Union[int, float]

_SMALL: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen "
    "fourteen fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES: Final = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"))
_IRREGULAR_ORDINALS: Final = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_UNITS: Final = {word: value for value, word in enumerate(_SMALL)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_MULTIPLES: Final = {word: size for size, word in _SCALES} | {"hundred": 100}


class Found(NamedTuple):
    """A number, and the index of the first word after it."""

    value: Number
    end: int


def numeral_in_words(value: Number) -> str:
    """
    The number in words, without hyphens and without "and".

    A fraction is read digit by digit: 2.5 is "two point five". Numbers from
    a million million on are left in digits.
    """
    if value < 0:
        return f"minus {numeral_in_words(-value)}"
    whole, _, decimals = _decimal_numeral(value).partition(".")
    words = _whole_numeral_in_words(int(whole))
    if not decimals:
        return words
    return f"{words} point {' '.join(_SMALL[int(digit)] for digit in decimals)}"


def ordinal_numeral(value: int) -> str:
    """The ordinal number in words: 21 is "twenty first"."""
    *before, last = numeral_in_words(value).split()
    if last in _IRREGULAR_ORDINALS:
        last = _IRREGULAR_ORDINALS[last]
    elif last.endswith("y"):
        last = f"{last[:-1]}ieth"
    else:
        last = f"{last}th"
    return " ".join([*before, last])


def find_numeral(words: Sequence[str], start: int = 0) -> Optional[Found]:
    """
    The number whose words begin at ``start``, or None.

    Words are lower case; digits and "a hundred" are understood too.
    """
    negative = start < len(words) and words[start] in ("minus", "negative")
    found = _whole_numeral(words, start + negative)
    if found is None:
        return None
    found = _numeral_with_decimals(words, found)
    return Found(-found.value, found.end) if negative else found


def find_numerals(words: Sequence[str]) -> list[Number]:
    """Every number in the words, in their order."""
    numbers: list[Number] = []
    place = 0
    while place < len(words):
        found = find_numeral(words, place)
        if found is None:
            place += 1
        else:
            numbers.append(found.value)
            place = found.end
    return numbers


def _decimal_numeral(value: Number) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _whole_numeral_in_words(value: int) -> str:
    if value >= 10**12:
        return str(value)
    for size, name in (*_SCALES, (100, "hundred")):
        if value >= size:
            count, rest = divmod(value, size)
            words = f"{_whole_numeral_in_words(count)} {name}"
            return f"{words} {_whole_numeral_in_words(rest)}" if rest else words
    if value < 20:
        return _SMALL[value]
    tens, rest = divmod(value, 10)
    return f"{_TENS[tens - 2]} {_SMALL[rest]}" if rest else _TENS[tens - 2]


def _whole_numeral(words: Sequence[str], start: int) -> Optional[Found]:
    if start < len(words) and words[start].isdecimal():
        return Found(int(words[start]), start + 1)
    total, group, place = 0, -1, start
    while place < len(words):
        word = words[place]
        if word in _UNITS:
            if group >= 0 and not _continues_numeral(group, _UNITS[word]):
                break
            group = max(group, 0) + _UNITS[word]
        elif word in _MULTIPLES:
            if group < 0:
                break
            group = max(group, 1) * _MULTIPLES[word]
            if word != "hundred":
                total, group = total + group, 0
        elif word == "a" and group < 0 and words[place + 1 : place + 2] == ["hundred"]:
            group = 1
        elif not (
            word == "and" and group >= 100 and _UNITS.keys() & words[place + 1 :][:1]
        ):
            break
        place += 1
    return Found(total + max(group, 0), place) if place > start else None


def _continues_numeral(group: int, unit: int) -> bool:
    """Whether a unit belongs to the number so far: "twenty one", not "one two"."""
    below = group % 100
    return below == 0 or (unit < 10 and below >= 20 and below % 10 == 0)


def _numeral_with_decimals(words: Sequence[str], found: Found) -> Found:
    if words[found.end : found.end + 1] != ["point"]:
        return found
    after = words[found.end + 1 :]
    digits = [
        str(_UNITS[w]) for w in takewhile(lambda w: _UNITS.get(w, 10) < 10, after)
    ]
    if not digits:
        return found
    return Found(float(f"{found.value}.{''.join(digits)}"), found.end + 1 + len(digits))
