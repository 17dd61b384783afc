"""The playback ledger, by a clock that the test holds."""

from __future__ import annotations

import threading
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_sync.audio import PlaybackLedger
from tests.clock import Clock

MS = 48
"""Bytes of one millisecond."""


@pytest.fixture
def ledger(clock: Clock) -> PlaybackLedger:
    """An empty ledger of pcm16."""
    return PlaybackLedger(clock=clock)


def heard(ledger: PlaybackLedger) -> list[tuple[str, int, float, float]]:
    """Item, part, milliseconds heard and received."""
    return [
        (part.item_id, part.content_index, part.heard_ms, part.received_ms)
        for part in ledger.parts()
    ]


def test_what_was_handed_over_is_heard_as_the_clock_goes(
    ledger: PlaybackLedger, clock: Clock
) -> None:
    """Inside a block the time that has passed tells."""
    ledger.received(100 * MS, item_id="a", response_id="r")
    ledger.handed(20 * MS)
    clock.now += 0.005

    assert [("a", 0, 5.0, 100.0)] == heard(ledger)
    assert "r" == ledger.parts()[0].response_id


def test_a_block_is_heard_once(ledger: PlaybackLedger, clock: Clock) -> None:
    """Looking often does not count anything twice."""
    ledger.received(40 * MS, item_id="a")
    for _ in range(2):
        ledger.handed(20 * MS)
        for _ in range(4):
            clock.now += 0.005
            ledger.parts()
    clock.now += 1

    assert 40.0 == ledger.heard_ms("a")


def test_a_block_may_end_one_item_and_begin_the_next(
    ledger: PlaybackLedger, clock: Clock
) -> None:
    """Blocks of the device know nothing of items."""
    ledger.received(30 * MS, item_id="a")
    ledger.received(10 * MS, item_id="a", content_index=1)
    ledger.received(100 * MS, item_id="b")
    ledger.handed(60 * MS)
    clock.now += 0.050

    assert [("a", 0, 30, 30), ("a", 1, 10, 10), ("b", 0, 10, 100)] == heard(ledger)


def test_interleaved_parts_are_played_as_they_came(
    ledger: PlaybackLedger, clock: Clock
) -> None:
    """Two responses at once take turns, and so does the account."""
    for _ in range(3):
        ledger.received(10 * MS, item_id="a")
        ledger.received(10 * MS, item_id="b")
    ledger.handed(25 * MS)
    clock.now += 1

    assert [("a", 0, 15, 30), ("b", 0, 10, 30)] == heard(ledger)


def test_a_device_with_latency_is_heard_later(
    ledger: PlaybackLedger, clock: Clock
) -> None:
    """The device tells when a block will come out of the loudspeaker."""
    ledger.received(100 * MS, item_id="a")
    ledger.handed(20 * MS, at=clock.now + 0.150)
    ledger.handed(20 * MS, at=clock.now + 0.170)
    clock.now += 0.149
    before = ledger.heard_ms("a")
    clock.now += 0.031

    assert 0.0 == before
    assert 30.0 == pytest.approx(ledger.heard_ms("a"))


def test_what_a_device_holds_is_heard_if_it_cannot_be_taken_back(
    ledger: PlaybackLedger,
) -> None:
    """Settling counts what is still on its way."""
    ledger.received(100 * MS, item_id="a")
    ledger.handed(20 * MS)
    ledger.settle()
    ledger.drop()

    assert 20.0 == ledger.heard_ms("a")


def test_dropped_audio_is_never_heard(ledger: PlaybackLedger, clock: Clock) -> None:
    """Neither what was queued nor what was on its way."""
    ledger.received(100 * MS, item_id="a")
    ledger.handed(40 * MS)
    clock.now += 0.010
    ledger.drop()
    ledger.handed(40 * MS)
    clock.now += 1

    assert [("a", 0, 10, 100)] == heard(ledger)


def test_a_pause_is_not_heard(ledger: PlaybackLedger, clock: Clock) -> None:
    """While nothing is handed over, nothing is heard."""
    ledger.received(100 * MS, item_id="a")
    ledger.handed(20 * MS)
    clock.now += 60
    ledger.handed(20 * MS)
    clock.now += 0.010

    assert 30.0 == pytest.approx(ledger.heard_ms("a"))


def test_padding_is_not_counted(ledger: PlaybackLedger, clock: Clock) -> None:
    """A device that asks for more than there is gets silence for the rest."""
    ledger.received(5 * MS, item_id="a")
    ledger.handed(20 * MS)
    clock.now += 1

    assert 5 * MS == ledger.position
    assert 5.0 == ledger.heard_ms("a")


def test_a_far_device_confirms(ledger: PlaybackLedger, clock: Clock) -> None:
    """What only the far end can know is counted when it says so."""
    ledger.received(100 * MS, item_id="a")
    ledger.handed(20 * MS, confirmed=False)
    first = ledger.position
    ledger.handed(20 * MS, confirmed=False)
    clock.now += 1
    before = ledger.heard_ms("a")
    ledger.confirm(first)

    assert 0.0 == before
    assert 20.0 == ledger.heard_ms("a")


def test_an_unknown_item_was_not_heard(ledger: PlaybackLedger) -> None:
    """Asking is not an error."""
    assert 0.0 == ledger.heard_ms("nobody")


def test_forgetting_starts_anew(ledger: PlaybackLedger) -> None:
    """After a truncation was sent, the parts are none of our business."""
    ledger.received(100 * MS, item_id="a")
    ledger.handed(20 * MS)
    ledger.forget()

    ledger.handed(20 * MS)

    assert () == ledger.parts()
    assert 960 == ledger.position


