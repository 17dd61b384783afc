"""Many sessions on shared threads: the same as with threads of their own."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from time import monotonic
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy, Session, Threads, connect
from realtime_sync.deadline import Deadline
from realtime_sync.errors import (
    ConfigurationError,
    ConnectFailed,
    ConnectionLost,
    DispatchOverflow,
    ForkedSession,
    LocalProtocolError,
    WaitTimeout,
    WouldDeadlock,
)
from realtime_sync.testing import MemoryTransport
from realtime_sync.transport import log_writer
from tests.rawserver import Gone, Peer, RawServer

LONG = 5.0
MANY = 500


@pytest.fixture
def threads() -> Iterator[Threads]:
    """Shared threads, which have ended after the test."""
    with Threads(workers=4, dialers=2) as shared:
        yield shared
    assert shared.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serves scripts on loopback; gives the URL."""
    servers: list[RawServer] = []

    def start(script: Callable[[Peer], None]) -> str:
        servers.append(RawServer(script))
        return servers[-1].url

    yield start
    for server in servers:
        server.stop()
    assert [] == [failure for each in servers for failure in each.failures]


def delta(number: int) -> dict[str, Any]:
    """A text delta that carries a number."""
    return {
        "type": "response.output_text.delta",
        "event_id": f"event_{number}",
        "response_id": "resp_1",
        "item_id": "item_1",
        "output_index": 0,
        "content_index": 0,
        "delta": str(number),
    }


def streaming(count: int) -> Callable[[Peer], None]:
    """A server that greets, is told to go on, and sends so many deltas."""

    def script(peer: Peer) -> None:
        peer.greet()
        peer.hear_until("input_audio_buffer.commit")
        for number in range(count):
            peer.say(delta(number))
        peer.answer_close()

    return script


def resting(peer: Peer) -> None:
    """A server that greets and answers the close."""
    peer.greet()
    peer.answer_close()


def commit(session: Session) -> None:
    """Tell the server to begin."""
    session.send({"type": "input_audio_buffer.commit"})


def opened(url: str, threads: Threads, **options: Any) -> Session:
    """A session on the shared threads."""
    return connect("m", base_url=url, api_key=None, threads=threads, **options)


def names(part: str) -> list[str]:
    """Names of the threads that there are, of one kind."""
    return [t.name for t in threading.enumerate() if part in t.name]


@pytest.mark.parametrize("dispatch", ["thread", "inline"])
def test_events_of_each_session_are_delivered_in_order(
    threads: Threads, serve: Callable[..., str], dispatch: Any
) -> None:
    """Ten sessions, one loop, a few workers; every order is the server's."""
    url = serve(streaming(300))
    seen: list[list[str]] = [[] for _ in range(10)]
    done = threading.Semaphore(0)
    sessions = []

    def note(index: int, event: Any) -> None:
        seen[index].append(event.delta)
        if event.delta == "299":
            done.release()

    for index in range(10):
        session = opened(url, threads, dispatch=dispatch)
        session.on("response.output_text.delta", partial(note, index))
        sessions.append(session)
    for session in sessions:
        commit(session)
    for _ in range(10):
        assert done.acquire(timeout=LONG)
    reports = [session.close() for session in sessions]

    assert [[str(n) for n in range(300)]] * 10 == seen
    assert [True] * 10 == [report.complete for report in reports]
    mine = [t for t in names("realtime-sync") if "shared" not in t]
    assert [] == mine


def test_sessions_do_without_threads_of_their_own(
    threads: Threads, serve: Callable[..., str]
) -> None:
    """One loop for all, and no worker for each."""
    url = serve(resting)
    before = threading.active_count()
    sessions = [opened(url, threads) for _ in range(20)]

    assert 20 == threads.stats.sessions
    mine = [t for t in names("realtime-sync") if "shared" not in t]
    assert [] == mine
    assert threading.active_count() <= before + 20 + 1 + 4  # The server has 20.
    for session in sessions:
        session.close()
    assert 0 == threads.stats.sessions


