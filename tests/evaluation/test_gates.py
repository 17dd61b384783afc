"""Gates: each falls for its own fault, and shows the turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from realtime_sync import errors
from realtime_sync.evaluation import (
    CallRecord,
    Check,
    answered,
    cost,
    first_audio_ms,
    heard_whole,
    never_says,
    problems,
    says,
    silence_ms,
    stopped_within_ms,
    talk_over_ms,
    tokens,
    tool_called,
    tool_not_called,
    turn_count,
    wer,
)

from .calls import Call, good_call

GATES: tuple[Check, ...] = (
    wer(most=0.05),
    first_audio_ms(p95=900),
    stopped_within_ms(300),
    silence_ms(2000),
    tool_called("book", times=1),
    tool_not_called("cancel"),
    answered(),
    heard_whole(),
    problems(),
    says("table for two"),
    never_says("refund"),
    turn_count(most=3),
    tokens(1000),
)


def fallen(call: CallRecord) -> list[str]:
    """Names of the gates that fall."""
    return [gate.name for gate in GATES if not gate.check(call)]


def late() -> Call:
    """The first audio is 400 ms later."""
    call = Call()
    call.user(0.5, 1.5, "a table for two", said="A table for two.")
    call.answer(2.45, "A table for two.", seconds=1.0)
    call.tool(3.0, "book")
    return call


def misunderstood() -> Call:
    """One word in ten is another one."""
    call = good_call()
    call.lines = [
        (
            (at, way, {**frame, "text": "A table for three, please."})
            if str(frame.get("text", "")).startswith("A table")
            else (at, way, frame)
        )
        for at, way, frame in call.lines
    ]
    return call


def stopped_late() -> Call:
    """The answer goes on for 700 ms."""
    call = Call()
    call.user(0.5, 1.5, "book it", said="Book it.")
    call.tool(1.9, "book")
    call.answer(
        2.2, "A table for two is booked.", seconds=4.0, heard=2.5, truncated_at=4.7
    )
    call.user(4.0, 4.5, "thank you", said="Thank you.")
    call.answer(5.0, "You are welcome.", seconds=1.0)
    return call


def twice() -> Call:
    """The tool is called once more."""
    return good_call(times=2)


def cut() -> Call:
    """An answer ends before its words do."""
    call = good_call()
    call.user(11.0, 11.5, "and where", said="And where?")
    call.answer(12.0, "In the", seconds=0.4, status="incomplete", reason="max_tokens")
    call.lines = [line for line in call.lines if "thank you" not in str(line)]
    return call


def silent() -> Call:
    """A turn without an answer."""
    call = Call()
    call.user(0.5, 1.5, "book it", said="Book it.")
    call.tool(1.9, "book")
    call.answer(2.2, "A table for two is booked.", seconds=2.0)
    call.user(5.0, 5.5, "thank you", said="Thank you.")
    call.answer(6.0, "You are welcome.", seconds=0.0)
    return call


def test_a_good_call_passes_every_gate() -> None:
    """None falls by itself."""
    call = good_call().record()

    assert [] == [str(each) for each in call.check(GATES) if not each]
    call.require(*GATES)


@pytest.mark.parametrize(
    ("faulty", "gate"),
    [
        (late, "first_audio_ms"),
        (misunderstood, "wer"),
        (stopped_late, "stopped_within_ms"),
        (twice, "tool_called book"),
        (silent, "answered"),
    ],
)
def test_a_fault_makes_its_own_gate_fall(faulty: Callable[[], Call], gate: str) -> None:
    """And no other."""
    assert [gate] == fallen(faulty().record())


def test_an_answer_that_ends_early_is_not_heard_whole() -> None:
    """The reason is the server's."""
    verdict = heard_whole().check(cut().record())

    assert not verdict
    assert "incomplete: max_tokens" in str(verdict)


@pytest.mark.parametrize(
    ("text", "seconds", "whole"),
    [
        ("Your table for two at eight is booked, see you then.", 3.0, True),
        ("Your table for two at eight is booked, see you then.", 1.0, False),
        ("Yes.", 0.1, True),
    ],
)
def test_sound_that_is_too_short_for_its_words_is_cut(
    text: str, seconds: float, whole: bool
) -> None:
    """Nobody says thirty characters in a second."""
    call = Call()
    call.user(0.5, 1.5, "hello")
    call.answer(2.0, text, seconds=seconds)

    assert whole == bool(heard_whole().check(call.record()))


def test_playback_that_the_caller_did_not_interrupt_was_cut() -> None:
    """A program that truncates by itself takes words from the caller."""
    call = Call()
    call.user(0.5, 1.5, "hello")
    call.answer(2.0, "Hello.", seconds=3.0, heard=1.0, truncated_at=3.0)

    assert "1000 of 3000 ms" in str(heard_whole().check(call.record()))


