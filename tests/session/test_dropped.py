"""A session that the program lets go of without closing it: it ends, and says so."""

from __future__ import annotations

import gc
import json
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy, Router, Session, connect
from realtime_sync.testing import MemoryTransport
from tests.rawserver import Peer, RawServer

pytestmark = [pytest.mark.usefixtures("arrangement"), pytest.mark.shared]

LONG = 10.0
MANY = 20


class Served:
    """A server that greets, and tells how its connections end."""

    def __init__(self) -> None:
        self.ended = threading.Semaphore(0)
        self.speak = threading.Event()
        self.server = RawServer(self.script)

    def script(self, peer: Peer) -> None:
        """Greet, commit when told to, answer the close."""
        peer.greet()
        if self.speak.is_set():
            peer.hear_until("input_audio_buffer.clear")
            peer.say({"type": "input_audio_buffer.cleared", "event_id": "e"})
        peer.answer_close()
        self.ended.release()

    def opened(self, **options: Any) -> Session:
        """A session with it."""
        return connect("m", base_url=self.server.url, api_key=None, **options)


@pytest.fixture
def served() -> Iterator[Served]:
    """Serves on loopback."""
    served = Served()
    yield served
    served.server.stop()
    assert [] == served.server.failures


@pytest.fixture
def warned() -> Iterator[threading.Semaphore]:
    """Released by each `ResourceWarning`, whatever thread gives it."""
    told = threading.Semaphore(0)

    def show(message: Any, category: type[Warning], *where: Any) -> None:
        if category is ResourceWarning and "dropped without close" in str(message):
            told.release()

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show  # type: ignore[assignment]
        yield told


def collect() -> None:
    """Have the collector find what is in a circle with itself."""
    gc.collect()


def test_sessions_that_nobody_holds_end_with_a_warning(
    served: Served, warned: threading.Semaphore
) -> None:
    """Each with a close frame; what it had of the system is given back."""
    gone, lives = [], []
    for _ in range(MANY):
        session = served.opened()
        session.on("response.done", print)
        gone.append(weakref.ref(session))
        lives.append(session._lifecycle)
    del session
    collect()

    assert all(served.ended.acquire(timeout=LONG) for _ in range(MANY))
    assert all(warned.acquire(timeout=LONG) for _ in range(MANY))
    assert [None] * MANY == [each() for each in gone]
    assert all(life.over.wait(LONG) for life in lives)


def test_the_collector_may_find_it_under_any_lock(
    served: Served, warned: threading.Semaphore
) -> None:
    """Commands, registrations and workers have theirs: none is waited for."""
    session = served.opened()
    parts = session._parts
    lifecycle = session._lifecycle
    locks = [parts.pending.order, lifecycle._lock]
    for router in parts.routers:
        locks.append(router._lock)
    threads = lifecycle._threads
    assert threads is not None
    locks.append(threads.loop._lock)
    for lock in locks:
        lock.acquire()
    del session
    collector = threading.Thread(target=collect)
    collector.start()
    collector.join(LONG)
    stuck = collector.is_alive()
    for lock in locks:
        lock.release()
    collector.join()

    assert not stuck
    assert warned.acquire(timeout=LONG)
    assert lifecycle.over.wait(LONG)


def test_handlers_of_a_router_do_not_hold_a_session(
    served: Served, warned: threading.Semaphore
) -> None:
    """They are there for any number of sessions, and know none."""
    router = Router()
    router.on("input_audio_buffer.cleared", lambda event, ctx: None)
    session = served.opened(router=router)
    life = session._lifecycle
    del session
    collect()

    assert warned.acquire(timeout=LONG)
    assert served.ended.acquire(timeout=LONG)
    assert life.over.wait(LONG)


def test_a_session_that_is_closed_ends_without_a_warning(
    served: Served, warned: threading.Semaphore
) -> None:
    """By a ``with`` block, or by itself."""
    with served.opened():
        pass
    served.opened().close()
    collect()

    assert all(served.ended.acquire(timeout=LONG) for _ in range(2))
    assert not warned.acquire(blocking=False)


def hold_by_stream(session: Session) -> Any:
    """The next event of a stream."""
    events = iter(session.events("input_audio_buffer.cleared"))
    return lambda: next(events)


def hold_by_expectation(session: Session) -> Any:
    """The outcome of an expectation."""
    return session.expect("input_audio_buffer.cleared").result


def hold_by_handler(session: Session) -> Any:
    """What a handler is given that uses its session."""
    heard = threading.Event()

    def handler(event: Any) -> None:
        assert session.is_open
        heard.set()

    session.on("input_audio_buffer.cleared", handler)
    return lambda: heard.wait(LONG)


