"""One run of a spoken conversation with GPT-Live: stream, listen, print, write."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from .. import audio, live
from ..errors import RealtimeError, WaitTimeout
from ..protocol.escape import one_line
from .json_output import print_json
from .live_view import LiveView
from .screen import Screen
from .server_options import live_session_by_options, record_session
from .terminal import open_terminal_screen

BLOCK_MS = 100.0
QUIET = 2.0
"""Seconds in which nobody speaks, after which an answer is complete."""
PATIENCE = 15.0
"""Seconds of silence after which speech that was not heard will not be."""


def no_delegation_here(task: live.Task) -> str:
    """Answer what is handed on, so that nobody waits for it."""
    return "There is no program here that could look that up. Say so briefly."


def answer_delegations(session: live.LiveSession) -> None:
    """Answer what a session hands on to the program."""
    session.delegate(no_delegation_here)


def speak_to_live(
    path: Path,
    url: str | None,
    options: argparse.Namespace,
    folder: Path,
    screen: Screen,
    *,
    config: live.LiveConfig | None = None,
    answer: Callable[[live.Task], Any] | None = no_delegation_here,
    tools: Sequence[Callable[..., Any]] = (),
    speaker: audio.Speaker | None = None,
) -> int:
    """
    Speak a file to a live session, show what both sides say.

    Writes ``question.wav``, ``answer.wav`` and ``session.jsonl`` to *folder*.

    Args:
        path: the file.
        url: of the server.
        options: as the parser gives them.
        folder: made if it is missing.
        screen: where to show it.
        config: of the session.
        answer: answers what is handed on to the program; None for a session that
            delegates to a backend.
        tools: functions that the backend may call.
        speaker: plays both sides aloud.

    Returns:
        0 when there was an answer, else 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    session = live_session_by_options(url, options, config, tools=tools)
    if answer is not None:
        session.delegate(answer)
    view = LiveView(session, screen)
    said = bytearray()
    session.on("session.output_audio.delta", lambda event: said.extend(event.delta))
    try:
        with record_session(session, folder), session:
            sent = _converse_live(session, path, options, view, speaker)
            report = session.close()
        if speaker is not None:
            speaker.player.wait_heard(options.timeout)
    finally:
        view.release()
    wire = audio.session_format(session, "output")
    audio.write_wav(folder / "question.wav", sent, wire, rate=wire.rate)
    audio.write_wav(
        folder / "answer.wav", _live_speech(said, wire), wire, rate=wire.rate
    )
    if options.json:
        _live_talk_json(session, report)
    else:
        screen.line("")
        screen.line(f"{_end_of_live_talk(report)}; wrote {folder / 'session.jsonl'}")
    for text in view.errors:
        print(f"realtime-sync: the server says: {one_line(text)}", file=sys.stderr)
    return 1 if view.errors else 0


def _converse_live(
    session: live.LiveSession,
    path: Path,
    options: argparse.Namespace,
    view: LiveView,
    speaker: audio.Speaker | None,
) -> bytes:
    """Send the file; silence follows by itself until the answer is complete."""
    sent = bytearray()
    wire = audio.session_format(session, "input")
    to_linear = audio.Converter(wire, "pcm16", to_rate=wire.rate)
    meter = audio.LevelMeter(view.heard)

    def note(block: bytes) -> None:
        sent.extend(block)
        sound = to_linear.feed(block)
        meter.feed(sound)
        if speaker is not None:
            speaker.write(sound)

    audio.stream_file(
        session, path, pace=options.pace, block_ms=BLOCK_MS, on_block=note
    )
    if speaker is not None:
        speaker.player.attach(session)
    _wait_for_live_words(session, path, options.timeout)
    session.wait_quiet(QUIET, timeout=options.timeout)
    return bytes(sent)


