"""Numbers, counts and texts that somebody gives, refused where they are given."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import Audio, errors
from realtime_sync.evaluation import (
    Caller,
    ChatModel,
    Conditions,
    Gate,
    cost,
    evaluate,
    first_audio_ms,
    judge,
    never_says,
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
from realtime_sync.testing import ManualClock

from .booking import ShortSynthesizer
from .calls import good_call
from .conversations import humming, timeless

NO_NUMBERS: tuple[Any, ...] = (math.nan, math.inf, -math.inf, -1, True, "5", [1])

GATES: dict[str, Callable[[Any], Gate]] = {
    "wer": lambda value: wer(most=value),
    "p50": lambda value: first_audio_ms(p50=value),
    "p95": lambda value: first_audio_ms(p95=value, most=5),
    "most": lambda value: first_audio_ms(most=value),
    "stop": stopped_within_ms,
    "silence": silence_ms,
    "talk-over": talk_over_ms,
    "times": lambda value: tool_called("book", times=value),
    "least": lambda value: turn_count(least=value),
    "turns": lambda value: turn_count(most=value),
    "tokens": tokens,
    "cost": lambda value: cost({"input_text": 1}, most=value),
}


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
@pytest.mark.parametrize("gate", GATES)
def test_a_gate_has_a_limit_that_a_figure_can_be_held_against(
    gate: str, value: Any
) -> None:
    """One that is no number would be passed by every call."""
    with pytest.raises(errors.ConfigurationError, match="number"):
        GATES[gate](value)


@pytest.mark.parametrize("value", [1.5, "one"])
@pytest.mark.parametrize("gate", ["times", "least", "turns", "tokens"])
def test_what_is_counted_is_whole(gate: str, value: Any) -> None:
    """A tool is not called one and a half times."""
    with pytest.raises(errors.ConfigurationError, match="whole number"):
        GATES[gate](value)


@pytest.mark.parametrize("value", [5, None, "", ["a"]], ids=repr)
def test_a_gate_has_words_that_can_be_looked_for(value: Any) -> None:
    """Also in the assertions of a call."""
    model = ChatModel("http://127.0.0.1:9", "small")
    call = good_call().record()
    asks: tuple[Callable[[Any], object], ...] = (
        says,
        never_says,
        tool_called,
        tool_not_called,
        call.says,
        call.never_says,
        call.tool_called,
        lambda question: judge(question, model),
    )
    for ask in asks:
        with pytest.raises(errors.ConfigurationError):
            ask(value)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_assertions_of_a_call_take_numbers_alone(value: Any) -> None:
    """``call.stopped_within_ms(nan)`` would be true of every call."""
    call = good_call().record()
    with pytest.raises(errors.ConfigurationError, match="most is a number"):
        call.stopped_within_ms(value)
    with pytest.raises(errors.ConfigurationError, match="times is a whole number"):
        call.tool_called("book", times=value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "5", -1e9, 1e9])
@pytest.mark.parametrize("name", ["speech_rate", "gain", "noise", "loss", "jitter"])
def test_a_caller_sounds_like_something(name: str, value: Any) -> None:
    """Each within its own bounds."""
    with pytest.raises(errors.ConfigurationError, match=f"{name} is a number, from"):
        Conditions(**{name: value})


@pytest.mark.parametrize(
    "given", [{"voice": 5}, {"voice": ""}, {"telephone": "no"}, {"telephone": 1}]
)
def test_a_caller_has_a_voice_and_a_telephone_or_not(given: Any) -> None:
    """What is not so clear is refused."""
    with pytest.raises(errors.ConfigurationError, match=next(iter(given))):
        Conditions(**given)


@pytest.mark.parametrize("voice", ["nobody", "marin", "Heart", "heart ", "\x1b[2J"])
def test_a_caller_has_a_voice_that_there_is(voice: str) -> None:
    """Another one would be heard; a synthesizer of the program's own knows its own."""
    clock = ManualClock()
    with timeless(humming(["Yes."]), clock) as session:
        problem = "voice is one of heart, deep, not"
        with pytest.raises(errors.ConfigurationError, match=problem):
            Caller(session, clock=clock, voice=voice)
        own = ShortSynthesizer()
        with Caller(session, clock=clock, voice=voice, synthesizer=own) as caller:
            assert voice == caller.conditions.voice


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -1, True, "5", 10**400, 1e9],
    ids=lambda value: repr(value)[:9],
)
def test_nothing_is_waited_for_without_an_end(value: Any) -> None:
    """Every number that a caller is given; the call goes on as if nothing was said."""
    clock = ManualClock()
    with timeless(humming(["Yes."]), clock) as session:
        with pytest.raises(errors.ConfigurationError, match="patience is a number"):
            Caller(session, clock=clock, patience=value)
        with Caller(session, clock=clock) as caller:
            asks: tuple[Callable[[], object], ...] = (
                lambda: caller.hear(timeout=value),
                lambda: caller.pause(value),
                lambda: caller.interrupt("stop", after=value),
                lambda: caller.interrupt("stop", after=(0.0, value)),
            )
            for ask in asks:
                with pytest.raises(errors.ConfigurationError, match="is a number"):
                    ask()
            call = caller.hang_up()

    assert not call.turns


