"""
Handlers that block or compute, while the server streams and pings.

Latency is all that they may cost. The figures are printed; only the long runs hold
them against bounds in milliseconds.
"""

from __future__ import annotations

import logging
import threading
from time import monotonic
from typing import Any

import pytest

import realtime_sync.connection
import realtime_sync.session.lifecycle
from realtime_sync import Router, Session, connect
from realtime_sync.dispatch.dispatcher import Dispatcher
from realtime_sync.dispatch.notices import DispatchLagging
from realtime_sync.errors import DispatchOverflow
from tests.rawserver import Peer
from tests.stress.flood import flooding
from tests.stress.sequenced_server import LONG, Place, percentile, wait_until

pytestmark = pytest.mark.usefixtures("arrangement")

DELTA = "response.output_text.delta"


def compute(over: threading.Event) -> None:
    """Pure Python that never pauses."""
    number = 0
    while not over.is_set():
        for _ in range(1000):
            number = (number * 31 + 7) % 65_537


class Figures:
    """What a run with a blocked handler gave."""

    def __init__(self, seconds: float, pings: float, *, busy: bool) -> None:
        self.latencies: list[float] = []
        self.numbers: list[int] = []
        over, done, computed = (threading.Event() for _ in range(3))
        computing = threading.Thread(target=compute, args=(computed,))
        with flooding(seconds, pings) as flood:
            with connect("m", base_url=flood.url, router=Router()) as session:
                session.on(DELTA, self._block(over))
                session.on(
                    "input_audio_buffer.speech_started", self._heard, inline=True
                )
                session.on(
                    "response.output_text.done", lambda event: done.set(), inline=True
                )
                if busy:
                    computing.start()
                session.update(instructions="go")
                assert done.wait(seconds + LONG)
                computed.set()
                self.alive = session.is_open
                self.waiting = session.stats.queued
                over.set()
                session.flush(LONG)
            self.told = flood.told()
        if busy:
            computing.join(LONG)

    def _block(self, over: threading.Event) -> Any:
        def handler(event: Any) -> None:
            over.wait()
            self.numbers.append(int(event.delta))

        return handler

    def _heard(self, event: Any) -> None:
        self.latencies.append(monotonic() - float(event.event_id))

    def check(self, name: str) -> None:
        """Alive, in order, nothing lost, every ping answered."""
        p50, p99 = (1000 * percentile(self.latencies, s) for s in (0.5, 0.99))
        worst = 1000 * max(self.latencies)
        print(
            f"\n{name}: speech_started inline, {len(self.latencies)} times: "
            f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, worst {worst:.2f} ms; "
            f"{len(self.numbers)} deltas waited"
        )
        assert self.alive
        assert list(range(self.told["deltas"])) == self.numbers
        assert self.waiting >= len(self.numbers) - 1
        assert self.told["pings"] == self.told["pongs"]
        assert self.latencies


@pytest.mark.parametrize("busy", [False, True], ids=["blocked", "blocked and busy"])
def test_a_blocked_handler_costs_latency_only(busy: bool) -> None:
    """A second of it; the figures are printed."""
    Figures(1.0, 0.1, busy=busy).check("1 s" + (", busy thread" if busy else ""))


@pytest.mark.alone
@pytest.mark.deep
@pytest.mark.parametrize(
    ("busy", "bound"), [(False, 10.0), (True, 30.0)], ids=["blocked", "and busy"]
)
def test_a_handler_blocked_for_a_minute(busy: bool, bound: float) -> None:
    """A ping every two seconds; p99 of what runs inline is bounded."""
    figures = Figures(60.0, 2.0, busy=busy)
    figures.check("60 s" + (", busy thread" if busy else ""))

    assert 1000 * percentile(figures.latencies, 0.99) <= bound


# -- what is said about it ---------------------------------------------------


def quiet_after(count: int) -> Any:
    """Greet; a delta for the first word, so many for the second; answer the close."""

    def script(peer: Peer) -> None:
        peer.greet()
        peer.hear()
        peer.say({"type": DELTA, "delta": "0"})
        peer.hear()
        for number in range(1, count):
            peer.say({"type": DELTA, "delta": str(number)})
        peer.answer_close()

    return script


