"""
The public behaviour under ``gevent.monkey.patch_all()``.

A patched process runs `gevent_program`; the servers are in this one, which is not
patched. Each test looks at one result of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime_sync.server import serve
from tests.rawserver import Peer
from tests.stress.sequenced_server import LONG, Place

pytest.importorskip("gevent")

PROGRAM = Path(__file__).with_name("gevent_program.py")
ROOT = Path(__file__).parents[2]


def silent(peer: Peer) -> None:
    """Greet, and read nothing."""
    peer.greet()
    peer.hold()


def repeating(peer: Peer) -> None:
    """Say each number again as a text delta."""
    peer.greet()
    for _ in range(200):
        number = str(peer.hear()["number"])
        peer.say({"type": "response.output_text.delta", "delta": number})
    peer.answer_close()


@pytest.fixture(
    scope="module",
    params=["private", pytest.param("shared", marks=pytest.mark.deep)],
)
def results(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """What the program found, by the name of its parts."""
    with serve() as echo, Place(silent) as deaf, Place(repeating, secure=True) as tls:
        done = subprocess.run(
            [
                sys.executable,
                str(PROGRAM),
                *(echo.url, deaf.url, tls.url),
                request.param,
            ],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert "" == done.stderr
        assert 0 == done.returncode
        last = echo.sessions[-1]
        echo.wait_closed(last, LONG)
        yield {**json.loads(done.stdout), "last close": last.close_code}


def test_one_conversation(results: dict[str, Any]) -> None:
    """Connect, handlers of every kind, ask, wait, close; no thread is left."""
    text, seen, complete, code, left = results["one_conversation"]

    assert "Hello" in text
    assert ["inline", "queued", "timeout"] == seen
    assert (True, 1000, []) == (complete, code, left)


def test_twenty_greenlets_ask(results: dict[str, Any]) -> None:
    """Over one session, in turns and side by side."""
    assert 20 == results["twenty_greenlets_ask"]


def test_other_greenlets_run_while_one_waits(results: dict[str, Any]) -> None:
    """Nothing in the library blocks the one thread that there is."""
    assert results["others_run_while_one_waits"] > 10


def test_other_modes(results: dict[str, Any]) -> None:
    """Handlers in the waiting greenlet, and on the loop."""
    assert ["response.done", True] * 2 == results["modes"]


def test_reconnecting(results: dict[str, Any]) -> None:
    """A lost connection is replaced, and the conversation with it."""
    assert [2, 4] == results["reconnecting"]


def test_closing_from_many_greenlets(results: dict[str, Any]) -> None:
    """And while one of them waits."""
    assert [[True] * 5, "ConnectionClosedOK"] == results["closing_from_many"]


def test_a_silent_server_is_noticed(results: dict[str, Any]) -> None:
    """Deadlines and pings go by gevent's clock as well."""
    assert results["silent_server"] is True


def test_tls(results: dict[str, Any]) -> None:
    """Reads and writes of several greenlets over one TLS connection."""
    assert results["tls"] is True


def test_playing(results: dict[str, Any]) -> None:
    """Five blocks on a greenlet that waits between them, and none is left."""
    assert [True, 5, False] == results["playing"]


def test_leaving_without_a_close(results: dict[str, Any]) -> None:
    """The process ends, and the server is told."""
    assert 1000 == results["last close"]
