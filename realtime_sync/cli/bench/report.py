"""What came out, as a table, as CSV, as JSON, as a picture."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from statistics import median

from attrs import asdict, evolve, frozen

from .job import Figures


@frozen(kw_only=True)
class BenchRow:
    """
    One figure of one scenario.

    Attributes:
        scenario: its name.
        unit: what was measured, and in what.
        ours: median of our figures.
        peer: median of openai-python's, or None.
        floor: median of the bare socket's, or None.
        ratios: peer divided by ours, for each pair, from small to large.
        runs: median of the ratios of each run, where there were several.
    """

    scenario: str
    unit: str
    ours: float
    peer: float | None = None
    floor: float | None = None
    ratios: tuple[float, ...] = ()
    runs: tuple[float, ...] = ()

    @property
    def ratio(self) -> float | None:
        """How many of ours make one of the peer's, the median of the pairs."""
        return median(self.ratios) if self.ratios else None

    @property
    def floors(self) -> float | None:
        """Ours as a multiple of the floor."""
        return self.ours / self.floor if self.floor else None


def bench_rows(scenario: str, found: Mapping[str, Sequence[Figures]]) -> list[BenchRow]:
    """
    The rows of one scenario.

    Args:
        scenario: its name.
        found: the figures of each side, in the order of the pairs.
    """
    ours, peer = found.get("ours", ()), found.get("peer", ())
    rows = []
    for unit in ours[0] if ours else ():
        pairs = [(their[unit], our[unit]) for our, their in zip(ours, peer)]
        ratios = sorted(their / our for their, our in pairs if our > 0)
        rows.append(
            BenchRow(
                scenario=scenario,
                unit=unit,
                ours=median(each[unit] for each in ours),
                peer=_median_of_figures(peer, unit),
                floor=_median_of_figures(found.get("floor", ()), unit),
                ratios=tuple(ratios),
            )
        )
    return rows


def combine_rows(runs: Sequence[Sequence[BenchRow]]) -> list[BenchRow]:
    """
    One table of several that have the same rows.

    Figures are medians of the runs' own; ratios are those of all pairs.
    """
    return (
        [_combine_bench_row(rows) for rows in zip(*runs)]
        if len(runs) > 1
        else [*runs[0]]
    )


def _combine_bench_row(rows: Sequence[BenchRow]) -> BenchRow:
    ratios = sorted(ratio for row in rows for ratio in row.ratios)
    return evolve(
        rows[0],
        ours=median(row.ours for row in rows),
        peer=_median_of_bench_values(row.peer for row in rows),
        floor=_median_of_bench_values(row.floor for row in rows),
        ratios=tuple(ratios),
        runs=tuple(row.ratio for row in rows if row.ratio is not None),
    )


def _median_of_bench_values(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _median_of_figures(figures: Sequence[Figures], unit: str) -> float | None:
    values = [each[unit] for each in figures if unit in each]
    return median(values) if values else None


_TITLES = ("scenario", "", "ours", "openai", "floor", "openai/ours", "ours/floor")


def rows_as_table(rows: Sequence[BenchRow]) -> str:
    """All rows in plain text."""
    cells = [_TITLES, *(_bench_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = []
    for line in cells:
        words = [line[0].ljust(widths[0]), line[1].ljust(widths[1])]
        words += [word.rjust(width) for word, width in zip(line[2:], widths[2:])]
        lines.append("  ".join(words).rstrip())
    return "\n".join(lines)


def _bench_cells(row: BenchRow) -> tuple[str, ...]:
    figures = (_short_bench_figure(each) for each in (row.ours, row.peer, row.floor))
    return (
        row.scenario,
        row.unit,
        *figures,
        _spread_of_bench_runs(row),
        _short_bench_figure(row.floors),
    )


def _spread_of_bench_runs(row: BenchRow) -> str:
    """The median of each run, and the smallest and the largest of all."""
    if row.ratio is None:
        return ""
    medians = " ".join(f"{each:.1f}" for each in row.runs or (row.ratio,))
    if len(row.ratios) == 1:
        return medians
    return f"{medians} ({row.ratios[0]:.1f}-{row.ratios[-1]:.1f})"


def _short_bench_figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"


def rows_as_csv(rows: Sequence[BenchRow]) -> str:
    """
    All rows, with a line of titles first, as the documentation shows them.

    The name of a scenario stands in the first of its rows only.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_TITLES)
    before = ""
    for row in rows:
        name, *others = _bench_cells(row)
        writer.writerow(("" if name == before else name, *others))
        before = name
    return file.getvalue()


def rows_as_json(rows: Sequence[BenchRow]) -> str:
    """All rows as a list of objects."""
    shown = [{**asdict(row), "ratio": row.ratio} for row in rows]
    return json.dumps(shown, indent=2)


_LINE, _GAP, _LEFT, _WIDE = 17, 14, 8, 290
_COLOURS = {"openai": "#9aa5b1", "ours": "#2f6fdb", "floor": "#46a46c"}


def rows_as_chart(rows: Sequence[BenchRow]) -> str:
    """
    An SVG with CPU time relative to openai-python's, one group for a scenario.

    Rows of other figures, or without a peer, are left out. It is narrow, so that
    it can be read on a telephone. The longest bar of all, whosever it is, fills it.
    """
    shown = [
        (row.scenario, _shares_of_peer_figure(row))
        for row in rows
        if row.ratio and row.unit in ("cpu us", "cpu ms")
    ]
    longest = max((share for _, bars in shown for share in bars.values()), default=1.0)
    parts, y = [], 16.0
    for scenario, bars in shown:
        name = escape(scenario)
        parts.append(f'<text x="{_LEFT}" y="{y:.0f}" font-weight="bold">{name}</text>')
        y += 6
        for side, share in bars.items():
            parts.append(_bench_bar(side, share, share / longest * _WIDE, y))
            y += _LINE
        y += _GAP + 4
    body = "\n".join(parts)
    wide, high = _LEFT + _WIDE + 112, round(y)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" '
        'font-family="sans-serif" font-size="13" fill="#6b7280">\n'
        "<title>CPU time relative to openai-python, shorter is better</title>\n"
        f"{body}\n</svg>\n"
    )


def _shares_of_peer_figure(row: BenchRow) -> dict[str, float]:
    """Each side's figure as a share of the peer's."""
    ours = 1 / row.ratio if row.ratio else 1.0
    bars = {"openai": 1.0, "ours": ours}
    if row.floors:
        bars["floor"] = ours / row.floors
    return bars


def _bench_bar(side: str, share: float, width: float, y: float) -> str:
    width = max(1.0, width)
    label = f"{side} {share * 100:.0f} %"
    return (
        f'<rect x="{_LEFT}" y="{y:.0f}" width="{width:.1f}" height="{_LINE - 3}" '
        f'fill="{_COLOURS[side]}"/>'
        f'<text x="{_LEFT + width + 6:.1f}" y="{y + _LINE - 5:.0f}">{label}</text>'
    )