def _wait_for_live_words(session: live.LiveSession, path: Path, timeout: float) -> None:
    """
    Wait until the model has heard something, and said something.

    Raises:
        RealtimeError: it has heard nothing.
        WaitTimeout: it says nothing.
    """
    for speaker, limit in (("user", min(PATIENCE, timeout)), ("assistant", timeout)):
        until = time.monotonic() + limit
        snapshot = session.snapshot
        while not getattr(snapshot, speaker).text.strip():
            left = until - time.monotonic()
            if left <= 0 and speaker == "user":
                raise RealtimeError(f"the server found no speech in {path}")
            if left <= 0:
                raise WaitTimeout(f"no answer within {timeout:g} s")
            # Audio comes all the time, and each piece is a change.
            with suppress(WaitTimeout):
                session.wait_changed(snapshot.version, timeout=left)
            snapshot = session.snapshot


def _live_speech(said: bytearray, wire: audio.AudioFormat) -> bytes:
    """What the model said, without the silence around it."""
    size = wire.size(BLOCK_MS)
    blocks = [bytes(said[at : at + size]) for at in range(0, len(said), size)]
    silent = wire.silence * (size // len(wire.silence))
    voiced = [at for at, block in enumerate(blocks) if block != silent[: len(block)]]
    if not voiced:
        return b""
    return b"".join(blocks[voiced[0] : voiced[-1] + 1])


def _live_talk_json(session: live.LiveSession, report: live.LiveCloseReport) -> None:
    for each in session.snapshot.grouped(lossless=True):
        print_json(
            {
                "speaker": each.speaker,
                "text": each.text.strip(),
                "start_ms": each.start_ms,
                "end_ms": each.end_ms,
            }
        )
    print_json(
        {
            "seconds": report.total_seconds,
            "reason": report.reason,
            "confirmed": report.confirmed,
        }
    )


def _end_of_live_talk(report: live.LiveCloseReport) -> str:
    sure = "" if report.confirmed else ", not confirmed"
    return f"{report.total_seconds:g} s billed{sure}"


def live_conversation(
    url: str | None,
    options: argparse.Namespace,
    *,
    microphone: AbstractContextManager[Iterable[bytes]] | None = None,
    speaker: AbstractContextManager[audio.Speaker] | None = None,
) -> int:
    """Talk until Ctrl-C or the session's end; see `microphone.talk_by_microphone`."""
    print("speak; Ctrl-C ends the conversation", file=sys.stderr)
    with open_terminal_screen(json=options.json) as screen:
        session = live_session_by_options(url, options, None)
        session.delegate(no_delegation_here)
        view = LiveView(session, screen)
        if microphone is None:
            meter = audio.LevelMeter(view.heard)
            microphone = audio.Microphone(on_block=meter.feed)
        try:
            with microphone as mic, speaker or audio.Speaker() as loud, session:
                audio.talk(session, mic, loud)
        except KeyboardInterrupt:
            # The way to end a conversation, so no failure.
            pass
        finally:
            report = session.close()
            view.release()
        if options.json:
            _live_talk_json(session, report)
        else:
            screen.line(_end_of_live_talk(report))
    return 0


def ask_live(url: str | None, question: str, options: argparse.Namespace) -> int:
    """Speak a written question, print what is answered."""
    from ..server.voice import default_synthesizer

    sound = default_synthesizer().speak(question)
    session = live_session_by_options(url, options, None)
    session.delegate(no_delegation_here)
    with open_terminal_screen(json=options.json) as screen, session:
        wire = audio.session_format(session, "input")
        session.input_audio.append(audio.convert(sound, "pcm16", wire, rate=24_000))
        _wait_for_live_words(session, Path("the question"), options.timeout)
        session.wait_quiet(QUIET, timeout=options.timeout)
        text = session.snapshot.assistant.text.strip()
        heard = session.snapshot.user.text.strip()
        report = session.close()
        if options.json:
            print_json({"text": text, "heard": heard, "seconds": report.total_seconds})
        else:
            screen.line(text)
    return 0
