"""Two runs of the same calls, compared with their spread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import Optional, Protocol

from attrs import frozen

from ..protocol.escape import one_line
from ..telemetry import percentile

LEAST: Mapping[str, float] = {"wer": 0.01, "tools": 1.0, "problems": 1.0, "turns": 1.0}
"""What a figure must have moved by to count; of others `LEAST_OTHER`."""

LEAST_OTHER = 20.0
LEAST_SHARE = 0.1

_NOT_BETTER = frozenset({"seconds", "turns", "tools", "tokens"})
"""Figures of which less is not better by itself; their moves are no verdict."""

_GATE, _NOT_READ = "gate ", "not read"


class ComparedCall(Protocol):
    """What is compared of a call, see `Score`."""

    @property
    def figures(self) -> Mapping[str, Optional[float]]:
        """What was measured."""

    @property
    def verdicts(self) -> Mapping[str, object]:
        """What the gates say, by name; what is false has fallen."""

    @property
    def error(self) -> str:
        """Why it could not be read; empty if it could."""


@frozen(kw_only=True)
class Change:
    """
    How a figure of a call moved, or how often a gate fell.

    Attributes:
        call: name of the call, without the number of a repeat.
        what: the figure, ``gate NAME``, or ``not read``.
        before, after: the median of its repeats, or the share of them that fell, or
            could not be read.
        spread: how far apart the repeats of one run were, the larger of the two; of
            the share of a gate, twice the standard error of its change.
        worse: whether it got worse by more than that.
        better: the reverse.
    """

    call: str
    what: str
    before: float
    after: float
    spread: float = 0.0
    worse: bool = False
    better: bool = False

    @property
    def is_share(self) -> bool:
        """Whether *before* and *after* are shares of the repeats."""
        return self.what == _NOT_READ or self.what.startswith(_GATE)

    def __str__(self) -> str:
        word = "worse" if self.worse else "better" if self.better else "as before"
        form = ".0%" if self.is_share else "g"
        spread = f", spread {self.spread:{form}}" if self.spread else ""
        return one_line(
            f"{self.call}: {self.what}: {self.before:{form}} -> {self.after:{form}}"
            f" ({word}{spread})"
        )


@frozen(kw_only=True)
class Comparison:
    """
    What changed between two runs.

    A figure has changed if its median moved by more than its repeats were apart in
    either run, and by more than a tenth, and by more than 20 ms. A gate that one of
    the runs did not ask has not changed.

    Attributes:
        changes: of every call that both runs have.
        missing: calls that the later run does not have.
        added: calls that the earlier run did not have.
    """

    changes: Sequence[Change] = ()
    missing: Sequence[str] = ()
    added: Sequence[str] = ()

    @property
    def worse(self) -> tuple[Change, ...]:
        """What got worse."""
        return tuple(each for each in self.changes if each.worse)

    @property
    def better(self) -> tuple[Change, ...]:
        """What got better."""
        return tuple(each for each in self.changes if each.better)

    def __str__(self) -> str:
        told = [str(each) for each in (*self.worse, *self.better)]
        told += [f"{name}: not called any more" for name in self.missing]
        told += [f"{name}: new" for name in self.added]
        return "\n".join(map(one_line, told)) or "nothing changed"


def compare_runs(
    before: Mapping[str, Sequence[ComparedCall]],
    after: Mapping[str, Sequence[ComparedCall]],
) -> Comparison:
    """Compare two runs, whose calls are in groups of repeats."""
    both = [name for name in after if name in before]
    return Comparison(
        changes=tuple(
            change
            for name in both
            for change in _compared_changes(name, before[name], after[name])
        ),
        missing=tuple(name for name in before if name not in after),
        added=tuple(name for name in after if name not in before),
    )


def _compared_changes(
    call: str, before: Sequence[ComparedCall], after: Sequence[ComparedCall]
) -> Iterable[Change]:
    runs = (before, after)
    errors = [[bool(one.error) for one in run] for run in runs]
    yield from _compared_share(call, _NOT_READ, errors, by_chance=False)
    for gate in _compared_names(one.verdicts for one in (*before, *after)):
        fallen = [
            [not one.verdicts[gate] for one in run if gate in one.verdicts]
            for run in runs
        ]
        yield from _compared_share(call, f"{_GATE}{gate}", fallen, by_chance=True)
    for name in _compared_names(one.figures for one in after):
        old, new = _compared_values(before, name), _compared_values(after, name)
        if old and new:
            yield _compared_figure(call, name, old, new)


def _compared_names(mappings: Iterable[Mapping[str, object]]) -> Iterable[str]:
    return dict.fromkeys(name for each in mappings for name in each)


def _compared_share(
    call: str, what: str, runs: Sequence[Sequence[bool]], *, by_chance: bool
) -> Iterable[Change]:
    """
    How often something happened in each run; nothing if it never did.

    Args:
        by_chance: it may happen once and not the next time, without a reason.
    """
    if not all(runs) or not any(map(any, runs)):
        return
    before, after = (sum(run) / len(run) for run in runs)
    spread = 0.0
    if by_chance:
        # Twice the standard error of the difference of the two shares.
        errors = zip((before, after), runs)
        spread = 2 * sqrt(sum(share * (1 - share) / len(run) for share, run in errors))
    yield Change(
        call=call,
        what=what,
        before=round(before, 4),
        after=round(after, 4),
        spread=round(spread, 4),
        worse=after > before and after - before >= spread,
        better=after < before and before - after >= spread,
    )


def _compared_figure(
    call: str, name: str, old: list[float], new: list[float]
) -> Change:
    was, now = percentile(old, 50), percentile(new, 50)
    spread = max(max(old) - min(old), max(new) - min(new))
    least = max(spread, LEAST_SHARE * abs(was), LEAST.get(name, LEAST_OTHER))
    judged = name not in _NOT_BETTER
    return Change(
        call=call,
        what=name,
        before=was,
        after=now,
        spread=round(spread, 4),
        worse=judged and now - was >= least,
        better=judged and was - now >= least,
    )


def _compared_values(run: Sequence[ComparedCall], name: str) -> list[float]:
    found = [each.figures.get(name) for each in run]
    return [each for each in found if each is not None]
