"""Callers and calls over GPT-Live, where there are no turns on the wire."""

from __future__ import annotations

import base64
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import audio, connect, live
from realtime_sync.audio.telephony import TWILIO, CallBridge
from realtime_sync.evaluation import (
    Caller,
    CallRecord,
    answered,
    evaluate,
    first_audio_ms,
    heard_whole,
    problems,
    stopped_within_ms,
    wer,
)
from realtime_sync.server import Call, Delegate, Say, serve
from realtime_sync.testing import FakeCarrier, ManualClock

from .booking import ShortSynthesizer
from .conversations import NUMBERS, humming, timeless_live

GATES = (answered(), heard_whole(), problems(), wer(most=1.0))
QUICK = (first_audio_ms(most=1500), stopped_within_ms(500))
"""On a clock that is moved, which does not go on while a machine is busy."""
LONG = " ".join([NUMBERS] * 4)
"""Twenty seconds: no machine is so busy that it misses an interruption of it."""


def conversed(caller: Caller) -> CallRecord:
    """A question, an interruption, thanks."""
    caller.say("hello hello")
    assert caller.interrupt("stop stop stop", word="three")
    caller.say("thanks thanks")
    assert "Good bye." == caller.hear()
    return caller.hang_up()


def one_call(path: Path) -> CallRecord:
    """The call, on a clock of its own."""
    clock = ManualClock()
    agent = humming([NUMBERS, "Yes.", "Good bye."], "hello", "stop", "thanks")
    with timeless_live(agent, clock) as session:
        with Caller(
            session, clock=clock, record=path, synthesizer=ShortSynthesizer()
        ) as caller:
            return conversed(caller)


def check(call: CallRecord) -> None:
    """What the call must be, however it was made."""
    first, second, third = call.turns

    assert ["hello", "stop", "thanks"] == [turn.understood for turn in call.turns]
    assert ["Yes.", "Good bye."] == [turn.answer for turn in call.turns[1:]]
    assert first.answer.startswith("One two three") and first.answer != LONG
    assert first.interrupted and not second.interrupted and not third.interrupted
    assert 1 == len(call.interruptions)
    assert all(call.check(GATES)), [str(each) for each in call.check(GATES)]


def test_a_caller_talks_over_gpt_live_in_real_time(tmp_path: Path) -> None:
    """The same verbs, and a record of turns from two timelines."""
    agent = humming([LONG, "Yes.", "Good bye."], "hello", "stop", "thanks")
    path = tmp_path / "call.jsonl"
    with serve(agent=agent) as server:
        with connect("gpt-live-1", base_url=server.url) as session:
            with Caller(session, record=path, synthesizer=ShortSynthesizer()) as caller:
                call = conversed(caller)

    assert ["hello hello", "stop stop stop", "thanks thanks"] == [
        turn.said for turn in call.turns
    ]
    check(call)
    check(CallRecord.load(path))


def test_a_call_over_gpt_live_is_the_same_again_on_a_moved_clock(
    tmp_path: Path,
) -> None:
    """Also one in which nobody sends silence but the caller."""
    first, second = (one_call(tmp_path / f"{number}.jsonl") for number in range(2))

    check(first)
    assert all(first.check(QUICK))
    assert "seven" not in first.turns[0].answer
    assert first.turns == second.turns
    assert first.agent_speech == second.agent_speech


