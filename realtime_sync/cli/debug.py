"""``realtime-sync debug log.jsonl``: step through a recording in the browser."""

from __future__ import annotations

import argparse
import sys
import threading
import webbrowser

from .json_output import Commands
from .report import add_log_argument
from .serve import add_port_option, end_of_serving


def add_debug_command(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "debug",
        help="step through a recording in the browser",
        description="Serve a page, to this machine only, that shows each event of a "
        "recording and the session as it was at that event, until Ctrl-C.",
    )
    add_log_argument(parser)
    add_port_option(parser)
    parser.add_argument(
        "--no-browser",
        action="store_true",
        help="print the address, and open nothing",
    )
    parser.set_defaults(run=run_debug)


def run_debug(options: argparse.Namespace, stop: threading.Event | None = None) -> int:
    """
    Run the command.

    Args:
        options: as the parser gives them.
        stop: setting it ends the command, as Ctrl-C does.
    """
    from ..web import Debugger, WebHost

    with end_of_serving(stop) as wait, WebHost(port=options.port) as host:
        debugger = Debugger(host, options.log)
        print(f"{len(debugger.steps):,} events: {debugger.url}", flush=True)
        if not options.no_browser and sys.stdout.isatty():
            webbrowser.open(debugger.url)
        wait()
    return 0
