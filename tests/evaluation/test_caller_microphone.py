"""A microphone that somebody speaks into who is a program, on a clock moved by hand."""

from __future__ import annotations

import threading

import pytest

from realtime_sync import deadline
from realtime_sync.audio import PCM16, tone
from realtime_sync.errors import ConnectionClosed
from realtime_sync.evaluation import Conditions, caller_microphone
from realtime_sync.evaluation.call_time import MovedCallTime
from realtime_sync.evaluation.caller_microphone import (
    CallerMicrophone,
    MicrophoneSpeech,
)
from realtime_sync.testing import ManualClock
from tests.strike import Strike


class Line:
    """Takes sound until it is lost."""

    def __init__(self) -> None:
        self.sent = b""
        self.is_lost = False
        self.said: list[MicrophoneSpeech] = []
        self.time = MovedCallTime(ManualClock(), None)
        self.microphone = CallerMicrophone(
            self.take,
            PCM16,
            Conditions(),
            name="test",
            seed=0,
            time=self.time,
            said=self.said.append,
        )

    def take(self, block: bytes) -> None:
        """Be sent a block."""
        if self.is_lost:
            raise ConnectionClosed("it is lost")
        self.sent += block

    def say(self) -> MicrophoneSpeech:
        """Say something, and do not wait."""
        sound = Conditions().spoken(tone(440, 0.1))
        return self.microphone.say(sound, "interrupt")


def test_what_is_said_begins_and_ends_by_the_clock() -> None:
    line = Line()
    spoken = line.say()
    line.time.until(spoken.begun)
    over_at_once = spoken.over.is_set()
    line.time.until(spoken.over)

    assert not over_at_once
    assert [spoken] == line.said
    assert tone(440, 0.1) in line.sent


def test_nobody_waits_for_what_will_never_be_said() -> None:
    """Neither for its end nor for its beginning: it waits, is in it, or comes later."""
    line = Line()
    speaking, waiting = line.say(), line.say()
    line.time.until(speaking.begun)
    line.is_lost = True
    line.time.until(speaking.over)
    later = line.say()

    for spoken in (speaking, waiting, later):
        assert spoken.begun.is_set() and spoken.over.is_set()
    assert [speaking] == line.said


@pytest.mark.timeout(60)
def test_a_signal_handler_hangs_up_wherever_something_is_said() -> None:
    """Whoever waits for what is said, or is going to be, is woken, and told once."""
    within = tuple(each.__file__ for each in (caller_microphone, deadline, threading))
    sound = Conditions().spoken(tone(440, 0.04))
    place = 0
    while True:
        place += 1
        line = Line()
        strike = Strike(place, within, line.microphone.close)
        with strike:
            spoken = line.microphone.say(sound, "interrupt")
            line.time.until(spoken.over)
            line.microphone.close()
        late = line.microphone.say(sound, "interrupt")

        assert spoken.begun.is_set() and spoken.over.is_set(), strike.where
        assert late.over.is_set(), strike.where
        assert line.said in ([], [spoken]), strike.where
        if strike.where is None:
            break

    assert [spoken] == line.said
    assert place > 30
