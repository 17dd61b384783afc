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
from . import (
    ask,
    call,
    completion,
    debug,
    demo,
    doctor,
    prune,
    replay,
    report,
    score,
    serve,
    tail,
    talk,
    transcribe,
    web,
)
from .bench import command as bench
from .failures import UNREAD, explain

COMMANDS = (
    demo,
    talk,
    ask,
    transcribe,
    serve,
    web,
    tail,
    replay,
    report,
    debug,
    score,
    call,
    prune,
    doctor,
    bench,
    completion,
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
    _show_what_the_streams_cannot_encode()
    arguments = sys.argv[1:] if argv is None else list(argv)
    # Without a handler, Python prints the library's warnings to the standard error,
    # where the one line is that says what went wrong.
    logging.getLogger("realtime_sync").addHandler(logging.NullHandler())
    try:
        if not arguments:
            parser().print_help()
            return 0
        options = parser().parse_args(arguments)
        return int(options.run(options))
    except BaseException as exc:
        code, line = explain(exc)
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


def _show_what_the_streams_cannot_encode() -> None:
    """
    Write a letter that a stream's encoding lacks as an escape.

    Python would raise, and what was to be printed would be lost.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def parser() -> argparse.ArgumentParser:
    """The parser of the command line, with every command."""
    top = argparse.ArgumentParser(
        prog="realtime-sync",
        description="Talk to a server of the OpenAI Realtime protocol, or be one.",
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return top
