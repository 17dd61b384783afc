"""``realtime-sync bench``: this client against openai-python and a bare socket."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConfigurationError
from ..json_output import Commands
from ..output_files import check_outputs

if TYPE_CHECKING:
    from . import BenchRow, BenchScenario


def add_bench_command(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "bench",
        help="measure speed against openai-python and a bare socket",
        description="Measure what this client costs, against openai-python and a "
        "bare socket in the same run. Needs openai for the comparison.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="SCENARIO",
        help='part of a name, such as "text"; without any, all of them',
    )
    parser.add_argument(
        "--pairs",
        type=_pair_count,
        default=5,
        help="how often each client has its turn (default: %(default)s)",
    )
    parser.add_argument(
        "--scale",
        type=_scale_of_bench,
        default=1.0,
        help="share of the events, such as 0.1 (default: %(default)s)",
    )
    parser.add_argument("--tls", action="store_true", help="over wss; needs trustme")
    parser.add_argument(
        "--standard",
        action="store_true",
        help="with the standard library's JSON and base64, not orjson and pybase64",
    )
    parser.add_argument(
        "--runs",
        type=_pair_count,
        default=1,
        help="how often all of it is done (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="NAME",
        help="write NAME.csv, NAME.json and NAME.svg, a picture",
    )
    parser.set_defaults(run=run_bench)


def run_bench(options: argparse.Namespace) -> int:
    """Run the command."""
    from . import combine_rows, measure, rows_as_json, rows_as_table

    chosen = _chosen_scenarios(options.names)
    files = [] if options.out is None else _bench_files(options.out)
    check_outputs(files)
    runs = [
        measure(
            chosen,
            pairs=options.pairs,
            scale=options.scale,
            tls=options.tls,
            plain=options.standard,
            told=lambda line: print(f"... {line}", file=sys.stderr, flush=True),
        )
        for _ in range(options.runs)
    ]
    rows = combine_rows(runs)
    if files:
        _write_bench_report(rows, files)
    print(rows_as_json(rows) if options.json else rows_as_table(rows))
    return 0


def _chosen_scenarios(names: Sequence[str]) -> list[BenchScenario]:
    from . import SCENARIOS

    chosen = [
        each
        for each in SCENARIOS
        if not names or any(name in each.name for name in names)
    ]
    if not chosen:
        known = ", ".join(each.name for each in SCENARIOS)
        raise ConfigurationError(f"no such scenario; there are: {known}")
    return chosen


def _bench_files(name: Path) -> list[Path]:
    """CSV, JSON and a picture of that name."""
    if not name.name:
        raise ConfigurationError(f"{name} is a folder: name a file in it")
    return [name.with_suffix(suffix) for suffix in (".csv", ".json", ".svg")]


def _write_bench_report(rows: Sequence[BenchRow], files: Sequence[Path]) -> None:
    from . import rows_as_chart, rows_as_csv, rows_as_json

    texts = rows_as_csv(rows), rows_as_json(rows) + "\n", rows_as_chart(rows)
    for path, text in zip(files, texts):
        path.write_text(text, encoding="utf-8")


def _pair_count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _scale_of_bench(text: str) -> float:
    value = float(text)
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError("must be more than 0 and at most 100")
    return value
