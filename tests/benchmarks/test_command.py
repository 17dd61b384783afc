"""``realtime-sync bench``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realtime_sync.cli.bench.runner import run_estimate
from realtime_sync.cli.bench.scenarios import SCENARIOS, scenario_named
from realtime_sync.cli.main import main

FEW = ["bench", "text deltas", "--pairs", "1", "--scale", "0.001"]


def test_bench_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each figure; what is at work goes to the standard error."""
    assert 0 == main(FEW)

    shown = capsys.readouterr()
    assert "text deltas" in shown.out
    assert "cpu us" in shown.out
    assert "... text deltas (1 of 1)" in shown.err


@pytest.mark.parametrize(
    "names, pairs, scale, said",
    [
        ([], 5, 1.0, "201 measurements, about 17 minutes"),
        (["text deltas"], 5, 1.0, "15 measurements, about 30 seconds"),
        (["text deltas"], 1, 0.1, "3 measurements, about 3 seconds"),
        (["200 sessions x 50/s"], 5, 1.0, "2 measurements, about 50 seconds"),
        (["200 sessions x 50/s"], 5, 10.0, "2 measurements, about 8 minutes"),
    ],
)
def test_bench_tells_beforehand_how_long_it_takes(
    names: list[str], pairs: int, scale: float, said: str
) -> None:
    """Nobody waits twelve minutes for what they took for one."""
    chosen = [scenario_named(name) for name in names] or SCENARIOS
    sides = ("ours", "peer", "floor")

    assert run_estimate(chosen, pairs, scale, sides).startswith(said)


def test_bench_counts_only_the_clients_that_are_there() -> None:
    """Without openai there is nothing to take turns with."""
    assert run_estimate([scenario_named("import")], 5, 1.0, ("ours",)).startswith(
        "5 measurements"
    )


def test_bench_prints_json_and_writes_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """For programs, and for documentation."""
    name = tmp_path / "cost"

    assert 0 == main([*FEW, "--standard", "--json", "--runs=2", f"--out={name}"])
    printed = capsys.readouterr().out
    assert {"text deltas"} == {row["scenario"] for row in json.loads(printed)}
    assert printed == name.with_suffix(".json").read_text(encoding="utf-8")
    assert "text deltas,cpu us" in name.with_suffix(".csv").read_text(encoding="utf-8")
    assert name.with_suffix(".svg").read_text(encoding="utf-8").startswith("<svg")


def test_bench_measures_over_tls(capsys: pytest.CaptureFixture[str]) -> None:
    """The same frames, encrypted, for all sides."""
    pytest.importorskip("trustme", reason="makes the certificates")

    assert 0 == main([*FEW, "--tls"])
    assert "text deltas" in capsys.readouterr().out


def test_bench_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that no scenario has is an error that lists them."""
    assert 2 == main(["bench", "no-such"])
    assert "text deltas" in capsys.readouterr().err


@pytest.mark.parametrize("argument", ["--pairs=0", "--scale=0", "--scale=-1"])
def test_bench_refuses_amounts_that_measure_nothing(
    argument: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no median of nothing."""
    with pytest.raises(SystemExit) as caught:
        main(["bench", argument])

    assert 2 == caught.value.code
    assert "must be" in capsys.readouterr().err
