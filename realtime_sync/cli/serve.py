"""``realtime-sync serve``: be a server of the protocol."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
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
    add_port_option(parser, 8765)
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


def add_port_option(parser: argparse.ArgumentParser, default: int = 0) -> None:
    """Give a command ``--port``."""
    parser.add_argument(
        "--port",
        type=int,
        default=default,
        help="port to listen on, 0 for any that is free (default: %(default)s)",
    )


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

    with end_of_serving(stop) as wait, served_turns_printed(not options.quiet), serve(
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
        wait()
    return 0


def agent_to_serve(name: str) -> Any:
    """What *serve* takes for a name: ``cassette:FILE`` is played, others are known."""
    kind, _, path = name.partition(":")
    if kind != "cassette" or not path:
        return name
    from ..testing import cassette

    return cassette(path)


@contextmanager
def end_of_serving(stop: threading.Event | None) -> Iterator[Callable[[], None]]:
    """
    Give what waits until something that is served is to end.

    That is at Ctrl-C, or at SIGTERM, so that sessions are closed and not dropped when
    whatever started the server ends it.

    Args:
        stop: an event of the program, which is waited for instead of SIGTERM.
    """
    end = threading.Event()

    def wait() -> None:
        try:
            if stop is not None:
                stop.wait()
                return
            # In pieces, or Windows would not let Ctrl-C through.
            while not end.wait(_PIECE_S):
                pass
        except KeyboardInterrupt:
            print("closing")

    if stop is not None:
        yield wait
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: end.set())
    try:
        yield wait
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
