"""Under gevent, and on import: nothing global is touched or relied on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime_sync.server import serve
from tests.certificates import authority, tls_pair
from tests.rawserver import Peer, RawServer

LONG = 20.0
ROOT = Path(__file__).parents[2]


def run(script: str, url: str, **variables: str) -> str:
    """Run a script in an interpreter of its own; what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=ROOT,
        env={**os.environ, "URL": url, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=LONG,
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def test_importing_starts_no_thread_and_configures_nothing() -> None:
    """The package is for libraries too."""
    script = """
import logging, signal, socket, sys, threading
before = signal.getsignal(signal.SIGINT), socket.getdefaulttimeout()
import realtime_sync
assert (signal.getsignal(signal.SIGINT), socket.getdefaulttimeout()) == before
assert threading.active_count() == 1
assert not logging.getLogger().handlers
assert not logging.getLogger("realtime_sync").handlers
assert "websocket" not in sys.modules
assert "requests" not in sys.modules
assert "cattrs" not in sys.modules
"""

    assert "" == run(script, "")


GEVENT = """
import warnings
warnings.simplefilter("ignore")
from gevent import monkey
monkey.patch_all()
"""


@pytest.mark.parametrize("threads", ["None", "Threads(workers=2)"])
def test_under_gevent_everything_behaves_the_same(threads: str) -> None:
    """After ``monkey.patch_all()``: handlers, waits, asks, closing."""
    pytest.importorskip("gevent")
    script = GEVENT + """
import os, threading
from realtime_sync import Threads, connect

threads = eval(os.environ["THREADS"])
with connect("m", base_url=os.environ["URL"], timeout=10, threads=threads,
             config={"output_modalities": ["text"]}) as session:
    seen = []
    session.on("response.done", lambda event: seen.append("done"))
    session.on("input_audio_buffer.cleared", lambda e: seen.append("in"), inline=True)
    print(session.ask("hello there").text)
    session.input_audio_buffer.clear().acknowledged()
    session.flush()
    results = []
    threads = [
        threading.Thread(
            target=lambda: results.append(session.ask("x", conversation="none").text)
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(results, sorted(seen), session.close_report.complete)
"""
    with serve(agent="echo") as server:
        output = run(script, server.url, THREADS=threads)

    assert [
        "hello there",
        "['x', 'x', 'x'] ['done', 'done', 'done', 'done', 'in'] True",
    ] == output.strip().split("\n")


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_under_gevent_sockets_behave_the_same(tmp_path: Path, secure: bool) -> None:
    """Large messages, timeouts and a lost connection, also over TLS."""
    pytest.importorskip("gevent")
    script = GEVENT + """
import os, ssl
from realtime_sync import connect, errors

trust = ssl.create_default_context(cafile=os.environ["CA"])
session = connect("m", base_url=os.environ["URL"], timeout=10, ssl_context=trust)
for _ in range(20):
    session.input_audio_buffer.append(bytes(1 << 20))
session.input_audio_buffer.clear().acknowledged()
try:
    session.wait_for("error", timeout=0.05)
except errors.WaitTimeout:
    print("timeout")
session.input_audio_buffer.commit()
try:
    session.wait_for("error")
except errors.ConnectionLost as exc:
    print(exc.code)
print(session.close().complete)
"""

    def serve_raw(peer: Peer) -> None:
        peer.greet()
        peer.hear_until("input_audio_buffer.clear")
        peer.say({"type": "input_audio_buffer.cleared", "event_id": "e"})
        peer.hear_until("input_audio_buffer.commit")

    authority().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with RawServer(serve_raw, tls=tls_pair()[0] if secure else None) as server:
        output = run(script, server.url, CA=str(tmp_path / "ca.pem"))

    assert ["timeout", "1006", "True"] == output.split()
