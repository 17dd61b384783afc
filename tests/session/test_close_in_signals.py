"""`close()` in a signal handler, whatever the main thread is in the middle of."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from time import monotonic
from typing import Any

import pytest

from realtime_sync import Router, Session, Subscription, connect
from realtime_sync.errors import ConnectionClosed, LocalProtocolError
from tests.rawserver import Gone, Peer, RawServer
from tests.strike import LIBRARY, Strike

pytestmark = [
    pytest.mark.usefixtures("arrangement"),
    pytest.mark.shared,
    pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs signals"),
]

LONG = 10.0
CLOSE = 10.0
"""Seconds that the sessions have for closing."""

SOON = 4.0
"""Less than a thread that waits for itself takes, on a busy machine."""


def polite(peer: Peer) -> None:
    """Greet, and answer the close."""
    peer.greet()
    peer.answer_close()


def lively(peer: Peer) -> None:
    """The same for GPT-Live, which confirms the end and closes."""
    peer.upgrade()
    peer.hear_until("session.start")
    peer.say({"type": "session.started", "event_id": "e", "session": {"id": "s"}})
    peer.hear_until("session.close")
    peer.say({"type": "session.closed", "event_id": "f"})
    peer.close(1000)
    peer.rest()


def opened(server: RawServer, router: Router, model: str = "m") -> Any:
    """A session with handlers from outside."""
    return connect(
        model,
        base_url=server.url,
        api_key=None,
        router=router,
        close_timeout=CLOSE,
    )


@pytest.fixture
def router() -> Router:
    """Handlers from outside."""
    return Router("outside")


@pytest.fixture
def session(router: Router) -> Iterator[Session]:
    """A session that a signal closes."""
    with RawServer(polite) as server, opened(server, router) as session:
        yield session


@contextmanager
def handling(handler: Callable[[], None]) -> Iterator[None]:
    """Have something called when a signal comes."""
    before = signal.signal(signal.SIGUSR1, lambda number, frame: handler())
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


class Closing:
    """
    Closes a session in a signal handler.

    Attributes:
        times: seconds that it took each time.
    """

    def __init__(self, session: Any) -> None:
        self.times: list[float] = []
        self._session = session

    def __call__(self) -> None:
        """The handler."""
        started = monotonic()
        self._session.close()
        self.times.append(monotonic() - started)


def twice() -> None:
    """A program in a hurry."""
    signal.raise_signal(signal.SIGUSR1)
    signal.raise_signal(signal.SIGUSR1)


CALLS: dict[str, Callable[[Session, Router], Any]] = {
    "a command": lambda session, router: session.input_audio_buffer.clear(),
    "an expectation": lambda session, router: session.expect("error").cancel(),
    "on() of the session": lambda session, router: session.on("error", print),
    "on() of a router": lambda session, router: router.on("error", print),
    "another close": lambda session, router: session.close(),
}


def closed_everywhere(
    call: Callable[[Any, Router], Any],
    script: Callable[[Peer], None],
    model: str = "m",
) -> int:
    """
    Close a session from a signal handler, twice, at each place of a call.

    Returns:
        How many places there are.
    """
    place = 0
    with RawServer(script) as server:
        while True:
            place += 1
            router = Router("outside")
            session = opened(server, router, model)
            closing = Closing(session)
            strike = Strike(place, (LIBRARY,), twice)
            with handling(closing), strike:
                # What is begun and finds the session closed may say so.
                with suppress(ConnectionClosed, LocalProtocolError):
                    call(session, router)
            report = session.close()
            if strike.where is None:
                assert [] == closing.times
                return place - 1
            connection = getattr(report, "connection", report)
            found = connection.code, report.complete, report.error
            assert (1000, True, None) == found, strike.where
            assert 2 == len(closing.times), strike.where
            assert max(closing.times) < SOON, strike.where


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_at_every_place_of_a_call_it_is_begun_and_ends_by_itself(
    call: Callable[[Session, Router], Any],
) -> None:
    """The loop may want a lock of the main thread, so nothing waits for the loop."""
    assert closed_everywhere(call, polite) > 10


def test_a_live_session_is_closed_at_every_place_of_a_command() -> None:
    """It waits for the answer to its last command, which the loop cannot bring."""

    def call(session: Any, router: Router) -> None:
        session.note("x")

    assert closed_everywhere(call, lively, "gpt-live-1") > 10


def test_outside_of_any_lock_it_waits_for_the_end(session: Session) -> None:
    """In the middle of a wait, for example."""
    closing = Closing(session)
    with handling(closing), session.expect("error") as expected:
        signal.raise_signal(signal.SIGUSR1)

    assert session.close_report.complete
    assert closing.times[0] < SOON
    with pytest.raises(ConnectionClosed):
        expected.result(LONG)


def test_a_handler_of_signals_may_send_and_register(router: Router) -> None:
    """
    It would wait for itself if the locks were not its thread's already.

    What it sends in the middle of another command goes out behind that.
    """
    heard: list[str] = []
    handled: list[Subscription] = []

    def script(peer: Peer) -> None:
        peer.greet()
        try:
            while True:
                heard.append(peer.hear()["type"])
        except Gone:
            peer.close(1000)

    def handler() -> None:
        handled.append(session.on("error", print))
        session.expect("error").cancel()
        session.input_audio_buffer.clear()

    sent = 0
    with RawServer(script) as server, opened(server, router) as session:
        for name, call in CALLS.items():
            place, struck = 0, name != "another close"
            while struck:
                place += 1
                strike = Strike(place, (LIBRARY,), twice)
                with handling(handler), strike:
                    call(session, router)
                struck = strike.where is not None
                for subscription in session.handlers():
                    subscription.cancel()
            sent += place if name == "a command" else 0

    assert len(handled) > 2 * 10 * (len(CALLS) - 1)
    assert len(handled) + sent == heard.count("input_audio_buffer.clear")
    assert session.close().complete


@pytest.mark.parametrize("seed", range(8))
def test_at_any_moment_of_commands_and_registrations_it_is_bounded(
    session: Session, seed: int
) -> None:
    """Where the signal strikes is chance; what comes of it is not."""
    closing = Closing(session)
    with handling(closing):
        before = signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGUSR1))
        signal.setitimer(signal.ITIMER_REAL, Random(seed).uniform(0.002, 0.03))
        try:
            with suppress(ConnectionClosed, LocalProtocolError):
                while not closing.times:
                    session.input_audio_buffer.append(bytes(960))
                    session.on("response.done", lambda event: None)
                    session.expect("error").cancel()
                    session.input_audio_buffer.clear()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    assert session.close().complete
    assert closing.times[0] < SOON
