"""A caller that is a program: speaks, hears, interrupts, presses keys, improvises."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Optional

import pytest

from realtime_sync import Session, audio, connect, errors
from realtime_sync.audio.telephony import TWILIO, VONAGE, CallBridge, Carrier
from realtime_sync.evaluation import (
    Caller,
    CallRecord,
    ChatModel,
    Conditions,
    judge,
)
from realtime_sync.server import serve
from realtime_sync.server.agents.scripted import Scripted
from realtime_sync.server.agents.tone import ToneSynthesizer
from realtime_sync.testing import FakeCarrier, ManualClock, MemoryTransport, frames

from .booking import CONFIG, ListedRecognizer, ShortSynthesizer
from .calls import good_call
from .conversations import humming, timeless

ANSWER = "One two three four five six seven eight nine ten."
LONG = " ".join([ANSWER] * 4)
"""Twenty seconds: no machine is so busy that it misses an interruption of it."""


@contextmanager
def called(
    *heard: str, config: Any = CONFIG, answer: Any = ANSWER
) -> Iterator[Session]:
    """A session with an agent that always answers the same."""
    agent = Scripted(
        answer if isinstance(answer, list) else [answer],
        recognizer=ListedRecognizer(*heard),
        synthesizer=ToneSynthesizer(),
    )
    with serve(agent=agent, pace=8.0) as server:
        with connect("gpt-realtime-2.1", base_url=server.url, config=config) as session:
            yield session


@pytest.mark.deep
def test_latency_is_what_an_onlooker_measures() -> None:
    """
    Against a clock that looks at the wire by itself, within 20 ms.

    The closest of three calls counts: a busy machine stops either of the two looks. On
    a clock of the call's own the two are always as close, see ``test_call_time``.
    """
    apart = []
    for _ in range(3):
        sent: list[float] = []
        came: list[float] = []
        with called("hello", answer="Hello.") as session:
            session.on(
                "response.output_audio.delta",
                lambda event: came.append(time.monotonic()),
                inline=True,
            )
            session.on(
                "client.input_audio_buffer.append",
                lambda event: (
                    sent.append(time.monotonic()) if any(event.audio) else None
                ),
                inline=True,
            )
            with Caller(session, synthesizer=ShortSynthesizer()) as caller:
                caller.say("hello hello hello")
                (turn,) = caller.hang_up().turns
        assert turn.first_audio_ms is not None
        apart.append((came[0] - sent[-1]) * 1000 - turn.first_audio_ms)

    assert min(map(abs, apart)) <= 20, apart


def test_a_caller_interrupts_at_a_word() -> None:
    """And the conversation is cut where it was heard."""
    with called("hello", "stop", answer=[LONG, "Yes."]) as session:
        with Caller(session, synthesizer=ShortSynthesizer()) as caller:
            caller.say("hello hello")
            playing = caller.interrupt("stop stop stop", word="three")
            heard = caller.hang_up().turns[0].heard

    assert playing
    assert heard.startswith("One two three")
    assert len(heard) < len(LONG)


def test_an_interruption_that_comes_too_late_is_said_all_the_same() -> None:
    """And says of itself that nothing was playing any more."""
    clock = ManualClock()
    with timeless(humming(["Yes."], "hello", "stop"), clock) as session:
        with Caller(
            session, clock=clock, synthesizer=ShortSynthesizer(), patience=2.0
        ) as caller:
            caller.say("hello hello")
            playing = caller.interrupt("stop stop stop", after=1.5)
            call = caller.hang_up()

    assert not playing
    assert 2 == len(call.turns)
    assert call.stopped_within_ms(0)


@pytest.mark.deep
def test_a_random_moment_is_the_same_for_the_same_seed() -> None:
    """So that a call that fails can be made again."""
    starts = []
    with called("hello", "stop", "hello", "stop") as session:
        for _ in range(2):
            with Caller(
                session, synthesizer=ShortSynthesizer(), seed=7, patience=1.0
            ) as caller:
                caller.say("hello hello")
                caller.interrupt("stop stop stop", after=(0.2, 1.0))
                call = caller.hang_up()
            answer = call.turns[0].answer_sound
            assert answer is not None
            starts.append(call.interruptions[0] - answer.start)

    assert starts[0] == pytest.approx(starts[1], abs=0.1)


def test_without_turn_detection_the_caller_says_when_it_is_done() -> None:
    """Push to talk: commit, and ask for a response."""
    config = {
        "audio": {
            "input": {"transcription": {"model": "words"}, "turn_detection": None}
        }
    }
    with called("hello", config=config, answer="Yes.") as session:
        with Caller(session, synthesizer=ShortSynthesizer()) as caller:
            caller.say("hello")
            call = caller.hang_up()

    assert [("hello", "hello", "Yes.")] == [
        (turn.said, turn.understood, turn.answer) for turn in call.turns
    ]


def test_sound_and_files_are_said_with_the_words_that_are_told(tmp_path: Path) -> None:
    """A recorded customer is a caller as well."""
    audio.write_wav(tmp_path / "a.wav", audio.tone(400, 0.5))
    with called("one", "two", answer="Yes.") as session:
        path = tmp_path / "call.jsonl"
        with Caller(session, record=path) as caller:
            caller.say(tmp_path / "a.wav", text="one")
            caller.pause(0.1)
            caller.say(audio.tone(400, 0.5))
        call = CallRecord.load(path)

    assert ["one", ""] == [turn.said for turn in call.turns]
    assert path == caller.hang_up().path


def test_a_caller_without_a_file_leaves_none(tmp_path: Path) -> None:
    """The recording was read, and is gone; hanging up again gives the same call."""
    with called("one", answer="Yes.") as session:
        with Caller(session, synthesizer=ShortSynthesizer()) as caller:
            caller.say("one one")
            call = caller.hang_up()

    assert call is caller.hang_up()
    assert not caller.path.exists()
    with pytest.raises(errors.LocalProtocolError):
        caller.say("more")
    with pytest.raises(errors.LocalProtocolError):
        caller.interrupt("more")
    with pytest.raises(errors.LocalProtocolError):
        caller.dtmf("5")


def test_a_server_that_goes_ends_the_call_and_not_the_caller() -> None:
    """No wait hangs, and what there was is measured."""
    agent = Scripted(
        [ANSWER], recognizer=ListedRecognizer("hello"), synthesizer=ToneSynthesizer()
    )
    with serve(agent=agent, faults=["drop_after:response.created"]) as server:
        with connect("gpt-realtime-2.1", base_url=server.url, config=CONFIG) as session:
            with Caller(session, synthesizer=ShortSynthesizer()) as caller:
                caller.say("hello")
                call = caller.hang_up()

    assert "hello" == call.turns[0].said
    assert "connection.lost" in [problem.kind for problem in call.problems]


def test_keys_are_two_tones_each() -> None:
    """The frequencies that a telephone's exchange listens for."""
    numpy = pytest.importorskip("numpy")
    pcm = Conditions().keys("5").pcm
    samples = numpy.frombuffer(pcm[: int(0.12 * 48_000)], "<i2")
    strength = numpy.abs(numpy.fft.rfft(samples))
    hertz = numpy.fft.rfftfreq(len(samples), 1 / 24_000)
    loudest = sorted(hertz[numpy.argsort(strength)[-2:]])

    assert [770, 1336] == pytest.approx(loudest, abs=8)
    with pytest.raises(errors.ConfigurationError, match="keys"):
        Conditions().keys("5x")


