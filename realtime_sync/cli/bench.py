"""``realtime-sync bench``: this client against openai-python and a bare socket."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
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
        type=_count,
        default=5,
        help="how often each client has its turn (default: %(default)s)",
    )
    parser.add_argument(
        "--scale",
        type=_share,
        default=1.0,
        help="share of the events, such as 0.1 (default: %(default)s)",
    )
    parser.add_argument("--tls", action="store_true", help="over wss; needs trustme")
    parser.add_argument(
        "--standard",
        action="store_true",
        help="with the standard library's JSON and base64, not orjson and pybase64",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    parser.add_argument(
        "--chart", type=Path, metavar="FILE", help="write a picture of it as SVG"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from ..bench import SCENARIOS, as_json, chart, measure, table
    from ..errors import ConfigurationError

    chosen = [
        each
        for each in SCENARIOS
        if not options.names or any(name in each.name for name in options.names)
    ]
    if not chosen:
        known = ", ".join(each.name for each in SCENARIOS)
        raise ConfigurationError(f"no such scenario; there are: {known}")
    rows = measure(
        chosen,
        pairs=options.pairs,
        scale=options.scale,
        tls=options.tls,
        plain=options.standard,
        told=lambda line: print(f"... {line}", file=sys.stderr, flush=True),
    )
    if options.chart is not None:
        options.chart.write_text(chart(rows), encoding="utf-8")
    print(as_json(rows) if options.json else table(rows))
    return 0


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError("must be more than 0 and at most 100")
    return value
