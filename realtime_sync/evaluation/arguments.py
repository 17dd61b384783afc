"""What numbers, counts and texts this package takes, checked where they are given."""

from __future__ import annotations

from math import isfinite
from typing import Any, Optional

from ..errors import ConfigurationError
from ..protocol.escape import one_line

LONGEST_WAIT = 86_400.0
"""Seconds; nobody waits for more than a day."""

_SHOWN = 80
_LONGEST_LINE = 2000
"""Characters of a line in tables and in JUnit's reports."""


def shown(value: object) -> str:
    """A value as an error shows it: in a line, and not all of a long one."""
    if isinstance(value, (dict, list, tuple, set)):
        # An alias of YAML may stand for more than there is room for.
        return f"a {type(value).__name__} of {len(value)}"
    text = one_line(repr(value))
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def shortened(line: str) -> str:
    """A line for people, without the rest of a very long one; says how much that is."""
    if len(line) <= _LONGEST_LINE:
        return line
    return f"{line[:_LONGEST_LINE]}… ({len(line) - _LONGEST_LINE:,} more characters)"


def number(
    name: str, value: Any, *, least: float = 0.0, most: Optional[float] = None
) -> float:
    """
    Return a number that somebody gave.

    What is not a number compares as false with everything, a gate with it would never
    fall, and a wait would never end.

    Args:
        name: of the argument, for the error.
        value: what was given.
        least, most: the bounds, both allowed.

    Raises:
        ConfigurationError: it is not a finite number within them.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            if isfinite(value) and least <= value <= (value if most is None else most):
                return value
        except OverflowError:
            pass
    wanted = f"{least:g} or more" if most is None else f"from {least:g} to {most:g}"
    raise ConfigurationError(f"{name} is a number, {wanted}, not {shown(value)}")


def count(name: str, value: Any, *, least: int = 0, most: Optional[int] = None) -> int:
    """
    Return a whole number that somebody gave.

    Raises:
        ConfigurationError: it is none within the bounds.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if least <= value <= (value if most is None else most):
            return value
    wanted = f"{least} or more" if most is None else f"from {least} to {most}"
    raise ConfigurationError(f"{name} is a whole number, {wanted}, not {shown(value)}")


def text(name: str, value: Any, *, empty: bool = False) -> str:
    """
    Return a text that somebody gave.

    Raises:
        ConfigurationError: it is none, or has nothing in it where it must.
    """
    if isinstance(value, str) and (empty or value.strip()):
        return value
    raise ConfigurationError(f"{name} is a text, not {shown(value)}")


def flag(name: str, value: Any) -> bool:
    """
    Return what somebody said is so or is not.

    Raises:
        ConfigurationError: it is neither True nor False.
    """
    if isinstance(value, bool):
        return value
    raise ConfigurationError(f"{name} is true or false, not {shown(value)}")


def seconds(name: str, value: Any) -> float:
    """
    Return seconds to wait.

    Raises:
        ConfigurationError: they are none, or more than a day.
    """
    return number(name, value, most=LONGEST_WAIT)
