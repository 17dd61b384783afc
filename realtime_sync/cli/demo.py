"""``realtime-sync demo``: a spoken question, answered aloud, offline."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from .json_output import Commands, add_json_option
from .server_options import MODEL, PLAIN, say_while_waiting, server_url
from .talk import add_pace_option


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="ask the local voice server a spoken question: no key, no network",
        description="Start the local voice server, speak a question to it, print the "
        "live transcript and the latencies, write the spoken answer and a report.",
    )
    parser.add_argument(
        "--question", metavar="TEXT", help="what to ask, in plain English"
    )
    parser.add_argument(
        "--dialect",
        choices=PLAIN,
        default="ga",
        help="dialect of the protocol (default: %(default)s)",
    )
    add_json_option(parser)
    add_pace_option(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("realtime-demo"),
        metavar="FOLDER",
        help="where to write question.wav, answer.wav, session.jsonl and report.html "
        "(default: %(default)s)",
    )
    parser.set_defaults(run=run, local=True, url=None, model=MODEL, timeout=60.0)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from .. import audio
    from ..server.voice import DEMO_QUESTION, default_synthesizer
    from .report import write_beside
    from .voice_demo import speak

    question = options.question or DEMO_QUESTION
    with tempfile.TemporaryDirectory() as scratch:
        spoken = Path(scratch) / "question.wav"
        say_while_waiting("speaking the question")
        audio.write_wav(spoken, default_synthesizer().speak(question))
        with server_url(options) as url:
            told = sys.stderr if options.json else sys.stdout
            print(f"asking the local voice server at {url}: {question}\n", file=told)
            code = speak(spoken, url, options, options.out)
    written = write_beside(options.out)
    print(f"wrote {written}", file=told)
    return code