class Stuck:
    """A handler that says when it has begun, and ends when it may."""

    def __init__(self) -> None:
        self.begun, self.release = threading.Event(), threading.Event()
        self.seen: list[int] = []

    def __call__(self, event: Any) -> None:
        self.begun.set()
        self.release.wait(LONG)
        self.seen.append(int(event.delta))

    def begin(self, session: Session) -> None:
        """Have it called for the first delta."""
        session.on(DELTA, self)
        session.input_audio_buffer.clear()
        assert self.begun.wait(LONG)


def test_the_watchdog_names_a_slow_handler(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when the server is silent: name, age and stack, once for each call."""
    monkeypatch.setattr(realtime_sync.session.lifecycle, "_SLOW_HANDLER", 0.1)
    monkeypatch.setattr(realtime_sync.connection.connection, "_HOUSEKEEPING", 0.05)
    looks: list[bool] = []
    handler, watch = Stuck(), Dispatcher.watch_handler

    def watch_and_count(dispatcher: Dispatcher, patience: float) -> None:
        watch(dispatcher, patience)
        looks.append("has been running" in caplog.text)

    monkeypatch.setattr(Dispatcher, "watch_handler", watch_and_count)
    with Place(quiet_after(1)) as place, place.open() as session:
        handler.begin(session)
        wait_until(lambda: sum(looks) > 2, "looks at it after the warning")
        handler.release.set()
        session.input_audio_buffer.clear()

    (warning,) = [r for r in caplog.records if "has been running" in r.message]
    assert logging.WARNING == warning.levelno
    assert "Stuck" in warning.message
    assert "self.release.wait(LONG)" in warning.message


def test_lagging_is_told_once_until_it_is_over() -> None:
    """With the name of the handler that runs."""
    handler = Stuck()
    told: list[DispatchLagging] = []
    with Place(quiet_after(200)) as place, place.open(queue_limit=1000) as session:
        session.on("dispatch.lagging", told.append, inline=True)
        handler.begin(session)
        session.input_audio_buffer.clear()
        wait_until(lambda: session.stats.events == 201, "all events")
        assert session.stats.queued >= 199
        handler.release.set()
        session.flush(LONG)

        assert 1 == len(told)
        assert "Stuck" in told[0].handler
        assert 0 == session.stats.queued


@pytest.mark.shared
def test_an_overflow_closes_and_says_so() -> None:
    """Everything that waits gets the reason; what was queued is still delivered."""
    handler = Stuck()
    with Place(quiet_after(200)) as place:
        session = place.open(queue_limit=50)
        handler.begin(session)
        with session.expect("response.done") as never:
            session.input_audio_buffer.clear()
        with pytest.raises(DispatchOverflow, match="Stuck"):
            never.result(LONG)
        handler.release.set()
        report = session.close()

        assert isinstance(report.error, DispatchOverflow)
        assert list(range(len(handler.seen))) == handler.seen
        assert 49 <= len(handler.seen) <= 51
        assert report.complete


def interrupted_answer(peer: Peer) -> None:
    """Audio of a response, then the user speaks and it is cancelled."""
    peer.greet()
    peer.hear()
    response = {"id": "r", "status": "in_progress", "output": []}
    peer.say({"type": "response.created", "response": response})
    delta = {"type": "response.output_audio.delta", "response_id": "r", "item_id": "i"}
    peer.say({**delta, "delta": "AAAA"})
    peer.hear()
    for _ in range(19):
        peer.say({**delta, "delta": "AAAA"})
    peer.say({"type": "input_audio_buffer.speech_started", "item_id": "u"})
    cancelled = {"id": "r", "status": "cancelled", "output": []}
    peer.say({"type": "response.done", "response": cancelled})
    peer.answer_close()


@pytest.mark.parametrize("drop", [False, True])
def test_stale_audio_is_dropped_if_asked_for(drop: bool) -> None:
    """Counted, never silently; everything else is delivered."""
    release, first = threading.Event(), threading.Event()
    played: list[int] = []
    others: list[str] = []
    with Place(interrupted_answer) as place:
        with place.open(drop_stale_audio=drop) as session:

            def play(event: Any) -> None:
                first.set()
                release.wait(LONG)
                played.append(1)

            session.on("response.output_audio.delta", play)
            session.on("response.done", lambda event: others.append(event.type))
            session.input_audio_buffer.clear()
            assert first.wait(LONG)
            with session.expect("response.done") as done:
                session.input_audio_buffer.clear()
            done.result(LONG)
            release.set()
            session.flush(LONG)

            assert (1 if drop else 20) == len(played)
            assert (19 if drop else 0) == session.stats.discarded
            assert ["response.done"] == others
