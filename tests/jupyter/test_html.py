"""What objects look like in a notebook; no kernel is needed for that."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import Snapshot, connect, jupyter
from realtime_sync.errors import ConfigurationError
from realtime_sync.jupyter import named_sessions
from realtime_sync.server import Server, serve
from realtime_sync.testing import MemoryTransport

MODEL = "gpt-realtime-2.1"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that says things back."""
    with serve(agent="echo") as running:
        yield running
        jupyter.close()


def test_session_snapshot_item_response_and_reply_show_themselves(
    server: Server,
) -> None:
    """Each is HTML with what was said in it, escaped."""
    session = jupyter.connect(MODEL, base_url=server.url)
    reply = session.ask(f"Hello {HOSTILE}", timeout=10)
    snapshot = session.snapshot
    (response,) = snapshot.responses.values()
    shown = {
        "session": session,
        "snapshot": snapshot,
        "item": snapshot.items[-1],
        "response": response,
        "reply": reply,
    }
    for kind, value in shown.items():
        text = jupyter.html_of(kind, value)

        assert "Hello &lt;script&gt;" in text
        assert HOSTILE not in text
        assert 'class="rs"' in text


def test_spoken_items_have_players(server: Server) -> None:
    """The mirror has no audio; the recording of a notebook session has."""
    session = jupyter.connect(MODEL, base_url=server.url)
    reply = session.ask("Hello", output_modalities=["audio"], timeout=10)
    last = session.snapshot.items[-1]

    assert reply.audio is not None
    assert "data:audio/mpeg;base64" in jupyter.html_of("reply", reply)
    assert "data:audio/mpeg;base64" in jupyter.html_of("item", last)
    assert "<svg" in jupyter.waveform(session)._repr_html_()
    assert "first audio" in jupyter.latency(session)._repr_html_()


def test_recording_is_read_once_however_many_items_are_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long conversation does not take the square of its length to be shown."""
    session = jupyter.connect(MODEL, base_url=server.url)
    for question in ("One", "Two", "Three"):
        session.ask(question, output_modalities=["audio"], timeout=10)
    read: list[Any] = []
    original = named_sessions.tell

    def counted(source: Any, **options: Any) -> Any:
        read.append(source)
        return original(source, **options)

    monkeypatch.setattr(named_sessions, "tell", counted)
    text = jupyter.html_of("session", session)

    assert 3 == text.count("data:audio/mpeg;base64")
    assert 1 == len(read)


@pytest.mark.skipif(sys.platform == "win32", reason="numbers of processes of Unix")
def test_recordings_of_killed_kernels_are_removed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold what was said; those of kernels that run are left alone."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = tmp_path / f"realtime-sync-{gone.pid}-abc"
    used = tmp_path / f"realtime-sync-{os.getpid()}-def"
    for folder in (left, used):
        folder.mkdir()
        (folder / "notebook.jsonl").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(named_sessions, "_folder", None)
    jupyter.connect(MODEL, base_url=server.url)
    jupyter.close()

    assert (False, True) == (left.exists(), used.exists())


def test_name_has_one_session(server: Server) -> None:
    """Connecting again closes the one before; other names are left alone."""
    other = jupyter.connect(MODEL, base_url=server.url, name="other")
    first = jupyter.connect(MODEL, base_url=server.url)
    second = jupyter.connect(MODEL, base_url=server.url)
    names = set(jupyter.sessions())
    states = [each.closed for each in (other, first, second)]
    jupyter.close("other")

    assert {"notebook", "other"} == names
    assert [False, True, False] == states


def test_failed_connect_leaves_no_session_behind(server: Server) -> None:
    """The name is free again."""
    with pytest.raises(ConfigurationError):
        jupyter.connect(MODEL, base_url="ftp://nowhere")

    assert {} == jupyter.sessions()


def test_pictures_of_other_sessions_say_how_to_get_them(server: Server) -> None:
    """A session without a recording has no waveform."""
    session = jupyter.connect(MODEL, base_url=server.url, record=False)
    with pytest.raises(ConfigurationError, match="jupyter.connect"):
        jupyter.waveform(session)


def test_empty_things_show_themselves() -> None:
    """Before anything was said there is something to look at, too."""
    assert "version 0" in jupyter.html_of("snapshot", Snapshot())


def test_outside_of_a_notebook_live_output_does_no_harm(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same script runs in a plain interpreter."""
    session = jupyter.connect(MODEL, base_url=server.url)
    live = jupyter.LiveTranscript(session)
    player = jupyter.BrowserPlayer(session)
    session.ask("Hello", timeout=10)
    session.flush()
    player.stop()
    live.stop()

    assert 0 == sum(sub.active for sub in session.handlers() if "jupyter" in sub.name)


def test_format_that_no_browser_plays_is_told_once() -> None:
    """And not at every piece of sound, nor at the end of the answer."""
    transport = MemoryTransport()
    told: list[str] = []
    with connect("m", transport=transport, dispatch="inline") as session:
        player = jupyter.BrowserPlayer(session, mode="turn")
        session.on("player.failed", lambda event: told.append(str(event.error)))
        session.on("handler.failed", lambda event: told.append(event.handler))
        for kind in ("audio/opus", "audio/pcm"):
            spoken = {"output": {"format": {"type": kind}}}
            transport.feed(
                {"type": "session.updated", "session": {"audio": spoken}},
                *[{"type": "response.output_audio.delta", "delta": "AAAA"}] * 20,
                {"type": "response.done", "response": {"id": f"r {kind}"}},
            )
        player.stop()

    (problem,) = told
    assert "audio/opus" in problem


def test_mode_of_the_player_is_checked(server: Server) -> None:
    """A misspelt mode is found at its line."""
    session = jupyter.connect(MODEL, base_url=server.url)
    with pytest.raises(ConfigurationError, match="stream"):
        jupyter.BrowserPlayer(session, mode="live")  # type: ignore[arg-type]
