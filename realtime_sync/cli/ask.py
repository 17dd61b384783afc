"""``realtime-sync ask "text"``: one written question, one written answer."""

from __future__ import annotations

import argparse
from typing import Any

from .connecting import add_server_options, new_session, server_url


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "ask",
        help="ask a server one written question",
        description="Ask a server one written question and print its answer.",
    )
    parser.add_argument("text", help="the question")
    add_server_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    with server_url(options) as url:
        config = {"output_modalities": ["text"]}
        with new_session(url, options, config) as session:
            print(session.ask(options.text, timeout=options.timeout).text)
    return 0
