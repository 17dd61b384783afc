"""``talk --mic``: a conversation aloud, with a live view."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

from .. import audio
from .conversation import Conversation
from .json_output import print_json
from .latency import latency_table
from .server_options import new_session
from .status import LiveState, StatusLine
from .transcript import LiveTranscript
from .voice_demo import CONFIG


def converse(
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
    line = StatusLine(shown=False if options.json else None)
    session = new_session(url, options, CONFIG)
    out: Any = sys.stderr if options.json else line
    transcript = LiveTranscript(out)
    conversation = Conversation(session, transcript)
    live = LiveState(session, line)
    meter = audio.LevelMeter(live.heard)
    if microphone is None:
        microphone = audio.Microphone(on_block=meter.feed)
    if speaker is None:
        speaker = audio.Speaker()
    print("speak; Ctrl-C ends the conversation", file=sys.stderr)
    try:
        with microphone as mic, speaker as loud, session:
            audio.talk(session, mic, loud)
    except KeyboardInterrupt:
        # The way to end a conversation, so no failure.
        pass
    finally:
        transcript.end()
        line.end()
        session.close(drain=False)
    _tell(conversation, options)
    return 0


def _tell(conversation: Conversation, options: argparse.Namespace) -> None:
    if options.json:
        for turn in conversation.turns:
            print_json(turn.to_dict())
    elif conversation.turns:
        print()
        print(latency_table(conversation.turns))