def test_manual_session_is_pumped_by_whoever_calls(
    threads: Threads, serve: Callable[..., str]
) -> None:
    """Only the loop is shared; the deliveries are the caller's."""
    seen: list[int] = []
    with opened(serve(streaming(3)), threads, dispatch="manual") as session:
        session.on(
            "response.output_text.delta",
            lambda event: seen.append(threading.get_ident()),
        )
        commit(session)
        until = monotonic() + LONG
        while len(seen) < 3 and monotonic() < until:
            session.pump(0.1)

    assert [threading.get_ident()] * 3 == seen


def test_handler_that_blocks_holds_up_its_own_session_only(
    threads: Threads, serve: Callable[..., str]
) -> None:
    """Three of four workers are in handlers; the fourth serves the others."""
    url = serve(streaming(1))
    go, inside, done = threading.Event(), threading.Semaphore(0), threading.Event()

    def block(event: Any) -> None:
        inside.release()
        go.wait(LONG)

    sessions = [opened(url, threads) for _ in range(4)]
    for session in sessions[:3]:
        session.on("response.output_text.delta", block)
        commit(session)
    for _ in range(3):
        assert inside.acquire(timeout=LONG)
    sessions[3].on("response.output_text.delta", lambda event: done.set())
    commit(sessions[3])

    assert done.wait(LONG)
    go.set()
    for session in sessions:
        assert session.close().complete


