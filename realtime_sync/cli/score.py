"""``realtime-sync score calls/``: recorded calls against gates, for CI."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..protocol.escape import one_line
from .json_output import Commands, add_json_option, print_json
from .output_files import check_outputs
from .server_options import text_option

if TYPE_CHECKING:
    from ..evaluation import Gate, Table
    from ..telemetry import Prices


def add_score_command(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "score",
        help="measure recorded calls, and hold them against gates",
        description="Measure recorded calls and hold them against gates. The exit code "
        "is 1 when a gate falls for any call, or a recording cannot be read.",
    )
    parser.add_argument(
        "recordings",
        nargs="+",
        type=Path,
        metavar="CALLS",
        help="folders of recordings, or recordings (JSON lines)",
    )
    add_score_gate_options(parser)
    add_score_report_options(parser)
    add_json_option(parser)
    parser.set_defaults(run=run_score)


def add_score_gate_options(parser: argparse.ArgumentParser) -> None:
    """Give a command the thresholds."""
    gates = parser.add_argument_group("gates")
    gates.add_argument(
        "--max-wer",
        type=float,
        metavar="RATE",
        help="word errors per word of the caller's that the agent may understand wrong",
    )
    gates.add_argument(
        "--expected",
        type=Path,
        metavar="FOLDER",
        help="where NAME.txt has what was said in NAME.jsonl, a line for each turn",
    )
    for name, text in (
        ("p50", "half of the turns"),
        ("p95", "95 of 100 turns"),
        ("max", "every turn"),
    ):
        gates.add_argument(
            f"--first-audio-{name}",
            type=float,
            metavar="MS",
            help=f"milliseconds from the end of speech to the first sound, {text}",
        )
    gates.add_argument(
        "--stop-within",
        type=float,
        metavar="MS",
        help="milliseconds in which an interrupted answer must be silent",
    )
    gates.add_argument(
        "--max-silence", type=float, metavar="MS", help="longest silence"
    )
    gates.add_argument(
        "--max-talk-over", type=float, metavar="MS", help="both speaking at once"
    )
    gates.add_argument(
        "--max-turns", type=int, metavar="COUNT", help="turns of the caller's"
    )
    gates.add_argument(
        "--max-cost",
        type=float,
        metavar="AMOUNT",
        help="what the answers of a call may cost, by --prices",
    )
    gates.add_argument(
        "--prices",
        type=Path,
        metavar="FILE.json",
        help='what a million tokens cost, such as {"input_audio": 32, '
        '"output_audio": 64}',
    )
    gates.add_argument(
        "--tool",
        action="append",
        type=text_option,
        default=[],
        metavar="NAME",
        help="a tool that must be called; may be given again",
    )
    gates.add_argument(
        "--no-tool",
        action="append",
        type=text_option,
        default=[],
        metavar="NAME",
        help="a tool that must not be called; may be given again",
    )
    gates.add_argument(
        "--says",
        action="append",
        type=text_option,
        default=[],
        metavar="WORDS",
        help="words that the caller must hear; may be given again",
    )
    gates.add_argument(
        "--never-says",
        action="append",
        type=text_option,
        default=[],
        metavar="WORDS",
        help="words that must not be generated; may be given again",
    )
    gates.add_argument(
        "--allow-silent-turns",
        action="store_true",
        help="do not ask that every turn is answered",
    )
    gates.add_argument(
        "--allow-cut-answers",
        action="store_true",
        help="do not ask that every answer is heard to its end",
    )
    gates.add_argument(
        "--allow-problems",
        action="store_true",
        help="do not ask that there is no error, anomaly or failed handler",
    )


def add_score_report_options(parser: argparse.ArgumentParser) -> None:
    """Give a command the files that it writes."""
    files = parser.add_argument_group("what is written")
    files.add_argument("--junit", type=Path, metavar="FILE.xml", help="JUnit XML")
    files.add_argument(
        "--html", type=Path, metavar="FILE.html", help="one page with players"
    )
    files.add_argument(
        "--jsonl", type=Path, metavar="FILE.jsonl", help="a line of JSON for each call"
    )
    files.add_argument(
        "--against",
        type=Path,
        metavar="FILE.jsonl",
        help="what --jsonl wrote of an earlier run, to compare with",
    )


def run_score(options: argparse.Namespace) -> int:
    """Run the command."""
    from ..evaluation import evaluate

    before = earlier_score_run(options, options.recordings)
    paths = [str(path) for path in options.recordings]
    return tell_scores(evaluate(paths, score_gates(options)), options, before)


def score_gates(options: argparse.Namespace) -> list[Gate]:
    """The gates that the options ask for."""
    from .. import evaluation as ev

    found: list[Gate] = []
    if options.expected is not None and not options.expected.is_dir():
        # Else it would be taken for the words themselves, or every call would fall.
        raise ConfigurationError(f"--expected: there is no folder {options.expected}")
    if options.max_wer is not None or options.expected is not None:
        most = 0.0 if options.max_wer is None else options.max_wer
        found.append(ev.wer(options.expected, most=most))
    p50, p95 = options.first_audio_p50, options.first_audio_p95
    most_ms = options.first_audio_max
    if (p50, p95, most_ms) != (None, None, None):
        found.append(ev.first_audio_ms(p50=p50, p95=p95, most=most_ms))
    limits: tuple[tuple[float | None, Callable[[float], Gate]], ...] = (
        (options.stop_within, ev.stopped_within_ms),
        (options.max_silence, ev.silence_ms),
        (options.max_talk_over, ev.talk_over_ms),
        (options.max_turns, lambda count: ev.turn_count(most=int(count))),
    )
    found += [make(limit) for limit, make in limits if limit is not None]
    if (options.max_cost is None) != (options.prices is None):
        raise ConfigurationError("--max-cost needs --prices, and --prices --max-cost")
    if options.prices is not None:
        found.append(ev.cost(_read_score_prices(options.prices), most=options.max_cost))
    found += [ev.tool_called(name) for name in options.tool]
    found += [ev.tool_not_called(name) for name in options.no_tool]
    found += [ev.says(words) for words in options.says]
    found += [ev.never_says(words) for words in options.never_says]
    for allowed, make_gate in (
        (options.allow_silent_turns, ev.answered),
        (options.allow_cut_answers, ev.heard_whole),
        (options.allow_problems, ev.problems),
    ):
        if not allowed:
            found.append(make_gate())
    return found


def _read_score_prices(path: Path) -> Prices:
    """
    The price list in a file.

    Raises:
        OSError: it cannot be read.
        ConfigurationError: it is no price list.
    """
    from ..telemetry import Prices

    try:
        return Prices.of(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(f"{path} is no price list: {exc}") from None


def earlier_score_run(
    options: argparse.Namespace, read: Sequence[Path]
) -> Table | None:
    """
    The run to compare with, read before the calls are made that are compared with it.

    Args:
        options: as the parser gives them.
        read: what the command reads besides.

    Raises:
        OSError: it cannot be read, or what is asked for cannot be written.
        ConfigurationError: it is none, or what is asked for has no folder, is one, or
            would overwrite what is read.
    """
    from ..evaluation import Table

    given = (options.junit, options.html, options.jsonl)
    check_outputs([path for path in given if path is not None], read)
    return None if options.against is None else Table.load(options.against)


def tell_scores(table: Table, options: argparse.Namespace, before: Table | None) -> int:
    """Print a table, write what is asked for, and return the exit code."""
    if options.junit is not None:
        table.to_junit(options.junit)
    if options.jsonl is not None:
        table.to_jsonl(options.jsonl)
    if options.html is not None:
        table.to_html(options.html, before=before)
    if options.json:
        for score in table:
            print_json(score.to_dict())
        return int(bool(table.failed))
    for line in str(table).splitlines():
        print(one_line(line))
    if before is not None:
        print("\nsince the run before:")
        for line in str(table.compare(before)).splitlines():
            print(f"  {one_line(line)}")
    return int(bool(table.failed))
