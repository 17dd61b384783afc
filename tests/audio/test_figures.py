"""
Long runs and figures: pace, resampling, interruption.

``pytest -s`` shows the figures.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
import soundfile

from realtime_sync import audio, connect
from realtime_sync.server import serve


class Counter:
    """Stands in for a session: counts what is appended, and when the last came."""

    session_type = "realtime"
    config = None

    def __init__(self) -> None:
        self.input_audio_buffer = self
        self.size = 0
        self.worst = 0.0
        self.start = time.monotonic()

    def append(self, block: bytes) -> None:
        """Count a block, and how far it is from its time."""
        self.size += len(block)
        late = time.monotonic() - self.start - self.size / 48_000
        self.worst = max(self.worst, abs(late))


def stereo(path: Path, seconds: int) -> Path:
    """A long file: 440 Hz on both channels at 44.1 kHz."""
    second = numpy.sin(2 * numpy.pi * 440 * numpy.arange(44_100) / 44_100) * 0.1
    frames = numpy.repeat(second[:, None], 2, axis=1)
    with soundfile.SoundFile(path, "w", 44_100, 2, "PCM_24") as file:
        for _ in range(seconds):
            file.write(frames)
    return path


@pytest.mark.parametrize("seconds", [60, pytest.param(600, marks=pytest.mark.deep)])
def test_a_long_stream_is_sample_exact(tmp_path: Path, seconds: int) -> None:
    """No sample is lost or added by cutting, mixing and resampling."""
    session: Any = Counter()
    sent = audio.stream_file(
        session, stereo(tmp_path / "long.wav", seconds), pace="full"
    )

    assert seconds * 48_000 == session.size
    assert seconds == sent


@pytest.mark.soak
@pytest.mark.timeout(700)
def test_ten_minutes_do_not_drift(tmp_path: Path) -> None:
    """The last block is as punctual as the first."""
    session: Any = Counter()
    path = stereo(tmp_path / "long.wav", 600)
    session.start = time.monotonic()
    audio.stream_file(session, path)
    drift = time.monotonic() - session.start - 600
    print(
        f"ten minutes: {session.size} bytes, drift {drift * 1e3:.2f} ms, "
        f"worst block {session.worst * 1e3:.1f} ms"
    )

    assert 600 * 48_000 == session.size
    assert abs(drift) < 0.020


def snr(reference: Any, result: Any) -> float:
    """Signal to noise in dB, without the edges."""
    noise = (result - reference)[2400:-2400]
    return float(
        10 * numpy.log10((reference[2400:-2400] ** 2).sum() / (noise**2).sum())
    )


def test_figures_of_conversion(tmp_path: Path) -> None:
    """Companding there and back, and a CD made into a session's format."""
    figures = {}
    sine = audio.tone(1004, 1, audio.audio_format("pcm16", rate=8000))
    original = numpy.frombuffer(sine, dtype="<i2").astype(float)
    for law in ("g711_ulaw", "g711_alaw"):
        there = audio.convert(sine, "pcm16", law, rate=8000)
        back = audio.convert(there, law, "pcm16", to_rate=8000)
        figures[law] = snr(original, numpy.frombuffer(back, dtype="<i2"))
    # The reference is the same sum of sines, made at 24 kHz.
    pitches = numpy.array([110, 997, 3400, 7000, 10_000])[:, None]
    made = {
        rate: numpy.sin(
            2 * numpy.pi * pitches * numpy.arange(2 * rate) / rate + pitches
        ).sum(axis=0)
        * 0.05
        for rate in (44_100, 24_000)
    }
    path = tmp_path / "cd.wav"
    soundfile.write(path, numpy.repeat(made[44_100][:, None], 2, axis=1), 44_100)
    result = numpy.frombuffer(audio.read_file(path), dtype="<i2") / 32_768
    figures["44.1 kHz stereo to 24 kHz mono"] = snr(made[24_000], result)
    print("\n".join(f"{name}: {db:.1f} dB" for name, db in figures.items()))

    assert figures["g711_ulaw"] >= 35
    assert figures["g711_alaw"] >= 35
    assert figures["44.1 kHz stereo to 24 kHz mono"] >= 60


class Ear:
    """A sink that notes when its last block came."""

    def __init__(self) -> None:
        self.size = 0
        self.last = 0.0
        self.changed = threading.Condition()

    def __call__(self, block: bytes) -> None:
        """Hear a block."""
        with self.changed:
            self.last = time.monotonic()
            self.size += len(block)
            self.changed.notify_all()


@pytest.mark.parametrize(
    "rounds", [8, pytest.param(100, marks=[pytest.mark.deep, pytest.mark.alone])]
)
@pytest.mark.timeout(300)
def test_figures_of_interruption(rounds: int) -> None:
    """From the wire to silence, and from the account to the ear."""
    silent, off = [], []
    for _ in range(rounds):
        one = interrupted()
        silent.append(one.silent)
        off.append(one.off)
    p99 = float(numpy.percentile(silent, 99))
    print(
        f"{rounds} interruptions: silent after {max(silent) * 1e3:.1f} ms at "
        f"most, p99 {p99 * 1e3:.1f} ms; account off by {max(off):.1f} ms at most"
    )

    assert rounds == len(silent)
    if rounds > 8:
        assert p99 <= 0.030
        assert max(off) <= 20


def interrupted() -> Any:
    """One answer, interrupted while a handler is blocked."""
    release = threading.Event()
    arrived: list[float] = []
    with serve(agent=lambda prompt: "a long answer " * 20, pace=3.0) as server:
        with connect("any", base_url=server.url) as session:
            session.on(
                "input_audio_buffer.speech_started",
                lambda event: arrived.append(time.monotonic()),
                inline=True,
            )
            session.on("response.audio.delta", lambda event: release.wait(30))
            ear = Ear()
            with audio.Player(ear) as player, player.attach(session):
                session.conversation.add_message("Tell me")
                session.response.create()
                with ear.changed:
                    assert ear.changed.wait_for(lambda: ear.size > 300 * 48, 20)
                with session.expect("conversation.item.truncated") as cut:
                    session.input_audio_buffer.append(audio.tone(440, 0.3, level=-6))
                cut_at = float(cut.result(20).audio_end_ms or 0)
                # The last block sounds for 20 ms after it came.
                silent = max(ear.last + 0.020 - arrived[0], 0.0)
                off = abs(ear.size / 48 - cut_at)
            release.set()
    return SimpleNamespace(silent=silent, off=off)
