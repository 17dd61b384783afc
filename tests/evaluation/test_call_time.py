"""Calls on a clock that is moved by hand: as fast as the machine, always the same."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import audio, connect, errors
from realtime_sync.audio.telephony import TWILIO, CallBridge
from realtime_sync.evaluation import Caller, CallRecord
from realtime_sync.server import Call, open_engine, serve
from realtime_sync.server.agents.scripted import Scripted
from realtime_sync.state.latency import FLOOR, peak
from realtime_sync.testing import FakeCarrier, ManualClock, MemoryTransport

from .booking import CONFIG, ListedRecognizer, ShortSynthesizer
from .conversations import NUMBERS, humming, timeless


def conversed(caller: Caller) -> CallRecord:
    """A question, an interruption, a pause, a key, thanks."""
    caller.say("hello hello")
    assert caller.interrupt("stop stop stop", word="three")
    caller.pause(3.0)
    caller.dtmf("5")
    caller.say("thanks thanks")
    assert "Good bye." == caller.hear()
    return caller.hang_up()


def one_call(path: Path, **conditions: Any) -> CallRecord:
    """The call, on a clock of its own."""
    clock = ManualClock()
    agent = humming([NUMBERS, "Yes.", "Good bye."], "hello", "stop", "", "thanks")
    with timeless(agent, clock) as session:
        with Caller(
            session,
            clock=clock,
            record=path,
            synthesizer=ShortSynthesizer(),
            **conditions,
        ) as caller:
            return conversed(caller)


def test_a_call_on_a_moved_clock_takes_its_time_on_that_clock(tmp_path: Path) -> None:
    """Some seconds of talk, with latencies as they would be."""
    call = one_call(tmp_path / "call.jsonl")
    first, second = call.turns[:2]

    assert 6 < call.seconds < 9
    assert ("hello hello", "hello") == (first.said, first.understood)
    assert "stop stop stop" == second.said
    # 300 ms of silence, and the block in which it is found.
    assert 320 == pytest.approx(first.first_audio_ms, abs=20.1)
    assert first.stop_ms is not None and 0 <= first.stop_ms <= 200
    assert first.heard.startswith("One two three") and "seven" not in first.heard
    assert 3000 <= call.longest_silence_ms
    assert "Good bye." == call.turns[-1].heard


@pytest.mark.parametrize(
    "conditions", [{}, {"seed": 3, "loss": 0.05, "jitter": 0.06, "noise": -60.0}]
)
def test_the_same_call_has_the_same_figures(
    tmp_path: Path, conditions: dict[str, Any]
) -> None:
    """To the microsecond: a difference between two runs is the agent's."""
    first, second = (
        one_call(tmp_path / f"{number}.jsonl", **conditions) for number in range(2)
    )

    assert first.turns == second.turns
    assert first.user_speech == second.user_speech
    assert first.agent_speech == second.agent_speech


BUTTON = {
    "audio": {"input": {"transcription": {"model": "words"}, "turn_detection": None}}
}


@pytest.mark.parametrize("telephone", [False, True])
@pytest.mark.parametrize(
    "given", [{"after": 0.5}, {"word": "three"}], ids=["s", "word"]
)
def test_without_turn_detection_the_caller_stops_what_it_interrupts(
    given: dict[str, Any], telephone: bool
) -> None:
    """As a program does whose user holds a button: nobody else would."""
    clock = ManualClock()
    line = FakeCarrier(TWILIO, clock=clock) if telephone else None
    agent = humming([NUMBERS, "Yes."], "hello", "stop")
    with ExitStack() as stack:
        session = stack.enter_context(timeless(agent, clock, config=BUTTON))
        if line is not None:
            bridge = CallBridge(
                session, TWILIO, send=line.send, clock=clock.now, thread=False
            )
            stack.enter_context(line)
            line.call(stack.enter_context(bridge))
        caller = stack.enter_context(
            Caller(session, clock=clock, carrier=line, synthesizer=ShortSynthesizer())
        )
        caller.say("hello hello")
        assert caller.interrupt("stop stop stop", **given)
        assert "Yes." == caller.hear()
        call = caller.hang_up()
    first, second = call.turns

    assert first.interrupted
    assert first.stop_ms is not None and 0 <= first.stop_ms <= 100
    assert first.heard.startswith("One two") and "ten" not in first.heard
    assert ("stop stop stop", "stop", "Yes.") == (
        second.said,
        second.understood,
        second.heard,
    )
    assert not call.problems


@pytest.mark.parametrize("answer", ["Yes.", ""], ids=["over", "nothing to hear"])
def test_what_is_not_playing_is_not_stopped(answer: str) -> None:
    """An interruption that comes too late is said, and answered, all the same."""
    clock = ManualClock()
    agent = humming([answer, "No."], "hello", "stop")
    with timeless(agent, clock, config=BUTTON) as session:
        with Caller(
            session, clock=clock, synthesizer=ShortSynthesizer(), patience=2.0
        ) as caller:
            caller.say("hello")
            assert not caller.interrupt("stop", after=1.5)
            assert "No." == caller.hear()
            call = caller.hang_up()

    assert ["completed", "completed"] == [
        each.status for turn in call.turns for each in turn.responses
    ]
    assert answer == call.turns[0].heard
    assert not call.problems


