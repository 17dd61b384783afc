"""A recording as a call: its turns, their times, and what belongs to which."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from realtime_sync import RecordedMirror, errors, read_recording
from realtime_sync.evaluation import CallRecord, first_audio_ms, problems
from realtime_sync.report import Listener, LiveListener

from .calls import Call, good_call

HEAD = good_call().text()[0]


def test_a_call_is_its_turns() -> None:
    """What was said, understood, answered, heard and called, turn by turn."""
    call = good_call().record()
    booked = call.turns[1]

    assert ["A table for two, please.", "At eight.", "Thank you."] == [
        turn.said for turn in call.turns
    ]
    assert "a table for two please" == call.turns[0].understood
    assert "For what time?" == call.turns[0].answer
    assert [("book", {"seats": 2, "time": "20:00"}, "ok")] == [
        (tool.name, tool.arguments, tool.output) for tool in booked.tools
    ]
    assert booked.answer.startswith(booked.heard)
    assert 0.4 < len(booked.heard) / len(booked.answer) < 0.6


def test_times_of_a_call_are_those_of_its_sound() -> None:
    """Latency from the last loud block to the first sound that is played."""
    call = good_call().record()

    assert [500, 800, 600] == [
        pytest.approx(turn.first_audio_ms, abs=20) for turn in call.turns
    ]
    assert 200 == pytest.approx(call.turns[1].stop_ms, abs=20)
    assert [7.6] == pytest.approx(list(call.interruptions))
    assert 200 == pytest.approx(call.talk_over_ms, abs=20)
    assert 1000 == pytest.approx(call.longest_silence_ms, abs=20)


def test_silence_at_the_beginning_of_an_answer_is_waiting() -> None:
    """A server that sends silence first is not the faster one."""
    call = Call()
    call.user(0.5, 1.5, "hello")
    call.answer(2.0, "Hello.", quiet=0.4)

    assert 900 == pytest.approx(call.record().turns[0].first_audio_ms, abs=20)


def test_an_answer_that_waits_for_the_one_before_it_is_heard_later() -> None:
    """Sound counts when it is played, not when it arrives."""
    call = Call()
    call.user(0.5, 1.5, "hello")
    call.answer(2.0, "Hello.", seconds=5.0)
    call.user(2.4, 3.0, "one more thing")
    call.answer(3.5, "Yes?", seconds=1.0)

    assert 4000 == pytest.approx(call.record().turns[1].first_audio_ms, abs=20)


def test_a_greeting_is_a_turn_of_the_agents() -> None:
    """It answers nothing, so it has no latency."""
    call = Call()
    call.answer(0.5, "Good evening.", seconds=1.0)
    call.user(2.0, 3.0, "hello")
    call.answer(3.5, "How can I help?", seconds=1.0)
    turns = call.record().turns

    assert [False, True] == [turn.by_caller for turn in turns]
    assert turns[0].first_audio_ms is None
    assert not turns[0].silent


def test_what_a_caller_said_last_and_nobody_took_up_is_a_silent_turn() -> None:
    """A server that hears nothing must not make a call look short and good."""
    call = Call()
    call.user(0.5, 1.5, "hello", said="Hello.")
    call.answer(2.0, "Hello.", seconds=1.0)
    call.speak(4.0, 5.0)
    call.note(5.0, "caller.said", text="Are you there?", start=4.0, end=5.0)
    turns = call.record().turns

    assert ["Hello.", "Are you there?"] == [turn.said for turn in turns]
    assert [False, True] == [turn.silent for turn in turns]


def test_a_history_that_was_put_in_is_no_turn() -> None:
    """Items of an earlier conversation were not said in this call."""
    call = Call()
    content = [{"type": "input_text", "text": "long ago"}]
    item = {"id": "old", "type": "message", "role": "user", "content": content}
    call.frame(0.1, "conversation.item.added", item=item)
    call.user(0.5, 1.5, "hello")
    call.answer(2.0, "Hello.", seconds=1.0)

    assert ["hello"] == [turn.understood for turn in call.record().turns]


def test_errors_and_failed_handlers_are_problems_of_the_call() -> None:
    """What the reports of sessions show, gates see too."""
    call = good_call()
    call.frame(3.0, "error", error={"message": "no such voice", "code": "bad_voice"})
    call.note(3.1, "handler.failed", handler="book", error="KeyError: 'seats'")

    assert ["error", "handler.failed"] == [p.kind for p in call.record().problems]


def test_sound_stands_where_the_caller_heard_it() -> None:
    """A busy machine plays later than sound comes; a `Caller` notes when."""
    call = Call()
    call.user(0.5, 1.5, "hello")
    call.answer(2.0, "Hello.", seconds=1.0)
    call.note(2.3, "caller.heard", item_id="agent_2", start=2.25)
    call.note(2.4, "caller.heard", item_id="agent_2", start="soon")

    assert 750 == pytest.approx(call.record().turns[0].first_audio_ms, abs=20)


def test_an_answer_that_was_played_with_gaps_is_interrupted_too() -> None:
    """A busy machine plays less in the same time; the program says when it stopped."""
    call = Call()
    call.user(0.5, 1.5, "hello")
    call.answer(2.0, "Hello.", seconds=3.0, heard=0.7, truncated_at=3.3)
    call.user(3.1, 4.0, "thank you")
    call.answer(4.5, "Yes.", seconds=1.0)
    turn = call.record().turns[0]

    assert (True, "") == (turn.interrupted, turn.cut)
    assert 200 == pytest.approx(turn.stop_ms, abs=20)


def test_an_answer_of_which_nothing_was_heard_is_interrupted_and_not_cut() -> None:
    """The program deletes it: the caller spoke first."""
    call = Call()
    call.user(0.5, 1.5, "hello")
    call.answer(2.0, "Hello.", seconds=3.0)
    deletion = {"type": "conversation.item.delete", "item_id": "agent_2"}
    call.lines.append((2.15, "out", deletion))
    call.frame(2.16, "conversation.item.deleted", item_id="agent_2")
    call.speak(1.95, 2.6)
    call.note(1.5, "caller.said", text="hello", start=0.5, end=1.5)
    call.note(2.6, "caller.said", text="wait", start=1.95, end=2.6)
    turn = call.record().turns[0]

    assert (True, False, "") == (turn.interrupted, turn.silent, turn.cut)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"text": 5},
        {"start": 1.0},
        {"start": 2.0, "end": 1.0},
        {"start": True, "end": 3.0},
        {"start": -1.0, "end": 3.0},
        {"start": "now", "end": "then"},
    ],
    ids=str,
)
def test_odd_notes_of_a_caller_say_nothing(fields: dict[str, object]) -> None:
    """A recording is input like any other."""
    call = Call()
    call.user(0.5, 1.5, "hello")
    call.answer(2.0, "Hello.", seconds=1.0)
    call.note(3.0, "caller.said", **fields)

    assert 1 == len(call.record().turns)


def test_a_call_without_sound_has_the_times_of_its_frames(tmp_path: Path) -> None:
    """Recorded with ``audio=False``: lengths are known, loudness is not."""
    call = Call()
    call.user(0.5, 1.5, "hello")
    call.answer(2.0, "Hello.", seconds=1.0)
    lines = [
        line.replace(sound, f'{{"audio_bytes": {size}}}')
        for line in call.text()
        for sound, size in [_sound_of(line)]
    ]
    turn = CallRecord.load(lines).turns[0]

    assert not turn.silent
    assert turn.answer_sound is not None
    assert 2.0 == pytest.approx(turn.answer_sound.start)


def _sound_of(line: str) -> tuple[str, int]:
    """The base64 text of a line, with its quotes, and how many bytes it is."""
    import json

    frame = json.loads(line).get("frame", {})
    sound = frame.get("audio")
    if frame.get("type") == "response.output_audio.delta":
        sound = frame["delta"]
    return (f'"{sound}"', len(sound) * 3 // 4) if sound else ("\0", 0)


def test_calls_and_gates_can_be_sent_to_other_processes() -> None:
    """Both are values."""
    sent = (good_call().record(), [first_audio_ms(p95=900), problems()])
    call, gates = pickle.loads(pickle.dumps(sent))

    assert all(call.check(gates))


def test_a_file_gives_the_call_its_name(tmp_path: Path) -> None:
    """And a file that is none is refused as everywhere."""
    path = tmp_path / "booking.jsonl"
    path.write_text("\n".join(good_call().text()), encoding="utf-8")
    (tmp_path / "bad.jsonl").write_text("no recording\n", encoding="utf-8")

    assert ("booking", path) == (
        (call := CallRecord.load(path)).name,
        call.path,
    )
    with pytest.raises(errors.ConfigurationError):
        CallRecord.load(tmp_path / "bad.jsonl")


@pytest.mark.parametrize(
    "arguments", ["[" * 100_000, "oops", "[1]", '{"a": ' + "1" * 5000 + "}", ""]
)
def test_arguments_that_are_no_object_leave_the_call_readable(arguments: str) -> None:
    """A model has written them; they are shown as they came."""
    call = Call(seconds=1.0)
    item = {"id": "i", "type": "function_call", "name": "book", "call_id": "c"}
    done = {"id": "r", "status": "completed"}
    call.frame(0.1, "response.created", response={"id": "r"})
    output = [{**item, "arguments": arguments}]
    call.frame(0.2, "response.done", response={**done, "output": output})
    (tool,) = call.record().tools

    assert ({}, arguments) == (dict(tool.arguments), tool.raw)


@pytest.mark.parametrize(
    "reader",
    [Listener, LiveListener, lambda: RecordedMirror(read_recording([HEAD]))],
    ids=["listener", "live listener", "mirror"],
)
def test_what_has_read_a_recording_is_gone_at_once(
    reader: Callable[[], object],
) -> None:
    """A thousand are read in the memory of one: no circle waits for the collector."""
    gc.disable()
    try:
        reading = reader()
        gone = weakref.ref(reading)
        del reading

        assert gone() is None
    finally:
        gc.enable()
