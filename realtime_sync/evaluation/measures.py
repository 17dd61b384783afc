"""How each figure is computed, and what each gate looks at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Optional, Protocol, Union

from ..errors import ConfigurationError
from ..report import Problem
from ..telemetry import Prices, Tokens, percentile
from .arguments import shown
from .call_turns import CallTurn, ToolUse
from .speech_intervals import Interval, join_intervals
from .verdict import Verdict
from .words import WordErrors, contains_words, word_errors

Expected = Union[None, str, Path, Sequence[str]]


class MeasuredCall(Protocol):
    """What is looked at of a call, see `CallRecord`."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def turns(self) -> Sequence[CallTurn]:
        """Its turns."""

    @property
    def tools(self) -> Sequence[ToolUse]:
        """The tools that were called."""

    @property
    def problems(self) -> Sequence[Problem]:
        """What went wrong."""

    @property
    def tokens(self) -> Tokens:
        """What it took."""

    @property
    def user_speech(self) -> Sequence[Interval]:
        """When the caller is to be heard."""

    @property
    def agent_speech(self) -> Sequence[Interval]:
        """When the agent is to be heard."""


Figures = list[tuple[CallTurn, float]]
"""A figure of each turn that has it."""


def first_audio_times(call: MeasuredCall) -> Figures:
    """Milliseconds until the first audible sound."""
    found = [(turn, turn.first_audio_ms) for turn in call.turns]
    return [(turn, value) for turn, value in found if value is not None]


def times_to_stop(call: MeasuredCall) -> Figures:
    """Milliseconds that answers went on after the caller had begun to speak."""
    found = [(turn, turn.stop_ms) for turn in call.turns]
    return [(turn, value) for turn, value in found if value is not None]


def longest_silence(call: MeasuredCall) -> tuple[float, Optional[CallTurn]]:
    """The longest time without a sound, in ms, and the turn that it is before or in."""
    sounds = join_intervals([*call.user_speech, *call.agent_speech], pause=0.0)
    gaps = [
        Interval(before.end, after.start) for before, after in zip(sounds, sounds[1:])
    ]
    longest = max(gaps, key=lambda each: each.seconds, default=None)
    if longest is None:
        return 0.0, None
    turn = next(
        (
            each
            for each in reversed(call.turns)
            if each.speech_end is not None and each.speech_end <= longest.start + 0.05
        ),
        None,
    )
    return round(longest.seconds * 1000, 3), turn


def talk_over_time(call: MeasuredCall) -> float:
    """Milliseconds in which both sides are to be heard."""
    seconds = sum(
        mine.overlap(other) for mine in call.user_speech for other in call.agent_speech
    )
    return round(seconds * 1000, 3)


# -- gates: from a call and thresholds to a verdict ------------------------------------


def measure_first_audio_ms(
    call: MeasuredCall,
    p50: Optional[float],
    p95: Optional[float],
    most: Optional[float],
) -> Verdict:
    """Hold the latencies of a call against up to three limits."""
    figures = first_audio_times(call)
    values = [value for _, value in figures]
    limits = [(50.0, p50), (95.0, p95), (100.0, most)]
    wanted = [(percent, limit) for percent, limit in limits if limit is not None]
    given = {"p50": p50, "p95": p95, "most": most}
    gate = _measure_name("first_audio_ms", given)
    if not values:
        return Verdict(
            gate=gate, passed=False, reasons=("no turn has an answer to be heard",)
        )
    broken = [
        (percentile(values, percent), limit)
        for percent, limit in wanted
        if percentile(values, percent) > limit
    ]
    limit = min((each for _, each in broken), default=wanted[-1][1])
    slow = [turn for turn, value in figures if broken and value > limit]
    value = broken[-1][0] if broken else percentile(values, wanted[-1][0])
    return _measure_verdict(gate, not broken, slow, value=value, limit=limit, unit="ms")


def measure_stopped_within_ms(call: MeasuredCall, most: float) -> Verdict:
    """Whether every interruption was heeded in time."""
    figures = times_to_stop(call)
    slow = [turn for turn, value in figures if value > most]
    return _measure_verdict(
        f"stopped_within_ms({most:g})",
        not slow,
        slow,
        value=max((value for _, value in figures), default=None),
        limit=most,
        unit="ms",
    )


