"""The clock of turns."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync import audio, connect, events
from realtime_sync.protocol.audio_config import AudioConfig, AudioFormat, AudioInput
from realtime_sync.protocol.responses import Response
from realtime_sync.protocol.sessions import SessionConfig
from realtime_sync.server import serve
from realtime_sync.session.turn_timing import TurnClock


class Clock:
    """A clock that moves a tenth of a second per look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.1
        return self.now


def clock_fed(*steps: Any, wanted: bool = True) -> Any:
    """What comes of the last of several events."""
    clock = TurnClock(lambda: wanted, Clock())
    last = None
    for step in steps:
        last = clock.event(step)
    return last


def delta(kind: Any) -> Any:
    """A delta of the response."""
    return kind(response_id="resp_1")


TURN = (
    events.InputAudioBufferSpeechStopped(item_id="item_1"),
    events.InputAudioBufferCommitted(item_id="item_1"),
    events.ResponseCreated(response=Response(id="resp_1")),
    delta(events.ResponseAudioTranscriptDelta),
    delta(events.ResponseAudioDelta),
    delta(events.ResponseAudioDelta),
    events.ResponseDone(response=Response(id="resp_1", status="completed")),
)


def test_times_count_from_the_end_of_speech() -> None:
    """Each first time counts, in milliseconds."""
    notice = clock_fed(*TURN)

    assert ("resp_1", "item_1", "completed") == (
        notice.response_id,
        notice.item_id,
        notice.status,
    )
    assert [100, 200, 300, 400] == [
        round(ms)
        for ms in (
            notice.created_ms,
            notice.first_text_ms,
            notice.first_audio_ms,
            notice.done_ms,
        )
    ]


@pytest.mark.parametrize("name", ["pcm16", "g711_ulaw"])
def test_times_count_from_the_last_loud_block_that_was_sent(name: str) -> None:
    """The silence that turn detection waits for is part of what people wait."""
    wire = audio.audio_format(name)
    heard = AudioInput(format=AudioFormat(type=wire.wire))
    clock = TurnClock(lambda: True, Clock())
    clock.event(
        events.SessionUpdated(session=SessionConfig(audio=AudioConfig(input=heard)))
    )
    tone = audio.convert(audio.tone(330, 0.02), "pcm16", wire, to_rate=wire.rate)
    for block in (tone, audio.silence(0.02, wire), audio.silence(0.02, wire)):
        clock.command(events.InputAudioBufferAppend(audio=block))
    finished = [clock.event(step) for step in TURN][-1]

    assert finished is not None
    assert [300, 400, 600] == [
        round(ms or 0)
        for ms in (finished.found_ms, finished.created_ms, finished.first_audio_ms)
    ]


def test_audio_is_not_looked_at_while_nobody_listens() -> None:
    """Sending costs no more than before."""
    clock = TurnClock(lambda: False, lambda: pytest.fail("looked at the clock"))

    clock.command(events.InputAudioBufferAppend(audio=audio.tone(330, 0.02)))


def test_a_commit_by_hand_ends_the_turn() -> None:
    """Without voice detection the commit is where the turn ends."""
    notice = clock_fed(TURN[1], TURN[2], TURN[-1])

    assert "item_1" == notice.item_id
    assert 100 == round(notice.created_ms)


def test_a_response_without_a_turn_counts_from_its_creation() -> None:
    """A response that nobody asked for here has no earlier moment."""
    assert 0 == clock_fed(TURN[2], TURN[-1]).created_ms


def test_nothing_is_timed_while_nobody_listens() -> None:
    """The ledger costs nothing that is not asked for."""
    assert clock_fed(*TURN, wanted=False) is None


def test_a_response_without_an_id_is_not_timed() -> None:
    """It could not be told from another."""
    assert clock_fed(events.ResponseCreated(), events.ResponseDone()) is None


def test_a_session_tells_of_finished_turns() -> None:
    """Handlers get `turn.finished` after `response.done`."""
    seen: list[Any] = []
    with serve(agent="echo") as server:
        with connect("m", base_url=server.url) as session:
            session.on("turn.finished", seen.append)
            session.ask("Hello", timeout=10)
            session.flush()

    assert ["completed"] == [turn.status for turn in seen]
    assert seen[0].done_ms >= seen[0].first_audio_ms >= seen[0].created_ms >= 0


def test_a_finished_turn_can_be_waited_for() -> None:
    """Without a handler for it, by name and by prefix."""
    with serve(agent="echo") as server:
        with connect("m", base_url=server.url, timeout=10) as session:
            for name in ("turn.finished", "turn.*"):
                finished = session.expect(name)
                session.ask("Hello")

                assert "completed" == finished.result().status
