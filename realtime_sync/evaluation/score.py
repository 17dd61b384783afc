"""What became of one call: figures, and what the gates say."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from attrs import asdict, fields, frozen

from ..errors import ConfigurationError
from ..protocol.escape import one_line
from .arguments import count, flag, shown, text
from .call_record import CallRecord, Check
from .verdict import Verdict

Call = Union[str, os.PathLike[str], CallRecord]

_TEXTS = ("name", "path", "error")
_REPEAT = re.compile(r"\.\d+$")

FIGURES: Mapping[str, Callable[[CallRecord], Optional[float]]] = {
    "seconds": lambda call: round(call.seconds, 3),
    "turns": lambda call: float(sum(turn.by_caller for turn in call.turns)),
    "first_audio_p50_ms": lambda call: call.first_audio_ms.p50,
    "first_audio_p95_ms": lambda call: call.first_audio_ms.p95,
    "stop_ms": lambda call: call.stop_ms.longest,
    "longest_silence_ms": lambda call: call.longest_silence_ms,
    "talk_over_ms": lambda call: call.talk_over_ms,
    "wer": lambda call: _known_wer(call),
    "tools": lambda call: float(len(call.tools)),
    "tokens": lambda call: float(call.tokens.total),
    "problems": lambda call: float(len(call.problems)),
}
"""What is measured of every call, whatever the gates are."""


@frozen(kw_only=True)
class Score:
    """
    What became of one call.

    Attributes:
        name: of the call.
        path: of its recording, empty if there is none.
        verdicts: by the name of the gate.
        figures: what was measured, see `FIGURES`; None for what is not known.
        error: why the recording could not be read; empty if it could.
    """

    name: str
    path: str = ""
    verdicts: Mapping[str, Verdict] = {}
    figures: Mapping[str, Optional[float]] = {}
    error: str = ""

    @property
    def group(self) -> str:
        """The name without the number of a repeat: ``greeting`` of ``greeting.03``."""
        return _REPEAT.sub("", self.name)

    @property
    def passed(self) -> bool:
        """Whether it could be read and no gate fell."""
        return not self.error and all(self.verdicts.values())

    @property
    def fallen(self) -> tuple[str, ...]:
        """Names of the gates that fell."""
        return tuple(name for name, verdict in self.verdicts.items() if not verdict)

    def to_dict(self) -> dict[str, Any]:
        """The score as JSON-able values."""
        return {"passed": self.passed, **asdict(self)}

    @classmethod
    def from_dict(cls, packed: Mapping[str, Any]) -> Score:
        """
        The score that `to_dict` has packed.

        Raises:
            ConfigurationError: it is none.
        """
        told = _members(packed, "a score", {*_TEXTS, "figures", "verdicts"}, {"passed"})
        figures = _members(told["figures"], "figures")
        verdicts = _members(told["verdicts"], "verdicts")
        score = cls(
            **{key: text(key, told[key], empty=True) for key in _TEXTS},
            figures={name: _figure(name, each) for name, each in figures.items()},
            verdicts={name: _read_verdict(name, v) for name, v in verdicts.items()},
        )
        if flag("passed", told.get("passed", score.passed)) is not score.passed:
            raise ConfigurationError(
                f"passed is {told['passed']}, and the verdicts and the error say "
                "otherwise"
            )
        return score


def score_call(call: Call, gates: Sequence[Check]) -> Score:
    """Measure one call, and ask the gates."""
    path = "" if isinstance(call, CallRecord) else os.fspath(call)
    try:
        record = call if isinstance(call, CallRecord) else CallRecord.load(call)
    except (OSError, ValueError) as exc:
        # A name that no file can have is a ValueError, as a ConfigurationError is.
        return Score(name=Path(path).stem, path=path, error=one_line(str(exc)))
    return Score(
        name=record.name,
        path=path or os.fspath(record.path or ""),
        verdicts={gate.name: _verdict_for_score(gate, record) for gate in gates},
        figures={name: measure(record) for name, measure in FIGURES.items()},
    )


def _verdict_for_score(gate: Check, call: CallRecord) -> Verdict:
    """What a gate says; one that raises falls, and says so."""
    try:
        verdict: object = gate.check(call)
    except Exception as exc:
        # It may be the user's function, and the other calls were measured for hours.
        where = traceback.extract_tb(exc.__traceback__)[-1]
        place = f"{Path(where.filename).name}, line {where.lineno}"
        reason = f"the gate raised {type(exc).__name__}: {exc} ({place})"
        return Verdict(gate=gate.name, passed=False, reasons=(reason,))
    if isinstance(verdict, Verdict):
        return verdict
    reason = f"the gate gave {shown(verdict)}, and no Verdict"
    return Verdict(gate=gate.name, passed=False, reasons=(reason,))


def _members(
    packed: object,
    name: str,
    required: Collection[str] = (),
    allowed: Optional[Collection[str]] = None,
) -> Mapping[str, Any]:
    """What is in an object of JSON; the others are *allowed*, or all are."""
    if not isinstance(packed, Mapping):
        raise ConfigurationError(f"{name} is an object, not {shown(packed)}")
    for key in required:
        if key not in packed:
            raise ConfigurationError(f"{name} has no {key}")
    for key in packed:
        if allowed is not None and key not in required and key not in allowed:
            raise ConfigurationError(f"{name} has {shown(key)}, which is not known")
    return packed


def _figure(name: str, value: object) -> Optional[float]:
    if value is None:
        return None
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    except OverflowError:
        pass
    raise ConfigurationError(f"{name} is a number or null, not {shown(value)}")


def _read_verdict(name: str, packed: object) -> Verdict:
    """A verdict that was written; a "no" in it is a text, which would be true."""
    where = f"the verdict {shown(name)}"
    known = [each.name for each in fields(Verdict)]
    told = _members(packed, where, ("gate", "passed"), known)
    lists = {key: told.get(key, []) for key in ("reasons", "turns")}
    for key, each in lists.items():
        if not isinstance(each, list):
            raise ConfigurationError(f"{where}: {key} is a list, not {shown(each)}")
    return Verdict(
        gate=text(f"{where}: gate", told["gate"], empty=True),
        passed=flag(f"{where}: passed", told["passed"]),
        value=_figure(f"{where}: value", told.get("value")),
        limit=_figure(f"{where}: limit", told.get("limit")),
        unit=text(f"{where}: unit", told.get("unit", ""), empty=True),
        reasons=[
            text(f"{where}: a reason", each, empty=True) for each in lists["reasons"]
        ],
        turns=[count(f"{where}: a turn", each) for each in lists["turns"]],
    )


def _known_wer(call: CallRecord) -> Optional[float]:
    if not any(turn.said for turn in call.turns):
        return None
    return round(call.wer(), 4)
