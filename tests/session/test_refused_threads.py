"""What becomes of a session for which the system gives no more threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy, Router, connect, open_sessions
from realtime_sync.testing import MemoryTransport
from tests.rawserver import Gone, Peer, RawServer
from tests.stress.test_interrupt_places import updated

LONG = 10.0


@contextmanager
def refusing(kind: str, times: int = 1000) -> Iterator[list[str]]:
    """Refuse so many threads with something in their names; gives the names."""
    start, refused = threading.Thread.start, list[str]()

    def start_or_refuse(thread: threading.Thread) -> None:
        if kind in thread.name and len(refused) < times:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", start_or_refuse)
        yield refused


def polite(peer: Peer) -> None:
    """Greet, break off when asked to, and answer the close."""
    peer.greet()
    try:
        while (command := peer.hear())["type"] != "vendor.drop":
            for event in updated(0, command):
                peer.say(event)
        peer.drop()
    except Gone:
        peer.close(1000)


def lively(peer: Peer) -> None:
    """Begin a session of GPT-Live, say something, and answer the close."""
    peer.upgrade()
    peer.hear_until("session.start")
    peer.say({"type": "session.started", "event_id": "e", "session": {"id": "s"}})
    try:
        peer.hear()
        peer.say({"type": "error", "event_id": "f", "error": {"message": "no"}})
        while True:
            peer.hear()
    except Gone:
        peer.close(1000)


def opened(server: RawServer, **options: Any) -> Any:
    """A session with threads of its own."""
    return connect(
        options.pop("model", "m"),
        base_url=server.url,
        api_key=None,
        router=Router("outside"),
        threads=None,
        timeout=LONG,
        **options,
    )


@pytest.mark.usefixtures("no_other_sessions")
@pytest.mark.parametrize("times", [1, 1000], ids=["once", "each time"])
@pytest.mark.parametrize("kind", [" loop", " handshake", " worker"])
def test_what_cannot_be_opened_says_so_and_leaves_nothing(
    kind: str, times: int
) -> None:
    """Neither a thread nor a socket; and the next one opens."""
    with RawServer(polite) as server:
        with refusing(kind, times) as refused:
            with pytest.raises(RuntimeError, match="new thread"):
                opened(server)
        left = open_sessions()
        report = opened(server).close()

    assert refused
    assert () == left
    assert (1000, True) == (report.code, report.complete)


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("kind", [" dialer", " handshake"])
def test_a_lost_connection_is_replaced_when_there_is_a_thread(
    kind: str, times: int
) -> None:
    """It is looked for again and again, as a server is that does not answer."""
    policy = ReconnectPolicy(attempts=times + 1, base=0.001, cap=0.002, restore=False)
    with RawServer(polite) as server, opened(server, reconnect=policy) as session:
        with refusing(kind, times) as refused:
            with session.expect("connection.restored") as restored:
                session.send({"type": "vendor.drop"})
                restored.result(LONG)

    assert times == len(refused)
    assert session.close_report.complete


def test_a_session_is_closed_whose_connection_nobody_can_replace() -> None:
    """Nothing waits for the thread that never comes."""
    policy = ReconnectPolicy(base=0.001, cap=0.002)
    with RawServer(polite) as server, opened(server, reconnect=policy) as session:
        with refusing(" dialer"):
            with session.expect("connection.lost") as lost:
                session.send({"type": "vendor.drop"})
                lost.result(LONG)
            report = session.close()

    assert report.complete


def test_a_live_session_ends_whose_handler_closes_it_without_a_thread() -> None:
    """The service is not asked for the end, since nobody can wait for that."""
    with RawServer(lively) as server:
        session = opened(server, model="gpt-live-1")
        over = threading.Event()
        session.on("connection.closed", lambda event: over.set())
        session.on("error", lambda event: session.close())
        with refusing(" closer") as refused:
            session.note("x")
            assert over.wait(LONG)
        report = session.close()

    assert 1 == len(refused)
    assert (1000, True) == (report.connection.code, report.connection.complete)


def test_a_recording_that_has_no_thread_is_refused_and_may_begin_later(
    tmp_path: Path,
) -> None:
    """Its file is closed."""
    with connect("m", transport=MemoryTransport(), threads=None) as session:
        with refusing(" recorder"):
            with pytest.raises(RuntimeError, match="new thread"):
                session.record(tmp_path / "call.jsonl")
        with session.record(tmp_path / "other.jsonl") as recording:
            pass

    assert recording.error is None
