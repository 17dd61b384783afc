"""``realtime-sync talk``: speak a recording to a server, or talk to it."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import ConfigurationError
from .input_files import sound_named_as_given, sound_to_read_twice
from .json_output import Commands, add_json_option
from .output_files import SPOKEN_FILES, check_output_folder
from .server_options import add_server_options, server_url
from .terminal import open_terminal_screen


def add_talk_command(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "talk",
        help="speak to a server: a file, a microphone or in a browser",
        description="Speak a WAV file to a server at real-time pace, let the server "
        "find the turns in it, print the transcript of both sides and the latencies, "
        "write the answer; or talk yourself, with --mic or --browser.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "file",
        type=Path,
        nargs="?",
        metavar="FILE.wav",
        help="any rate, mono or stereo, 8 to 32 bit",
    )
    what.add_argument(
        "--mic",
        action="store_true",
        help="talk through microphone and loudspeaker until Ctrl-C",
    )
    what.add_argument(
        "--browser",
        action="store_true",
        help="talk in a page of the browser, which takes the echo out, until Ctrl-C",
    )
    add_server_options(parser)
    add_json_option(parser)
    add_talk_pace_option(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("realtime-talk"),
        metavar="FOLDER",
        help="where to write question.wav, answer.wav and session.jsonl of a FILE.wav "
        "(default: %(default)s)",
    )
    parser.set_defaults(run=run_talk)


def add_talk_pace_option(parser: argparse.ArgumentParser) -> None:
    """Give a command ``--pace``."""
    parser.add_argument(
        "--pace",
        choices=("realtime", "full"),
        default="realtime",
        help="as one speaks, or as fast as the connection takes it "
        "(default: %(default)s)",
    )


def run_talk(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.browser:
        from . import web

        with server_url(options) as url:
            return web.talk_on_web_page(url, options)
    from .. import audio, live

    # Of two protocols that people talk in alike.
    is_live = live.is_live_model(options.model)
    if options.mic:
        from . import live_talk, microphone

        converse = (
            live_talk.live_conversation if is_live else microphone.talk_by_microphone
        )
        with server_url(options) as url:
            return converse(url, options)
    from . import live_talk, voice_demo

    speak = live_talk.speak_to_live if is_live else voice_demo.speak_voice_demo
    with ExitStack() as stack:
        # Before a server is started or a connection is made for nothing.
        spool = Path(stack.enter_context(TemporaryDirectory()))
        sound = sound_to_read_twice(options.file, spool)
        with sound_named_as_given(sound, options.file):
            seconds = audio.file_seconds(sound)
        if not seconds:
            raise ConfigurationError(f"there is no sound in {options.file}")
        check_output_folder(options.out, SPOKEN_FILES, [options.file])
        url = stack.enter_context(server_url(options))
        screen = stack.enter_context(open_terminal_screen(json=options.json))
        return speak(sound, url, options, options.out, screen)