def test_sessions_that_the_bound_keeps_waiting_are_told(
    serve: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    """`dispatch.lagging` within a second, although no handler can run."""
    url = serve(streaming(1))
    go, inside, told = threading.Event(), threading.Event(), threading.Event()

    def block(event: Any) -> None:
        inside.set()
        go.wait(LONG)

    with Threads(workers=1) as threads:
        first, second = opened(url, threads), opened(url, threads)
        first.on("response.output_text.delta", block)
        second.on("response.output_text.delta", lambda event: None)
        second.on("dispatch.lagging", lambda event: told.set(), inline=True)
        commit(first)
        assert inside.wait(LONG)
        commit(second)

        assert told.wait(LONG)
        log_writer.flush_log_writers(Deadline(LONG))
        assert "all 1 workers are in handlers" in caplog.text
        go.set()


@pytest.fixture
def held() -> Iterator[tuple[threading.Event, threading.Event]]:
    """A handler of the log that does not return: when it is in, and what lets it go."""
    inside, go = threading.Event(), threading.Event()

    class Held(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            inside.set()
            assert go.wait(LONG)

    handler, logger = Held(), logging.getLogger("realtime_sync")
    logger.addHandler(handler)
    yield inside, go
    go.set()
    logger.removeHandler(handler)


@pytest.mark.parametrize("shared", [True, False])
def test_a_handler_of_the_log_that_blocks_holds_up_no_session(
    threads: Threads,
    serve: Callable[..., str],
    held: tuple[threading.Event, threading.Event],
    shared: bool,
) -> None:
    """Neither others on the same loop nor the one that something is said about."""
    inside, go = held

    def script(peer: Peer) -> None:
        peer.greet()
        peer.hear_until("input_audio_buffer.commit")
        peer.say({"type": "vendor.made_up", "event_id": "e"})
        peer.say(delta(1))
        peer.answer_close()

    strange, other = serve(script), serve(streaming(50))
    with contextlib.ExitStack() as stack:
        given: Any = threads if shared else None
        first = stack.enter_context(opened(strange, given))
        second = stack.enter_context(opened(other, given))
        with first.expect("response.output_text.delta") as got:
            commit(first)
            assert inside.wait(LONG)
        last = second.expect(
            "response.output_text.delta", where=lambda event: event.delta == "49"
        )
        commit(second)

        assert "1" == got.result(LONG).delta
        assert "49" == last.result(LONG).delta
        go.set()


@pytest.mark.parametrize("kind", ["socks5h", "http"])
def test_a_proxy_that_stalls_holds_up_no_other_session(
    threads: Threads, serve: Callable[..., str], kind: str
) -> None:
    """Nor the loop; and its own `connect` fails in time."""
    asked, failed = threading.Event(), list[BaseException]()

    def stall(peer: Peer) -> None:
        peer.read_some()
        asked.set()
        peer.rest()

    host = serve(stall).partition("//")[2].partition("/")[0]

    def dial_in_vain() -> None:
        try:
            opened(
                "http://far.example/v1",
                threads,
                proxy=f"{kind}://{host}",
                connect_timeout=1.0,
            )
        except ConnectFailed as exc:
            failed.append(exc)

    caller = threading.Thread(target=dial_in_vain)
    caller.start()
    assert asked.wait(LONG)
    with opened(serve(streaming(50)), threads) as session:
        last = session.expect(
            "response.output_text.delta", where=lambda event: event.delta == "49"
        )
        commit(session)

        assert "49" == last.result(LONG).delta
        assert [] == failed
    caller.join(LONG)

    assert 1 == len(failed)


def test_handlers_that_sleep_hold_up_nobody_while_there_are_workers(
    serve: Callable[..., str],
) -> None:
    """Twelve of them in a pool of sixteen; every other session has its events."""
    url, go = serve(streaming(20)), threading.Event()
    inside, done = threading.Semaphore(0), threading.Semaphore(0)

    def sleep(event: Any) -> None:
        inside.release()
        go.wait(LONG)

    def note(event: Any) -> None:
        if event.delta == "19":
            done.release()

    with Threads(workers=16) as threads, contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(opened(url, threads)) for _ in range(32)]
        for index, session in enumerate(sessions):
            handler = sleep if index < 12 else note
            session.on("response.output_text.delta", handler)
            commit(session)

        assert all(inside.acquire(timeout=LONG) for _ in range(12))
        assert all(done.acquire(timeout=LONG) for _ in range(20))
        assert threads.stats.workers <= 16
        go.set()


def test_overflow_of_one_session_ends_that_session_only(
    threads: Threads, serve: Callable[..., str]
) -> None:
    """The others on the same loop go on."""
    url = serve(streaming(200))
    go, over, done = threading.Event(), threading.Event(), threading.Event()
    small, other = opened(url, threads, queue_limit=20), opened(url, threads)
    small.on("response.output_text.delta", lambda event: go.wait(LONG))
    small.on("connection.closed", lambda event: over.set(), inline=True)
    other.on(
        "response.output_text.delta",
        lambda event: done.set() if event.delta == "199" else None,
    )
    commit(small)
    commit(other)

    assert over.wait(LONG)
    assert done.wait(LONG)
    go.set()
    assert isinstance(small.close().error, DispatchOverflow)
    assert other.close().complete


def test_waiting_on_the_loop_for_another_session_is_refused(
    threads: Threads, serve: Callable[..., str]
) -> None:
    """The loop that would bring the answer is the one that would wait for it."""
    url = serve(streaming(1))
    first, second = opened(url, threads), opened(url, threads)
    found: list[Any] = []
    done = threading.Event()

    def wait(event: Any) -> None:
        try:
            second.wait_for("response.done", timeout=1)
        except (WouldDeadlock, WaitTimeout) as exc:
            found.append(exc)
        done.set()

    first.on("response.output_text.delta", wait, inline=True)
    commit(first)

    assert done.wait(LONG)
    assert isinstance(found[0], WouldDeadlock)


def test_handlers_that_would_wait_for_a_worker_that_cannot_come_are_told(
    serve: Callable[..., str],
) -> None:
    """Two workers, two handlers that flush or close a third session."""
    url = serve(streaming(1))
    found: list[Any] = []
    begun, done = threading.Barrier(2), threading.Semaphore(0)

    with Threads(workers=2) as threads:
        sessions = [opened(url, threads) for _ in range(3)]
        third = sessions[2]

        def attempt(what: Callable[[], Any], event: Any) -> None:
            begun.wait(LONG)
            try:
                what()
            except WouldDeadlock as exc:
                found.append(exc)
            done.release()

        for session, what in zip(sessions, (third.flush, third.close)):
            session.on("response.output_text.delta", partial(attempt, what))
            commit(session)
        started = monotonic()
        for _ in range(2):
            assert done.acquire(timeout=LONG)

        assert monotonic() - started < LONG
        assert found


def test_close_in_a_handler_returns_at_once_and_ends_by_itself(
    threads: Threads, serve: Callable[..., str]
) -> None:
    """A worker that closes its own session does not wait for itself."""
    session = opened(serve(streaming(1)), threads)
    reports: list[Any] = []
    over = threading.Event()
    session.on("connection.closed", lambda event: over.set())
    session.on(
        "response.output_text.delta", lambda event: reports.append(session.close())
    )
    commit(session)

    assert over.wait(LONG)
    assert [False] == [report.complete for report in reports]
    assert session.flush(LONG) or True
    assert session.close_report.complete


@pytest.mark.parametrize("cut", ["drop", "close"])
def test_lost_connections_come_back_with_few_dialing_at_once(
    threads: Threads, serve: Callable[..., str], cut: str
) -> None:
    """Twelve are cut at once; two dial, and all come back."""
    lock, dials, most = threading.Lock(), [0, 0], [0]

    def script(peer: Peer) -> None:
        with lock:
            dials[0] += 1
            number = dials[0]
        peer.greet()
        if number <= 12:
            peer.hear_until("input_audio_buffer.commit")
            peer.drop() if cut == "drop" else peer.close(1012, "restart")
            return
        with contextlib.suppress(Gone):
            while True:
                peer.oblige(peer.hear())

    def note(attempt: Any) -> None:
        with lock:
            most[0] = max(most[0], len(names("dialer")))

    back = threading.Semaphore(0)
    policy = ReconnectPolicy(base=0.001, cap=0.002, hook=note)
    url = serve(script)
    sessions = [opened(url, threads, reconnect=policy) for _ in range(12)]
    for session in sessions:
        session.on("connection.restored", lambda event: back.release())
    for session in sessions:
        commit(session)
    for _ in range(12):
        assert back.acquire(timeout=2 * LONG)

    assert 1 <= most[0] <= 2
    assert [True] * 12 == [session.close().complete for session in sessions]


def test_session_that_waits_for_its_turn_to_be_dialed_is_closed_at_once(
    threads: Threads, serve: Callable[..., str]
) -> None:
    """Both dialers are in hooks; closing a third session waits for neither."""
    go, inside, lost = threading.Event(), threading.Semaphore(0), threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        peer.hear_until("input_audio_buffer.commit")
        peer.drop()

    def hold(attempt: Any) -> bool:
        inside.release()
        go.wait(LONG)
        return False

    url = serve(script)
    policy = ReconnectPolicy(base=0.001, cap=0.002, hook=hold)
    sessions = [opened(url, threads, reconnect=policy) for _ in range(3)]
    for session in sessions[:2]:
        commit(session)
        assert inside.acquire(timeout=LONG)
    sessions[2].on("connection.lost", lambda event: lost.set(), inline=True)
    commit(sessions[2])
    assert lost.wait(LONG)
    started = monotonic()
    report = sessions[2].close()

    assert monotonic() - started < LONG
    assert report.complete
    assert isinstance(report.error, ConnectionLost)
    go.set()


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), ValueError()])
def test_whatever_a_hook_raises_the_session_goes_on_or_ends(
    serve: Callable[..., str], shared: bool, error: BaseException
) -> None:
    """`sys.exit()` in a hook ended its thread, and `run_forever` never returned."""

    def script(peer: Peer) -> None:
        peer.greet()
        peer.hear_until("input_audio_buffer.commit")
        peer.drop()

    def fail(attempt: Any) -> None:
        raise error

    policy = ReconnectPolicy(attempts=1, base=0.001, cap=0.002, hook=fail)
    with contextlib.ExitStack() as stack:
        given: Any = stack.enter_context(Threads()) if shared else None
        refused: list[bool] = []

        def once(peer: Peer) -> None:
            if refused:
                peer.refuse("403 Forbidden")
                return
            refused.append(True)
            script(peer)

        session = opened(serve(once), given, reconnect=policy)
        commit(session)
        with pytest.raises(ConnectionLost):
            session.run_forever()

        assert session.close().complete


