"""One run of a spoken conversation: stream, listen, print, write."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import audio
from ..errors import RealtimeError, WaitTimeout
from ..protocol.escape import one_line
from .conversation import Conversation
from .json_output import print_json
from .latency import latency_table
from .server_options import new_session, record
from .status import LiveState, StatusLine
from .transcript import LiveTranscript

if TYPE_CHECKING:
    from .. import Session

BLOCK_MS = 20
TAIL = 1.5
"""Seconds of silence after the file, in which VAD may find that a turn is over."""
PATIENCE = 3.0
"""Seconds of silence after which speech that was not found will not be."""

GOOD = {"completed", "cancelled"}
"""Ends of an answer that are in order: said to the end, or interrupted."""

CONFIG = {
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "turn_detection": {"type": "server_vad"},
            "transcription": {"model": "gpt-transcribe"},
        }
    },
}


def speak(
    path: Path, url: str | None, options: argparse.Namespace, folder: Path
) -> int:
    """
    Speak a file to a server, print the transcript and the latencies.

    Writes ``question.wav``, ``answer.wav`` and ``session.jsonl`` to *folder*.

    Returns:
        0 when every turn was answered, else 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    session = new_session(url, options, CONFIG)
    as_json = bool(options.json)
    line = StatusLine(shown=False if as_json else None)
    out: Any = sys.stderr if as_json else line
    transcript = LiveTranscript(out)
    conversation = Conversation(session, transcript)
    meter = audio.LevelMeter(LiveState(session, line).heard)
    record(session, folder)
    try:
        with session:
            sent = _converse(session, path, conversation, options, meter)
    finally:
        transcript.release()
        transcript.end()
        line.end()
    _write(folder, session, sent, conversation)
    if as_json:
        for turn in conversation.turns:
            print_json(turn.to_dict())
        return 1 if any(turn.status not in GOOD for turn in conversation.turns) else 0
    return _report(folder, conversation)


def _converse(
    session: Session,
    path: Path,
    conversation: Conversation,
    options: argparse.Namespace,
    meter: audio.LevelMeter,
) -> bytes:
    """Send the file and then silence until the answer is complete."""
    sent = bytearray()
    wire = audio.session_format(session, "input")
    converter = audio.Converter(wire, "pcm16", to_rate=wire.rate)

    def note(block: bytes) -> None:
        sent.extend(block)
        meter.feed(converter.feed(block))

    blocks = _blocks(path, wire, conversation, options)
    audio.stream(session, blocks, pace=options.pace, format=wire, on_block=note)
    if options.pace == "full":
        # The server may be far behind. It answers in order: when this comes back,
        # it has been through all of the audio.
        session.input_audio_buffer.clear().acknowledged(timeout=options.timeout)
    if not conversation.wait_settled(options.timeout):
        raise WaitTimeout(_missing(path, conversation, options.timeout))
    return bytes(sent)


def _blocks(
    path: Path,
    wire: audio.AudioFormat,
    conversation: Conversation,
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


def _missing(path: Path, conversation: Conversation, timeout: float) -> str:
    """Why a conversation did not come to its end."""
    complaints = "".join(f"; the server says: {text}" for text in conversation.errors)
    if not conversation.started:
        return f"the server found no speech in {path}{complaints}"
    return f"no complete answer within {timeout:g} s{complaints}"


def _write(
    folder: Path, session: Session, sent: bytes, conversation: Conversation
) -> None:
    answer = b"".join(bytes(turn.audio) for turn in conversation.turns)
    wire = audio.session_format(session, "input")
    audio.write_wav(folder / "question.wav", sent, wire, rate=wire.rate)
    wire = audio.session_format(session, "output")
    audio.write_wav(folder / "answer.wav", answer, wire, rate=wire.rate)


def _report(folder: Path, conversation: Conversation) -> int:
    print()
    print(latency_table(conversation.turns))
    print()
    for name in ("question.wav", "answer.wav", "session.jsonl"):
        print(f"wrote {folder / name}")
    for text in conversation.errors:
        print(f"realtime-sync: the server says: {one_line(text)}", file=sys.stderr)
    failed = [turn for turn in conversation.turns if turn.status not in GOOD]
    for turn in failed:
        why = f": {turn.problem}" if turn.problem else ""
        told = one_line(f"the answer is {turn.status}{why}")
        print(f"realtime-sync: {told}", file=sys.stderr)
    return 1 if failed else 0
