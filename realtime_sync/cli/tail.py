"""``realtime-sync tail``: the events of a recording, or of a call, as they come."""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..protocol import sensitive
from ..protocol.escape import json_text, one_line
from ..protocol.events import ServerEvent
from ..transport.redaction import redact
from .event_lines import EventLines
from .json_output import Commands, add_json_option, print_json
from .server_options import (
    add_server_options,
    live_session_by_options,
    server_url,
    session_by_options,
)

OFTEN = 0.2
"""Seconds between two looks at a file that grows."""


def add_tail_command(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "tail",
        help="print the events of a recording or of a running call",
        description="Print the events of a recording, one line each, or those of a "
        "running WebRTC or SIP call.",
    )
    parser.add_argument(
        "log", type=Path, nargs="?", metavar="LOG.jsonl", help="the recording"
    )
    parser.add_argument(
        "-f", "--follow", action="store_true", help="wait for more until it has ended"
    )
    parser.add_argument(
        "--call", metavar="CALL_ID", help="the call, or a session of GPT-Live"
    )
    parser.add_argument(
        "-n",
        type=lines_to_tail,
        default=0,
        metavar="LINES",
        help="only the last lines",
    )
    add_server_options(parser)
    add_json_option(parser)
    parser.set_defaults(run=run_tail)


def lines_to_tail(text: str) -> int:
    """A number of lines; 0 is all of them."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is no number of lines")
    return value


def run_tail(options: argparse.Namespace, stop: threading.Event | None = None) -> int:
    """
    Run the command.

    Args:
        options: as the parser gives them.
        stop: setting it ends a file that is followed.
    """
    if bool(options.log) == bool(options.call):
        raise ConfigurationError("tail needs a recording, or a call: --call CALL_ID")
    if options.call:
        return _tail_call(options)
    # Not by `splitlines`: JSON may hold other characters that end a line.
    *whole, rest = options.log.read_bytes().split(b"\n")
    size = sum(len(each) + 1 for each in whole)
    if rest and not options.follow:
        whole.append(rest)
    lines = [each.decode("utf-8", "replace") for each in whole]
    if not options.follow and not any(map(_is_object_to_tail, lines)):
        raise ConfigurationError(f"{options.log} is no recording: no line is an event")
    shown = _TailShown(options.json)
    known = [text for line in lines for text in shown.of(line)]
    follows = options.follow and not any(map(_ends_the_tail, lines[-1:]))
    if not follows:
        known += shown.rest()
    _print_tail(known[-options.n :] if options.n else known)
    if follows:
        for line in _tailed_lines(options.log, size, stop or threading.Event()):
            _print_tail(shown.of(line))
            if _ends_the_tail(line):
                break
    return 0


def _tailed_lines(path: Path, size: int, stop: threading.Event) -> Iterator[str]:
    """Lines as they are written, whole ones only."""
    rest = b""
    with path.open("rb") as file:
        file.seek(size)
        while True:
            piece = file.read(1 << 20)
            if not piece and stop.wait(OFTEN):
                return
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line.decode("utf-8", "replace")


def _ends_the_tail(line: str) -> bool:
    return '"recording.ended"' in line or '"recording.failed"' in line


def _print_tail(lines: list[str]) -> None:
    for line in lines:
        print(line, flush=True)


class _TailShown:
    """Lines of a recording as they are printed."""

    def __init__(self, as_it_is: bool) -> None:
        self._as_it_is = as_it_is
        self._lines = EventLines()
        self.rest = self._lines.rest

    def of(self, line: str) -> list[str]:
        """What to print for a line, which may be nothing."""
        if self._as_it_is:
            return [_safe_line_of_tail(line.rstrip("\r\n"))]
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            return []
        if not isinstance(value, dict) or "format" in value:
            return []
        direction = str(value.get("dir", "in"))
        frame = value.get("note" if direction == "note" else "frame", value)
        at = value.get("t")
        seconds = at if isinstance(at, (int, float)) else 0.0
        return self._lines.of(seconds, direction, frame)


def _safe_line_of_tail(line: str) -> str:
    """A line as it is, but for secrets: others' recordings may have some."""
    try:
        line = json.dumps(
            sensitive.hidden_sensitive(json.loads(line)), ensure_ascii=False
        )
    except (ValueError, RecursionError):
        pass  # Keys that can be told without its meaning are hidden all the same.
    return json_text(redact(line))


def _is_object_to_tail(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _safe_to_tail(frame: object) -> Any:
    """Decoded JSON without secrets."""
    return json.loads(redact(json.dumps(sensitive.hidden_sensitive(frame))))


def _session_to_tail(url: str | None, options: argparse.Namespace) -> Any:
    """A session that looks on, of the protocol that the call is in."""
    from .. import live

    named = options.call.startswith("live_")
    if named or live.is_live_model(options.model):
        options.model = None
        return live_session_by_options(url, options, None, call_id=options.call)
    return session_by_options(url, options, {}, call_id=options.call)


def _tail_call(options: argparse.Namespace) -> int:
    """Look on at a call until it ends."""
    import time

    began = time.monotonic()
    lines = EventLines()

    def show(event: ServerEvent) -> None:
        if options.json:
            print_json(_safe_to_tail(event.raw))
        else:
            _print_tail(lines.of(time.monotonic() - began, "in", event.raw))

    with server_url(options) as url:
        session: Any = _session_to_tail(url, options)
        session.on("*", show)
        with session:
            print(f"looking on at {one_line(options.call)}", file=sys.stderr)
            session.run_forever()
    _print_tail(lines.rest())
    return 0
