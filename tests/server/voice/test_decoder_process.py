"""The decoder's process answers, and ends with the one who made it."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from realtime_sync.errors import RealtimeError
from realtime_sync.server.voice import decoder_process, recognizer
from realtime_sync.server.voice.decoder_process import (
    DecoderProcess,
    DecoderStopped,
    serve_decoder,
)

SECOND = bytes(32000)


def test_a_closed_decoder_is_not_usable_and_says_so() -> None:
    """A turn that comes too late raises instead of waiting."""
    decoder = DecoderProcess()
    before = decoder.usable
    decoder.close()

    assert before and not decoder.usable
    with pytest.raises(DecoderStopped):
        decoder.decode(SECOND)


def test_a_decoder_that_dies_in_mid_turn_is_noticed() -> None:
    """Its end ends the wait."""
    decoder = DecoderProcess()
    decoder._process.kill()

    with pytest.raises(DecoderStopped):
        decoder.decode(SECOND)
    decoder.close()


def test_a_decoder_of_the_other_side_of_a_fork_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two processes that write into one pipe would mix their turns."""
    decoder = DecoderProcess()
    monkeypatch.setattr(os, "getpid", lambda: -1)

    assert not decoder.usable
    monkeypatch.undo()
    decoder.close()


def test_a_process_that_ignores_the_end_of_its_input_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Closing never waits longer than its grace."""
    monkeypatch.setattr(decoder_process, "_GRACE_S", 0.01)
    monkeypatch.setattr(
        decoder_process, "_PROGRAM", "import threading as t; t.Event().wait()"
    )
    decoder = DecoderProcess()
    decoder.close()

    assert decoder._process.returncode is not None


def test_ctrl_c_does_not_reach_a_decoder_that_is_still_importing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal sends it to both; only the program itself has something to say."""
    (tmp_path / "realtime_sync").mkdir()
    (tmp_path / "realtime_sync" / "__init__.py").write_text(
        "import os, signal; os.kill(os.getpid(), signal.SIGINT); raise SystemExit(7)"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    decoder = DecoderProcess()

    assert 7 == decoder._process.wait(60)
    decoder.close()


def test_a_recognizer_that_cannot_start_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After two processes the recognizer gives up, and stays usable."""
    monkeypatch.setattr(decoder_process, "_PROGRAM", "raise SystemExit(3)")
    hearing = recognizer.SphinxRecognizer()
    loud = struct.pack("<h", 9000) * 16000
    for _ in range(2):
        with pytest.raises(RealtimeError, match="speech recognition failed"):
            hearing.transcribe(loud, 16000)
    hearing.close()


def test_the_program_of_the_process_answers_each_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Length and audio come in, length and text go out, until the input ends."""
    turns = b"".join(struct.pack("<I", len(pcm)) + pcm for pcm in (SECOND, SECOND))
    source = io.TextIOWrapper(io.BytesIO(turns + b"cut"))
    sink = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdin", source)
    monkeypatch.setattr(sys, "stdout", sink)
    serve_decoder()
    answers = sink.buffer.getvalue()
    (size,) = struct.unpack("<I", answers[:4])

    assert answers == answers[: 4 + size] * 2


def test_the_process_ends_with_the_program_that_made_it() -> None:
    """Also when nobody closes it; nothing is written to standard error."""
    program = (
        "from realtime_sync.server.voice import default_recognizer; "
        "print(default_recognizer()._idle.get()._process.pid)"
    )
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
        check=True,
    )

    assert b"" == ended.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(ended.stdout), 0)
