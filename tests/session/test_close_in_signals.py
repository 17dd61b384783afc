"""`close()` in a signal handler, whatever the main thread is in the middle of."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from time import monotonic
from typing import Any

import pytest

from realtime_sync import Router, Session, connect
from realtime_sync.errors import ConnectionClosed, LocalProtocolError
from realtime_sync.session.live import LiveSession
from tests.rawserver import Peer, RawServer

pytestmark = [
    pytest.mark.usefixtures("arrangement"),
    pytest.mark.shared,
    pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs signals"),
]

LONG = 10.0
CLOSE = 4.0
"""Seconds that the sessions have for closing."""

SOON = 1.5
"""Seconds that it takes, on a busy machine."""


def polite(peer: Peer) -> None:
    """Greet, and answer the close."""
    peer.greet()
    peer.answer_close()


@pytest.fixture
def router() -> Router:
    """Handlers from outside."""
    return Router("outside")


@pytest.fixture
def session(router: Router) -> Iterator[Session]:
    """A session that a signal closes."""
    with RawServer(polite) as server:
        session = connect(
            "m",
            base_url=server.url,
            api_key=None,
            router=router,
            close_timeout=CLOSE,
        )
        with session:
            yield session


@pytest.fixture
def took() -> Iterator[Callable[[Any], list[float]]]:
    """Has a signal close a session; gives the seconds of each time."""
    before = signal.getsignal(signal.SIGUSR1)

    def closes(session: Any) -> list[float]:
        times: list[float] = []

        def handler(number: int, frame: object) -> None:
            started = monotonic()
            session.close()
            times.append(monotonic() - started)

        signal.signal(signal.SIGUSR1, handler)
        return times

    yield closes
    signal.signal(signal.SIGUSR1, before)


LOCKS: dict[str, Callable[[Session], Any]] = {
    "a command": lambda session: session._parts.pending.order,
    "an expectation": lambda session: session._parts.watches._lock,
    "on() of the session": lambda session: session._parts.routers[1]._lock,
    "on() of a router": lambda session: session._parts.routers[0]._lock,
    "a notice": lambda session: session._parts.dispatcher._post_lock,
    "another close": lambda session: session._lifecycle._lock,
    "a close frame": lambda session: session._parts.connection._lock,  # type: ignore
}


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_inside_of_a_lock_it_is_begun_and_ends_by_itself(
    session: Session,
    took: Callable[[Any], list[float]],
    lock: Callable[[Session], Any],
) -> None:
    """The loop wants that lock, so the handler must not wait for the loop."""
    times = took(session)
    with lock(session):
        signal.raise_signal(signal.SIGUSR1)

    assert session._lifecycle.over.wait(LONG)
    report = session.close()
    assert times[0] < SOON
    assert (1000, True, None) == (report.code, report.complete, report.error)


def test_outside_of_any_lock_it_waits_for_the_end(
    session: Session, took: Callable[[Any], list[float]]
) -> None:
    """In the middle of a wait, for example."""
    times = took(session)
    with session.expect("error") as expected:
        signal.raise_signal(signal.SIGUSR1)

    assert session.close_report.complete
    assert times[0] < SOON
    with pytest.raises(ConnectionClosed):
        expected.result(LONG)


def test_a_session_that_is_closed_twice_at_once_is_closed(
    session: Session, took: Callable[[Any], list[float]]
) -> None:
    """By the program, and by a signal in the middle of that."""
    times = took(session)
    with session._lifecycle._lock, session._parts.pending.order:
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR1)

    assert session.close().complete
    assert max(times) < SOON


def test_a_handler_of_signals_may_send_and_register(session: Session) -> None:
    """It would wait for itself if the locks were not its thread's already."""
    before = signal.getsignal(signal.SIGUSR1)

    def handler(number: int, frame: object) -> None:
        session.on("error", print)
        session.expect("error").cancel()
        session.input_audio_buffer.clear()

    signal.signal(signal.SIGUSR1, handler)
    try:
        for lock in LOCKS.values():
            with lock(session):
                signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert len(LOCKS) == len([s for s in session.handlers() if s.key == "error"])
    assert session.close().complete


@pytest.mark.parametrize("seed", range(8))
def test_at_any_moment_of_commands_and_registrations_it_is_bounded(
    session: Session, took: Callable[[Any], list[float]], seed: int
) -> None:
    """Where the signal strikes is chance; what comes of it is not."""
    times = took(session)
    before = signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGUSR1))
    signal.setitimer(signal.ITIMER_REAL, Random(seed).uniform(0.002, 0.03))
    try:
        with suppress(ConnectionClosed, LocalProtocolError):
            while not times:
                session.input_audio_buffer.append(bytes(960))
                session.on("response.done", lambda event: None)
                session.expect("error").cancel()
                session.input_audio_buffer.clear()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert session._lifecycle.over.wait(LONG)
    assert session.close().complete
    assert times[0] < SOON


def test_a_live_session_is_closed_by_another_thread(
    took: Callable[[Any], list[float]],
) -> None:
    """It asks for its end and waits for the answer, which the loop cannot bring."""

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.hear_until("session.start")
        peer.say({"type": "session.started", "event_id": "e", "session": {"id": "s"}})
        peer.hear_until("session.close")
        peer.say({"type": "session.closed", "event_id": "f"})
        peer.answer_close()

    with RawServer(script) as server:
        session = connect(
            "gpt-live-1", base_url=server.url, api_key=None, close_timeout=CLOSE
        )
        assert isinstance(session, LiveSession)
        times = took(session)
        with session._parts.pending.order:
            signal.raise_signal(signal.SIGUSR1)

        assert session._lifecycle.over.wait(LONG)
        session.close()
    assert times[0] < SOON
