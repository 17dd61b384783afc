"""Many calls against many gates: a table, of two runs a comparison."""

from __future__ import annotations

import glob
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Union

from ..errors import ConfigurationError
from ..telemetry import data_frame
from . import arguments
from .call_record import CallRecord, Check, checked_gates
from .comparison import Comparison, compared
from .score import Call, Score, scored

if TYPE_CHECKING:
    from pandas import DataFrame

Calls = Union[Call, Iterable[Call]]

_INLINE = 8
"""So many recordings are read here; starting processes would take longer."""


class Table:
    """
    The scores of a run.

    Attributes:
        scores: one for each call, in the order in which they were given.
        gates: names of the gates.
        records: the calls that were given as `CallRecord`, by their place in *scores*.
    """

    def __init__(
        self,
        scores: Iterable[Score],
        records: Mapping[int, CallRecord] = {},
    ) -> None:
        self.scores = tuple(scores)
        self.gates = tuple(
            dict.fromkeys(name for score in self.scores for name in score.verdicts)
        )
        self.records = dict(records)

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Score]:
        return iter(self.scores)

    def __repr__(self) -> str:
        return f"<Table of {len(self)} calls, {len(self.failed)} failed>"

    @property
    def failed(self) -> tuple[Score, ...]:
        """The calls that did not pass."""
        return tuple(score for score in self.scores if not score.passed)

    @property
    def pass_rate(self) -> float:
        """The share of calls that passed; 0.0 where there are none."""
        return 1 - len(self.failed) / len(self) if self.scores else 0.0

    def compare(self, before: Table) -> Comparison:
        """What got worse, and what got better, since an earlier run."""
        return compared(_by_group(before.scores), _by_group(self.scores))

    def to_dataframe(self) -> DataFrame:
        """
        A row for each call: figures, and True or False for each ``gate NAME``.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        rows = [
            {
                "call": score.name,
                "passed": score.passed,
                **score.figures,
                **{f"gate {name}": bool(v) for name, v in score.verdicts.items()},
                "error": score.error,
            }
            for score in self.scores
        ]
        return data_frame(rows)

    def to_jsonl(self, path: Union[str, os.PathLike[str]]) -> Path:
        """Write a line of JSON for each call; `load` reads them again."""
        lines = [json.dumps(score.to_dict()) + "\n" for score in self.scores]
        return _written(path, "".join(lines))

    @classmethod
    def load(cls, path: Union[str, os.PathLike[str]]) -> Table:
        """
        Read what `to_jsonl` wrote.

        Raises:
            OSError: the file cannot be read.
            ConfigurationError: it is no table.
        """
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
            return cls(Score.from_dict(json.loads(line)) for line in lines if line)
        except (ValueError, RecursionError) as exc:
            raise ConfigurationError(f"{path} is no table of scores: {exc}") from None

    def to_junit(self, path: Union[str, os.PathLike[str]]) -> Path:
        """Write JUnit XML: a test case for each gate of each call."""
        from .junit import junit_xml

        return _written(path, junit_xml(self.scores))

    def to_html(
        self,
        path: Union[str, os.PathLike[str]],
        *,
        title: str = "Calls",
        before: Optional[Table] = None,
        most_players: int = 20,
    ) -> Path:
        """
        Write one HTML page that loads nothing: gates, calls, turns, players.

        Args:
            path: is overwritten.
            title: of the page.
            before: an earlier run to compare with.
            most_players: calls that are shown with their sound, the failed ones first.
        """
        from .page import page

        arguments.count("most_players", most_players)
        comparison = None if before is None else self.compare(before)
        calls = [
            (score, self.records.get(place)) for place, score in enumerate(self.scores)
        ]
        text = page(calls, comparison, title=title, most=most_players)
        return _written(path, text)

    def __str__(self) -> str:
        """The table as text."""
        lines = [
            f"{len(self)} calls, {len(self) - len(self.failed)} passed "
            f"({self.pass_rate:.0%})"
        ]
        for gate in self.gates:
            verdicts = [each.verdicts[gate] for each in self if gate in each.verdicts]
            fallen = sum(not verdict for verdict in verdicts)
            lines.append(f"  {gate}: {len(verdicts) - fallen} of {len(verdicts)}")
        for score in self.failed:
            lines.append(f"{score.name}: {score.error or ', '.join(score.fallen)}")
            for verdict in score.verdicts.values():
                if not verdict:
                    told = map(arguments.shortened, str(verdict).splitlines())
                    lines += [f"    {line}" for line in told]
        return "\n".join(lines)


def evaluate(
    recordings: Calls,
    gates: Sequence[Check],
    *,
    executor: Optional[Executor] = None,
    progress: Optional[Callable[[int, int], object]] = None,
) -> Table:
    """
    Hold many calls against gates.

    A recording that cannot be read is a failed call, and says why.

    Args:
        recordings: a pattern such as ``"calls/*.jsonl"``, a folder, a file, a
            `CallRecord`, or several of them.
        gates: frozen values, with names that differ. Without any, calls are measured
            and pass. One that raises falls, and says so.
        executor: where recordings are read: any executor of `concurrent.futures`, a
            thread pool, or that of Dask's ``Client.get_executor()``. By default local
            processes, one for each CPU, if there are more than a few; a script needs
            ``if __name__ == "__main__"`` for them.
        progress: called with how many calls are done, and of how many; by default a
            bar on the standard error, if that is a terminal.

    Raises:
        ConfigurationError: there are no recordings, or none at one of the patterns and
            folders; what is given are no gates, or two of one name.
    """
    gates = checked_gates(gates)
    names = [gate.name for gate in gates]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigurationError(
            f"two gates are called {twice[0]!r}: give one of them another name, with "
            "attrs.evolve(gate, name=...)"
        )
    found = list(_found(recordings))
    if not found:
        raise ConfigurationError("no recordings are given")
    if not any(isinstance(each, CallRecord) or os.path.exists(each) for each in found):
        first = arguments.shown(str(found[0]))
        raise ConfigurationError(f"there are no recordings at {first}")
    told = progress or _bar
    if executor is None and len(found) <= _INLINE:
        scores = []
        for number, call in enumerate(found, 1):
            scores.append(scored(call, gates))
            told(number, len(found))
    elif executor is None:
        workers = min(os.cpu_count() or 1, len(found))
        # A forked child would have locks that threads of this process hold.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as own:
            scores = _scored_by(own, found, gates, told)
    else:
        scores = _scored_by(executor, found, gates, told)
    records = {
        place: call for place, call in enumerate(found) if isinstance(call, CallRecord)
    }
    return Table(scores, records)


def _scored_by(
    executor: Executor,
    calls: Sequence[Call],
    gates: Sequence[Check],
    told: Callable[[int, int], object],
) -> list[Score]:
    futures = [executor.submit(scored, call, gates) for call in calls]
    scores = []
    try:
        for number, future in enumerate(futures, 1):
            scores.append(future.result())
            told(number, len(calls))
    finally:
        for future in futures:
            future.cancel()
    return scores


def _found(calls: object) -> Iterator[Call]:
    if isinstance(calls, CallRecord):
        yield calls
    elif isinstance(calls, (str, os.PathLike)):
        yield from _files(os.fspath(calls))
    elif isinstance(calls, Iterable) and not isinstance(calls, (bytes, Mapping)):
        for each in calls:
            yield from _found(each)
    else:
        raise ConfigurationError(
            "recordings are paths, patterns, folders and CallRecords, not "
            f"{arguments.shown(calls)}"
        )


def _files(name: str) -> Sequence[Path]:
    """The recordings that a path, a folder or a pattern stands for."""
    # Those of os.path take what no file can be called for one that is not there.
    if os.path.isdir(name):
        found = sorted(Path(name).glob("*.jsonl"))
    elif glob.has_magic(name) and not os.path.exists(name):
        found = sorted(map(Path, glob.glob(name, recursive=True)))
    else:
        # One that is not there is a failed call among others, as a torn one is.
        return [Path(name)]
    if not found:
        raise ConfigurationError(f"there are no recordings at {arguments.shown(name)}")
    return found


def _by_group(scores: Iterable[Score]) -> dict[str, list[Score]]:
    groups: dict[str, list[Score]] = {}
    for score in scores:
        groups.setdefault(score.group, []).append(score)
    return groups


def _bar(done: int, total: int) -> None:
    if not sys.stderr.isatty():
        return
    cells = round(24 * done / total)
    end = "\r\x1b[K" if done == total else ""
    bar = "█" * cells + "·" * (24 - cells)
    sys.stderr.write(f"\r\x1b[K[{bar}] {done} of {total} calls{end}")
    sys.stderr.flush()


def _written(path: Union[str, os.PathLike[str]], text: str) -> Path:
    target = Path(path)
    target.write_text(text, encoding="utf-8")
    return target