def hold_by_resource(session: Session) -> Any:
    """What is known of the conversation."""
    response = session.response
    return lambda: not response.unnamed


@pytest.mark.parametrize(
    "hold", [hold_by_stream, hold_by_expectation, hold_by_handler, hold_by_resource]
)
def test_what_still_uses_a_session_holds_it(
    served: Served, warned: threading.Semaphore, hold: Callable[[Session], Any]
) -> None:
    """A program need not have it in a variable of its own."""
    served.speak.set()
    session = served.opened()
    held, outcome = weakref.ref(session), hold(session)
    clear = session.input_audio_buffer.clear
    del session
    collect()

    clear().acknowledged(LONG)
    assert outcome()
    left = held()
    assert left is not None and left.is_open
    left.close()
    assert not warned.acquire(blocking=False)


def test_a_handler_that_runs_holds_its_session(
    served: Served, warned: threading.Semaphore
) -> None:
    """It ends once the handler has returned."""
    served.speak.set()
    inside, leave = threading.Event(), threading.Event()

    def handler(event: Any, ctx: Any) -> None:
        inside.set()
        assert leave.wait(LONG)
        assert ctx.session.is_open

    session = served.opened()
    held, life = weakref.ref(session), session._lifecycle
    session.on("input_audio_buffer.cleared", handler)
    session.input_audio_buffer.clear().acknowledged(LONG)
    assert inside.wait(LONG)
    del session
    collect()

    assert held() is not None
    leave.set()
    assert any(collect() or warned.acquire(timeout=0.05) for _ in range(200))
    assert served.ended.acquire(timeout=LONG)
    assert life.over.wait(LONG)


def test_a_recording_of_a_dropped_session_is_whole(
    served: Served, warned: threading.Semaphore, tmp_path: Path
) -> None:
    """The file ends with the session's end."""
    session = served.opened()
    life, recording = session._lifecycle, session.record(tmp_path / "call.jsonl")
    del session
    collect()

    assert warned.acquire(timeout=LONG)
    assert life.over.wait(LONG)
    recording.close()
    lines = map(json.loads, (tmp_path / "call.jsonl").read_text().splitlines())
    assert "recording.ended" == list(lines)[-1]["note"]["type"]


def test_a_session_that_is_dropped_between_connections_ends(
    served: Served, warned: threading.Semaphore
) -> None:
    """The next attempt is not waited for."""
    lost = threading.Event()
    policy = ReconnectPolicy(base=60.0, cap=60.0, hook=lambda attempt: lost.set())
    with RawServer(lambda peer: peer.greet()) as server:
        session = connect("m", base_url=server.url, api_key=None, reconnect=policy)
        life = session._lifecycle
        assert lost.wait(LONG)
        del session
        collect()

        assert warned.acquire(timeout=LONG)
        assert life.over.wait(LONG)


def test_a_live_session_is_not_held_by_its_clock(warned: threading.Semaphore) -> None:
    """Silence, delegations and renewal are kept by the loop, the session is not."""
    ended = threading.Event()

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.hear_until("session.start")
        peer.say({"type": "session.started", "event_id": "e", "session": {"id": "s"}})
        peer.answer_close()
        ended.set()

    with RawServer(script) as server:
        session = connect("gpt-live-1", base_url=server.url, api_key=None)
        session.delegate(lambda task: None)
        held, life = weakref.ref(session), session._lifecycle
        del session
        collect()

        assert held() is None
        assert warned.acquire(timeout=LONG)
        assert ended.wait(LONG)
        assert life.over.wait(LONG)


@pytest.mark.parametrize("dispatch", ["thread", "manual", "inline"])
def test_a_session_without_a_socket_ends_with_a_warning_too(
    warned: threading.Semaphore, dispatch: Any
) -> None:
    """A transport without a loop has nobody who could be asked; somebody comes."""
    memory = MemoryTransport()
    session = connect("m", transport=memory, dispatch=dispatch)
    session.on("response.done", print)
    gone, life = weakref.ref(session), session._lifecycle
    del session
    collect()

    assert warned.acquire(timeout=LONG)
    assert life.over.wait(LONG)
    assert gone() is None
    assert (1000, "") == memory.closed


def test_sessions_without_a_socket_may_be_collected_under_their_locks(
    warned: threading.Semaphore,
) -> None:
    """As those with one may."""
    session = connect("m", transport=MemoryTransport(), dispatch="inline")
    parts, life = session._parts, session._lifecycle
    locks = [parts.pending.order, life._lock]
    for lock in locks:
        lock.acquire()
    del session
    collect()
    over = life.over.is_set()
    for lock in locks:
        lock.release()

    assert not over
    assert warned.acquire(timeout=LONG)
    assert life.over.wait(LONG)
