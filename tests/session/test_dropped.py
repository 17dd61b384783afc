"""A session that the program lets go of without closing it: it ends, and says so."""

from __future__ import annotations

import gc
import json
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy, Router, Session, connect
from realtime_sync.errors import ConnectionClosed, LocalProtocolError
from realtime_sync.testing import MemoryTransport
from tests.rawserver import Peer, RawServer
from tests.stress.sequenced_server import wait_until
from tests.strike import LIBRARY, Strike

pytestmark = [pytest.mark.usefixtures("arrangement"), pytest.mark.shared]

LONG = 10.0
MANY = 20


class Ending:
    """
    Sees the end of a session that nobody holds: whoever worked for it has left.

    No handler is told of it, since all that heard the session have gone with it.
    """

    def __init__(self, session: Any) -> None:
        self._mine, self._threads = f"realtime-sync {session.name} ", session.threads

    def wait(self) -> None:
        """Wait for it."""
        wait_until(self._has_come, "the end of a session that was dropped")

    def _has_come(self) -> bool:
        if self._threads is not None:
            return self._threads.stats.sessions == 0
        names = [thread.name for thread in threading.enumerate()]
        return not any(name.startswith(self._mine) for name in names)


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


@pytest.fixture(autouse=True)
def old_objects_are_passed_over() -> Iterator[None]:
    """The collector looks at what a test has made, and not at all there is."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def collect() -> None:
    """Have the collector find what is in a circle with itself."""
    gc.collect()


def test_sessions_that_nobody_holds_end_with_a_warning(
    served: Served, warned: threading.Semaphore
) -> None:
    """Each with a close frame; what it had of the system is given back."""
    gone, endings = [], []
    for _ in range(MANY):
        session = served.opened()
        session.on("response.done", print)
        gone.append(weakref.ref(session))
        endings.append(Ending(session))
    del session
    collect()

    assert all(served.ended.acquire(timeout=LONG) for _ in range(MANY))
    assert all(warned.acquire(timeout=LONG) for _ in range(MANY))
    assert [None] * MANY == [each() for each in gone]
    for ending in endings:
        ending.wait()


def collected_elsewhere(holder: list[Any]) -> None:
    """Let go of what is held while another thread collects, which waits for nobody."""
    holder.clear()
    collector = threading.Thread(target=collect)
    collector.start()
    collector.join(LONG)

    assert not collector.is_alive()


def sends(session: Session) -> Callable[[], Any]:
    """A command."""
    return session.input_audio_buffer.clear


def registers(session: Session) -> Callable[[], Any]:
    """A registration."""
    on = session.on
    return lambda: on("error", print)


@pytest.mark.parametrize("kind", [sends, registers])
def test_the_collector_may_find_it_under_any_lock(
    served: Served,
    warned: threading.Semaphore,
    kind: Callable[[Session], Callable[[], Any]],
) -> None:
    """Commands, registrations and workers have theirs: none is waited for."""
    place = 0
    while True:
        place += 1
        holder = [served.opened()]
        ending, act = Ending(holder[0]), kind(holder[0])
        strike = Strike(place, (LIBRARY,), lambda: collected_elsewhere(holder))
        with strike, suppress(ConnectionClosed, LocalProtocolError):
            act()
        del act
        if strike.where is None:
            break
        collect()  # Where the place itself held it.
        assert warned.acquire(timeout=LONG), strike.where
        ending.wait()
    holder.pop().close()

    assert place > 10


def test_handlers_of_a_router_do_not_hold_a_session(
    served: Served, warned: threading.Semaphore
) -> None:
    """They are there for any number of sessions, and know none."""
    router = Router()
    router.on("input_audio_buffer.cleared", lambda event, ctx: None)
    session = served.opened(router=router)
    ending = Ending(session)
    del session
    collect()

    assert warned.acquire(timeout=LONG)
    assert served.ended.acquire(timeout=LONG)
    ending.wait()


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
    held, ending = weakref.ref(session), Ending(session)
    session.on("input_audio_buffer.cleared", handler)
    session.input_audio_buffer.clear().acknowledged(LONG)
    assert inside.wait(LONG)
    del session
    collect()

    assert held() is not None
    leave.set()
    assert any(collect() or warned.acquire(timeout=0.05) for _ in range(200))
    assert served.ended.acquire(timeout=LONG)
    ending.wait()


def test_a_recording_of_a_dropped_session_is_whole(
    served: Served, warned: threading.Semaphore, tmp_path: Path
) -> None:
    """The file ends with the session's end."""
    session = served.opened()
    ending, recording = Ending(session), session.record(tmp_path / "call.jsonl")
    del session
    collect()

    assert warned.acquire(timeout=LONG)
    ending.wait()
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
        ending = Ending(session)
        assert lost.wait(LONG)
        del session
        collect()

        assert warned.acquire(timeout=LONG)
        ending.wait()


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
        held, ending = weakref.ref(session), Ending(session)
        del session
        collect()

        assert held() is None
        assert warned.acquire(timeout=LONG)
        assert ended.wait(LONG)
        ending.wait()


@pytest.mark.parametrize("dispatch", ["thread", "manual", "inline"])
def test_a_session_without_a_socket_ends_with_a_warning_too(
    warned: threading.Semaphore, dispatch: Any
) -> None:
    """A transport without a loop has nobody who could be asked; somebody comes."""
    memory = MemoryTransport()
    session = connect("m", transport=memory, dispatch=dispatch)
    session.on("response.done", print)
    gone, ending = weakref.ref(session), Ending(session)
    del session
    collect()

    assert warned.acquire(timeout=LONG)
    ending.wait()
    assert gone() is None
    assert (1000, "") == memory.closed


def test_sessions_without_a_socket_may_be_collected_under_their_locks(
    warned: threading.Semaphore,
) -> None:
    """As those with one may, also where an event is taken."""
    place = 0
    while True:
        place += 1
        memory = MemoryTransport()
        holder = [connect("m", transport=memory, dispatch="inline")]
        ending = Ending(holder[0])
        strike = Strike(place, (LIBRARY,), lambda: collected_elsewhere(holder))
        # Where it has ended before it is looked whether it has, nobody is connected.
        with strike, suppress(ConnectionClosed):
            memory.feed({"type": "rate_limits.updated", "rate_limits": []})
        if strike.where is None:
            break
        collect()  # Where the place itself held it.
        assert warned.acquire(timeout=LONG), strike.where
        ending.wait()
        assert (1000, "") == memory.closed
    holder.pop().close()

    assert place > 10
