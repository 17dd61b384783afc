"""Arguments in, exit code out."""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from collections.abc import Sequence

from .. import __version__
from ..protocol.escape import one_line
from .ask import add_ask_command
from .bench.command import add_bench_command
from .call import add_call_command
from .completion import add_completion_command
from .debug import add_debug_command
from .demo import add_demo_command
from .doctor import add_doctor_command
from .failures import UNREAD, explain_failure
from .prune import add_prune_command
from .replay import add_replay_command
from .report import add_report_command
from .score import add_score_command
from .serve import add_serve_command
from .tail import add_tail_command
from .talk import add_talk_command
from .transcribe import add_transcribe_command
from .web import add_web_command

COMMANDS = (
    add_demo_command,
    add_talk_command,
    add_ask_command,
    add_transcribe_command,
    add_serve_command,
    add_web_command,
    add_tail_command,
    add_replay_command,
    add_report_command,
    add_debug_command,
    add_score_command,
    add_call_command,
    add_prune_command,
    add_doctor_command,
    add_bench_command,
    add_completion_command,
)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command.

    Args:
        argv: arguments without the program's name; ``sys.argv`` by default.

    Returns:
        0 when it worked or only help was wanted, 1 when the conversation failed, 2
        when the input was bad, 130 after Ctrl-C, 141 when nobody reads the output.
        Failures are one line on the standard error.

    Raises:
        SystemExit: from argparse, after ``--help`` or for bad arguments.
    """
    _open_closed_streams()
    _escape_unencodable_output()
    arguments = sys.argv[1:] if argv is None else list(argv)
    # Without a handler, Python prints the library's warnings to the standard error,
    # where the one line is that says what went wrong.
    logging.getLogger("realtime_sync").addHandler(logging.NullHandler())
    try:
        if not arguments:
            command_line_parser().print_help()
            return 0
        options = command_line_parser().parse_args(arguments)
        return int(options.run(options))
    except BaseException as exc:
        code, line = explain_failure(exc)
        if code is None:
            raise
        if code == UNREAD:
            # Or the interpreter, which flushes at its end, would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return code
        print(f"realtime-sync: {one_line(line)}", file=sys.stderr)
        return code


def _open_closed_streams() -> None:
    """Let what is shown go nowhere, where whoever started the program closed that."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Left open on purpose: it ends with the program, as the others do.
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def _escape_unencodable_output() -> None:
    """
    Write a letter that a stream's encoding lacks as an escape.

    Python would raise, and what was to be printed would be lost.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def command_line_parser() -> argparse.ArgumentParser:
    """The parser of the command line, with every command."""
    top = argparse.ArgumentParser(
        prog="realtime-sync",
        description="Talk to a server of the OpenAI Realtime protocol, or be one.",
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for add_command in COMMANDS:
        add_command(commands)
    return top
