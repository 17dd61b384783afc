"""What came out, as a table, as JSON, as a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from statistics import median

from attrs import asdict, frozen

from .job import Figures


@frozen(kw_only=True)
class Row:
    """
    One figure of one scenario.

    Attributes:
        scenario: its name.
        unit: what was measured, and in what.
        ours: median of our figures.
        peer: median of openai-python's, or None.
        floor: median of the bare socket's, or None.
        ratios: peer divided by ours, for each pair, from small to large.
    """

    scenario: str
    unit: str
    ours: float
    peer: float | None = None
    floor: float | None = None
    ratios: tuple[float, ...] = ()

    @property
    def ratio(self) -> float | None:
        """How many of ours make one of the peer's, the median of the pairs."""
        return median(self.ratios) if self.ratios else None

    @property
    def floors(self) -> float | None:
        """Ours as a multiple of the floor."""
        return self.ours / self.floor if self.floor else None


def rows_of(scenario: str, found: Mapping[str, Sequence[Figures]]) -> list[Row]:
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
            Row(
                scenario=scenario,
                unit=unit,
                ours=median(each[unit] for each in ours),
                peer=_median(peer, unit),
                floor=_median(found.get("floor", ()), unit),
                ratios=tuple(ratios),
            )
        )
    return rows


def _median(figures: Sequence[Figures], unit: str) -> float | None:
    values = [each[unit] for each in figures if unit in each]
    return median(values) if values else None


_TITLES = ("scenario", "", "ours", "openai", "floor", "openai/ours", "ours/floor")


def table(rows: Sequence[Row]) -> str:
    """All rows in plain text."""
    cells = [_TITLES, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = []
    for line in cells:
        words = [line[0].ljust(widths[0]), line[1].ljust(widths[1])]
        words += [word.rjust(width) for word, width in zip(line[2:], widths[2:])]
        lines.append("  ".join(words).rstrip())
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    spread = ""
    if row.ratio is not None:
        spread = f"{row.ratio:.1f} ({row.ratios[0]:.1f}-{row.ratios[-1]:.1f})"
    figures = (_short(each) for each in (row.ours, row.peer, row.floor))
    return (row.scenario, row.unit, *figures, spread, _short(row.floors))


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"


def as_json(rows: Sequence[Row]) -> str:
    """All rows as a list of objects."""
    shown = [{**asdict(row), "ratio": row.ratio} for row in rows]
    return json.dumps(shown, indent=2)


_BAR, _GAP, _LEFT, _WIDE = 14, 12, 190, 400
_COLOURS = {"openai": "#9aa5b1", "ours": "#2f6fdb", "floor": "#46a46c"}


def chart(rows: Sequence[Row]) -> str:
    """
    An SVG with CPU time relative to openai-python's, one group for a scenario.

    Rows of other figures, or without a peer, are left out.
    """
    shown = [row for row in rows if row.ratio and row.unit in ("cpu us", "cpu ms")]
    parts, y = [], 8.0
    for row in shown:
        assert row.ratio is not None
        bars = {"openai": 1.0, "ours": 1 / row.ratio}
        if row.floors:
            bars["floor"] = 1 / row.ratio / row.floors
        middle = y + _BAR * len(bars) / 2 + 4
        parts.append(
            f'<text x="{_LEFT - 10}" y="{middle:.0f}" text-anchor="end">'
            f"{escape(row.scenario)}</text>"
        )
        for name, share in bars.items():
            parts.append(_bar(name, share, y))
            y += _BAR
        y += _GAP
    body = "\n".join(parts)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {_LEFT + _WIDE + 120} {y:.0f}" '
        'font-family="sans-serif" font-size="12" fill="#6b7280">\n'
        "<title>CPU time relative to openai-python, shorter is better</title>\n"
        f"{body}\n</svg>\n"
    )


def _bar(name: str, share: float, y: float) -> str:
    width = max(1.0, share * _WIDE)
    label = f"{name} {share * 100:.0f} %"
    return (
        f'<rect x="{_LEFT}" y="{y:.0f}" width="{width:.1f}" height="{_BAR - 2}" '
        f'fill="{_COLOURS[name]}"/>'
        f'<text x="{_LEFT + width + 6:.1f}" y="{y + _BAR - 4:.0f}">{label}</text>'
    )
