"""
Gates: what a call must be, as values.

A gate is frozen and can be pickled, so that it can be sent to other processes and
machines. Anything that is a `Check` is one. A limit that is no number of 0 or more
raises `ConfigurationError` where the gate is made; so do words that are none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Optional, Union

from attrs import field, frozen

from ..errors import ConfigurationError
from ..telemetry import Prices
from . import chat_judge, measures
from .arguments import count as check_count
from .arguments import number as check_number
from .arguments import text as check_text
from .call_record import CallRecord
from .chat_model import ChatModel
from .verdict import Verdict
from .words import words_looked_for


@frozen(kw_only=True)
class Gate:
    """
    A measure with its thresholds.

    Attributes:
        name: what it is called in tables; different for every gate of a table.
        measure: a function of a module, called with a call and the arguments.
        arguments: what it is called with besides.
    """

    name: str
    measure: Callable[..., Verdict]
    arguments: Mapping[str, object] = field(factory=dict)

    def check(self, call: CallRecord) -> Verdict:
        """Measure a call, and hold it against the thresholds."""
        return self.measure(call, **self.arguments)


def wer(
    expected: Union[None, str, os.PathLike[str], Sequence[str]] = None, *, most: float
) -> Gate:
    """
    The agent must understand the caller.

    Args:
        expected: what was said: a folder with ``NAME.txt`` for each recording, a line
            for each turn; or the words of each turn. By default those of the `Caller`.
        most: errors per word that was said.
    """
    _check_limits(most=most)
    if isinstance(expected, os.PathLike):
        expected = str(Path(expected))
    for line in [expected] if isinstance(expected, str) else expected or ():
        check_text("what is expected", line, empty=True)
    arguments = {"expected": expected, "most": most}
    return Gate(name="wer", measure=measures.measure_wer, arguments=arguments)


def first_audio_ms(
    *,
    p50: Optional[float] = None,
    p95: Optional[float] = None,
    most: Optional[float] = None,
) -> Gate:
    """
    The first sound of an answer must be heard soon after the caller's last.

    Args:
        p50, p95, most: milliseconds for half of the turns, for 95 of 100, for all.
    """
    if p50 is None and p95 is None and most is None:
        raise ConfigurationError("first_audio_ms needs p50, p95 or most")
    _check_limits(p50=p50, p95=p95, most=most)
    arguments = {"p50": p50, "p95": p95, "most": most}
    return Gate(
        name="first_audio_ms",
        measure=measures.measure_first_audio_ms,
        arguments=arguments,
    )


def stopped_within_ms(most: float) -> Gate:
    """The agent must be silent so many milliseconds after the caller begins."""
    _check_limits(most=most)
    return Gate(
        name="stopped_within_ms",
        measure=measures.measure_stopped_within_ms,
        arguments={"most": most},
    )


def silence_ms(most: float) -> Gate:
    """Nobody may wait longer than this in silence, in milliseconds."""
    _check_limits(most=most)
    arguments = {"most": most}
    return Gate(
        name="silence_ms", measure=measures.measure_silence_ms, arguments=arguments
    )


def talk_over_ms(most: float) -> Gate:
    """Both may speak at once for so many milliseconds of the whole call."""
    _check_limits(most=most)
    arguments = {"most": most}
    return Gate(
        name="talk_over_ms", measure=measures.measure_talk_over_ms, arguments=arguments
    )


def answered() -> Gate:
    """Every turn must get something to hear, or to read."""
    return Gate(name="answered", measure=measures.measure_answered)


def heard_whole() -> Gate:
    """Every answer must be heard to its end, unless the caller interrupts it."""
    return Gate(name="heard_whole", measure=measures.measure_heard_whole)


def problems() -> Gate:
    """No error, anomaly, lost connection or failed handler."""
    return Gate(name="problems", measure=measures.measure_problems)


def tool_called(tool: str, *, times: Optional[int] = None, **arguments: object) -> Gate:
    """
    A tool must be called.

    Args:
        tool: its name.
        times: exactly how often with these arguments; at least once by default.
        arguments: that the call must have; others are not looked at.
    """
    _check_counts(times=times)
    check_text("tool", tool)
    return Gate(
        name=f"tool_called {tool}",
        measure=measures.measure_tool_called,
        arguments={"name": tool, "times": times, "arguments": arguments},
    )


def tool_not_called(tool: str) -> Gate:
    """A tool must be left alone."""
    check_text("tool", tool)
    return Gate(
        name=f"tool_not_called {tool}",
        measure=measures.measure_tool_not_called,
        arguments={"name": tool},
    )


def says(text: str) -> Gate:
    """The caller must hear these words, however they are written."""
    words_looked_for(text)
    return Gate(
        name=f"says {text!r}", measure=measures.measure_says, arguments={"text": text}
    )


def never_says(text: str) -> Gate:
    """These words must not even be generated."""
    words_looked_for(text)
    return Gate(
        name=f"never_says {text!r}",
        measure=measures.measure_never_says,
        arguments={"text": text},
    )


def turn_count(*, least: int = 0, most: Optional[int] = None) -> Gate:
    """The caller must need so many turns."""
    _check_counts(least=least, most=most)
    arguments = {"least": least, "most": most}
    return Gate(
        name="turn_count", measure=measures.measure_turn_count, arguments=arguments
    )


def tokens(most: int) -> Gate:
    """The answers of a call may take so many tokens."""
    _check_counts(most=most)
    return Gate(
        name="tokens", measure=measures.measure_tokens, arguments={"most": most}
    )


def cost(prices: Union[Prices, Mapping[str, object]], *, most: float) -> Gate:
    """
    The answers of a call may cost so much.

    Args:
        prices: the price list of the model, or a mapping of its attributes.
        most: in the currency of the list.

    Raises:
        ConfigurationError: *prices* are no price list.
    """
    _check_limits(most=most)
    arguments = {"prices": Prices.of(prices), "most": most}
    return Gate(name="cost", measure=measures.measure_cost, arguments=arguments)


def judge(question: str, model: ChatModel) -> Gate:
    """
    A model must answer a question about the call with yes.

    Args:
        question: such as ``"Was the caller told the price before it was charged?"``.
        model: that reads the transcript, with what was heard and which tools were
            called, and answers.
    """
    check_text("question", question)
    return Gate(
        name=f"judge {question!r}",
        measure=chat_judge.judge_call,
        arguments={"question": question, "model": model},
    )


def _check_limits(**limits: object) -> None:
    """
    Refuse what no figure can be held against, where the gate is made.

    Raises:
        ConfigurationError: a limit is no number of 0 or more.
    """
    for name, value in limits.items():
        if value is not None:
            check_number(name, value)


def _check_counts(**limits: object) -> None:
    """
    The same for what is counted.

    Raises:
        ConfigurationError: a limit is no whole number of 0 or more.
    """
    for name, value in limits.items():
        if value is not None:
            check_count(name, value)