def changed(path: Path, *, notes: bool = True, sound: bool = True) -> list[Any]:
    """A recording without what a caller has noted, or without its sound."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    kept = [lines[0]]
    for line in lines[1:]:
        kind = line.get("note", {}).get("type", "")
        if not notes and kind.startswith("caller."):
            continue
        for name in ("audio", "delta"):
            value = line.get("frame", {}).get(name)
            if not sound and value and "audio" in line["frame"]["type"]:
                size = len(base64.b64decode(value))
                line["frame"][name] = {"audio_bytes": size}
        kept.append(line)
    return kept


@pytest.mark.parametrize("sound", [True, False])
@pytest.mark.parametrize("notes", [True, False])
def test_any_recording_of_gpt_live_has_turns(
    tmp_path: Path, notes: bool, sound: bool
) -> None:
    """Of production too, where no caller has noted when it spoke; words have times."""
    made = one_call(tmp_path / "call.jsonl")
    lines = changed(tmp_path / "call.jsonl", notes=notes, sound=sound)
    call = CallRecord.load(lines)

    assert [turn.understood for turn in made.turns] == [
        turn.understood for turn in call.turns
    ]
    assert [turn.answer for turn in made.turns] == [turn.answer for turn in call.turns]
    # Words lie on a grid of 200 ms.
    slack = 30 if sound else 450
    assert [turn.first_audio_ms for turn in made.turns] == [
        pytest.approx(turn.first_audio_ms, abs=slack + 110 * (not notes))
        for turn in call.turns
    ]
    assert call.turns[0].interrupted or not sound


def test_an_interruption_soon_after_is_a_turn_of_its_own() -> None:
    """Less than a second of silence, but the agent has begun meanwhile."""
    clock = ManualClock()
    agent = humming([NUMBERS, "Yes."], "hello", "stop")
    with timeless_live(agent, clock) as session:
        with Caller(session, clock=clock, synthesizer=ShortSynthesizer()) as caller:
            caller.say("hello hello")
            caller.interrupt("stop stop stop", after=0.02)
            call = caller.hang_up()

    first, second = call.turns
    assert second.speech is not None and first.speech is not None
    assert second.speech.start - first.speech.end < 1.0
    assert ["hello", "stop"] == [turn.understood for turn in call.turns]
    assert first.interrupted


def test_sound_counts_when_it_is_heard_and_not_when_it_came(tmp_path: Path) -> None:
    """A player puts 100 ms of silence before what begins: the ear has it later."""
    made = one_call(tmp_path / "call.jsonl")
    came = CallRecord.load(changed(tmp_path / "call.jsonl", notes=False))
    later = [
        (one.answer_sound.start - other.answer_sound.start) * 1000
        for one, other in zip(made.turns, came.turns)
        if one.answer_sound and other.answer_sound
    ]

    assert [pytest.approx(120, abs=45)] * 3 == later


def test_an_answer_that_does_not_come_is_a_silent_turn(tmp_path: Path) -> None:
    """And one that is said before the caller says anything is the agent's."""
    clock = ManualClock()
    with timeless_live(humming(["Yes.", ""], "hello", "hello"), clock) as session:
        session.say("Welcome.")
        with Caller(
            session, clock=clock, synthesizer=ShortSynthesizer(), patience=4.0
        ) as caller:
            greeting = caller.hear()
            caller.say("hello hello")
            caller.say("hello again")
            call = caller.hang_up()

    assert "Welcome." == greeting
    assert [False, True, True] == [turn.by_caller for turn in call.turns]
    assert ["Welcome.", "Yes.", ""] == [turn.answer for turn in call.turns]
    assert [3] == list(answered().check(call).turns)