def test_a_session_that_lets_no_voice_interrupt_is_left_alone() -> None:
    """That is the agent's configuration, and what is measured."""
    clock = ManualClock()
    detection = {**CONFIG["audio"]["input"]["turn_detection"]}
    config = {
        "audio": {
            "input": {
                "transcription": {"model": "words"},
                "turn_detection": {**detection, "interrupt_response": False},
            }
        }
    }
    agent = humming([NUMBERS, "Yes."], "hello", "stop")
    with timeless(agent, clock, config=config) as session:
        with Caller(session, clock=clock, synthesizer=ShortSynthesizer()) as caller:
            caller.say("hello hello")
            caller.interrupt("stop stop stop", after=0.5)
            call = caller.hang_up()

    assert NUMBERS == call.turns[0].heard


def test_a_clock_stands_still_while_a_tool_works() -> None:
    """A function that asks a database is as quick as none, on this clock."""
    clock = ManualClock()
    moves: list[bool] = []

    def look_up() -> str:
        """Look something up, until somebody moves the clock."""
        moved = threading.Event()
        undo = clock.subscribe(moved.set)
        moves.append(moved.wait(0.2))
        undo()
        return "found"

    def reply(prompt: Any) -> Any:
        if prompt.last["type"] == "function_call_output":
            return "It is found."
        return [Call("look_up", {})]

    with timeless(humming(reply, "hello"), clock, tools=[look_up]) as session:
        with Caller(
            session, clock=clock, synthesizer=ShortSynthesizer(), patience=20.0
        ) as caller:
            caller.say("hello hello")
            call = caller.hang_up()

    assert [False] == moves
    assert [("look_up", "found")] == [(each.name, each.output) for each in call.tools]
    assert call.first_audio_ms.longest is not None
    assert call.first_audio_ms.longest < 500


def test_a_telephone_call_takes_place_on_the_carrier_s_clock() -> None:
    """The lag of the line is in its latencies, twice."""
    lag = 0.2
    clock = ManualClock()
    line = FakeCarrier(TWILIO, clock=clock, lag=lag)
    with timeless(humming([NUMBERS, "Yes."], "hello", "stop"), clock) as session:
        bridge = CallBridge(
            session, TWILIO, send=line.send, clock=clock.now, thread=False
        )
        with line, bridge:
            line.call(bridge)
            with Caller(
                session, carrier=line, clock=clock, synthesizer=ShortSynthesizer()
            ) as caller:
                caller.say("hello hello")
                caller.interrupt("stop stop stop", after=0.5)
                heard = caller.hear()
                call = caller.hang_up()

    assert "Yes." == heard == call.turns[1].heard
    assert 2000 * lag + 320 == pytest.approx(call.turns[0].first_audio_ms, abs=60)
    assert call.turns[0].interrupted


class Onlooker:
    """
    Where in the sound that somebody said and heard the loud samples are, by the clock.

    Attributes:
        said: when the last loud sample was spoken.
        heard: when the first loud one was heard.
    """

    def __init__(self, clock: ManualClock, format: str, rate: int) -> None:
        self._clock, self._format, self._rate = clock, format, rate
        self.said = 0.0
        self.heard: float | None = None

    def loud(self, block: bytes) -> list[int]:
        """Which samples of a block are loud."""
        width = 2 if self._format == "pcm16" else 1
        count = len(block) // width
        samples = (block[at * width : (at + 1) * width] for at in range(count))
        return [n for n, one in enumerate(samples) if peak(one, self._format) >= FLOOR]

    def says(self, block: bytes) -> None:
        """A block was spoken to its end just now."""
        loud = self.loud(block)
        if loud:
            length = len(block) // (2 if self._format == "pcm16" else 1)
            self.said = self._clock.now() - (length - 1 - loud[-1]) / self._rate

    def hears(self, block: bytes, began: float) -> None:
        """A block is heard that begins at a time."""
        loud = self.loud(block)
        if loud and self.heard is None:
            self.heard = began + loud[0] / self._rate


