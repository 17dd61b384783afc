"""``realtime-sync report log.jsonl``: a recording as one HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path

from .json_output import Commands, add_json_option, print_json
from .output_files import check_outputs
from .server_options import text_option


def add_report_command(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "report",
        help="turn a recording into an HTML page",
        description="Turn a recording into one HTML page with transcript, players, "
        "waveforms, latencies, tokens and events. The page loads nothing.",
    )
    add_log_argument(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE.html",
        help="where to write it (default: beside the recording)",
    )
    parser.add_argument(
        "--title",
        type=text_option,
        help="title of the page (default: name of the file)",
    )
    add_json_option(parser)
    parser.set_defaults(run=run_report)


def add_log_argument(parser: argparse.ArgumentParser) -> None:
    """Let a command be given a recording."""
    parser.add_argument(
        "log",
        type=Path,
        metavar="LOG.jsonl",
        help="JSON lines, of ours or of another program",
    )


def run_report(options: argparse.Namespace) -> int:
    """Run the command."""
    from .. import report

    target = options.output or options.log.parent / f"{options.log.stem}.html"
    if options.log.exists():
        # Before the page is made, which takes a while for a long call.
        check_outputs([target])
    written = report.write(options.log, target, title=options.title)
    if options.json:
        print_json({"report": str(written), "bytes": written.stat().st_size})
    else:
        print(f"wrote {written}")
    return 0


def write_report_beside(folder: Path) -> Path:
    """Write ``report.html`` from the ``session.jsonl`` of a folder; where it is."""
    from .. import report

    target = folder / "report.html"
    return report.write(folder / "session.jsonl", target, title=f"{folder.name}")