def measure_silence_ms(call: MeasuredCall, most: float) -> Verdict:
    """Whether somebody was to be heard all the time, but for so long."""
    value, turn = longest_silence(call)
    return _measure_verdict(
        f"silence_ms({most:g})",
        value <= most,
        [turn] if turn is not None and value > most else [],
        value=value,
        limit=most,
        unit="ms",
    )


def measure_talk_over_ms(call: MeasuredCall, most: float) -> Verdict:
    """Whether the two let each other speak."""
    value = talk_over_time(call)
    talked = [
        turn
        for turn in call.turns
        if turn.answer_sound is not None
        and any(each.overlap(turn.answer_sound) > 0 for each in call.user_speech)
    ]
    return _measure_verdict(
        f"talk_over_ms({most:g})",
        value <= most,
        talked if value > most else [],
        value=value,
        limit=most,
        unit="ms",
    )


def measure_answered(call: MeasuredCall) -> Verdict:
    """Whether every turn of the caller's got something to hear, or to read."""
    silent = [turn for turn in call.turns if turn.silent]
    return _measure_verdict(
        "answered()", not silent, silent, value=len(silent), unit="turns"
    )


def measure_heard_whole(call: MeasuredCall) -> Verdict:
    """Whether every answer was heard to its end, unless the caller interrupted."""
    cut = [turn for turn in call.turns if turn.cut]
    return _measure_verdict(
        "heard_whole()",
        not cut,
        cut,
        value=len(cut),
        unit="turns",
        why=lambda turn: turn.cut,
    )


def measure_problems(call: MeasuredCall) -> Verdict:
    """Whether nothing went wrong: no error, no anomaly, no failed handler."""
    told = [f"{each.kind}: {each.text}" for each in call.problems]
    return Verdict(
        gate="problems()", passed=not told, value=float(len(told)), reasons=told
    )


def call_word_errors(call: MeasuredCall, expected: Expected) -> WordErrors:
    """
    The word errors of all that the caller said.

    Raises:
        ConfigurationError: it is not known what was said.
    """
    return sum(
        (each for _, each in _measured_word_errors(call, expected)), start=WordErrors()
    )


def measure_wer(call: MeasuredCall, expected: Expected, most: float) -> Verdict:
    """Whether the agent understood the caller."""
    given = {} if expected is None else {"expected": str(expected)}
    gate = _measure_name("wer", {**given, "most": most})
    try:
        by_turn = _measured_word_errors(call, expected)
    except ConfigurationError as exc:
        return Verdict(gate=gate, passed=False, limit=most, reasons=(str(exc),))
    rate = sum((each for _, each in by_turn), start=WordErrors()).rate
    wrong = {turn.number: each for turn, each in by_turn if each.errors}
    passed = rate <= most
    return _measure_verdict(
        gate,
        passed,
        [] if passed else [turn for turn, each in by_turn if each.errors],
        value=round(rate, 4),
        limit=most,
        why=lambda turn: ", ".join(wrong[turn.number].changes),
    )


def measure_tool_called(
    call: MeasuredCall, name: str, times: Optional[int], arguments: Mapping[str, object]
) -> Verdict:
    """Whether a tool was called with some arguments, and how often."""
    given: dict[str, object] = {} if times is None else {"times": times}
    gate = _measure_name("tool_called", {**given, **arguments}, name)
    fits = [
        tool
        for tool in call.tools
        if tool.name == name
        and all(
            key in tool.arguments and tool.arguments[key] == value
            for key, value in arguments.items()
        )
    ]
    passed = bool(fits) if times is None else len(fits) == times
    turns = [turn for turn in call.turns if turn.tools and not passed]
    if passed or turns:
        return _measure_verdict(gate, passed, turns, value=len(fits), limit=times)
    return Verdict(
        gate=gate,
        passed=False,
        value=float(len(fits)),
        limit=times,
        reasons=("no tool was called", *(str(turn) for turn in call.turns[-1:])),
    )


def measure_tool_not_called(call: MeasuredCall, name: str) -> Verdict:
    """Whether a tool was left alone."""
    using = [
        turn for turn in call.turns if any(tool.name == name for tool in turn.tools)
    ]
    return _measure_verdict(
        f"tool_not_called({name!r})", not using, using, value=len(using), unit="turns"
    )


def measure_says(call: MeasuredCall, text: str) -> Verdict:
    """Whether the caller heard some words; how they are written does not matter."""
    found = any(contains_words(turn.heard, text) for turn in call.turns)
    return _measure_verdict(f"says({text!r})", found, [] if found else call.turns)


