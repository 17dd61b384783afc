"""One run of a spoken conversation: stream, listen, print, write."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .. import audio
from ..errors import RealtimeError, WaitTimeout
from ..protocol.escape import one_line
from .conversation import SpokenConversation
from .json_output import print_json
from .latency import latency_table
from .output_files import SPOKEN_FILES
from .screen import Screen
from .server_options import record_session, session_by_options
from .status import LiveStatus
from .transcript import TerminalTranscript

if TYPE_CHECKING:
    from .. import Session

BLOCK_MS = 20
TAIL = 1.5
"""Seconds of silence after the file, in which VAD may find that a turn is over."""
PATIENCE = 3.0
"""Seconds of silence after which speech that was not found will not be."""

GOOD = {"completed", "cancelled"}
"""Ends of an answer that are in order: said to the end, or interrupted."""


def speak_voice_demo(
    path: Path,
    url: str | None,
    options: argparse.Namespace,
    folder: Path,
    screen: Screen,
    *,
    speaker: audio.Speaker | None = None,
) -> int:
    """
    Speak a file to a server, show the transcript and the latencies.

    Writes ``question.wav``, ``answer.wav`` and ``session.jsonl`` to *folder*.

    Args:
        path: the file.
        url: of the server.
        options: as the parser gives them.
        folder: made if it is missing.
        screen: where to show it.
        speaker: plays both sides aloud.

    Returns:
        0 when every turn was answered, else 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    session = session_by_options(url, options, audio.TALK_CONFIG)
    transcript = TerminalTranscript(screen)
    conversation = SpokenConversation(session, transcript)
    meter = audio.LevelMeter(LiveStatus(session, screen).heard)
    if speaker is not None:
        session.on(
            "response.output_audio.delta",
            lambda event: speaker.write(event.delta or b""),
        )
    try:
        with record_session(session, folder), session:
            sent = _converse_in_voice_demo(
                session, path, conversation, options, meter, speaker
            )
        if speaker is not None:
            speaker.player.wait_heard(options.timeout)
    finally:
        transcript.release()
        screen.end()
        screen.status(None)
    _write_voice_demo(folder, session, sent, conversation)
    if options.json:
        for turn in conversation.turns:
            print_json(turn.to_dict())
        return 1 if any(turn.status not in GOOD for turn in conversation.turns) else 0
    return _report_voice_demo(folder, conversation, screen)


def _converse_in_voice_demo(
    session: Session,
    path: Path,
    conversation: SpokenConversation,
    options: argparse.Namespace,
    meter: audio.LevelMeter,
    speaker: audio.Speaker | None,
) -> bytes:
    """Send the file and then silence until the answer is complete."""
    sent = bytearray()
    wire = audio.session_format(session, "input")
    converter = audio.Converter(wire, "pcm16", to_rate=wire.rate)
    length = audio.file_seconds(path) * 1000

    def note(block: bytes) -> None:
        sound = converter.feed(block)
        meter.feed(sound)
        # The silence after the file would come between the pieces of the answer.
        if speaker is not None and wire.ms(len(sent)) < length:
            speaker.write(sound)
        sent.extend(block)

    blocks = _voice_demo_blocks(path, wire, conversation, options)
    audio.stream(session, blocks, pace=options.pace, format=wire, on_block=note)
    if options.pace == "full":
        # The server may be far behind. It answers in order: when this comes back,
        # it has been through all of the audio.
        session.input_audio_buffer.clear().acknowledged(timeout=options.timeout)
    if not conversation.wait_settled(options.timeout):
        raise WaitTimeout(_missing_in_voice_demo(path, conversation, options.timeout))
    return bytes(sent)


def _voice_demo_blocks(
    path: Path,
    wire: audio.AudioFormat,
    conversation: SpokenConversation,
    options: argparse.Namespace,
) -> Iterator[bytes]:
    """
    The file, then silence, as a microphone in a quiet room would go on.

    In real time there is silence until the answer is complete; at full speed
    only as much as server VAD needs.
    """
    yield from audio.file_blocks(path, wire, block_ms=BLOCK_MS)
    quiet = audio.silence(BLOCK_MS / 1000, wire)
    limit = options.timeout if options.pace == "realtime" else TAIL
    silent = 0.0
    while silent < limit and not (silent >= TAIL and conversation.settled()):
        if silent >= PATIENCE and not conversation.started:
            raise RealtimeError(f"the server found no speech in {path}")
        yield quiet
        silent += BLOCK_MS / 1000


def _missing_in_voice_demo(
    path: Path, conversation: SpokenConversation, timeout: float
) -> str:
    """Why a conversation did not come to its end."""
    complaints = "".join(f"; the server says: {text}" for text in conversation.errors)
    if not conversation.started:
        return f"the server found no speech in {path}{complaints}"
    return f"no complete answer within {timeout:g} s{complaints}"


def _write_voice_demo(
    folder: Path, session: Session, sent: bytes, conversation: SpokenConversation
) -> None:
    answer = b"".join(bytes(turn.audio) for turn in conversation.turns)
    wire = audio.session_format(session, "input")
    audio.write_wav(folder / "question.wav", sent, wire, rate=wire.rate)
    wire = audio.session_format(session, "output")
    audio.write_wav(folder / "answer.wav", answer, wire, rate=wire.rate)


def _report_voice_demo(
    folder: Path, conversation: SpokenConversation, screen: Screen
) -> int:
    screen.line("")
    screen.table(latency_table(conversation.turns))
    screen.line("")
    for name in SPOKEN_FILES:
        screen.line(f"wrote {folder / name}")
    for text in conversation.errors:
        print(f"realtime-sync: the server says: {one_line(text)}", file=sys.stderr)
    failed = [turn for turn in conversation.turns if turn.status not in GOOD]
    for turn in failed:
        why = f": {turn.problem}" if turn.problem else ""
        told = one_line(f"the answer is {turn.status}{why}")
        print(f"realtime-sync: {told}", file=sys.stderr)
    return 1 if failed else 0
