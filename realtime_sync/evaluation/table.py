"""The scores of a run as a table: text, files, a page, and a comparison of two."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Union

from ..errors import ConfigurationError
from ..protocol.escape import one_line
from ..telemetry import data_frame
from . import arguments
from .call_record import CallRecord
from .comparison import Comparison, compare_runs
from .score import Score

if TYPE_CHECKING:
    from pandas import DataFrame


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
        """
        What got worse, and what got better, since an earlier run.

        Raises:
            ConfigurationError: that is no run.
        """
        if not isinstance(before, Table):
            raise ConfigurationError(
                "an earlier run is a Table, such as Table.load(path), not "
                f"{arguments.shown(before)}"
            )
        return compare_runs(_table_groups(before.scores), _table_groups(self.scores))

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
        """
        Write a line of JSON for each call; `load` reads them again.

        Raises:
            OSError: the file cannot be written.
        """
        lines = [json.dumps(score.to_dict()) + "\n" for score in self.scores]
        return _write_table(path, "".join(lines))

    @classmethod
    def load(cls, path: Union[str, os.PathLike[str]]) -> Table:
        """
        Read what `to_jsonl` wrote.

        Raises:
            OSError: the file cannot be read.
            ConfigurationError: it is no table; the message says in which line.
        """
        scores = []
        # Not by `splitlines`: JSON may hold other characters that end a line.
        for number, line in enumerate(Path(path).read_bytes().split(b"\n"), 1):
            try:
                told = line.decode("utf-8").strip()
                scores += [Score.from_dict(json.loads(told))] if told else []
            except (ValueError, RecursionError) as exc:
                where = f"{path} is no table of scores: line {number}"
                raise ConfigurationError(
                    f"{where}: {getattr(exc, 'msg', exc)}"
                ) from None
        return cls(scores)

    def to_junit(self, path: Union[str, os.PathLike[str]]) -> Path:
        """
        Write JUnit XML: a test case for each gate of each call.

        Raises:
            OSError: the file cannot be written.
        """
        from .junit import junit_xml

        return _write_table(path, junit_xml(self.scores))

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

        Raises:
            OSError: the file cannot be written.
            ConfigurationError: an argument is not what it must be.
        """
        from .page import page

        arguments.count("most_players", most_players)
        comparison = None if before is None else self.compare(before)
        calls = [
            (score, self.records.get(place)) for place, score in enumerate(self.scores)
        ]
        text = page(calls, comparison, title=title, most=most_players)
        return _write_table(path, text)

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
        return "\n".join(map(one_line, lines))


def _table_groups(scores: Iterable[Score]) -> dict[str, list[Score]]:
    groups: dict[str, list[Score]] = {}
    for score in scores:
        groups.setdefault(score.group, []).append(score)
    return groups


def _write_table(path: Union[str, os.PathLike[str]], text: str) -> Path:
    target = Path(path)
    target.write_text(text, encoding="utf-8")
    return target
