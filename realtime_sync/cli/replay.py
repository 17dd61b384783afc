"""``realtime-sync replay log.jsonl``: a recorded conversation once more."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..protocol.escape import one_line
from .event_lines import counted
from .json_output import Commands, add_json_option, print_json
from .terminal import open_terminal_screen
from .transcript import TerminalTranscript

if TYPE_CHECKING:
    from .. import Router
    from ..dispatch.event_names import EventName


def add_replay_command(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "replay",
        help="play a recorded conversation, without a server",
        description="Play a recording through the client and print who says what, at "
        "the pace at which it happened or at once. Nothing is sent.",
    )
    parser.add_argument("log", type=Path, metavar="LOG.jsonl", help="the recording")
    parser.add_argument(
        "--speed",
        type=float,
        default=0.0,
        metavar="FACTOR",
        help="1 is the pace of the recording, 0 does not wait (default: %(default)s)",
    )
    add_json_option(parser)
    parser.set_defaults(run=run_replay)


def run_replay(options: argparse.Namespace) -> int:
    """Run the command."""
    from .. import Router, replay

    router = Router("replay")
    with open_terminal_screen(json=options.json) as screen:
        if not options.json:
            _print_replayed_words(router, TerminalTranscript(screen))
        snapshot = replay(options.log, router=router, speed=options.speed)
    if options.json:
        print_json(snapshot.to_dict())
        return 0
    usage = snapshot.usage
    print()
    print(
        f"{counted(len(snapshot.items), 'item')}, "
        f"{counted(len(snapshot.responses), 'response')}, "
        f"{usage.input_tokens} tokens in ({usage.cached_tokens} cached), "
        f"{usage.output_tokens} out"
    )
    for anomaly in snapshot.anomalies:
        told = f"{anomaly.kind}: {anomaly.event_type}: {anomaly.detail}"
        print(f"anomaly: {one_line(told)}")
    return 0


def _print_replayed_words(router: Router, transcript: TerminalTranscript) -> None:
    """Print what is said when it is said."""
    router.on(
        "conversation.item.input_audio_transcription.completed",
        lambda event: transcript.user(str(event.transcript)),
    )
    names: tuple[EventName, ...] = (
        "response.output_text.delta",
        "response.output_audio_transcript.delta",
    )
    for name in names:
        router.on(name, lambda event: transcript.server(str(event.delta)))
    router.on("response.done", lambda event: transcript.end())
    router.on(
        "conversation.item.added",
        lambda event: _written_in_replay(event.item, transcript),
    )
    router.on("error", lambda event: transcript.note(str(event.error.message)))


def _written_in_replay(item: object, transcript: TerminalTranscript) -> None:
    if getattr(item, "role", None) != "user":
        return
    text = "".join(
        part.text for part in getattr(item, "content", None) or () if part.text
    )
    if text:
        transcript.user(text)
