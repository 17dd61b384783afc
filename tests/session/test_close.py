"""Closing a session: from anywhere, in time, and leaving nothing behind."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from time import monotonic
from typing import Any, Callable

import pytest

from realtime_sync import Router, Session, connect
from realtime_sync.errors import (
    ConfigurationError,
    ConnectionClosed,
    ConnectionClosedOK,
    ConnectionLost,
)
from realtime_sync.session.close_report import CloseReport
from tests.blocked import until_blocked
from tests.certificates import tls_pair
from tests.rawserver import GREETING, Peer, RawServer, server_frame
from tests.stress.sequenced_server import wait_until

pytestmark = pytest.mark.usefixtures("arrangement")

LONG = 10.0
CLOSE = 0.6
"""Seconds that closing may take in these tests."""

SLACK = 5.0
"""Seconds for a busy machine."""

DELTA = {
    "type": "response.output_text.delta",
    "event_id": "e",
    "response_id": "r",
    "item_id": "i",
    "output_index": 0,
    "content_index": 0,
    "delta": "x",
}


def polite(peer: Peer) -> None:
    """Greet, and answer the close."""
    peer.greet()
    peer.answer_close()


def silent(peer: Peer) -> None:
    """Greet, and say nothing any more."""
    peer.greet()
    peer.rest()


def deaf(peer: Peer) -> None:
    """Greet, and read nothing any more."""
    peer.greet()
    peer.hold()


def talkative(peer: Peer) -> None:
    """
    Greet, and talk on whatever the client says.

    A pause now and then leaves the interpreter to the client, with which a real
    server does not share it; the client still has something to read at all times.
    """
    peer.greet()
    burst = b"".join(server_frame(json.dumps(DELTA).encode()) for _ in range(20))
    pause = threading.Event()
    while True:
        peer.raw(burst)
        pause.wait(0.001)


MANNERS = {"polite": polite, "silent": silent, "deaf": deaf, "talkative": talkative}


class Place:
    """Opens sessions to a server of some manners."""

    def __init__(self, manners: str, secure: bool) -> None:
        self.manners = manners
        tls, self._trust = tls_pair() if secure else (None, None)
        self.server = RawServer(MANNERS[manners], tls=tls)

    def open(self, **options: Any) -> Session:
        """A session with no handlers but its own."""
        options.setdefault("close_timeout", CLOSE)
        return connect(
            "m",
            base_url=self.server.url,
            router=Router(),
            api_key="key-for-tests",
            ssl_context=self._trust,
            **options,
        )

    def check(self, session: Session, took: float) -> CloseReport:
        """It ended in time, wholly; the final report."""
        assert took < CLOSE + SLACK
        wait_until(lambda: session.closed, "the end", CLOSE + SLACK)
        mine = f"realtime-sync {session.name} "
        for thread in threading.enumerate():
            if thread.name.startswith(mine):
                thread.join(CLOSE + SLACK)
                assert not thread.is_alive()
        # Threads that are shared stay, and may be at the last delivery.
        wait_until(lambda: session.close_report.complete, "it", CLOSE + SLACK)
        report = session.close_report
        assert session.closed
        assert not session.is_open
        assert (self.manners != "polite") or report.code == 1000
        return report


POLITE = [("polite", False), ("polite", True)]
IMPOLITE: list[Any] = [
    ("silent", False),
    ("deaf", False),
    ("talkative", False),
    ("silent", True),
    # Not in the default suite: they take long, and differ little from those above.
    pytest.param(("deaf", True), marks=pytest.mark.deep),
    pytest.param(("talkative", True), marks=pytest.mark.deep),
]


def named(manners: tuple[str, bool]) -> str:
    """How a server behaves, and over what."""
    return manners[0] + ("-wss" if manners[1] else "-ws")


@pytest.fixture(params=POLITE + IMPOLITE, ids=named)
def place(request: Any) -> Iterator[Place]:
    """Servers that answer a close, and servers that do not."""
    made = Place(*request.param)
    yield made
    made.server.stop()


def timed(action: Callable[[], Any]) -> float:
    """Seconds that something takes."""
    started = monotonic()
    action()
    return monotonic() - started


def unless_starved(
    close: Callable[[], tuple[CloseReport, ...]],
) -> tuple[CloseReport, ...]:
    """
    What a close gives, or the next one if its time was up before it was done.

    On a machine that is busy enough the threads of the session do not run at all
    for all of the time that closing may take. It says so in its report, and is not
    to happen every time.
    """
    for _ in range(3):
        reports = close()
        if all(report.complete for report in reports):
            break
    return reports


# -- the matrix --------------------------------------------------------------


@pytest.mark.shared
def test_close_from_the_main_thread(place: Place) -> None:
    """Returns the final report."""

    def close() -> tuple[CloseReport, CloseReport]:
        session = place.open()
        reports: list[CloseReport] = []
        took = timed(lambda: reports.append(session.close()))
        return place.check(session, took), reports[0]

    final, report = unless_starved(close)

    assert final == report


@pytest.mark.parametrize("inline", [False, True], ids=["queued", "inline"])
def test_close_from_a_handler(place: Place, inline: bool) -> None:
    """Returns at once, incomplete; the session ends by itself."""
    session = place.open()
    reports: list[tuple[CloseReport, float]] = []
    called = threading.Event()

    def handler(event: Any) -> None:
        started = monotonic()
        reports.append((session.close(), monotonic() - started))
        called.set()

    session.on("client.response.create", handler, inline=inline)
    session.on("response.output_text.delta", handler, inline=inline)
    if place.manners != "talkative":
        started = monotonic()
        session.response.create()
    else:
        started = monotonic()
    called.wait(LONG)
    wait_until(lambda: session.closed, "the end")
    took = monotonic() - started
    place.check(session, took)

    assert all(seconds < SLACK for _, seconds in reports) or not inline


def test_close_during_a_wait(place: Place) -> None:
    """Who waits is told that the session was closed."""
    session = place.open()
    caught: list[BaseException] = []
    waiting = threading.Event()

    def wait() -> None:
        with session.expect("response.done") as got:
            waiting.set()
            try:
                got.result(None)
            except ConnectionClosed as exc:
                caught.append(exc)

    thread = threading.Thread(target=wait)
    thread.start()
    waiting.wait(LONG)
    took = timed(session.close)
    thread.join(LONG)
    place.check(session, took)

    assert [ConnectionClosedOK] == [type(error) for error in caught]


def test_close_from_five_threads_at_once(place: Place) -> None:
    """Each returns in time, with the same report."""

    def close_all() -> tuple[CloseReport, ...]:
        session = place.open()
        barrier = threading.Barrier(5)
        reports: list[CloseReport] = []
        times: list[float] = []

        def close() -> None:
            barrier.wait(LONG)
            times.append(timed(lambda: reports.append(session.close())))

        threads = [threading.Thread(target=close) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        return place.check(session, max(times)), *reports

    final, *reports = unless_starved(close_all)

    assert [final] * 5 == reports


@pytest.mark.parametrize("mode", ["manual", "inline"])
def test_close_in_other_modes(place: Place, mode: str) -> None:
    """No thread of handlers to wait for; in manual mode this one pumps."""
    session = place.open(dispatch=mode)
    took = timed(session.close)
    place.check(session, took)


@pytest.mark.parametrize("place", IMPOLITE, indirect=True, ids=named)
def test_close_while_a_send_is_stalled(place: Place) -> None:
    """The sender is told; it does not hold the close up."""
    session = place.open()
    caught: list[BaseException] = []

    def send() -> None:
        try:
            for _ in range(8):
                session.input_audio_buffer.append(bytes(8 << 20))
        except ConnectionClosed as exc:
            caught.append(exc)

    thread = threading.Thread(target=send)
    thread.start()
    if place.manners in ("deaf", "talkative"):
        until_blocked(thread.ident or 0)
    took = timed(session.close)
    thread.join(LONG)

    assert took < CLOSE + SLACK
    assert not thread.is_alive()
    assert 1 == len(caught)
    place.check(session, took)


def test_leaving_the_block_closes(place: Place) -> None:
    """Also when the block raises."""
    session = place.open()
    with pytest.raises(ZeroDivisionError):
        with session:
            1 / 0

    place.check(session, 0.0)


# -- what it does ------------------------------------------------------------


@pytest.fixture
def quiet() -> Iterator[Place]:
    """A server that answers the close."""
    made = Place("polite", False)
    yield made
    made.server.stop()


def test_closing_again_gives_the_same_report(quiet: Place) -> None:
    """It is idempotent."""
    session = quiet.open()
    first = session.close()

    assert first == session.close() == session.close_report
    assert first.complete
    assert first.error is None


def test_the_servers_code_and_reason_are_reported() -> None:
    """What it answered, not what we asked."""
    told: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.greet()
        told.append(peer.answer_close())

    with RawServer(script) as server:
        session = connect("m", base_url=server.url, router=Router())
        report = session.close(code=4001, reason="enough")

    assert [(4001).to_bytes(2, "big") + b"enough"] == told
    assert (4001, "enough") == (report.code, report.reason)


@pytest.mark.parametrize("code", [0, 999, 1005, 1006, 70000, "1000"])
def test_a_close_code_that_may_not_be_sent_is_refused(quiet: Place, code: Any) -> None:
    """And the session is none the worse for it."""
    session = quiet.open()
    with pytest.raises(ConfigurationError):
        session.close(code=code)

    assert session.is_open
    assert session.close().complete


@pytest.mark.parametrize("reason", [None, b"bye", "x" * 124, "\u00e9" * 62])
def test_a_reason_that_no_close_frame_takes_is_refused(
    quiet: Place, reason: Any
) -> None:
    """It is neither cut nor sent; 123 bytes are taken."""
    session = quiet.open()
    with pytest.raises(ConfigurationError, match="reason of a close"):
        session.close(reason=reason)

    assert session.is_open
    assert "x" * 123 == session.close(reason="x" * 123).reason


def test_a_closed_session_refuses_commands_with_the_reason(quiet: Place) -> None:
    """All kinds of calls, none of which waits."""
    session = quiet.open()
    session.close()
    calls: list[Callable[[], Any]] = [
        session.response.create,
        lambda: session.ask("hello"),
        lambda: session.input_audio_buffer.append(b"\0\0"),
        lambda: session.wait_for("error"),
        lambda: session.expect("error").result(),
        lambda: session.send({"type": "vendor.thing"}),
        lambda: session.wait_changed(session.snapshot.version),
    ]

    for call in calls:
        with pytest.raises(ConnectionClosedOK):
            call()
    assert [] == list(session.events("*"))
    session.flush()


def test_what_is_queued_is_delivered_before_close_returns() -> None:
    """Every event that came, in order, and the end as the last."""
    seen: list[str] = []

    def script(peer: Peer) -> None:
        peer.greet()
        peer.hear()
        for number in range(200):
            peer.say({**DELTA, "delta": str(number)})
        peer.answer_close()

    with RawServer(script) as server:
        session = connect("m", base_url=server.url, router=Router())
        session.on("response.output_text.delta", lambda event: seen.append(event.delta))
        session.on("connection.closed", lambda event: seen.append("closed"))
        with session.expect(
            "response.output_text.delta", where=lambda event: event.delta == "199"
        ) as last:
            session.response.create()
        last.result(LONG)
        report = session.close()

    assert [*map(str, range(200)), "closed"] == seen
    assert 0 == report.undelivered


def test_without_drain_what_is_queued_is_dropped_and_counted() -> None:
    """For programs that are in a hurry."""
    seen: list[str] = []
    release, entered = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        peer.hear()
        for number in range(50):
            peer.say({**DELTA, "delta": str(number)})
        peer.answer_close()

    def slow(event: Any) -> None:
        seen.append(event.delta)
        entered.set()
        release.wait(LONG)

    with RawServer(script) as server:
        session = connect("m", base_url=server.url, router=Router())
        session.on("response.output_text.delta", slow)
        with session.expect(
            "response.output_text.delta", where=lambda event: event.delta == "49"
        ) as last:
            session.response.create()
        last.result(LONG)
        entered.wait(LONG)
        threading.Timer(0.05, release.set).start()
        report = session.close(drain=False)

    assert ["0"] == seen
    assert 49 == report.undelivered
    assert report.complete


def test_a_handler_that_does_not_return_is_given_up() -> None:
    """The report says that it is not complete, and what was not delivered."""
    release, entered = threading.Event(), threading.Event()
    seen: list[str] = []

    def slow(event: Any) -> None:
        seen.append(event.delta)
        entered.set()
        release.wait(LONG)

    def script(peer: Peer) -> None:
        peer.greet()
        peer.hear()
        for _ in range(10):
            peer.say(DELTA)
        peer.answer_close()

    with RawServer(script) as server:
        session = connect("m", base_url=server.url, router=Router(), close_timeout=0.3)
        session.on("response.output_text.delta", slow)
        stream = session.events("response.output_text.delta")
        session.response.create()
        for _ in range(10):
            next(stream)
        entered.wait(LONG)
        took = timed(session.close)
        report = session.close_report
        release.set()
        wait_until(lambda: session.close_report.complete, "it")

    assert took < 0.3 + SLACK
    assert not report.complete
    assert report.undelivered >= 9
    assert ["x"] == seen


def test_a_session_that_was_never_opened_can_be_closed() -> None:
    """Nothing happens."""
    from realtime_sync import RealtimeClient

    session = RealtimeClient(base_url="ws://127.0.0.1:1/v1").session("m")

    assert not session.close().complete


def test_the_response_in_flight_is_reported() -> None:
    """What the model was saying is cut off."""

    def script(peer: Peer) -> None:
        peer.greet()
        peer.hear()
        response = {"id": "resp_1", "status": "in_progress", "output": []}
        peer.say({"type": "response.created", "event_id": "e", "response": response})
        peer.answer_close()

    with RawServer(script) as server:
        session = connect("m", base_url=server.url, router=Router())
        session.response.create().acknowledged(LONG)
        report = session.close()

    assert "resp_1" == report.active_response_id


# -- the server's end --------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 3000, 4000, None])
def test_when_the_server_ends_it_everyone_who_waits_is_told(code: Any) -> None:
    """Within a tenth of a second, with the code; a drop is 1006."""
    go = threading.Event()
    ended: list[float] = []

    def script(peer: Peer) -> None:
        peer.greet()
        go.wait(LONG)
        ended.append(monotonic())
        if code is None:
            peer.drop()
        else:
            peer.close(code, "so")
            peer.rest()

    caught: list[tuple[BaseException, float]] = []

    def attempt(wait: Callable[[], Any]) -> None:
        try:
            wait()
        except ConnectionClosed as exc:
            caught.append((exc, monotonic()))

    with RawServer(script) as server:
        session = connect("m", base_url=server.url, router=Router(), timeout=LONG)
        handle = session.response.create()
        other = session.input_audio_buffer.commit()
        got = session.expect("response.done")
        waits: list[Callable[[], Any]] = [
            handle.result,
            handle.acknowledged,
            other.acknowledged,
            got.result,
            lambda: session.wait_for("error", timeout=None),
            lambda: list(handle.text_deltas()),
            lambda: list(handle.audio_chunks(timeout=None)),
            lambda: session.wait_changed(session.snapshot.version + 100),
        ]
        threads = [threading.Thread(target=attempt, args=(wait,)) for wait in waits]
        for thread in threads:
            thread.start()
        until_blocked(*(thread.ident or 0 for thread in threads))
        go.set()
        for thread in threads:
            thread.join(LONG)
        session.close()

    wanted = ConnectionClosedOK if code == 1000 else ConnectionLost
    assert len(waits) == len(caught)
    assert {wanted} == {type(error) for error, _ in caught}
    assert {1006 if code is None else code} == {
        error.code for error, _ in caught  # type: ignore[attr-defined]
    }
    assert max(when for _, when in caught) - ended[0] < 0.1 + SLACK


@pytest.mark.shared
def test_a_frame_over_the_limit_ends_the_session_and_says_why() -> None:
    """The server is told with 1009."""
    told: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        peer.greet()
        peer.say({"type": "error", "error": {"message": "x" * 5000}})
        told.append(peer.read())

    with RawServer(script) as server:
        session = connect(
            "m", base_url=server.url, router=Router(), max_frame_size=2000
        )
        with pytest.raises(ConnectionLost, match="max_frame_size"):
            session.wait_for("error", timeout=LONG)
        report = session.close()

    assert isinstance(report.error, ConnectionLost)
    assert [(0x8, (1009).to_bytes(2, "big"))] == told


@pytest.mark.shared
def test_a_half_open_connection_is_noticed() -> None:
    """One quiet interval brings a ping, a second one the end."""
    pings: list[int] = []

    def script(peer: Peer) -> None:
        peer.greet()
        while True:
            pings.append(peer.read()[0])

    with RawServer(script) as server:
        started = monotonic()
        session = connect("m", base_url=server.url, router=Router(), ping_interval=0.1)
        with pytest.raises(ConnectionLost, match="ping"):
            session.wait_for("error", timeout=LONG)
        took = monotonic() - started
        session.close()

    assert 0x9 in pings
    assert 0.15 < took < 0.3 + SLACK


@pytest.mark.shared
def test_a_server_that_answers_pings_stays_connected() -> None:
    """However little it has to say."""
    count = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        peer.greet()
        while True:
            opcode, payload = peer.read()
            if opcode == 0x9:
                peer.frame(payload, 0xA)
                count.release()
            elif opcode == 0x8:
                peer.frame(payload, 0x8)
                return

    with RawServer(script) as server:
        session = connect("m", base_url=server.url, router=Router(), ping_interval=0.03)
        for _ in range(5):
            assert count.acquire(timeout=LONG)

        assert session.is_open
        assert session.close().complete


@pytest.mark.shared
def test_a_dispatch_overflow_ends_the_session_and_says_why() -> None:
    """Waits and the report carry it."""
    from realtime_sync.errors import DispatchOverflow

    release = threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        while True:
            peer.say(DELTA)

    with RawServer(script) as server:
        session = connect(
            "m",
            base_url=server.url,
            router=Router(),
            queue_limit=50,
            close_timeout=CLOSE,
        )
        got = session.expect("response.done")
        session.on("response.output_text.delta", lambda event: release.wait(LONG))
        with pytest.raises((DispatchOverflow, ConnectionLost)) as caught:
            got.result(LONG)
        release.set()
        report = session.close()

    errors = [caught.value, caught.value.__cause__, report.error]
    assert any(isinstance(error, DispatchOverflow) for error in errors)
    assert report.error is not None


def test_greeting_constant_is_what_servers_say() -> None:
    """The raw server of these tests greets as the service does."""
    assert "session.created" == GREETING["type"]