def test_ping_and_silence_end_a_connection_on_the_loop(
    threads: Threads, serve: Callable[..., str]
) -> None:
    """Liveness is a timer; two quiet intervals mean lost."""

    def silent(peer: Peer) -> None:
        peer.greet()
        peer.hold()

    session = opened(serve(silent), threads, ping_interval=0.05)
    with pytest.raises(ConnectionLost, match="no answer to a ping"):
        session.run_forever()


def test_close_is_bounded_although_the_server_streams_on(
    threads: Threads, serve: Callable[..., str]
) -> None:
    """A close that is never answered ends by the timer."""

    def script(peer: Peer) -> None:
        peer.greet()
        number = 0
        while True:
            peer.say(delta(number))
            number += 1

    session = opened(serve(script), threads, close_timeout=0.5)
    started = monotonic()
    report = session.close()

    assert monotonic() - started < LONG
    assert report.complete


def test_something_is_entered_around_each_delivery(
    serve: Callable[..., str],
) -> None:
    """A connection to a database belongs to one thread; each delivery has its own."""
    local = threading.local()
    done = threading.Semaphore(0)
    rows: list[Any] = []

    @contextlib.contextmanager
    def database() -> Iterator[None]:
        local.connection = sqlite3.connect(":memory:")
        try:
            yield
        finally:
            local.connection.close()
            del local.connection

    def store(event: Any) -> None:
        rows.append(local.connection.execute("select ?", [event.delta]).fetchone())
        done.release()

    url = serve(streaming(20))
    with Threads(around=database) as threads:
        sessions = [opened(url, threads) for _ in range(5)]
        for session in sessions:
            session.on("response.output_text.delta", store)
            commit(session)
        for _ in range(100):
            assert done.acquire(timeout=LONG)

    assert 100 == len(rows)
    assert not hasattr(local, "connection")


