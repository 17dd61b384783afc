"""What a gate says of a call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional

from attrs import field, frozen
from attrs.converters import optional

from ..protocol.escape import terminal_text


def _verdict_texts(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(given)


def _verdict_numbers(given: Iterable[int]) -> tuple[int, ...]:
    return tuple(map(int, given))


@frozen(kw_only=True, repr=False)
class Verdict:
    """
    Whether a call passes, and why not.

    True or false by itself, so that ``assert call.stopped_within_ms(300)`` reads as it
    should; a test runner then shows the turns that made it fall.

    Attributes:
        gate: name of the gate, with its thresholds.
        passed: whether the call passes.
        value: the figure that was measured, None where there is none.
        limit: what it is held against, None where there is none.
        unit: of both: ``"ms"``, ``"turns"``, a currency, or empty.
        reasons: what made it fall, one text for each turn or event.
        turns: numbers of the turns that made it fall.
    """

    gate: str
    # What numpy gives is neither a bool nor JSON.
    passed: bool = field(converter=bool)
    value: Optional[float] = field(default=None, converter=optional(float))
    limit: Optional[float] = field(default=None, converter=optional(float))
    unit: str = ""
    reasons: Sequence[str] = field(default=(), converter=_verdict_texts)
    turns: Sequence[int] = field(default=(), converter=_verdict_numbers)

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        head = f"{self.gate}: {'passed' if self.passed else 'FAILED'}"
        if self.value is not None:
            head += f", {self.value:g} {self.unit}".rstrip()
        return terminal_text("\n".join([head, *self.reasons]))

    __repr__ = __str__
