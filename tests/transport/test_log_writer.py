"""A slow handler of the log holds up no loop, and nothing is left out unsaid."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from realtime_sync.deadline import Deadline
from realtime_sync.transport import log_writer
from realtime_sync.transport.logs import area_logger
from realtime_sync.transport.loop import Loop

LONG = 10.0
LOGGER = area_logger("realtime_sync.test_log_writer")


class Held(logging.Handler):
    """Keeps what it is given, and returns when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.threads: list[str] = []
        self.entered, self.go_on = threading.Event(), threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """One record."""
        self.entered.set()
        assert self.go_on.wait(LONG)
        self.told.append(record.getMessage())
        self.threads.append(threading.current_thread().name)


@pytest.fixture
def held() -> Iterator[Held]:
    """A handler of the program that does not return by itself."""
    held = Held()
    LOGGER.addHandler(held)
    yield held
    held.go_on.set()
    LOGGER.removeHandler(held)


def on_loop(loop: Loop) -> threading.Event:
    """Set when the loop has come to it."""
    reached = threading.Event()
    loop.call(reached.set)
    return reached


def test_a_handler_that_blocks_does_not_hold_the_loop(held: Held, loop: Loop) -> None:
    """It goes on with calls, and so with sockets and timers."""
    loop.call(lambda: LOGGER.warning("! %s", "first"))
    assert held.entered.wait(LONG)

    assert on_loop(loop).wait(LONG)
    assert [] == held.told
    held.go_on.set()


def test_records_of_a_loop_are_written_in_order_and_escaped_once(
    held: Held, loop: Loop
) -> None:
    """As if nobody stood between."""
    held.go_on.set()
    for number in range(50):
        loop.call(lambda number=number: LOGGER.warning("%s %s", number, "a\\n\n"))
    loop.stop()
    assert loop.join(Deadline(LONG))

    assert [rf"{number} a\n\n" for number in range(50)] == held.told
    assert {"test loop log"} == set(held.threads)


def test_records_of_other_threads_are_written_where_they_are_made(
    held: Held, loop: Loop
) -> None:
    """Who blocks there blocks himself."""
    held.go_on.set()
    LOGGER.warning("mine")

    assert [threading.current_thread().name] == held.threads


def test_what_is_too_much_is_counted_and_said(
    held: Held,
    loop: Loop,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Memory does not grow with the patience of a disk."""
    monkeypatch.setattr(log_writer, "MOST_RECORDS", 3)
    for number in range(10):
        loop.call(lambda number=number: LOGGER.warning("%s", number))
    assert held.entered.wait(LONG)
    assert on_loop(loop).wait(LONG)
    held.go_on.set()
    loop.stop()
    assert loop.join(Deadline(LONG))

    left_out = 10 - len(held.told)
    said = [text for text in caplog.messages if "left out" in text]
    assert held.told == [str(number) for number in range(len(held.told))]
    assert left_out >= 6
    assert [
        f"! {left_out} records of the log are left out: its handlers are too slow"
    ] == said


@pytest.mark.parametrize("error", [ValueError("disk"), SystemExit()])
def test_a_handler_that_raises_ends_nothing(
    loop: Loop, error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next record is written all the same."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())
            raise error

    told: list[str] = []
    broken = Broken()
    LOGGER.addHandler(broken)
    for _ in range(2):
        loop.call(lambda: LOGGER.warning("x"))
    loop.stop()
    assert loop.join(Deadline(LONG))
    LOGGER.removeHandler(broken)

    assert ["x", "x"] == told
    assert 2 == capsys.readouterr().err.count("Traceback")


def test_a_flush_waits_for_what_was_said_before(held: Held, loop: Loop) -> None:
    """At the end of a process the last words come to the log."""
    loop.call(lambda: LOGGER.warning("x"))
    assert held.entered.wait(LONG)
    assert on_loop(loop).wait(LONG)
    log_writer.flush_log_writers(Deadline(0))
    before = list(held.told)
    held.go_on.set()
    log_writer.flush_log_writers(Deadline(LONG))

    assert ([], ["x"]) == (before, held.told)


def test_without_a_thread_to_be_had_the_record_is_written_at_once(
    held: Held, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather held up than silent."""
    held.go_on.set()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    loop.call(lambda: LOGGER.warning("x"))
    assert on_loop(loop).wait(LONG)

    assert (["x"], ["test loop"]) == (held.told, held.threads)
