"""``realtime-sync call script.yaml``: scripted callers, in real time."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, LocalProtocolError
from .json_output import Commands, add_json_option
from .score import add_score_report_options, earlier_score_run, tell_scores
from .server_options import (
    add_server_options,
    live_session_by_options,
    server_url,
    session_by_options,
)

if TYPE_CHECKING:
    from .. import Session
    from ..evaluation import Script


def add_call_command(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "call",
        help="call an agent by a script, and hold the calls against gates",
        description="Call an agent as a script says, in real time, with the local "
        "voice; record the calls and hold them against the gates of the script. The "
        "exit code is 1 when a gate falls.",
    )
    parser.add_argument(
        "script", type=Path, metavar="SCRIPT", help="the calls, in YAML or JSON"
    )
    add_server_options(parser)
    parser.add_argument(
        "--repeat", type=calls_count, metavar="COUNT", help="make each call so often"
    )
    parser.add_argument(
        "--parallel",
        type=calls_count,
        metavar="COUNT",
        help="make so many calls at once",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("calls"),
        metavar="FOLDER",
        help="where the recordings are put (default: %(default)s)",
    )
    add_score_report_options(parser)
    add_json_option(parser)
    parser.set_defaults(run=run_call)


def calls_count(text: str) -> int:
    """A number of calls."""
    value = int(text)
    if not 1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is no number of calls from 1 to 1000")
    return value


def run_call(options: argparse.Namespace) -> int:
    """Run the command."""
    from .. import live
    from ..evaluation import CALL_CONFIG, Script

    script = Script.load(options.script)
    before = earlier_score_run(options, [options.script])
    _refuse_reports_over_recordings(options, script)

    def session(
        url: str | None, name: str, config: Mapping[str, Any]
    ) -> Session | live.LiveSession:
        if live.is_live_model(options.model):
            # What the words are made by is not for a session of GPT-Live to say.
            given = {} if config is CALL_CONFIG else dict(config)
            return live_session_by_options(url, options, given, name=name)
        return session_by_options(url, options, config, name=name)

    try:
        session(options.url, "call", script.config)
    except (TypeError, LocalProtocolError) as exc:
        # Before a server is started: it would be the same for every call.
        raise ConfigurationError(f"{options.script}: config: {exc}") from None
    with server_url(options) as url:

        def connect(name: str, config: Mapping[str, Any]) -> Session | live.LiveSession:
            return session(url, name, config).open()

        try:
            table = script.run(
                connect,
                options.out,
                repeat=options.repeat,
                parallel=options.parallel,
                patience=options.timeout,
                progress=_calls_progress,
            )
        except KeyboardInterrupt:
            told = f"interrupted; what was recorded until then is in {options.out}"
            raise KeyboardInterrupt(told) from None
    return tell_scores(table, options, before)


def _refuse_reports_over_recordings(
    options: argparse.Namespace, script: Script
) -> None:
    """The recording of a call is there only when a report is written over it."""
    from ..evaluation import Score

    names = {call.name for call in script.calls}
    folder = options.out.resolve()
    for path in (options.junit, options.html, options.jsonl):
        if path is None or path.suffix != ".jsonl" or path.resolve().parent != folder:
            continue
        if names & {path.stem, Score(name=path.stem).group}:
            raise ConfigurationError(
                f"{path} is the recording of a call: write the report to another file"
            )


def _calls_progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"{done} of {total} calls", file=sys.stderr, flush=True)