def test_conditions_are_heard() -> None:
    """Gain, noise and the band of a telephone, in decibels and hertz."""
    tone = audio.tone(1000, 0.5, level=-20)
    high = audio.tone(6000, 0.5, level=-20)
    noise = Conditions(noise=-45.0).noise_loop(1)

    assert -14 == pytest.approx(
        audio.level(Conditions(gain=6.0).spoken(tone).pcm).peak, abs=0.2
    )
    assert -45 == pytest.approx(audio.level(noise).rms, abs=0.5)
    assert audio.level(Conditions(telephone=True).spoken(high).pcm).rms < -50
    assert Conditions(noise=-45.0).noise_loop(1) == noise
    assert Conditions(noise=-45.0).noise_loop(2) != noise


@pytest.mark.parametrize(
    "fields",
    [{"loss": 1.0}, {"loss": -0.1}, {"jitter": 2.0}, {"noise": 3.0}, {"noise": -100}],
    ids=str,
)
def test_conditions_that_cannot_be_are_refused(fields: dict[str, float]) -> None:
    """At the line that asks for them."""
    with pytest.raises(errors.ConfigurationError):
        Conditions(**fields)


def test_a_call_needs_an_open_session_and_a_persona_a_model() -> None:
    """Both are said at once, and not in the middle of a call."""
    transport = MemoryTransport(on_send=frames.acknowledged)
    session = connect(transport=transport, dispatch="inline", timeout=0.2)
    with pytest.raises(errors.ConfigurationError, match="persona"):
        Caller(session, persona="a guest")
    session.close()
    with pytest.raises(errors.LocalProtocolError):
        Caller(session)


