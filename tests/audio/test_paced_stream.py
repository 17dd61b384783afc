"""Streaming audio to a session."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from realtime_sync import audio
from realtime_sync.errors import ConfigurationError


class Buffer:
    """Stands in for a session: keeps what is appended."""

    def __init__(self, **config: Any) -> None:
        self.config = SimpleNamespace(**config)
        self.session_type = "realtime"
        self.input_audio_buffer = self
        self.blocks: list[bytes] = []

    def append(self, block: bytes) -> None:
        """Keep one block."""
        self.blocks.append(block)


def half_second(folder: Path) -> Path:
    """Half a second of a tone in a file."""
    audio.write_wav(folder / "tone.wav", audio.tone(440, 0.5))
    return folder / "tone.wav"


def test_a_file_is_streamed_in_the_session_format(tmp_path: Path) -> None:
    """A telephone session gets G.711, followed by its own kind of silence."""
    path = half_second(tmp_path)
    wire = SimpleNamespace(type="audio/pcmu", rate=None)
    session: Any = Buffer(audio=SimpleNamespace(input=SimpleNamespace(format=wire)))
    seconds = audio.stream_file(session, path, pace="full", silence=0.1)

    assert 0.6 == seconds
    assert [160] * 30 == [len(block) for block in session.blocks]
    assert audio.read_file(path, "g711_ulaw") == b"".join(session.blocks[:25])
    assert b"\xff" * 160 == session.blocks[-1]


def test_a_session_that_has_said_nothing_takes_pcm(tmp_path: Path) -> None:
    """The protocol's default is what is sent."""
    path = half_second(tmp_path)
    session: Any = Buffer()
    audio.stream_file(session, path, pace="full")

    assert audio.read_file(path) == b"".join(session.blocks)


def test_a_format_can_be_forced(tmp_path: Path) -> None:
    """For servers that do not say what they expect."""
    path = half_second(tmp_path)
    session: Any = Buffer()
    audio.stream_file(
        session, path, pace="full", format={"type": "audio/pcm", "rate": 16_000}
    )

    assert 16_000 == len(b"".join(session.blocks))


def test_a_block_is_sent_when_its_end_is_due(tmp_path: Path) -> None:
    """Real-time pace is that of a microphone: 20 ms are sent 20 ms after they began."""
    path = half_second(tmp_path)
    session: Any = Buffer()
    pacer = Remembering()
    audio.stream_file(session, path, pace=pacer)

    assert [0.0] + [0.02 * n for n in range(1, 26)] == pytest.approx(pacer.positions)


def test_a_stopped_pacer_ends_the_stream(tmp_path: Path) -> None:
    """What was not yet due is not sent."""
    path = half_second(tmp_path)
    session: Any = Buffer()
    seconds = audio.stream_file(session, path, pace=Remembering(stop_after=11))

    assert 10 == len(session.blocks)
    assert 0.2 == seconds


def test_realtime_is_the_default_pace(tmp_path: Path) -> None:
    """A fifth of a second of audio takes a fifth of a second."""
    path = tmp_path / "short.wav"
    audio.write_wav(path, audio.tone(440, 0.2))
    session: Any = Buffer()
    start = time.monotonic()
    audio.stream_file(session, path)

    assert 0.2 <= time.monotonic() - start < 5


def test_an_unknown_pace_is_refused(tmp_path: Path) -> None:
    """The message names the two there are."""
    with pytest.raises(ConfigurationError, match="realtime"):
        audio.stream_file(
            Buffer(), tmp_path / "any.wav", pace="slow"  # type: ignore[arg-type]
        )


class Remembering(audio.Pacer):
    """Never waits; remembers for which positions it was asked to."""

    def __init__(self, stop_after: int = 1_000) -> None:
        super().__init__()
        self.positions: list[float] = []
        self.stop_after = stop_after

    def wait(self, position: float) -> bool:
        """Note the position."""
        self.positions.append(position)
        return len(self.positions) <= self.stop_after


def test_blocks_are_seen_after_they_were_sent(tmp_path: Path) -> None:
    """A level meter or a stopwatch can follow the stream."""
    session: Any = Buffer()
    seen: list[tuple[int, bytes]] = []
    audio.stream(
        session,
        iter([b"ab", b"cd"]),
        pace="full",
        on_block=lambda block: seen.append((len(session.blocks), block)),
    )

    assert [(1, b"ab"), (2, b"cd")] == seen
