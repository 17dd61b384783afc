"""
Calls of every carrier from end to end: the local server, a socket, real time.

The same calls by a clock that is moved by hand are in ``test_carrier``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from attrs import define, field

from realtime_sync import Session, audio, connect
from realtime_sync.audio.telephony import (
    ASTERISK_WEBSOCKET,
    AUDIOHOOK,
    AUDIOSOCKET,
    AZURE,
    EXOTEL,
    PLIVO,
    SIGNALWIRE,
    TELNYX,
    TWILIO,
    VONAGE,
    CallBridge,
    Carrier,
)
from realtime_sync.server import Prompt, Say, serve
from realtime_sync.testing import FakeCarrier

CARRIERS = (
    TWILIO,
    SIGNALWIRE,
    TELNYX,
    PLIVO,
    VONAGE,
    EXOTEL,
    AZURE,
    AUDIOHOOK,
    AUDIOSOCKET,
    ASTERISK_WEBSOCKET,
)
LAGS = (0.0, 0.15, 0.6)
SECONDS = {"greet": 0.6, "": 0.5, "tell a story": 8.0, "say goodbye": 0.8}
"""How long the model speaks, by what it is asked."""

TURNS = {"type": "server_vad", "silence_duration_ms": 200, "prefix_padding_ms": 20}


def answer(prompt: Prompt) -> Say:
    """Speak for as long as the instructions say."""
    seconds = SECONDS[prompt.response_instructions or ""]
    return Say("words", audio.tone(440, seconds, level=-6))


@define
class Call:
    """A call on the local server, and what was told of it."""

    session: Session
    carrier: FakeCarrier
    bridge: CallBridge
    keys: list[str] = field(factory=list)
    ends: list[str] = field(factory=list)

    def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Let time pass until something holds."""
        for _ in range(round(seconds / 0.02)):
            if condition():
                return
            self.carrier.advance(0.02)
        raise AssertionError("it did not happen")

    def speak(self, seconds: float) -> None:
        """Let the caller speak, and then be silent."""
        codec = self.bridge.input
        for sound in (
            audio.tone(300, seconds, codec.format, level=-6),
            audio.silence(0.5, codec.format),
        ):
            self.carrier.speak(codec.encoded(sound))

    def hear(self, seconds: float, act: Callable[[], object]) -> float:
        """Milliseconds that the ear gets of an answer of so many seconds."""
        before = self.carrier.ear_ms
        act()
        self.until(lambda: self.carrier.ear_ms >= before + 1000 * seconds - 1)
        self.carrier.advance(0.3)
        return self.carrier.ear_ms - before


@contextmanager
def call(carrier: Carrier, lag: float) -> Iterator[Call]:
    """A call that has begun, with a greeting on its way."""
    with (
        serve(agent=answer, pace=4.0) as server,
        connect("m", base_url=server.url, config={"audio": {"input": {}}}) as session,
        FakeCarrier(carrier, lag=lag) as line,
    ):
        keys: list[str] = []
        ends: list[str] = []
        session.update(audio={"input": {"turn_detection": TURNS}}).acknowledged()
        with CallBridge(
            session,
            carrier,
            send=line.send,
            on_start=lambda: session.response.create(instructions="greet"),
            on_dtmf=keys.append,
            on_end=ends.append,
        ) as bridge:
            line.call(bridge)
            yield Call(session, line, bridge, keys, ends)


def whole_call(carrier: Carrier, lag: float) -> dict[str, float]:
    """Greeting, two turns, an interruption, keys, a goodbye, the end; figures."""
    figures: dict[str, float] = {}
    with call(carrier, lag) as phone:
        figures["greeting"] = phone.hear(0.6, lambda: None)
        for turn in (1, 2):
            figures[f"turn {turn}"] = phone.hear(0.5, lambda: phone.speak(0.4))
        cut, ear = interrupted(phone)
        figures["cut"], figures["ear"] = cut, ear
        phone.carrier.press("12#")
        phone.until(lambda: phone.keys == ["1", "2", "#"])
        before = phone.carrier.ear_ms
        phone.session.response.create(instructions="say goodbye")
        outcome = phone.bridge.wait_heard(20)
        figures["goodbye"] = phone.carrier.ear_ms - before
        assert outcome == "heard"
        if carrier.hangs_up:
            phone.bridge.hang_up()
            assert phone.carrier.hung_up.wait(10)
        else:
            phone.carrier.hang_up()
    assert phone.ends and len(phone.ends) == 1
    assert phone.carrier.errors == []
    return figures


def interrupted(phone: Call) -> tuple[float, float]:
    """What the model believes was heard of a story, and what was heard."""
    session, line = phone.session, phone.carrier
    silent = {**TURNS, "create_response": False}
    session.update(audio={"input": {"turn_detection": silent}}).acknowledged()
    before = line.ear_ms
    session.response.create(instructions="tell a story")
    phone.until(lambda: line.ear_ms > before + 1200)
    with session.expect("conversation.item.truncated") as truncated:
        phone.speak(0.4)
        cut = float(truncated.result(20).audio_end_ms or 0)
    phone.until(lambda: not phone.bridge.player.sounding)
    line.advance(0.5 + 2 * max(LAGS))
    ear = line.ear_ms - before
    session.update(audio={"input": {"turn_detection": TURNS}}).acknowledged()
    return cut, ear


def check(carrier: Carrier, figures: dict[str, float]) -> None:
    """What was said was heard, and the interruption left most of the story."""
    block = 120.0

    assert 600 == pytest.approx(figures["greeting"], abs=block)
    assert 500 == pytest.approx(figures["turn 1"], abs=block)
    assert 500 == pytest.approx(figures["turn 2"], abs=block)
    assert 1200 < figures["ear"] < 6000
    assert 0 < figures["cut"] < 6000
    assert 780 <= figures["goodbye"] <= 800 + block


@pytest.mark.parametrize(
    "carrier, lag", [(TELNYX, 0.15), (AUDIOSOCKET, 0.0)], ids=["telnyx", "audiosocket"]
)
def test_a_call_on_the_local_server(carrier: Carrier, lag: float) -> None:
    """From the greeting to the end, over a socket and in real time."""
    check(carrier, whole_call(carrier, lag))


@pytest.mark.deep
@pytest.mark.parametrize("carrier", CARRIERS, ids=lambda each: each.name)
@pytest.mark.parametrize("lag", LAGS)
def test_every_carrier_on_the_local_server(carrier: Carrier, lag: float) -> None:
    """What the model believes is what was heard, within 20 ms."""
    figures = whole_call(carrier, lag)
    print(carrier.name, lag, {name: round(each) for name, each in figures.items()})
    check(carrier, figures)

    assert abs(figures["cut"] - figures["ear"]) <= 20
