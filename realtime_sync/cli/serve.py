"""``realtime-sync serve``: be a server of the protocol."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .json_output import Commands
from .server_options import SERVED, load_local_voice

_PIECE_S = 0.5


def add_serve_command(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "serve",
        help="run the local server until Ctrl-C",
        description="Run the local server, which speaks Realtime and GPT-Live, until "
        "Ctrl-C or SIGTERM.",
    )
    parser.add_argument(
        "--agent",
        default="voice",
        metavar="NAME",
        help="who answers: voice, echo, scripted:FILE (a scenario), cassette:FILE (a "
        "recording, once more) or chat:URL (a chat-completions endpoint); "
        "default: %(default)s",
    )
    parser.add_argument(
        "--dialect",
        choices=SERVED,
        default="both",
        help="dialects to speak (default: %(default)s)",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=8765,
        help="port to listen on, 0 for any that is free (default: %(default)s)",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="FAULT",
        help="something that goes wrong, such as drop_after:5; may be repeated",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST",
        help="another name that clients may call the server by; may be repeated",
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a host, or an origin such as https://app.example, whose pages may come "
        "in besides those of this machine; may be repeated",
    )
    parser.add_argument(
        "--api-key",
        action="append",
        metavar="KEY",
        help="a key that clients must have, needed where other machines come in; may "
        "be repeated",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="do not print what is said"
    )
    parser.set_defaults(run=run_serve)


def run_serve(options: argparse.Namespace, stop: threading.Event | None = None) -> int:
    """
    Run the command.

    Args:
        options: as the parser gives them.
        stop: setting it ends the server, as Ctrl-C does.
    """
    if options.agent == "voice":
        load_local_voice()
    from ..server import serve

    if stop is None:
        stop = InterruptibleServe()
        with stop_serving_by_sigterm(stop):
            return run_serve(options, stop)
    with served_turns_printed(not options.quiet), serve(
        agent=agent_to_serve(options.agent),
        dialect=options.dialect,
        host=options.host,
        port=options.port,
        faults=options.fault,
        allowed_hosts=options.allow_host,
        allowed_origins=options.allow_origin,
        api_keys=options.api_key,
    ) as server:
        print(f"listening on {server.url} (agent: {options.agent})", flush=True)
        print(f'try: realtime-sync ask --url {server.url} "Hello"', flush=True)
        try:
            stop.wait()
        except KeyboardInterrupt:
            print("closing")
    return 0


def agent_to_serve(name: str) -> Any:
    """What *serve* takes for a name: ``cassette:FILE`` is played, others are known."""
    kind, _, path = name.partition(":")
    if kind != "cassette" or not path:
        return name
    from ..testing import cassette

    return cassette(path)


class InterruptibleServe(threading.Event):
    """An event whose wait is ended by Ctrl-C on Windows too: it waits in pieces."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set."""
        if timeout is not None:
            return super().wait(timeout)
        while not super().wait(_PIECE_S):
            pass
        return True


@contextmanager
def stop_serving_by_sigterm(stop: threading.Event) -> Iterator[None]:
    """
    Let SIGTERM set an event while the block runs, as Ctrl-C ends the wait for it.

    So sessions are closed, not dropped, when whatever started the server ends it.
    """
    before = signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def served_turns_printed(wanted: bool) -> Iterator[None]:
    """Print a line for each turn of every session while the block runs."""
    log = logging.getLogger("realtime_sync.server.turns")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    level = log.level
    if wanted:
        log.addHandler(handler)
        log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
