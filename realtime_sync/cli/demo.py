"""``realtime-sync demo``: a spoken question, answered aloud, offline."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import ConfigurationError
from .json_output import Commands, add_json_option
from .output_files import SPOKEN_FILES, check_output_folder
from .screen import Screen
from .server_options import (
    MODEL,
    PLAIN,
    add_timeout_option,
    say_while_server_starts,
    server_url,
    text_option,
)
from .talk import add_talk_pace_option
from .terminal import open_terminal_screen


def add_demo_command(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="ask the local voice server a spoken question: no key, no network",
        description="Start the local voice server, speak a question to it, print the "
        "live transcript and the latencies, write the spoken answer and a report.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--question",
        type=text_option,
        metavar="TEXT",
        help="what to ask, in plain English",
    )
    what.add_argument(
        "--live",
        action="store_true",
        help="show GPT-Live: a question that the voice hands on to a function of the "
        "program, and one to a backend that calls two functions at once",
    )
    parser.add_argument(
        "--dialect",
        choices=PLAIN,
        default="ga",
        help="dialect of the protocol (default: %(default)s)",
    )
    add_json_option(parser)
    add_talk_pace_option(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("realtime-demo"),
        metavar="FOLDER",
        help="where to write question.wav, answer.wav, session.jsonl and report.html "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--play",
        action="store_true",
        help="play the question and the answer; needs a loudspeaker and the extra "
        "audio",
    )
    add_timeout_option(parser, 60.0)
    parser.set_defaults(run=run_demo, local=True, url=None, model=MODEL)


def run_demo(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.live:
        return _live_demo(options)
    from .. import audio
    from ..server.voice import DEMO_QUESTION, default_synthesizer
    from .report import write_report_beside
    from .voice_demo import speak_voice_demo

    question = options.question or DEMO_QUESTION
    with ExitStack() as stack:
        # Without a loudspeaker, nothing is begun.
        play = stack.enter_context(audio.Speaker()) if options.play else None
        check_output_folder(options.out, _WRITTEN)
        spoken = Path(stack.enter_context(TemporaryDirectory())) / "question.wav"
        say_while_server_starts("speaking the question")
        sound = default_synthesizer().speak(question)
        if not sound:
            raise ConfigurationError(f"the local voice has no sound for {question!r}")
        audio.write_wav(spoken, sound)
        url = stack.enter_context(server_url(options))
        screen = stack.enter_context(open_terminal_screen(json=options.json))
        screen.line(f"asking the local voice server at {url}:")
        screen.line(f"  {question}")
        screen.line("")
        code = speak_voice_demo(spoken, url, options, options.out, screen, speaker=play)
        page = write_report_beside(options.out)
        screen.line(f"wrote {page}")
        if not options.json:
            _next_steps_of_demo(screen, page)
    return code


def _live_demo(options: argparse.Namespace) -> int:
    """Show what is handed on in a session of GPT-Live."""
    from .. import audio
    from ..server import serve
    from .live_demo import LIVE_DEMO_FOLDERS, LiveDemoAssistant, show_live_demo

    options.model = LIVE_MODEL
    with ExitStack() as stack:
        play = stack.enter_context(audio.Speaker()) if options.play else None
        for folder in LIVE_DEMO_FOLDERS:
            check_output_folder(options.out / folder, _WRITTEN)
        spoken = Path(stack.enter_context(TemporaryDirectory()))
        say_while_server_starts("starting the local voice server")
        server = stack.enter_context(serve(agent=LiveDemoAssistant(), port=0))
        screen = stack.enter_context(open_terminal_screen(json=options.json))
        return show_live_demo(server.url, spoken, options, screen, play)


LIVE_MODEL = "gpt-live-1"

_WRITTEN = (*SPOKEN_FILES, "report.html")

NEXT = (
    ("talk to it yourself:", "realtime-sync talk --mic --local"),
    ("ask it in text:", 'realtime-sync ask "Hello" --local'),
    ("let a program of yours talk to it:", "realtime-sync serve"),
)
"""What to try, and how."""


def _next_steps_of_demo(screen: Screen, page: Path) -> None:
    """Show what else there is to see."""
    screen.line("")
    screen.line("next:")
    for purpose, how in (("look at all of it in a browser:", str(page)), *NEXT):
        screen.line(f"  {purpose}")
        screen.line(f"    {how}")
