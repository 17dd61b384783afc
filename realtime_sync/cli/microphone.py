"""``talk --mic``: a conversation aloud, with a live view."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager

from .. import audio
from .conversation import SpokenConversation
from .json_output import print_json
from .latency import latency_table
from .screen import Screen
from .server_options import session_by_options
from .status import LiveStatus
from .terminal import open_terminal_screen
from .transcript import TerminalTranscript


def talk_by_microphone(
    url: str | None,
    options: argparse.Namespace,
    *,
    microphone: AbstractContextManager[Iterable[bytes]] | None = None,
    speaker: AbstractContextManager[audio.Speaker] | None = None,
) -> int:
    """
    Talk until Ctrl-C, or until the session is over.

    Args:
        url: of the server.
        options: as the parser gives them.
        microphone: instead of the default one: a context manager that gives blocks.
        speaker: instead of the default one.

    Raises:
        ConfigurationError: there is no microphone or loudspeaker.
    """
    print("speak; Ctrl-C ends the conversation", file=sys.stderr)
    with open_terminal_screen(json=options.json) as screen:
        session = session_by_options(url, options, audio.TALK_CONFIG)
        conversation = SpokenConversation(session, TerminalTranscript(screen))
        meter = audio.LevelMeter(LiveStatus(session, screen).heard)
        if microphone is None:
            microphone = audio.Microphone(on_block=meter.feed)
        if speaker is None:
            speaker = audio.Speaker()
        try:
            with microphone as mic, speaker as loud, session:
                audio.talk(session, mic, loud)
        except KeyboardInterrupt:
            # The way to end a conversation, so no failure.
            pass
        finally:
            session.close(drain=False)
        _tell_of_microphone(conversation, options, screen)
    return 0


def _tell_of_microphone(
    conversation: SpokenConversation, options: argparse.Namespace, screen: Screen
) -> None:
    screen.status(None)
    screen.end()
    if options.json:
        for turn in conversation.turns:
            print_json(turn.to_dict())
    elif conversation.turns:
        screen.line("")
        screen.table(latency_table(conversation.turns))
