"""
What goes wrong on the way to the caller: what was heard, what the model believes.

Each fault ends with figures: milliseconds in the caller's ear, milliseconds that the
conversation holds, seconds until sound flows again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, field

from realtime_sync import ReconnectPolicy, audio, connect
from realtime_sync.audio.telephony import (
    AUDIOSOCKET,
    EXOTEL,
    TWILIO,
    VONAGE,
    CallBridge,
    Carrier,
)
from realtime_sync.server import ManualClock, Prompt, Say, serve
from realtime_sync.testing import FakeCarrier
from tests.phone import STARTED, Phone

CARRIERS = [TWILIO, VONAGE, EXOTEL, AUDIOSOCKET]
EACH = pytest.mark.parametrize("carrier", CARRIERS, ids=lambda each: each.name)


@define
class Line:
    """
    A socket that misbehaves for a while.

    Args:
        carrier: where messages arrive.
        clock: seconds; None for those of a carrier in real time.
        begins: seconds since the first message at which it begins to fail.
        lasts: for how long; a stall moves the clock by as much.
        stalls: whether it blocks instead of raising.
    """

    carrier: FakeCarrier
    clock: ManualClock
    begins: float
    lasts: float
    stalls: bool = False
    during: Callable[[], object] | None = None
    first: float | None = None
    failed_at: float | None = None
    recovered_at: float | None = None
    refused: int = field(default=0)

    def send(self, message: Any) -> None:
        """Pass a message on, or fail."""
        now = self.clock.now()
        self.first = now if self.first is None else self.first
        since = now - self.first
        if self.failed_at is None and since >= self.begins:
            self.failed_at = now
            if self.stalls:
                for _ in range(round(self.lasts / 0.005)):
                    self.clock.advance(0.005)
                    if self.during is not None and self.clock.now() - now > 6:
                        during, self.during = self.during, None
                        during()
                self.recovered_at = self.clock.now()
        failing = self.failed_at is not None and (
            self.clock.now() - self.failed_at < self.lasts or self.refused == 0
        )
        if failing and not self.stalls:
            self.refused += 1
            raise BrokenPipeError("the socket is gone")
        if self.failed_at is not None and self.recovered_at is None:
            self.recovered_at = now
        self.carrier.send(message)

    @property
    def recovery(self) -> float:
        """Seconds from the failure to the first message that went out."""
        assert self.failed_at is not None and self.recovered_at is not None
        return self.recovered_at - self.failed_at


class Faulty(Phone):
    """A call over a line that misbehaves."""

    line: Line

    def __init__(self, carrier: Carrier, **fault: Any) -> None:
        def send(line: FakeCarrier) -> Callable[[Any], Any]:
            self.line = Line(line, self.clock, **fault)
            return self.line.send

        self.notices: list[bool] = []
        super().__init__(carrier, send=send)
        self.session.on(
            "player.failed",
            lambda event: self.notices.append(event.retrying),
            inline=True,
        )

    def cuts(self) -> list[int]:
        """How far answers were truncated since the last look."""
        return [
            each["audio_end_ms"]
            for each in self.transport.take()
            if each["type"] == "conversation.item.truncate"
        ]


@EACH
def test_a_socket_that_raises_once(carrier: Carrier) -> None:
    """The caller hears all of it, and nobody need do anything."""
    with Faulty(carrier, begins=1.0, lasts=0.0) as phone:
        phone.dial(0.1)
        phone.say(3.0)
        phone.carrier.advance(5.0)
        outcome = phone.while_time_passes(lambda: phone.bridge.wait_heard(5))

        assert "heard" == outcome
        assert 3000 == pytest.approx(phone.carrier.ear_ms, abs=carrier.block_ms)
        assert [] == phone.cuts()
        assert [True] == phone.notices
        assert phone.line.recovery <= 0.06


@EACH
def test_a_socket_that_raises_for_a_second(carrier: Carrier) -> None:
    """All of it is heard with a gap; an interruption in the gap knows of it."""
    for interrupted in (False, True):
        with Faulty(carrier, begins=1.0, lasts=1.0) as phone:
            phone.dial(0.1)
            phone.say(6.0)
            phone.carrier.advance(1.5)
            if interrupted:
                phone.transport.feed(STARTED)
            phone.carrier.advance(8.0)
            cuts = phone.cuts()

            assert [True] == phone.notices
            if interrupted:
                ear = pytest.approx(phone.carrier.ear_ms, abs=20)
                assert cuts == [ear]
                assert 900 < phone.carrier.ear_ms < 1300
            else:
                assert 6000 == pytest.approx(phone.carrier.ear_ms, abs=carrier.block_ms)
                assert [] == cuts
                assert phone.line.recovery <= 1.5


@EACH
def test_a_socket_that_raises_for_ever(carrier: Carrier) -> None:
    """The call has failed after two seconds, and the model knows what was heard."""
    with Faulty(carrier, begins=1.0, lasts=1e9) as phone:
        phone.dial(0.1)
        phone.say(6.0)
        phone.carrier.advance(6.0)

        assert ["failed"] == phone.ends
        assert [True, False] == phone.notices
        assert phone.cuts() == [pytest.approx(phone.carrier.ear_ms, abs=20)]
        assert "failed" == phone.bridge.wait_heard(1)
        with pytest.raises(BrokenPipeError):
            phone.bridge.receive(
                b"" if carrier is AUDIOSOCKET or carrier is VONAGE else {"event": "x"}
            )


@EACH
def test_a_socket_that_stalls_for_twelve_seconds(carrier: Carrier) -> None:
    """What was on its way is heard when it goes on, at the speed of speech."""
    with Faulty(carrier, begins=1.0, lasts=12.0, stalls=True) as phone:
        phone.dial(0.1)
        phone.say(6.0)
        phone.carrier.advance(9.0)
        outcome = phone.while_time_passes(lambda: phone.bridge.wait_heard(5))

        assert "heard" == outcome
        assert 6000 == pytest.approx(phone.carrier.ear_ms, abs=carrier.block_ms)
        assert [] == phone.cuts()
        assert phone.line.recovery == pytest.approx(12.0, abs=0.01)


@EACH
def test_an_interruption_while_the_socket_stalls(carrier: Carrier) -> None:
    """It waits for nothing, and no more is heard than the model believes."""
    with Faulty(carrier, begins=1.0, lasts=12.0, stalls=True) as phone:
        phone.line.during = lambda: phone.transport.feed(STARTED)
        phone.dial(0.1)
        phone.say(6.0)
        phone.carrier.advance(9.0)

        (cut,) = phone.cuts()
        assert cut == pytest.approx(phone.carrier.ear_ms, abs=carrier.block_ms)
        assert phone.carrier.ear_ms < 1300


@pytest.mark.parametrize("lose", [0.3, 1.0])
@pytest.mark.parametrize("lag", [0.0, 0.15, 0.6])
def test_marks_that_get_lost(lose: float, lag: float) -> None:
    """The clock stands in for them, and a goodbye is not waited for in vain."""
    with Phone(TWILIO, network={"lose_marks": lose, "lag": lag}) as phone:
        phone.dial(0.1 + lag)
        phone.say(3.0)
        phone.carrier.advance(3.5 + lag)
        outcome = phone.while_time_passes(lambda: phone.bridge.wait_heard(10))
        phone.say(6.0, item_id="long")
        phone.carrier.advance(1.5 + lag)
        phone.transport.take()
        phone.transport.feed(STARTED)
        phone.carrier.advance(1.0 + lag)
        (cut,) = phone.transport.commands("conversation.item.truncate")

        assert "heard" == outcome
        assert abs(cut["audio_end_ms"] - (phone.carrier.ear_ms - 3000)) <= 40


def answer(prompt: Prompt) -> Say:
    """Speak for six seconds: four words a second."""
    return Say("one two three four five six " * 4, audio.tone(440, 6.0, level=-6))


@pytest.mark.parametrize("pace", [30.0, 1.0], ids=["generated", "still-generated"])
def test_a_connection_that_is_replaced_in_mid_answer(pace: float) -> None:
    """What the player has is heard, and the model knows the words that were."""
    restored, came = threading.Event(), list[int]()
    with (
        serve(agent=answer, pace=pace) as server,
        connect("m", base_url=server.url, reconnect=ReconnectPolicy()) as session,
        FakeCarrier(TWILIO) as line,
        CallBridge(session, TWILIO, send=line.send) as bridge,
    ):
        session.on("connection.restored", lambda event: restored.set())
        session.on(
            "response.output_audio.delta",
            lambda event: came.append(len(event.delta)),
            inline=True,
        )
        line.call(bridge)
        assert bridge.started.wait(10)
        session.response.create()
        while line.ear_ms < 1000:
            line.advance(0.02)
        server.open_sessions()[0].drop()
        assert restored.wait(20)
        line.advance(1.0)
        bridge.interrupt()
        line.advance(0.5)
        session.flush()
        spoken = [each for each in session.snapshot.items if each.role == "assistant"]

        (item,) = spoken
        assert len(item.said.split()) == pytest.approx(line.ear_ms / 250, abs=2)
        # At the pace of speech it depends on the machine how much had come, of G.711
        # eight bytes a millisecond.
        assert (line.ear_ms > 1900) == (sum(came) > 1900 * 8)
        assert pace == 1 or line.ear_ms > 1900
