"""Delivering events: in order, one at a time, wherever handlers are to run."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any

import pytest

from realtime_sync.deadline import Deadline
from realtime_sync.errors import DispatchOverflow, WouldDeadlock
from tests.scripted_session import ScriptedSession

LONG = 5.0
SHORT = 0.05


def numbered(count: int) -> list[dict[str, str]]:
    """Some events that can be told apart."""
    return [{"type": "error", "event_id": str(number)} for number in range(count)]


class Blocker:
    """A handler that blocks until it is let go."""

    def __init__(self) -> None:
        self.entered, self.release = threading.Event(), threading.Event()

    def __call__(self, event: Any) -> None:
        self.entered.set()
        assert self.release.wait(LONG)


# -- where handlers run ------------------------------------------------------


def test_in_thread_mode_handlers_run_in_a_thread_of_their_own_in_order() -> None:
    """One thread, named after the session."""
    seen, threads = [], set()

    def handler(event: Any) -> None:
        seen.append(event.event_id)
        threads.add(threading.current_thread().name)

    with ScriptedSession("thread") as scripted:
        scripted.router.on("error", handler)
        for event in numbered(500):
            scripted.deliver(event)
        scripted.flush()

    assert [str(number) for number in range(500)] == seen
    assert {"realtime-sync scripted worker"} == threads


def test_in_manual_mode_handlers_run_in_the_thread_that_pumps() -> None:
    """And only while it does."""
    threads = []
    with ScriptedSession("manual") as scripted:
        scripted.router.on("error", lambda event: threads.append(threading.get_ident()))
        reader = threading.Thread(target=scripted.deliver, args=("error",))
        reader.start()
        reader.join(LONG)
        before = list(threads)
        handled = scripted.dispatcher.pump(Deadline(LONG))

    assert [] == before
    assert 1 == handled
    assert [threading.get_ident()] == threads


def test_pumping_waits_for_the_first_delivery_only() -> None:
    """Then it takes what is there and returns."""
    with ScriptedSession("manual") as scripted:
        nothing = scripted.dispatcher.pump(Deadline(0))
        timer = threading.Timer(0.02, scripted.deliver, args=("error",))
        timer.start()
        something = scripted.dispatcher.pump(Deadline(LONG))
        timer.join()

    assert 0 == nothing
    assert 1 == something


def test_in_inline_mode_handlers_run_at_once() -> None:
    """In the reader's thread, before it reads on."""
    seen: list[Any] = []
    with ScriptedSession("inline") as scripted:
        scripted.router.on("error", seen.append)
        scripted.deliver("error")

        assert 1 == len(seen)


def test_inline_handlers_overtake_what_is_queued() -> None:
    """A handler that blocks holds up queued deliveries, not these."""
    blocker, seen = Blocker(), []  # type: ignore[var-annotated]
    with ScriptedSession("thread") as scripted:
        scripted.router.on("error", blocker)
        scripted.router.on(
            "input_audio_buffer.speech_started",
            lambda event: seen.append(threading.get_ident()),
            inline=True,
        )
        scripted.deliver("error")
        scripted.deliver("error")
        blocker.entered.wait(LONG)
        scripted.deliver("input_audio_buffer.speech_started")
        overtaken = list(seen)
        blocker.release.set()

    assert [threading.get_ident()] == overtaken


# -- isolation ---------------------------------------------------------------


