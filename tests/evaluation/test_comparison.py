"""Two runs of the same calls, compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_sync.evaluation import (
    Score,
    Table,
)

from .calls import asked


def run_of(*latencies: float, name: str = "call") -> Table:
    """A run of repeats of one call."""
    return Table(
        Score(name=f"{name}.{number}", figures={"first_audio_p50_ms": latency})
        for number, latency in enumerate(latencies, 1)
    )


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ((500, 510, 505), (900, 910, 905), "worse"),
        ((900, 910, 905), (500, 510, 505), "better"),
        ((500, 900, 505), (700, 710, 705), "as before"),
        ((500,), (515,), "as before"),
        ((500,), (530,), "as before"),
        ((500,), (560,), "worse"),
        ((10,), (25,), "as before"),
    ],
)
def test_a_change_counts_if_it_is_more_than_the_spread(
    before: tuple[float, ...], after: tuple[float, ...], word: str
) -> None:
    """The mean alone would call noise a regression."""
    (change,) = run_of(*after).compare(run_of(*before)).changes

    assert f"({word}" in str(change)


@pytest.mark.parametrize("names", ["call-{}", "table for {}", "order#{}", "v1.0.{}x"])
def test_numbers_in_names_make_no_repeats_of_different_calls(names: str) -> None:
    """Calls of a script without names have such: one must not hide another."""
    first, second = names.format(1), names.format(2)
    before = Table([asked(first), asked(second)])
    after = Table([asked(f"{first}.01"), asked(f"{first}.02"), asked(second)])

    assert [first, second] == [each.call for each in after.compare(before).changes]


def test_a_comparison_names_calls_that_came_and_went() -> None:
    """And gates that fell, by their share of the repeats."""
    before = Table([asked("a.1"), asked("a.2"), asked("b")])
    after = Table([asked(name, passed=False) for name in ("a.1", "a.2", "c")])
    comparison = after.compare(before)

    assert [("a", "gate answered", 0.0, 1.0)] == [
        (each.call, each.what, each.before, each.after) for each in comparison.worse
    ]
    assert (("b",), ("c",)) == (tuple(comparison.missing), tuple(comparison.added))
    assert "nothing changed" == str(before.compare(before))
    assert "a: gate answered: 0% -> 100% (worse)" in str(comparison)
    assert "a: gate answered: 100% -> 0% (better)" in str(before.compare(after))


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ((0, 1), (1, 1), "worse"),
        ((1, 1), (0, 1), "better"),
        ((0, 12), (1, 12), "as before"),
        ((3, 12), (1, 12), "as before"),
        ((0, 10), (2, 10), "as before"),
        ((0, 10), (3, 10), "worse"),
        ((10, 20), (1, 20), "better"),
        ((1, 2), (1, 2), "as before"),
    ],
)
def test_a_gate_got_worse_if_it_fell_more_often_than_by_chance(
    before: tuple[int, int], after: tuple[int, int], word: str
) -> None:
    """One call of twelve that fell today, and none yesterday, says nothing."""

    def run(fallen: int, count: int) -> Table:
        return Table(asked(f"a.{n}", passed=n >= fallen) for n in range(count))

    (change,) = (
        each for each in run(*after).compare(run(*before)).changes if each.is_share
    )

    assert f"({word}" in str(change)


def test_a_gate_that_only_one_run_has_asked_is_no_change() -> None:
    """A new gate that falls says nothing of what was before."""
    before, after = Table([Score(name="a")]), Table([asked("a", passed=False)])

    assert () == after.compare(before).changes == before.compare(after).changes


def test_a_call_that_cannot_be_read_any_more_got_worse() -> None:
    """Its repeats are compared all the same, whichever of them is the first."""
    before = Table([asked("a.1"), asked("a.2")])
    figures = {"wer": 0.5}
    after = Table([Score(name="a.1", error="gone"), Score(name="a.2", figures=figures)])
    comparison = after.compare(before)

    assert [("not read", 0.0, 0.5), ("wer", 0.0, 0.5)] == [
        (each.what, each.before, each.after) for each in comparison.worse
    ]


def test_the_page_has_units_for_what_changed(tmp_path: Path) -> None:
    before = Table([*run_of(500, 520), asked("b")])
    after = Table([*run_of(900, 910), asked("b", passed=False)])
    text = after.to_html(tmp_path / "a.html", before=before).read_text("utf-8")

    for cell in ("500 ms", "900 ms", "20 ms", "0.0 %", "100.0 %"):
        assert f"<td>{cell}</td>" in text, cell