def test_messages_show_the_turn() -> None:
    """What was said, understood, answered; when; and why the gate fell."""
    told = str(wer(most=0.05).check(misunderstood().record()))

    assert "turn 1 at 0.5 s" in told
    assert "said: A table for three, please." in told
    assert "understood: a table for two please" in told
    assert "three -> two" in told


def test_require_raises_with_every_gate_that_fell() -> None:
    """An assertion error, so that test runners show it as one."""
    with pytest.raises(AssertionError, match="tool_called.*times=1.*FAILED, 2"):
        twice().record().require(*GATES)


def test_gates_are_assertions_of_the_call_too() -> None:
    """The forms that tests read best with."""
    call = good_call().record()

    assert call.turns[0].wer("a table for two please") < 0.1
    assert (call.first_audio_ms.p95 or 0) < 900
    assert call.stopped_within_ms(300)
    assert call.tool_called("book", seats=2)
    assert not call.tool_called("book", seats=3)
    assert not call.tool_called("book", seats=2, wine=True)
    assert not call.tool_called("book", name="Mary", tool="wine")
    assert call.says("for what time")
    assert call.never_says("refund")


def test_what_was_said_can_be_in_files(tmp_path: Path) -> None:
    """A folder with a file for each call, a line for each turn."""
    lines = "A table for two, please\n\nAt eight\nThank you\n"
    (tmp_path / "call.txt").write_text(lines, encoding="utf-8")
    (tmp_path / "short.txt").write_text("one line\n", encoding="utf-8")
    call = good_call()
    gate = wer(tmp_path, most=0.0)

    assert gate.check(call.record())
    assert "1 turns are expected" in str(gate.check(call.record("short")))
    assert "there is no" in str(wer("no/where.txt", most=0).check(call.record()))


@pytest.mark.parametrize(
    "words",
    ["a b " * 200, "it is 3.50 for two", "version 2.0", "a\0b"],
    ids=["long", "price", "version", "null"],
)
def test_words_are_not_taken_for_a_file(words: str) -> None:
    """Whatever is in them: there is no such file, and they are measured."""
    call = Call()
    call.user(0.5, 1.5, "a b")

    assert wer(words, most=1.0).check(call.record()).value is not None


@pytest.mark.parametrize(
    ("name", "told"), [("and/or", "a list of one"), ("latin.txt", "is not UTF-8")]
)
def test_a_file_of_words_that_cannot_be_read_makes_the_gate_fall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    """And says so; the other calls are measured."""
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    monkeypatch.chdir(tmp_path)

    assert told in str(wer(name, most=1.0).check(good_call().record()))


def test_words_that_nobody_knows_cannot_be_measured() -> None:
    """The gate falls and says what is missing, instead of passing by mistake."""
    call = Call()
    call.user(0.5, 1.5, "hello")

    assert "give the words" in str(wer(most=0.1).check(call.record()))
    with pytest.raises(errors.ConfigurationError, match="turn 1"):
        call.record().turns[0].wer()


def test_talk_over_counts_both_at_once() -> None:
    """The time in which they speak over each other, altogether."""
    assert talk_over_ms(300).check(good_call().record())
    assert not talk_over_ms(100).check(good_call().record())


@pytest.mark.parametrize("make", [lambda: first_audio_ms(), lambda: wer(most=-1)])
def test_gates_without_a_limit_are_refused(make: Callable[[], object]) -> None:
    """At the line where they are made."""
    with pytest.raises(errors.ConfigurationError):
        make()


def test_cost_is_held_against_a_price_list() -> None:
    """And the turn that costs most is shown."""
    call = Call()
    for number, count in enumerate((1000, 3000)):
        at = 4.0 * number
        call.user(at + 0.5, at + 1.5, "hello")
        details = {"text_tokens": 0, "audio_tokens": count}
        usage = {"output_tokens": count, "output_token_details": details}
        call.answer(at + 2.0, "Hello.", seconds=1.0, usage=usage)
    record = call.record()
    prices = {"output_audio": 64, "currency": "USD"}
    dear = cost(prices, most=0.2).check(record)

    assert cost(prices, most=0.256).check(record)
    assert not dear
    assert (0.256, 0.2, "USD", (2,)) == (dear.value, dear.limit, dear.unit, dear.turns)
    assert "0.192 for this turn" in str(dear)


@pytest.mark.parametrize("text", ["", "  ", "?!"])
def test_words_that_are_none_are_refused(text: str) -> None:
    """Every text would have them."""
    call = good_call().record()
    for ask in (says, never_says, call.says, call.never_says):
        with pytest.raises(errors.ConfigurationError, match="no word in"):
            ask(text)


def test_a_call_in_which_nothing_happened_says_so() -> None:
    """No figure is made up, and a gate that needs one falls."""
    empty = Call(seconds=0.0).record()

    assert not empty.turns
    assert 0.0 == empty.longest_silence_ms == empty.talk_over_ms
    assert [
        "wer",
        "first_audio_ms",
        "tool_called book",
        "says 'table for two'",
    ] == fallen(empty)
