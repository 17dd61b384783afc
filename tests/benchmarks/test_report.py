"""How the figures are shown."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from realtime_sync.cli.bench import (
    BenchRow,
    combine_rows,
    rows_as_chart,
    rows_as_csv,
    rows_as_json,
    rows_as_table,
)
from realtime_sync.cli.bench.report import bench_rows

FOUND = {
    "ours": [{"cpu us": 10.0}, {"cpu us": 12.0}, {"cpu us": 11.0}],
    "peer": [{"cpu us": 60.0}, {"cpu us": 60.0}, {"cpu us": 66.0}],
    "floor": [{"cpu us": 2.0}],
}


def rows() -> list[BenchRow]:
    """One scenario that all three sides have done."""
    return bench_rows("text & more", FOUND)


def test_a_row_has_medians_and_ratios_of_pairs() -> None:
    """A ratio compares what ran next to each other, then the median is taken."""
    (row,) = rows()

    assert (11.0, 60.0, 2.0) == (row.ours, row.peer, row.floor)
    assert (5.0, 6.0, 6.0) == row.ratios
    assert 6.0 == row.ratio
    assert 5.5 == row.floors


def test_a_row_without_others_has_no_ratio() -> None:
    """What only we can do is shown all the same."""
    (row,) = bench_rows("alone", {"ours": [{"p99 ms": 2.0}]})

    assert row.ratio is None
    assert row.floors is None
    assert "p99 ms  2.00" in rows_as_table([row])


def test_table_says_the_spread() -> None:
    """The smallest and the largest ratio stand beside the median."""
    assert "6.0 (5.0-6.0)" in rows_as_table(rows())


def test_runs_are_combined_into_one_table() -> None:
    """The median of each run stands before the spread of all pairs."""
    slower = {**FOUND, "ours": [{"cpu us": 20.0}, {"cpu us": 30.0}]}
    (row,) = combine_rows([rows(), bench_rows("text & more", slower)])

    assert (18.0, 60.0, 2.0) == (row.ours, row.peer, row.floor)
    assert (6.0, 2.5) == row.runs
    assert "6.0 2.5 (2.0-6.0)" in rows_as_table([row])


def test_runs_without_others_are_combined_too() -> None:
    """What only we can do has no ratios to be combined."""
    alone = bench_rows("alone", {"ours": [{"p99 ms": 2.0}]})
    (row,) = combine_rows([alone, alone])

    assert (2.0, None, ()) == (row.ours, row.peer, row.runs)


def test_csv_has_titles_and_every_figure() -> None:
    """The documentation makes a table of it, in which no name is repeated."""
    titles, line, second = rows_as_csv([*rows(), *rows()]).splitlines()

    assert titles.startswith("scenario,")
    assert "text & more,cpu us,11,60,2.00,6.0 (5.0-6.0),5.50" == line
    assert second.startswith(",cpu us,")


def test_json_has_every_figure() -> None:
    """Programs read the same as people do."""
    (row,) = json.loads(rows_as_json(rows()))

    assert ("text & more", 6.0) == (row["scenario"], row["ratio"])


def test_chart_is_a_picture_with_three_bars() -> None:
    """The longest bar is the peer's, and odd characters do not break it."""
    tree = ElementTree.fromstring(rows_as_chart(rows()))
    bars = tree.findall("{http://www.w3.org/2000/svg}rect")
    widths = [float(bar.get("width", "")) for bar in bars]

    assert 3 == len(widths)
    assert widths == sorted(widths, reverse=True)
    assert widths[0] == pytest.approx(6 * widths[1], rel=0.01)


def test_chart_has_room_for_a_row_in_which_the_peer_is_faster() -> None:
    """Its bar and its label stand as large as the others, within the picture."""
    found = {"ours": [{"cpu ms": 3.0}], "peer": [{"cpu ms": 1.0}]}
    tree = ElementTree.fromstring(
        rows_as_chart([*rows(), *bench_rows("connect", found)])
    )
    space = "{http://www.w3.org/2000/svg}"
    room = float(tree.get("width", ""))
    bars = {
        label.text: float(bar.get("width", ""))
        for bar, label in zip(
            tree.findall(f"{space}rect"),
            (t for t in tree.findall(f"{space}text") if t.get("font-weight") is None),
        )
    }

    assert bars["ours 300 %"] == pytest.approx(3 * bars["openai 100 %"], rel=0.01)
    assert max(bars.values()) + 100 < room


def test_chart_leaves_out_what_has_no_peer() -> None:
    """A bar needs something to be compared with."""
    alone = bench_rows("alone", {"ours": [{"cpu us": 2.0}]})

    assert "rect" not in rows_as_chart(alone)
