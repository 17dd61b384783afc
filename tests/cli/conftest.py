"""A quick server and a spoken file for the tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_sync import audio
from realtime_sync.server import Server, serve


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that hears what is loud and hums the length of it."""
    with serve(agent="echo", api_keys=["good-key"]) as running:
        yield running


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that the server accepts, and no other address."""
    monkeypatch.setenv("OPENAI_API_KEY", "good-key")


@pytest.fixture
def loud(tmp_path: Path) -> Path:
    """A file with half a second of something loud, at the rate of a CD."""
    path = tmp_path / "loud.wav"
    sound = audio.silence(0.1) + audio.tone(440, 0.5, level=-6)
    audio.write_wav(
        path,
        audio.convert(sound, "pcm16", "pcm16", to_rate=44_100),
        rate=44_100,
    )
    return path