@pytest.mark.parametrize("mode", ["thread", "manual", "inline"])
def test_a_handler_that_raises_stops_no_other(
    mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its name, and published as ``handler.failed``."""
    seen: list[Any] = []
    failures: list[Any] = []

    def broken(event: Any) -> None:
        raise LookupError("what was asked for")

    with ScriptedSession(mode) as scripted:
        scripted.router.on("error", broken)
        scripted.router.on("error", seen.append)
        scripted.router.on("handler.failed", failures.append)
        scripted.deliver("error")
        scripted.deliver("error")
        scripted.flush()

    assert 2 == len(seen)
    assert 2 == len(failures)
    assert "broken" in failures[0].handler
    assert isinstance(failures[0].error, LookupError)
    assert "error" == failures[0].event.type
    assert 2 == scripted.dispatcher.failures
    assert "broken failed on error" in caplog.text


def test_a_handler_of_failures_that_fails_is_only_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No recursion."""
    with ScriptedSession() as scripted:
        scripted.router.on("error", lambda event: 1 // 0)
        scripted.router.on("handler.failed", lambda event: 1 // 0)
        scripted.deliver("error")

    assert 2 == scripted.dispatcher.failures
    assert 2 == len(caplog.records)


def test_a_handler_that_ends_its_thread_does_not_end_ours() -> None:
    """``sys.exit()`` in a handler is a failure of that handler."""
    seen: list[Any] = []
    failures: list[Any] = []
    with ScriptedSession("thread") as scripted:
        scripted.router.on("error", lambda event: sys.exit(3))
        scripted.router.on("error", seen.append)
        scripted.router.on("handler.failed", failures.append)
        scripted.deliver("error")
        scripted.deliver("error")
        scripted.flush()

    assert 2 == len(seen)
    assert SystemExit is type(failures[0].error)


def test_an_inline_handler_cannot_end_the_reader() -> None:
    """Neither by ``sys.exit()`` nor by any other exception."""
    survived = []
    with ScriptedSession("thread") as scripted:
        scripted.router.on("error", lambda event: sys.exit(3), inline=True)

        def read() -> None:
            scripted.deliver("error")
            survived.append(True)

        reader = threading.Thread(target=read)
        reader.start()
        reader.join(LONG)

    assert [True] == survived


def test_an_interrupt_in_a_handler_reaches_the_thread_that_pumps() -> None:
    """It is the user's own thread; nothing is lost by it."""
    seen: list[str] = []

    def handler(event: Any) -> None:
        seen.append(event.event_id)
        if event.event_id == "0":
            raise KeyboardInterrupt

    with ScriptedSession("manual") as scripted:
        scripted.router.on("error", handler)
        for event in numbered(3):
            scripted.deliver(event)
        with pytest.raises(KeyboardInterrupt):
            scripted.dispatcher.pump(Deadline(LONG))
        scripted.dispatcher.pump(Deadline(LONG))

    assert ["0", "1", "2"] == seen
    assert 0 == scripted.dispatcher.depth


def test_plain_blinker_receivers_are_called_with_keywords() -> None:
    """Signals are blinker's own; these receivers are isolated too."""
    seen = []

    def receiver(session: Any, *, event: Any, ctx: Any) -> None:
        seen.append((session, event.type, ctx.session))
        raise ValueError

    with ScriptedSession() as scripted:
        scripted.board.signal("error").connect(receiver)
        scripted.deliver("error")

    assert [(scripted.session, "error", scripted.session)] == seen
    assert 1 == scripted.dispatcher.failures


# -- waiting -----------------------------------------------------------------


def test_flush_waits_until_handlers_have_seen_everything() -> None:
    """What was delivered before it, and no more."""
    blocker, seen = Blocker(), []  # type: ignore[var-annotated]
    with ScriptedSession("thread") as scripted:
        scripted.router.on("error", blocker)
        scripted.router.on("error", seen.append)
        scripted.deliver("error")
        early = scripted.dispatcher.flush(Deadline(SHORT))
        blocker.release.set()
        late = scripted.dispatcher.flush(Deadline(LONG))

    assert not early
    assert late
    assert 1 == len(seen)


@pytest.mark.parametrize("mode", ["thread", "manual", "inline"])
def test_flush_after_the_end_returns_at_once(mode: str) -> None:
    """There is nothing left to wait for."""
    scripted = ScriptedSession(mode)
    scripted.deliver("error")
    scripted.dispatcher.stop()
    scripted.dispatcher.drained(Deadline(LONG))

    assert scripted.dispatcher.flush(Deadline(None))


def test_a_flush_that_came_behind_the_end_is_let_go() -> None:
    """It was queued behind the last delivery while that was running."""
    blocker, done = Blocker(), []  # type: ignore[var-annotated]
    scripted = ScriptedSession("thread")
    scripted.router.on("error", blocker)
    scripted.deliver("error")
    blocker.entered.wait(LONG)
    scripted.dispatcher.stop()
    waiting = threading.Thread(
        target=lambda: done.append(scripted.dispatcher.flush(Deadline(None))),
        daemon=True,
    )
    waiting.start()
    while scripted.dispatcher._strand._items.qsize() < 2:
        pass
    blocker.release.set()
    waiting.join(LONG)

    assert [True] == done


def test_flush_in_a_handler_would_deadlock() -> None:
    """It is refused instead."""
    failures: list[Any] = []
    with ScriptedSession("thread") as scripted:
        scripted.router.on("error", lambda event: scripted.flush())
        scripted.router.on("handler.failed", failures.append)
        scripted.deliver("error")
        scripted.flush()

    assert [WouldDeadlock] == [type(failure.error) for failure in failures]


def test_waiting_in_an_inline_handler_would_deadlock() -> None:
    """The reader would wait for what only it can bring."""
    failures: list[Any] = []
    never = threading.Event()
    with ScriptedSession("thread") as scripted:
        scripted.router.on(
            "error",
            lambda event: scripted.dispatcher.wait(never, Deadline(LONG)),
            inline=True,
        )
        scripted.router.on("handler.failed", failures.append, inline=True)
        scripted.deliver("error")

    assert [WouldDeadlock] == [type(failure.error) for failure in failures]
    assert "inline=True" in str(failures[0].error)


def test_in_manual_mode_a_wait_in_the_pumping_thread_pumps() -> None:
    """Otherwise a handler that it waits for would never run."""
    happened = threading.Event()
    with ScriptedSession("manual") as scripted:
        scripted.router.on("error", lambda event: happened.set())
        timer = threading.Timer(0.02, scripted.deliver, args=("error",))
        timer.start()
        came = scripted.dispatcher.wait(happened, Deadline(LONG))
        timer.join()

    assert came


def test_in_manual_mode_another_thread_just_waits() -> None:
    """Handlers run in one thread only."""
    happened, threads = threading.Event(), []

    def handler(event: Any) -> None:
        threads.append(threading.get_ident())
        happened.set()

    with ScriptedSession("manual") as scripted:
        scripted.router.on("error", handler)
        scripted.deliver("error")
        waiting = threading.Thread(
            target=scripted.dispatcher.wait, args=(happened, Deadline(LONG))
        )
        waiting.start()
        scripted.dispatcher.pump(Deadline(LONG))
        waiting.join(LONG)

    assert [threading.get_ident()] == threads


def test_an_inline_handler_does_not_pass_for_a_queued_one() -> None:
    """
    The thread that pumps is not in a handler because the reader is in one.

    `close()` goes by this: in a handler it returns at once.
    """
    inside, release = threading.Event(), threading.Event()
    with ScriptedSession("manual") as scripted:

        def handler(event: Any) -> None:
            inside.set()
            release.wait(LONG)

        scripted.router.on("error", handler, inline=True)
        reader = threading.Thread(target=scripted.deliver, args=("error",))
        reader.start()
        inside.wait(LONG)
        during = scripted.dispatcher.on_dispatcher()
        release.set()
        reader.join(LONG)

    assert not during


def test_whether_the_caller_is_a_handler_is_known() -> None:
    """In the thread of handlers, and while pumping."""
    answers = []
    for mode in ("thread", "manual"):
        with ScriptedSession(mode) as scripted:
            scripted.router.on(
                "error",
                lambda event: answers.append(scripted.dispatcher.on_dispatcher()),
            )
            scripted.deliver("error")
            scripted.flush()
            answers.append(scripted.dispatcher.on_dispatcher())

    assert [True, False] * 2 == answers


# -- backpressure ------------------------------------------------------------


def test_a_queue_above_the_mark_is_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With the handler that is to blame, and again only after it caught up."""
    blocker, lagging = Blocker(), []  # type: ignore[var-annotated]
    with ScriptedSession("thread", limit=1000) as scripted:
        scripted.router.on("error", blocker)
        scripted.router.on("dispatch.lagging", lagging.append, inline=True)
        scripted.deliver("error")
        blocker.entered.wait(LONG)
        for event in numbered(300):
            scripted.deliver(event)
        first = list(lagging)
        blocker.release.set()
        scripted.flush()
        blocker.release.clear()
        for event in numbered(300):
            scripted.deliver(event)
        blocker.release.set()

    assert 1 == len(first)
    assert "Blocker" in first[0].handler
    assert first[0].queued > 100
    assert 2 == len(lagging)
    assert "handlers lag" in caplog.text


def test_lagging_by_bytes_is_reported_once() -> None:
    """Few deliveries may hold much audio."""
    blocker, lagging = Blocker(), []  # type: ignore[var-annotated]
    with ScriptedSession("thread", limit_bytes=1000) as scripted:
        scripted.router.on("error", blocker)
        scripted.router.on("dispatch.lagging", lagging.append, inline=True)
        scripted.deliver("error", size=600)
        for _ in range(20):
            scripted.deliver("error", size=10)
        blocker.release.set()

    assert 1 == len(lagging)


@pytest.mark.parametrize("mode", ["thread", "manual"])
@pytest.mark.parametrize("limits", [{"limit": 5}, {"limit_bytes": 50}])
def test_over_the_limit_the_reader_is_told(mode: str, limits: dict[str, int]) -> None:
    """Nothing is dropped silently: the session ends, saying why."""
    blocker = Blocker()
    with ScriptedSession(mode, **limits) as scripted:
        scripted.router.on("error", blocker)
        with pytest.raises(DispatchOverflow, match="queue_limit"):
            for _ in range(20):
                scripted.deliver("error", size=10)
        blocker.release.set()


def test_events_nobody_listens_to_do_not_queue() -> None:
    """A session may be used for its mirror and its waits alone."""
    with ScriptedSession("thread", limit=5) as scripted:
        for event in numbered(50):
            scripted.deliver(event)

        assert 0 == scripted.dispatcher.depth


def test_stale_deliveries_are_discarded_and_counted() -> None:
    """Audio of an interrupted response, if that was asked for."""
    seen: list[str] = []
    with ScriptedSession(
        "thread", is_stale=lambda event: event.event_id == "1"
    ) as scripted:
        scripted.router.on("error", lambda event: seen.append(event.event_id))
        for event in numbered(3):
            scripted.deliver(event)
        scripted.flush()

    assert ["0", "2"] == seen
    assert 1 == scripted.dispatcher.discarded


def test_a_slow_handler_is_reported_once_with_its_stack(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Name, age, and where it is."""
    blocker = Blocker()
    with ScriptedSession("thread") as scripted, caplog.at_level(logging.WARNING):
        scripted.router.on("error", blocker)
        scripted.deliver("error")
        blocker.entered.wait(LONG)
        scripted.dispatcher.watch_handler(0.0)
        scripted.dispatcher.watch_handler(0.0)
        blocker.release.set()
        scripted.flush()
        scripted.dispatcher.watch_handler(0.0)
    (record,) = caplog.records

    assert "Blocker" in record.getMessage()
    assert "release.wait(LONG)" in record.getMessage()


# -- the end -----------------------------------------------------------------


def test_stopping_delivers_what_is_queued() -> None:
    """Then the thread ends."""
    seen: list[str] = []
    scripted = ScriptedSession("thread")
    scripted.router.on("error", lambda event: seen.append(event.event_id))
    for event in numbered(100):
        scripted.deliver(event)
    scripted.dispatcher.stop()
    drained = scripted.dispatcher.drained(Deadline(LONG))

    assert drained
    assert scripted.dispatcher.finished
    assert 100 == len(seen)


def test_discarding_drops_what_is_queued_and_counts_it() -> None:
    """``close(drain=False)``."""
    blocker = Blocker()
    scripted = ScriptedSession("thread")
    scripted.router.on("error", blocker)
    for event in numbered(10):
        scripted.deliver(event)
    blocker.entered.wait(LONG)
    scripted.dispatcher.discard()
    scripted.dispatcher.stop()
    blocker.release.set()
    drained = scripted.dispatcher.drained(Deadline(LONG))

    assert drained
    assert 9 == scripted.dispatcher.discarded_at_close


def test_in_manual_mode_the_closing_thread_empties_the_queue() -> None:
    """Nobody else would; what was not delivered in time is counted."""
    seen: list[Any] = []
    scripted = ScriptedSession("manual")
    scripted.router.on("error", seen.append)
    for event in numbered(10):
        scripted.deliver(event)
    scripted.dispatcher.stop()
    drained = scripted.dispatcher.drained(Deadline(0))

    assert drained
    assert 10 == len(seen) + scripted.dispatcher.discarded_at_close
    assert 0 == scripted.dispatcher.depth


def test_what_is_queued_is_dropped_when_the_time_to_close_is_up() -> None:
    """Handlers are not called any more when `close()` has given up on them."""
    blocker = Blocker()
    scripted = ScriptedSession("thread")
    scripted.router.on("error", blocker)
    for event in numbered(10):
        scripted.deliver(event)
    blocker.entered.wait(LONG)
    scripted.dispatcher.discard_after(Deadline(0))
    scripted.dispatcher.stop()
    in_time = scripted.dispatcher.drained(Deadline(SHORT))
    blocker.release.set()
    later = scripted.dispatcher.drained(Deadline(LONG))

    assert not in_time
    assert later
    assert 9 == scripted.dispatcher.discarded_at_close
