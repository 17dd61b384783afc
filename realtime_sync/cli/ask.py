"""``realtime-sync ask "text"``: one written question, one written answer."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .json_output import Commands, add_json_option, print_json
from .screen import Screen
from .server_options import (
    add_server_options,
    server_url,
    session_by_options,
    text_option,
)
from .status import LiveStatus
from .terminal import open_terminal_screen

if TYPE_CHECKING:
    from .. import Reply
    from ..protocol import events


def add_ask_command(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "ask",
        help="ask a server one written question",
        description="Ask a server one written question and print its answer. A model "
        "of GPT-Live is asked aloud.",
    )
    parser.add_argument(
        "text",
        nargs="?",
        default="-",
        help="the question; without it, or with -, the standard input is read",
    )
    add_server_options(parser)
    add_json_option(parser)
    parser.set_defaults(run=run_ask)


def run_ask(options: argparse.Namespace) -> int:
    """Run the command."""
    from .. import live

    question = _question_to_ask(options.text)
    if live.is_live_model(options.model):
        from .live_talk import ask_live

        with server_url(options) as url:
            return ask_live(url, question, options)
    with server_url(options) as url, open_terminal_screen(json=options.json) as screen:
        config = {"output_modalities": ["text"]}
        with session_by_options(url, options, config) as session:
            printed = AskPrinter(screen)
            state = LiveStatus(session, screen)
            if not options.json:
                session.on("response.output_text.delta", printed.piece)
            reply = session.ask(question, timeout=options.timeout)
            session.flush()
        if options.json:
            _print_answer_json(reply)
        elif not printed.anything:
            screen.line(reply.text)
        screen.aside(state.note)
    return 0


class AskPrinter:
    """
    The answer, shown as it comes; in the dispatcher thread.

    Attributes:
        anything: whether any of it came.
    """

    def __init__(self, screen: Screen) -> None:
        self.anything = False
        self._screen = screen

    def piece(self, event: events.ResponseTextDelta) -> None:
        """Show a piece of it."""
        self.anything = True
        self._screen.add(event.delta or "")


def _print_answer_json(reply: Reply) -> None:
    from ..telemetry import Tokens

    tokens = Tokens.of(reply.usage)
    print_json(
        {
            "text": reply.text,
            "status": reply.status,
            "response_id": reply.id,
            "input_tokens": tokens.input,
            "cached_tokens": tokens.cached,
            "output_tokens": tokens.output,
        }
    )


def _question_to_ask(text: str) -> str:
    """
    The question, from the standard input if need be.

    Raises:
        ConfigurationError: there is none.
    """
    if text == "-":
        if sys.stdin is None:
            raise ConfigurationError("no question: the standard input is closed")
        if sys.stdin.isatty():
            print("type the question, then Ctrl-D", file=sys.stderr)
        text = sys.stdin.read()
    if not text.strip():
        raise ConfigurationError("there is no question: neither text nor input")
    try:
        return text_option(text).strip()
    except argparse.ArgumentTypeError as exc:
        raise ConfigurationError(f"that is no question: {exc}") from None
