"""`close()` in a signal handler, whatever the main thread is in the middle of."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import pytest

from realtime_sync import (
    RealtimeClient,
    Router,
    Session,
    Subscription,
    Threads,
    audio,
    connect,
    open_sessions,
)
from realtime_sync.errors import ConnectionClosed, LocalProtocolError, RealtimeError
from realtime_sync.testing import MemoryTransport
from realtime_sync.transport.redaction import redact, remember_for_redaction
from tests.rawserver import Gone, Peer, RawServer
from tests.stress.sequenced_server import Place
from tests.stress.test_interrupt_places import answer
from tests.strike import LIBRARY, Strike

pytestmark = [
    pytest.mark.usefixtures("arrangement"),
    pytest.mark.shared,
    pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs signals"),
]

ALL = [pytest.mark.deep, pytest.mark.timeout(600)]
"""What has to be tried at all places, where others are tried at a tenth."""

LONG = 10.0
CLOSE = 10.0
"""Seconds that the sessions have for closing."""

TRANSPORT = str(Path(LIBRARY) / "transport")

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


def answering(peer: Peer) -> None:
    """Greet, answer what is asked, and close when the client does."""
    answer(peer)
    with suppress(Gone):
        peer.close(1000)


def opened(server: RawServer, router: Router, model: str = "m", **options: Any) -> Any:
    """A session with handlers from outside."""
    return connect(
        model,
        base_url=server.url,
        api_key=None,
        router=router,
        close_timeout=CLOSE,
        **options,
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
    every: int = 1,
    **options: Any,
) -> int:
    """
    Close a session from a signal handler, twice, at every so manieth place of a call.

    Returns:
        How many places there are.
    """
    place = 1 - every
    with RawServer(script) as server:
        while True:
            place += every
            router = Router("outside")
            session = opened(server, router, model, **options)
            closing = Closing(session)
            strike = Strike(place, (LIBRARY,), twice)
            with handling(closing), strike:
                # What is begun and finds the session closed may say so.
                with suppress(ConnectionClosed, LocalProtocolError):
                    call(session, router)
            report = session.close()
            if strike.where is None:
                assert [] == closing.times
                return place - every
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


def recorded(folder: Path) -> Callable[[Session, Router], Any]:
    """Begin a recording, have it grow, and end it."""

    def call(session: Session, router: Router) -> None:
        with session.record(folder / "call.jsonl") as recording:
            recording.note({"type": "said"})
            session.input_audio_buffer.clear()

    return call


def closed_while_recording(folder: Path, every: int) -> int:
    """Close at places of what a recording does."""
    return closed_everywhere(recorded(folder), polite, every=every)


def test_at_a_tenth_of_the_places_of_a_recording_it_ends(tmp_path: Path) -> None:
    """The loop shows the end to the recording, which the main thread is busy with."""
    assert closed_while_recording(tmp_path, 10) > 30


@pytest.mark.deep
@pytest.mark.timeout(600)
def test_at_every_place_of_a_recording_it_ends(tmp_path: Path) -> None:
    """The same for all of them."""
    assert closed_while_recording(tmp_path, 1) > 100


def test_a_recording_is_closed_at_every_place_of_its_own_calls(tmp_path: Path) -> None:
    """A service that is told to end may end the recording before the session."""
    place, path = 0, tmp_path / "call.jsonl"
    with RawServer(polite) as server, opened(server, Router("outside")) as session:
        while True:
            place += 1
            recording = session.record(path)
            strike = Strike(place, (LIBRARY,), twice)
            with handling(recording.close), strike:
                recording.note({"type": "said"})
                recording.close()
            recording.close()
            last = json.loads(path.read_text().splitlines()[-1])
            assert "recording.ended" == last["note"]["type"], strike.where
            if strike.where is None:
                break

    assert place > 30


def test_over_tls_it_ends_at_every_place_of_the_transport() -> None:
    """There the loop writes for the main thread, and has to be called for it."""
    place = 0
    with Place(polite, secure=True) as server:
        while True:
            place += 1
            session = server.open(close_timeout=CLOSE)
            closing = Closing(session)
            strike = Strike(place, (TRANSPORT,), twice)
            with handling(closing), strike:
                with suppress(ConnectionClosed, LocalProtocolError):
                    session.input_audio_buffer.clear()
            report = session.close()
            found = report.code, report.complete, report.error
            assert (1000, True, None) == found, strike.where
            assert max(closing.times, default=0.0) < SOON, strike.where
            if strike.where is None:
                break
    assert place > 10


def told_soon(session: Session) -> None:
    """Ask for what comes a little later, and wait for it."""
    with session.expect("rate_limits.updated") as expected:
        session.send({"type": "vendor.later"})
        expected.result(LONG)


def streamed(session: Session) -> None:
    """The same from a stream."""
    with session.events("rate_limits.updated") as stream:
        session.send({"type": "vendor.later"})
        next(stream)


def played(session: Session) -> None:
    """Play something, and close the player."""
    with audio.Player(lambda block: None, block_ms=2) as player:
        with player.attach(session):
            player.play(bytes(96))
        player.wait_idle(LONG)


WAITS: dict[str, Callable[[Any], Any]] = {
    "flush": lambda session: session.flush(LONG),
    "ask": lambda session: session.ask("hello", timeout=LONG),
    "result": told_soon,
    "events": streamed,
    "player": played,
}


@pytest.mark.parametrize(("every", "least"), [(10, 10), pytest.param(1, 30, marks=ALL)])
@pytest.mark.parametrize("call", WAITS)
def test_at_places_of_a_wait_it_ends(call: str, every: int, least: int) -> None:
    """Whoever waits is told so, or has what he waited for."""
    places = closed_everywhere(
        lambda session, router: WAITS[call](session), answering, every=every
    )

    assert places > least


def pumped(every: int) -> int:
    """Close at places of a pump, which calls handlers of what has come."""

    def call(session: Any, router: Router) -> None:
        session.send({"type": "vendor.later"})
        while not session.pump(timeout=LONG) and session.is_open:
            pass

    return closed_everywhere(call, answering, every=every, dispatch="manual")


@pytest.mark.parametrize(("every", "least"), [(10, 10), pytest.param(1, 30, marks=ALL)])
def test_at_places_of_a_pump_it_ends(every: int, least: int) -> None:
    """It pumps what is left, in the middle of the pump."""
    assert pumped(every) > least


def closed_while_opening(every: int) -> int:
    """
    Close all sessions from a signal handler at places of an opening.

    Returns:
        How many places there are.
    """
    times: list[float] = []

    def close_all() -> None:
        started = monotonic()
        for session in open_sessions():
            session.close()
        times.append(monotonic() - started)

    place = 1 - every
    with RawServer(answering) as server, handling(close_all):
        while True:
            place += every
            session = None
            strike = Strike(place, (LIBRARY,), twice)
            with suppress(RealtimeError), strike:
                session = opened(server, Router("outside"))
            if session is not None:
                report = session.close()
                assert (1000, True) == (report.code, report.complete), strike.where
            assert () == open_sessions(), strike.where
            assert max(times, default=0.0) < SOON, strike.where
            if strike.where is None:
                return place - every


@pytest.mark.usefixtures("no_other_sessions")
@pytest.mark.parametrize(
    ("every", "least"), [(10, 100), pytest.param(1, 300, marks=ALL)]
)
def test_at_places_of_an_opening_it_fails_or_ends(every: int, least: int) -> None:
    """The loop serves the connection only when the opening has got that far."""
    assert closed_while_opening(every) > least


@pytest.mark.parametrize("closes", ["the session", "the threads"])
def test_at_every_place_of_closing_threads_their_sessions_end(closes: str) -> None:
    """The end of a session wants a lock of the threads, on their loop."""
    place = 0
    with RawServer(polite) as server:
        while True:
            place += 1
            threads = Threads(workers=1)
            session = opened(server, Router("outside"), threads=threads)
            closing = Closing(session if closes == "the session" else threads)
            strike = Strike(place, (LIBRARY,), twice)
            with handling(closing), strike:
                ended = threads.close(LONG)
            if strike.where is None:
                break
            report = session.close()
            found = ended, report.code, report.complete
            assert (True, 1000, True) == found, strike.where
            assert max(closing.times) < SOON, strike.where
    assert place > 30


def test_threads_are_closed_at_every_place_of_a_command() -> None:
    """As in a service that is told to end: whoever is in the way is not waited for."""
    place = 0
    with RawServer(polite) as server:
        while True:
            place += 1
            threads = Threads(workers=1)
            session = opened(server, Router("outside"), threads=threads)
            closing = Closing(threads)
            strike = Strike(place, (LIBRARY,), twice)
            with handling(closing), strike:
                with suppress(ConnectionClosed, LocalProtocolError):
                    session.input_audio_buffer.clear()
            ended = threads.close(LONG)
            report = session.close()
            found = ended, report.code, report.complete
            assert (True, 1000, True) == found, strike.where
            if strike.where is None:
                break
            assert max(closing.times) < SOON, strike.where
    assert place > 10


def threads_closed_while_opening(every: int) -> int:
    """
    Close threads from a signal handler at places of an opening that uses them.

    Returns:
        How many places there are.
    """
    place = 1 - every
    with RawServer(polite) as server:
        while True:
            place += every
            threads = Threads(workers=1)
            session = None
            closing = Closing(threads)
            strike = Strike(place, (LIBRARY,), twice)
            with handling(closing), suppress(RealtimeError), strike:
                session = opened(server, Router("outside"), threads=threads)
            if session is not None:
                report = session.close()
                assert (1000, True) == (report.code, report.complete), strike.where
            assert threads.close(LONG), strike.where
            assert max(closing.times, default=0.0) < SOON, strike.where
            if strike.where is None:
                return place - every


@pytest.mark.parametrize(
    ("every", "least"), [(10, 100), pytest.param(1, 300, marks=ALL)]
)
def test_threads_are_closed_at_places_of_an_opening(every: int, least: int) -> None:
    """A service may be told to end while it opens its first session."""
    assert threads_closed_while_opening(every) > least


def test_a_live_session_is_closed_at_every_place_of_a_command() -> None:
    """It waits for the answer to its last command, which the loop cannot bring."""

    def call(session: Any, router: Router) -> None:
        session.note("x")

    assert closed_everywhere(call, lively, "gpt-live-1") > 10


def test_a_live_session_is_closed_at_every_place_of_an_append() -> None:
    """What says when silence is due is wanted by the loop as well."""

    def call(session: Any, router: Router) -> None:
        session.input_audio.append(bytes(4800))

    assert closed_everywhere(call, lively, "gpt-live-1") > 10


def backed(peer: Peer) -> None:
    """The same with a backend, whose error for each command the loop takes in."""
    peer.upgrade()
    peer.hear_until("session.start")
    session = {"id": "s", "delegation": {"type": "responses", "model": "m"}}
    peer.say({"type": "session.started", "event_id": "e", "session": session})
    with suppress(Gone):
        while peer.hear()["type"] != "session.close":
            peer.say({"type": "error", "event_id": "f", "error": {"message": "no"}})
        peer.say({"type": "session.closed", "event_id": "g"})
    peer.close(1000)
    peer.rest()


def test_a_live_session_is_closed_at_every_place_of_what_its_backend_is_given() -> None:
    """What comes from the backend is noted by the loop, where this is noted."""

    def call(session: Any, router: Router) -> None:
        session.ask_backend("x")

    assert closed_everywhere(call, backed, "gpt-live-1") > 100


def test_a_session_ends_at_every_place_where_keys_are_remembered() -> None:
    """As another one opens. The loop takes them out of what it logs of the end."""

    def call(session: Session, router: Router) -> None:
        remember_for_redaction("key-for-tests")
        redact("nothing of the kind")

    assert closed_everywhere(call, polite) > 3


def test_a_handler_of_signals_may_register_what_nobody_has_before() -> None:
    """Where the same, or another one, is being registered for the first time."""
    place = 0
    memory = MemoryTransport()
    with connect("m", transport=memory, dispatch="inline") as session:
        while True:
            place += 1
            name, heard = f"vendor.n{place}", list[Any]()

            def register(name: str = name, heard: list[Any] = heard) -> None:
                for each in (name, f"{name}.other"):
                    session.on(each, heard.append, unknown=True)

            strike = Strike(place, (LIBRARY,), register)
            with strike:
                session.on(name, heard.append, unknown=True)
            memory.feed({"type": name}, {"type": f"{name}.other"})
            for subscription in session.handlers():
                subscription.cancel()
            if strike.where is None:
                break
            assert 3 == len(heard), strike.where

    assert place > 10


def test_a_client_is_closed_at_every_place_where_it_gets_its_pool() -> None:
    """The first request makes it, in the middle of which it is not there yet."""
    place = 0
    while True:
        place += 1
        client = RealtimeClient(
            api_key="k", base_url="http://127.0.0.1:1/v1", max_retries=0
        )
        strike = Strike(place, (LIBRARY,), client.close)
        with strike, suppress(RealtimeError):
            client.calls.hangup("rtc_1")
        client.close()
        if strike.where is None:
            break

    assert place > 10


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