def test_memory_does_not_grow_with_the_conversation(
    ledger: PlaybackLedger, clock: Clock
) -> None:
    """Parts that were heard or dropped are forgotten in the end."""
    for number in range(1000):
        ledger.received(10 * MS, item_id=f"item{number}")
        ledger.handed(10 * MS)
        clock.now += 0.010
        if number % 7 == 0:
            ledger.drop()

    assert len(ledger.parts()) < 40


@given(
    chunks=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 1), st.integers(1, 500)),
        max_size=30,
    ),
    blocks=st.lists(st.integers(1, 700), max_size=30),
)
def test_the_account_is_that_of_a_list_of_bytes(
    chunks: list[tuple[str, int, int]], blocks: list[int]
) -> None:
    """However chunks and blocks are cut, each byte is heard for its own part."""
    clock = Clock()
    ledger = PlaybackLedger("g711_ulaw", clock=clock)
    order = []
    for item_id, index, size in chunks:
        ledger.received(size, item_id=item_id, content_index=index)
        order += [(item_id, index)] * size
    for size in blocks:
        ledger.handed(size)
    clock.now += 1000
    played = order[: sum(blocks)]

    assert {key: played.count(key) / 8 for key in dict.fromkeys(order)} == {
        (part.item_id, part.content_index): part.heard_ms for part in ledger.parts()
    }


def test_threads_do_not_lose_bytes() -> None:
    """The callback thread hands over while the reader receives."""
    ledger = PlaybackLedger()
    done = threading.Event()

    def callback() -> None:
        while not done.is_set():
            ledger.handed(480)

    thread = threading.Thread(target=callback)
    thread.start()
    for _ in range(2000):
        ledger.received(480, item_id="a")
    done.set()
    thread.join()
    ledger.handed(2000 * 480)
    ledger.settle()

    assert 20_000.0 == ledger.heard_ms("a")


# -- far away ------------------------------------------------------------------


def far_ledger(clock: Clock) -> PlaybackLedger:
    """A ledger that fills in the time between reports."""
    return PlaybackLedger(clock=clock, estimate=True)


def hand(ledger: PlaybackLedger, clock: Clock, ms: int) -> int:
    """Hand over so much at the speed of sound, and ask for a report."""
    ledger.received(ms * MS, item_id="a")
    for _ in range(ms // 20):
        ledger.handed(20 * MS, confirmed=False)
        clock.now += 0.02
    return ledger.expect()


@pytest.mark.parametrize("lag", [0.0, 0.15, 0.6])
def test_time_tells_what_was_heard_between_reports(clock: Clock, lag: float) -> None:
    """An order to stop takes as long on its way as the sound took."""
    ledger = far_ledger(clock)
    first = hand(ledger, clock, 1000)
    clock.now += 2 * lag
    ledger.confirm(first)
    hand(ledger, clock, 400)

    assert 1400.0 == pytest.approx(ledger.heard_ms("a"), abs=1)


def test_a_far_end_that_plays_late_is_believed(clock: Clock) -> None:
    """It stalled for a second: what came after it is heard that much later."""
    ledger = far_ledger(clock)
    ledger.received(3000 * MS, item_id="a")
    for _ in range(3):
        ledger.handed(200 * MS, confirmed=False)
        clock.now += 0.2
        ledger.confirm(ledger.expect())
    ledger.handed(200 * MS, confirmed=False)
    clock.now += 0.2
    asked = ledger.expect()
    ledger.handed(200 * MS, confirmed=False)
    clock.now += 0.8
    stalled = ledger.heard_ms("a")
    clock.now += 0.2
    ledger.confirm(asked)
    clock.now += 0.1

    assert stalled <= 800
    assert 900.0 == pytest.approx(ledger.heard_ms("a"), abs=1)


@pytest.mark.parametrize("estimate", [True, False])
def test_reports_that_never_come_are_not_waited_for(
    clock: Clock, estimate: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """After a while the clock tells; said once, and kept small."""
    ledger = PlaybackLedger(clock=clock, estimate=estimate)
    sizes: list[int] = []
    tracemalloc.start()
    try:
        for _ in range(40):
            hand(ledger, clock, 2500)
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    heard = ledger.heard_ms("a")

    assert 100_000.0 == pytest.approx(heard, abs=1)
    assert 1 == len(caplog.records)
    # 30 rounds of 125 entries each, had they been kept, are some hundred kilobytes.
    assert sizes[-1] - sizes[9] < 20_000


def test_a_report_that_comes_after_all_is_waited_for_again(clock: Clock) -> None:
    """A line that was bad for a while is believed again."""
    ledger = PlaybackLedger(clock=clock)
    hand(ledger, clock, 3000)
    by_time = ledger.heard_ms("a")
    ledger.confirm(ledger.position)
    hand(ledger, clock, 200)

    assert 3000.0 == pytest.approx(by_time, abs=1)
    assert 3000.0 == ledger.heard_ms("a")


def test_what_was_taken_back_was_not_heard(clock: Clock) -> None:
    """It is the next to be handed over again."""
    ledger = PlaybackLedger(clock=clock)
    ledger.received(20 * MS, item_id="a")
    ledger.received(20 * MS, item_id="b")
    ledger.handed(40 * MS)
    clock.now += 0.03
    ledger.take_back(30 * MS)
    taken = ledger.heard_ms("a"), ledger.heard_ms("b"), ledger.position
    ledger.handed(30 * MS)
    clock.now += 0.03

    assert (10.0, 0.0, 10 * MS) == taken
    assert (20.0, 20.0) == (ledger.heard_ms("a"), ledger.heard_ms("b"))