def test_what_is_around_a_delivery_may_fail_as_a_handler_may(
    serve: Callable[..., str],
) -> None:
    """It is published as `handler.failed`; the session goes on."""
    failed: list[Any] = []
    told = threading.Event()

    @contextlib.contextmanager
    def refusing() -> Iterator[None]:
        raise LookupError("no database")
        yield

    with Threads(around=refusing) as threads:
        session = opened(serve(streaming(2)), threads)
        session.on("response.output_text.delta", lambda event: None)
        session.on(
            "handler.failed",
            lambda event: (
                failed.append(event.error),
                told.set() if len(failed) == 2 else None,
            ),
            inline=True,
        )
        commit(session)

        assert told.wait(LONG)
        assert [LookupError, LookupError] == [type(error) for error in failed]


def test_closing_the_threads_closes_what_still_uses_them(
    serve: Callable[..., str],
) -> None:
    """Sessions first, then workers, dialers and the loop; nothing is left."""
    url = serve(resting)
    threads = Threads()
    sessions = [opened(url, threads) for _ in range(5)]

    assert threads.close()
    assert [True] * 5 == [session.close_report.complete for session in sessions]
    assert [] == names("realtime-sync")
    assert threads.close()
    with pytest.raises(LocalProtocolError, match="closed"):
        opened(url, threads)


def test_closing_the_threads_is_bounded_by_its_timeout(
    serve: Callable[..., str],
) -> None:
    """A server that never answers the close frame is cut off."""

    def deaf(peer: Peer) -> None:
        peer.greet()
        peer.hold()

    threads = Threads()
    session = opened(serve(deaf), threads)
    started = monotonic()

    # What was given is so little that a machine that stands still may use it up; then
    # the rest ends behind it.
    threads.close(timeout=0.5)

    assert monotonic() - started < LONG
    assert threads.close(timeout=LONG)
    assert session.close_report.complete


def test_threads_cannot_be_closed_from_a_handler(
    threads: Threads, serve: Callable[..., str]
) -> None:
    """A worker that waits for all workers waits for itself."""
    found: list[Any] = []
    done = threading.Semaphore(0)

    def close(event: Any) -> None:
        try:
            threads.close()
        except WouldDeadlock as exc:
            found.append(exc)
        done.release()

    session = opened(serve(streaming(1)), threads)
    session.on("response.output_text.delta", close)
    session.on("response.output_text.delta", close, inline=True)
    commit(session)
    for _ in range(2):
        assert done.acquire(timeout=LONG)

    assert 2 == len(found)


@pytest.mark.parametrize(
    "wrong",
    [{"workers": 0}, {"dialers": -1}, {"workers": True}, {"workers": 1.5}]
    + [{"around": 3}],
)
def test_wrong_arguments_are_refused(wrong: dict[str, Any]) -> None:
    """At the caller's line."""
    with pytest.raises(ConfigurationError):
        Threads(**wrong)