def test_delegated_work_is_a_tool_of_the_turn_that_asked_for_it() -> None:
    """Functions by their names; work of the program's own as a delegation."""
    clock, seen = ManualClock(), list[bool]()

    def reply(prompt: Any) -> Any:
        given = [i for i in prompt.items if i["type"] == "function_call_output"]
        if given:
            return f"It is {given[-1]['output']}."
        return Call("rain", {"city": "Lima"})

    def rain(city: str) -> str:
        """Whether it rains."""
        # Long enough for the clock, which goes on meanwhile, to be seconds ahead.
        threading.Event().wait(0.2)
        seen.append(session.is_at_work)
        return "raining"

    config = live.LiveConfig(delegation=live.Responses(model="gpt-5.5"))
    with timeless_live(humming(reply, "hello"), clock, config=config) as session:
        session.tool(rain)
        with Caller(session, clock=clock, synthesizer=ShortSynthesizer()) as caller:
            caller.say("hello hello")
            call = caller.hang_up()
        seen.append(session.is_at_work)

    assert [True, False] == seen
    assert call.tool_called("rain", city="Lima", times=1), str(call)
    assert "It is raining." == call.turns[0].answer
    assert [("rain", "raining")] == [(each.name, each.output) for each in call.tools]

    agent = humming([[Say("One second."), Delegate()]], "hello")
    with timeless_live(agent, clock) as session:

        @session.delegate
        def work(task: Any) -> str:
            return "It is in the drawer."

        with Caller(session, clock=clock, synthesizer=ShortSynthesizer()) as caller:
            caller.say("hello hello")
            call = caller.hang_up()

    assert call.tool_called("delegation", target="client", times=1)
    assert "It is in the drawer." == call.tools[0].output
    assert "One second. It is in the drawer." == call.turns[0].answer


def test_a_caller_telephones_with_gpt_live() -> None:
    """Through a carrier and its bridge; the lag of the line counts twice."""
    lag = 0.2
    clock = ManualClock()
    line = FakeCarrier(TWILIO, clock=clock, lag=lag)
    with timeless_live(humming(["Yes.", "No."], "hello", "why"), clock) as session:
        bridge = CallBridge(
            session, TWILIO, send=line.send, clock=clock.now, thread=False
        )
        with line, bridge:
            line.call(bridge)
            with Caller(
                session, carrier=line, clock=clock, synthesizer=ShortSynthesizer()
            ) as caller:
                caller.say("hello hello")
                caller.say("why why")
                heard = caller.hear()
                call = caller.hang_up()

    assert "No." == heard
    assert ["Yes.", "No."] == [turn.answer for turn in call.turns]
    assert all(
        turn.first_audio_ms is not None and turn.first_audio_ms > 2000 * lag + 300
        for turn in call.turns
    )


def test_a_recording_of_gpt_live_with_nothing_in_it_is_a_call_without_turns(
    tmp_path: Path,
) -> None:
    """It has begun, and that is all; gates about answers fall."""
    path = tmp_path / "live.jsonl"
    head = {
        "format": "realtime-sync-recording",
        "version": 1,
        "started": 1,
        "dialect": "ga",
        "session_type": "live",
        "connection": 1,
    }
    lines = [
        {"t": 1, "dir": "in", "frame": {"type": "session.started", "session": {}}},
        {"t": 2, "dir": "in", "frame": {"type": "session.output_audio.delta"}},
        {"t": 2, "dir": "out", "frame": {"type": "response.item.create", "item": 5}},
        {"t": 3, "dir": "in", "frame": {"type": "session.input_transcript.delta"}},
    ]
    path.write_text("".join(json.dumps(e) + "\n" for e in [head, *lines]), "utf-8")
    (score,) = evaluate(path, [first_audio_ms(most=1), answered()])

    assert ("first_audio_ms",) == score.fallen
    assert not score.error


def test_agreement_beneath_the_caller_s_words_answers_nothing(tmp_path: Path) -> None:
    """The model says so much while somebody speaks; it is heard, and is talk-over."""
    made = one_call(tmp_path / "call.jsonl")
    lines = changed(tmp_path / "call.jsonl")
    speech = made.turns[2].speech
    assert speech is not None
    hum = base64.b64encode(audio.tone(220, 0.1, level=-12)).decode()
    deltas = [
        line
        for line in lines
        if line.get("frame", {}).get("type") == "session.output_audio.delta"
        and speech.start - 0.05 < line["t"] < speech.start + 0.12
    ]
    deltas[0]["frame"]["delta"] = hum
    call = CallRecord.load(lines)

    assert len(made.turns) == len(call.turns)
    assert [turn.first_audio_ms for turn in made.turns] == [
        turn.first_audio_ms for turn in call.turns
    ]
    assert made.talk_over_ms < call.talk_over_ms