def measure_never_says(call: MeasuredCall, text: str) -> Verdict:
    """Whether some words were not even generated."""
    saying = [turn for turn in call.turns if contains_words(turn.answer, text)]
    return _measure_verdict(f"never_says({text!r})", not saying, saying)


def measure_turn_count(call: MeasuredCall, least: int, most: Optional[int]) -> Verdict:
    """Whether the caller needed as many turns as expected."""
    count = sum(turn.by_caller for turn in call.turns)
    given = {"least": least or None, "most": most}
    limit = most if most is not None and count > most else least
    passed = least <= count and (most is None or count <= most)
    return _measure_verdict(
        _measure_name("turn_count", given),
        passed,
        [] if passed else call.turns[-1:],
        value=count,
        limit=limit,
        unit="turns",
    )


def measure_tokens(call: MeasuredCall, most: int) -> Verdict:
    """Whether the answers of a call took no more tokens than that."""
    return _measure_verdict(
        f"tokens({most})",
        call.tokens.total <= most,
        [],
        value=call.tokens.total,
        limit=most,
        unit="tokens",
    )


def measure_cost(call: MeasuredCall, prices: Prices, most: float) -> Verdict:
    """Whether the answers of a call cost no more than that; shows the dearest turn."""
    value = prices.cost(call.tokens)
    passed = value <= most
    dearest = max(call.turns, key=lambda turn: prices.cost(turn.tokens), default=None)
    return _measure_verdict(
        f"cost(most={most:g})",
        passed,
        [] if passed or dearest is None else [dearest],
        value=round(value, 6),
        limit=most,
        unit=prices.currency,
        why=lambda turn: f"{prices.cost(turn.tokens):g} for this turn",
    )


def _measured_word_errors(
    call: MeasuredCall, expected: Expected
) -> list[tuple[CallTurn, WordErrors]]:
    spoken = [turn for turn in call.turns if turn.by_caller]
    if expected is None:
        known = [turn for turn in spoken if turn.said]
        if not known:
            raise ConfigurationError(
                f"what was said in {call.name} is not in the recording: give the words "
                "that are expected"
            )
        return [(turn, turn.word_errors()) for turn in known]
    lines = _expected_lines(call, expected)
    if len(lines) != len(spoken):
        raise ConfigurationError(
            f"{len(lines)} turns are expected of {call.name}, and it has {len(spoken)}"
        )
    return [
        (turn, word_errors(line, turn.understood)) for turn, line in zip(spoken, lines)
    ]


def _expected_lines(call: MeasuredCall, expected: Expected) -> Sequence[str]:
    """
    The words of each turn.

    A text that names a folder stands for the file of the call in it, ``NAME.txt``,
    which has a line for each turn; one that names a file for that file.
    """
    if isinstance(expected, (str, Path)):
        path = Path(expected)
        # Those of os.path take words for no file, however many they are.
        if os.path.isdir(path):
            path = path / f"{call.name}.txt"
        if isinstance(expected, str) and not os.path.isfile(path):
            if "/" not in expected and not path.suffix[1:].isalpha():
                return [expected]
            raise ConfigurationError(
                f"there is no {shown(str(path))}, with the words expected; words that "
                "look like a file are given as a list of one"
            )
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as exc:
            raise ConfigurationError(f"cannot read {path}: {exc.strerror}") from exc
        except UnicodeDecodeError as exc:
            raise ConfigurationError(f"{path} is not UTF-8: {exc}") from None
        return [line for line in text.splitlines() if line.strip()]
    return expected or ()


def _measure_name(name: str, given: Mapping[str, object], *first: object) -> str:
    told = [repr(each) for each in first]
    told += [f"{key}={value!r}" for key, value in given.items() if value is not None]
    return f"{name}({', '.join(told)})"


def _measure_verdict(
    gate: str,
    passed: bool,
    turns: Iterable[CallTurn],
    *,
    value: Optional[float] = None,
    limit: Optional[float] = None,
    unit: str = "",
    why: Callable[[CallTurn], str] = lambda turn: "",
) -> Verdict:
    found = list(turns)
    return Verdict(
        gate=gate,
        passed=passed,
        value=None if value is None else float(value),
        limit=limit,
        unit=unit,
        turns=tuple(turn.number for turn in found),
        reasons=tuple(
            f"{turn}\n  why: {why(turn)}" if why(turn) else str(turn) for turn in found
        ),
    )