@pytest.mark.parametrize(
    "what",
    [5, None, b"\0", "", "  ", ["hello"], b"", Audio(b"")],
    ids=["5", "none", "half a sample", "", "blank", "list", "no bytes", "no audio"],
)
def test_what_nobody_can_say_is_refused(what: Any) -> None:
    """Half a sample too, and none: what is not heard is waited upon in vain."""
    clock = ManualClock()
    with timeless(humming(["Yes."]), clock) as session:
        with Caller(session, clock=clock) as caller:
            with pytest.raises(errors.ConfigurationError):
                caller.say(what)
            with pytest.raises(errors.ConfigurationError):
                caller.interrupt("hello", word=5)  # type: ignore[arg-type]
            with pytest.raises(errors.ConfigurationError, match="in this order"):
                caller.interrupt("hello", after=(2.0, 1.0))
            with pytest.raises(errors.ConfigurationError, match="most_turns"):
                caller.converse(most_turns=0)


@pytest.mark.parametrize(
    "given",
    [
        {"seed": 1.5},
        {"seed": -1},
        {"seed": "x"},
        {"name": 5},
        {"name": ""},
        {"persona": 5},
    ],
    ids=repr,
)
def test_a_caller_is_told_what_it_can_be(given: Any) -> None:
    """Before anything is recorded."""
    clock = ManualClock()
    with timeless(humming(["Yes."]), clock) as session:
        with pytest.raises(errors.ConfigurationError, match=next(iter(given))):
            Caller(session, clock=clock, **given)
        assert session.recording is None


@pytest.mark.parametrize("timeout", [*NO_NUMBERS, 0], ids=repr)
def test_a_model_is_waited_for_so_long(timeout: Any) -> None:
    """A server that accepts and says nothing must not hold up a run."""
    with pytest.raises(errors.ConfigurationError, match="timeout is a number"):
        ChatModel("http://127.0.0.1:9", "small", timeout=timeout)


def test_a_model_has_an_address_and_a_name() -> None:
    """A key that is none is not shown."""
    with pytest.raises(errors.ConfigurationError, match="base_url is a text"):
        ChatModel(5, "small")  # type: ignore[arg-type]
    with pytest.raises(errors.ConfigurationError, match="model is a text"):
        ChatModel("http://127.0.0.1:9", "")
    with pytest.raises(errors.ConfigurationError) as raised:
        ChatModel("http://127.0.0.1:9", "small", 12345)  # type: ignore[arg-type]
    assert "12345" not in str(raised.value)


@pytest.mark.parametrize("value", [-1, 1.5, True, "all"], ids=repr)
def test_a_page_shows_so_many_calls(tmp_path: Path, value: Any) -> None:
    """And is not written if that is no number of calls."""
    table = evaluate(good_call().record(), [])
    with pytest.raises(errors.ConfigurationError, match="most_players"):
        table.to_html(tmp_path / "out.html", most_players=value)
    assert not (tmp_path / "out.html").exists()