def test_threads_of_a_session_must_be_threads() -> None:
    """Not a number of them."""
    with pytest.raises(ConfigurationError, match="threads must be Threads"):
        connect("m", threads=8, transport=MemoryTransport())  # type: ignore[arg-type]


def test_freezing_is_undone_unless_others_had_frozen_before() -> None:
    """What somebody else has frozen stays frozen."""
    gc.unfreeze()
    threads = Threads()
    threads.freeze()
    threads.freeze()
    frozen = gc.get_freeze_count()
    threads.close()
    after = gc.get_freeze_count()
    gc.freeze()
    others = Threads()
    others.freeze()
    others.close()
    kept = gc.get_freeze_count()
    gc.unfreeze()

    assert frozen > 0
    assert 0 == after
    assert kept > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_forked_child_leaves_the_parents_sessions_alone(
    threads: Threads, serve: Callable[..., str]
) -> None:
    """The child is told; the parent's loop goes on hearing its sockets."""
    url = serve(streaming(3))
    session = opened(url, threads)
    seen = threading.Semaphore(0)
    session.on("response.output_text.delta", lambda event: seen.release())
    pid = os.fork()
    if pid == 0:
        answer = 1
        try:
            for attempt in (
                lambda: session.send({"type": "input_audio_buffer.commit"}),
                lambda: opened(url, threads),
            ):
                try:
                    attempt()
                except ForkedSession:
                    answer += 1
            threads.close()
            del session, threads
            gc.collect()
        finally:
            sys.stdout.flush()
            os._exit(answer)
    _, status = os.waitpid(pid, 0)
    commit(session)
    for _ in range(3):
        assert seen.acquire(timeout=LONG)

    assert 3 == os.waitstatus_to_exitcode(status)
    assert session.close().complete


def test_five_hundred_sessions_lose_nothing(threads: Threads) -> None:
    """In order, on four workers; a smoke test without sockets."""
    transports = [MemoryTransport() for _ in range(MANY)]
    seen: list[list[str]] = [[] for _ in range(MANY)]
    left = threading.Semaphore(0)

    def note(index: int, event: Any) -> None:
        seen[index].append(event.delta)
        left.release()

    sessions = []
    for index, transport in enumerate(transports):
        session = connect("m", transport=transport, threads=threads)
        session.on("response.output_text.delta", partial(note, index))
        sessions.append(session)
    for number in range(10):
        for transport in transports:
            transport.feed(delta(number))
    for _ in range(10 * MANY):
        assert left.acquire(timeout=LONG)

    assert [[str(n) for n in range(10)]] * MANY == seen
    assert MANY == threads.stats.sessions
    assert threads.stats.workers <= 4
    assert threads.close(timeout=30)
    assert [True] * MANY == [session.close_report.complete for session in sessions]


def test_stats_count_what_there_is(threads: Threads, serve: Callable[..., str]) -> None:
    """Sessions, workers, and how long the loop's turns take."""
    assert 0 == threads.stats.sessions
    assert 0.0 == threads.stats.delay_p99
    session = opened(serve(streaming(5)), threads)
    with session.expect("response.output_text.delta") as got:
        commit(session)
    got.result(LONG)
    stats = threads.stats

    assert 1 == stats.sessions
    assert 0.0 < stats.delay_p50 <= stats.delay_p99
    assert "1 sessions" in repr(threads)


def test_what_the_main_thread_puts_as_they_close_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loop lines it up at its very end, when the workers have gone."""
    threads = Threads()
    go, inside, held = threading.Event(), threading.Event(), threading.Event()
    stop = threads.loop.stop

    def stop_and_let_go() -> None:
        stop()
        held.set()

    def run() -> None:
        inside.set()
        assert go.wait(LONG)

    monkeypatch.setattr(threads.loop, "stop", stop_and_let_go)
    threads.loop.start()
    threads.loop.call(lambda: held.wait(LONG))
    threads.run_tool(run)
    ended = threads.close(timeout=0.2)
    assert inside.wait(LONG)
    go.set()

    assert not ended
    assert threads.close()