class QuietlyBeginning:
    """Speaks so, whatever it is to say."""

    def speak(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> bytes:
        """Seventy milliseconds of silence, and a tone."""
        return audio.silence(0.07) + audio.tone(300, 0.5, level=-12)


def quiet_agent() -> Scripted:
    """An agent whose sound begins with silence."""
    return Scripted(
        ["Yes."], recognizer=ListedRecognizer("hello"), synthesizer=QuietlyBeginning()
    )


def test_latency_is_that_of_the_sound_itself(tmp_path: Path) -> None:
    """From the last loud sample of a file to the first of the answer, within 10 ms."""
    clock = ManualClock()
    look = Onlooker(clock, "pcm16", 24_000)
    audio.write_wav(tmp_path / "a.wav", audio.tone(400, 0.437))
    with timeless(quiet_agent(), clock) as session:
        session.on(
            "client.input_audio_buffer.append",
            lambda event: look.says(event.audio),
            inline=True,
        )
        session.on(
            "response.output_audio.delta",
            lambda event: look.hears(event.delta, clock.now()),
            inline=True,
        )
        with Caller(session, clock=clock) as caller:
            caller.say(tmp_path / "a.wav")
            (turn,) = caller.hang_up().turns

    assert look.heard is not None
    assert (look.heard - look.said) * 1000 == pytest.approx(turn.first_audio_ms, abs=10)


@pytest.mark.parametrize("lag", [0.0, 0.2, 0.5])
def test_latency_over_a_telephone_is_what_mouth_and_ear_have(lag: float) -> None:
    """At both ends of the line; no resampler and no message in between counts."""
    clock = ManualClock()
    look = Onlooker(clock, "g711_ulaw", 8000)

    class Line(FakeCarrier):
        def feed(self, block: bytes) -> None:
            look.says(block)
            super().feed(block)

    line = Line(TWILIO, clock=clock, lag=lag)
    heard = 0

    def listen() -> None:
        nonlocal heard
        block = bytes(line.ear[heard:])
        heard += len(block)
        look.hears(block, clock.now() - len(block) / 8000)

    with timeless(quiet_agent(), clock) as session:
        bridge = CallBridge(
            session, TWILIO, send=line.send, clock=clock.now, thread=False
        )
        with line, bridge:
            line.call(bridge)
            with Caller(session, carrier=line, clock=clock) as caller:
                clock.subscribe(listen)
                caller.say(audio.tone(400, 0.437))
                (turn,) = caller.hang_up().turns

    assert look.heard is not None
    assert (look.heard - look.said) * 1000 == pytest.approx(turn.first_audio_ms, abs=10)


@pytest.mark.parametrize(
    "clock",
    [5, "now", time.monotonic, object()],
    ids=["number", "text", "function", "object"],
)
def test_what_is_no_clock_is_refused(clock: Any) -> None:
    """Before the call begins."""
    with timeless(humming(["Yes."]), ManualClock()) as session:
        with pytest.raises(errors.ConfigurationError, match="ManualClock"):
            Caller(session, clock=clock)


@pytest.mark.parametrize("model", ["gpt-realtime-2.1", "gpt-live-1"])
def test_a_moved_clock_is_refused_where_a_socket_takes_time(model: str) -> None:
    """Even that of the server: the call would be over before a frame is there."""
    clock = ManualClock()
    with serve(agent="echo", clock=clock) as server:
        with connect(model, base_url=server.url) as session:
            with pytest.raises(errors.ConfigurationError, match="has a socket"):
                Caller(session, clock=clock)

            assert session.is_open and session.recording is None


@pytest.mark.parametrize("given", [ManualClock(), None], ids=["another", "none"])
def test_session_and_caller_have_one_clock(given: ManualClock | None) -> None:
    """With two of them no wait would end, or each at once."""
    clock = ManualClock()
    with timeless(humming(["Yes."]), clock) as session:
        with pytest.raises(errors.ConfigurationError, match="MemoryTransport and its"):
            Caller(session, clock=given)
        Caller(session, clock=clock).hang_up()


@pytest.mark.parametrize("given", [ManualClock(), None], ids=["another", "none"])
def test_carrier_and_caller_have_one_clock(given: ManualClock | None) -> None:
    """A carrier of real time would wait while the clock stands still, for ever."""
    clock = ManualClock()
    line = FakeCarrier(TWILIO, clock=given)
    with timeless(humming(["Yes."]), clock) as session:
        bridge = CallBridge(
            session, TWILIO, send=line.send, clock=clock.now, thread=False
        )
        with line, bridge:
            line.call(bridge)
            with pytest.raises(errors.ConfigurationError, match="carrier and its"):
                Caller(session, carrier=line, clock=clock)


def test_a_transport_that_a_function_makes_is_called_on_its_clock() -> None:
    """It does not tell its clock beforehand; the caller is believed."""
    clock = ManualClock()
    engine = open_engine(humming(["Yes."], "hello"), now=clock.now())
    with connect(
        "gpt-realtime-2.1",
        transport=lambda: MemoryTransport(engine, clock=clock),
        dispatch="inline",
        config=CONFIG,
    ) as session:
        with Caller(session, clock=clock, synthesizer=ShortSynthesizer()) as caller:
            caller.say("hello hello")
            call = caller.hang_up()

    assert call.says("yes")


def test_a_session_that_ends_ends_the_call_on_a_moved_clock() -> None:
    """No wait hangs, though nobody moves the clock any more."""
    clock = ManualClock()
    with timeless(humming([NUMBERS], "hello"), clock) as session:
        with Caller(session, clock=clock, synthesizer=ShortSynthesizer()) as caller:
            session.once("response.created", lambda event: session.close())
            caller.say("hello hello")
            call = caller.hang_up()

    assert "hello hello" == call.turns[0].said