class ChatServer:
    """
    A server of chat completions that answers by a function.

    Attributes:
        asked: the messages of every request.
    """

    def __init__(self, answer: Any) -> None:
        self.asked: list[Any] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                messages = json.loads(body)["messages"]
                server.asked.append(messages)
                told = answer(messages)
                status = 200 if isinstance(told, str) else told
                message = {"message": {"role": "assistant", "content": told}}
                data = json.dumps({"choices": [message]}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> ChatModel:
        self._thread.start()
        return ChatModel(f"http://127.0.0.1:{self._server.server_port}/v1", "small")

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def improvised(messages: list[dict[str, str]]) -> str:
    """A guest who says two things and a goodbye."""
    lines = ["Hello.", "*sighs* For two.", "Goodbye. [hang up]"]
    return lines[sum(each["role"] == "assistant" for each in messages)]


@pytest.mark.parametrize(
    "count", [1, pytest.param(20, marks=[pytest.mark.deep, pytest.mark.timeout(400)])]
)
def test_a_persona_speaks_until_it_hangs_up(count: int) -> None:
    """Through any server of chat completions; what it hears goes back to its model."""
    chat = ChatServer(improvised)
    with chat as model:
        for _ in range(count):
            with called("hello", "for two", "goodbye", answer="Yes.") as session:
                with Caller(
                    session,
                    persona="a guest",
                    model=model,
                    synthesizer=ShortSynthesizer(),
                ) as caller:
                    turns = caller.converse()
                    call = caller.hang_up()

            assert 3 == turns
            assert ["Hello.", "For two.", "Goodbye."] == [
                turn.said for turn in call.turns
            ]
    assert "a guest" in chat.asked[0][0]["content"]
    assert {"role": "user", "content": "Yes."} == chat.asked[1][-1]


def test_a_persona_that_never_hangs_up_is_stopped() -> None:
    """A model may have no end."""
    with ChatServer(lambda messages: "And?") as model:
        with called("and", "and", answer="Yes.") as session:
            with Caller(
                session, persona="a child", model=model, synthesizer=ShortSynthesizer()
            ) as caller:
                assert 2 == caller.converse(most_turns=2)


@pytest.mark.parametrize(
    ("answer", "passed", "told"),
    [
        ('{"pass": true, "turn": null, "why": "it was"}', True, ""),
        ('Sure: {"pass": false, "turn": 2, "why": "no price"}', False, "no price"),
        ("I think so.", False, "not judged"),
        ('{"pass": "yes"}', False, "not judged"),
        (500, False, "status 500"),
    ],
)
def test_a_judge_reads_the_turns_and_gives_its_reason(
    answer: Any, passed: bool, told: str
) -> None:
    """What cannot be read is no approval."""
    chat = ChatServer(lambda messages: answer)
    with chat as model:
        verdict = judge("Was a table booked?", model).check(good_call().record())

    assert passed == verdict.passed
    assert told in str(verdict)
    assert "book(seats=2" in chat.asked[0][1]["content"]
    assert not passed and told == "no price" or "turn 2 at" not in str(verdict)


def test_a_judge_that_is_not_there_approves_nothing() -> None:
    """Port 9 has nobody."""
    model: Optional[ChatModel] = ChatModel("http://127.0.0.1:9/v1", "small", timeout=1)
    assert model is not None

    assert "cannot be reached" in str(judge("Well?", model).check(good_call().record()))


@contextmanager
def telephoned(
    session: Session, carrier: FakeCarrier, **options: Any
) -> Iterator[CallBridge]:
    """A call through a carrier that has called the session."""
    bridge = CallBridge(session, carrier.carrier, send=carrier.send, **options)
    with carrier, bridge:
        carrier.call(bridge)
        yield bridge


@pytest.mark.parametrize(
    "carrier",
    [TWILIO, pytest.param(VONAGE, marks=pytest.mark.deep)],
    ids=lambda each: each.name,
)
def test_a_caller_telephones(carrier: Carrier) -> None:
    """It speaks through the line, hears what comes to its ear, and hangs up."""
    lag = 0.15
    keys: list[str] = []
    ends: list[str] = []
    line = FakeCarrier(carrier, lag=lag)
    with called("hello", "stop", answer=[LONG, "Yes."]) as session:
        with telephoned(
            session, line, on_dtmf=keys.append, on_end=ends.append
        ) as bridge:
            with Caller(
                session, synthesizer=ShortSynthesizer(), carrier=line
            ) as caller:
                caller.say("hello hello")
                playing = caller.interrupt("stop stop stop", word="two")
                heard = caller.hear()
                caller.dtmf("4#")
                call = caller.hang_up()
            assert bridge.ended.wait(5) or carrier is VONAGE
        assert session.is_open

    first, second = call.turns
    assert playing
    assert ("hello hello", "stop stop stop") == (first.said, second.said)
    assert "Yes." == second.heard == heard
    assert LONG.startswith(first.heard) and first.heard != LONG
    assert first.interrupted and first.stop_ms is not None
    # There and back again takes as long for every caller.
    assert first.first_audio_ms is not None
    assert first.first_audio_ms >= 2 * lag * 1000
    assert first.stop_ms >= lag * 1000
    assert "4#" == "".join(keys)
    assert not line.errors
    assert ends or carrier is VONAGE


def test_nobody_can_be_called_before_the_carrier_has() -> None:
    """It would speak into a line that is not there."""
    line = FakeCarrier(TWILIO)
    with called() as session:
        with pytest.raises(errors.LocalProtocolError, match="called nobody yet"):
            Caller(session, carrier=line)
        with telephoned(session, line) as bridge:
            assert bridge.started.wait(5)
            bridge.close()
            with pytest.raises(errors.LocalProtocolError, match="has not begun"):
                Caller(session, carrier=line)


def test_what_comes_next_waits_until_the_answer_was_heard() -> None:
    """To its last sound: nothing is interrupted that is not meant to be."""
    with called("hello", answer="One two three.") as session:
        with Caller(session, synthesizer=ShortSynthesizer()) as caller:
            session.response.create()
            heard = caller.hear()
            caller.say("hello")
            call = caller.hang_up()

    assert "One two three." == heard
    assert [False, False] == [turn.interrupted for turn in call.turns]
    assert not call.interruptions
