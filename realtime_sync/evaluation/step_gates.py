"""Gates of one step of a script."""

from __future__ import annotations

from typing import Optional

from .call_turns import CallTurn
from .gates import Gate
from .measures import MeasuredCall
from .verdict import Verdict
from .words import contains_words, words_looked_for


def within_ms(step: int, said: Optional[str], most: float) -> Gate:
    """The answer to a step must begin to be heard in time."""
    arguments = {"said": said, "most": most}
    return Gate(
        name=f"step {step} within_ms",
        measure=_step_answered_within,
        arguments=arguments,
    )


def expect(step: int, said: Optional[str], text: str) -> Gate:
    """The answer to a step must have these words."""
    words_looked_for(text)
    arguments = {"said": said, "text": text}
    return Gate(
        name=f"step {step} expect", measure=_step_answer_has, arguments=arguments
    )


def stopped(step: int, said: Optional[str], most: float) -> Gate:
    """The answer that a step interrupts must be silent in time."""
    arguments = {"said": said, "most": most}
    return Gate(
        name=f"step {step} stop_within_ms", measure=_step_stopped, arguments=arguments
    )


def _step_answered_within(
    call: MeasuredCall, said: Optional[str], most: float
) -> Verdict:
    turn = _turn_of_step(call, said)
    value = None if turn is None else turn.first_audio_ms
    passed = value is not None and value <= most
    return _step_verdict(f"within_ms({most:g})", passed, turn, value=value, limit=most)


def _step_answer_has(call: MeasuredCall, said: Optional[str], text: str) -> Verdict:
    turn = _turn_of_step(call, said)
    passed = turn is not None and contains_words(turn.heard, text)
    return _step_verdict(f"expect({text!r})", passed, turn)


def _step_stopped(call: MeasuredCall, said: Optional[str], most: float) -> Verdict:
    turn = _turn_of_step(call, said)
    before = None
    if turn is not None and turn.number > 1:
        before = call.turns[turn.number - 2]
    value = None if before is None else before.stop_ms
    passed = value is not None and value <= most
    gate = f"stop_within_ms({most:g})"
    return _step_verdict(gate, passed, before, value=value, limit=most)


def _turn_of_step(call: MeasuredCall, said: Optional[str]) -> Optional[CallTurn]:
    """The turn in which something was said; without words, the first."""
    if not said:
        return next(iter(call.turns), None)
    return next((turn for turn in call.turns if said in turn.said), None)


def _step_verdict(
    gate: str,
    passed: bool,
    turn: Optional[CallTurn],
    *,
    value: Optional[float] = None,
    limit: Optional[float] = None,
) -> Verdict:
    missing = "the call has no such turn"
    return Verdict(
        gate=gate,
        passed=passed,
        value=value,
        limit=limit,
        unit="" if limit is None else "ms",
        reasons=() if passed else (str(turn) if turn is not None else missing,),
        turns=() if passed or turn is None else (turn.number,),
    )
