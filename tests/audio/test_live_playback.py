"""Playing a live session: silence that never ends, and barge-in without a word."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import audio, live
from realtime_sync.errors import ConfigurationError, ConnectionLost
from realtime_sync.testing import Close, ManualClock
from tests.audio.live_frames import frame, quiet, voiced
from tests.session.live.live_session import SESSION, LiveServer, live_session, said
from tests.session.live.test_renewal import lost
from tests.strike import LIBRARY, Strike


class Ear:
    """A device that pulls, with a session and a clock that a test moves."""

    def __init__(
        self, session: live.LiveSession, server: LiveServer, **options: Any
    ) -> None:
        self.clock = ManualClock()
        self.server = server
        self.player = audio.Player(clock=self.clock.now)
        self.cuts: list[Any] = []
        options.setdefault("on_interrupted", self.cuts.append)
        self.attached = self.player.attach(session, **options)

    def feed(self, *frames: Any) -> None:
        """Let the server say something."""
        for each in frames:
            self.server.feed(*(each if isinstance(each, list) else [each]))

    def hear(self, ms: float) -> bytes:
        """Let the device play so much."""
        heard = b""
        for _ in range(round(ms / 20)):
            heard += self.player.pull(960)
            self.clock.advance(0.02)
        return heard


@pytest.fixture
def opened() -> Iterator[tuple[live.LiveSession, LiveServer]]:
    """A live session."""
    with live_session() as (session, server):
        yield session, server


@pytest.fixture
def ear(opened: tuple[live.LiveSession, LiveServer]) -> Ear:
    """Who listens to it."""
    return Ear(*opened)


LOOKS: dict[str, Callable[[Ear], object]] = {
    "interrupt": lambda ear: ear.attached.interrupt(),
    "heard": lambda ear: ear.attached.heard,
    "unheard": lambda ear: ear.attached.unheard,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("look", LOOKS)
def test_a_signal_handler_stops_playback_wherever_it_strikes(
    opened: tuple[live.LiveSession, LiveServer], look: str
) -> None:
    """What the model says after that is heard again."""
    before, after = (quiet(1), voiced(2)), (quiet(10), voiced(1))
    place = 0
    while True:
        place += 1
        ear = Ear(*opened)
        ear.feed(*before)
        ear.hear(60)
        within = (str(Path(LIBRARY) / "audio"),)
        strike = Strike(place, within, lambda: ear.attached.interrupt())
        with strike:
            LOOKS[look](ear)
        ear.feed(*after)
        again = ear.hear(400)
        ear.attached.detach()

        assert any(again), strike.where
        if strike.where is None:
            break

    assert place > 2


def test_silence_that_never_ends_does_not_pile_up(ear: Ear) -> None:
    """An hour of it is nothing to play, and nothing that anybody waits for."""
    ear.feed(quiet(50))

    assert 0 == ear.player.queued_ms
    ear.feed(voiced(3), quiet(50))
    assert ear.player.queued_ms < 1000
    assert not ear.player.wait_idle(0)
    ear.hear(1000)
    assert ear.player.wait_idle(0)
    assert not ear.attached.speaking


def test_pauses_in_speech_are_heard_as_long_as_they_are(ear: Ear) -> None:
    """In step with the service: frame by frame, as it comes."""
    heard = b""
    for each in (*voiced(2), *quiet(3), *voiced(2)):
        ear.feed(each)
        heard += ear.hear(100)

    spoken = audio.tone(440, 0.1, level=-6)
    assert spoken * 2 + bytes(14_400) + spoken * 2 == heard


def test_speech_begins_with_a_moment_of_silence_that_a_late_frame_may_take(
    ear: Ear,
) -> None:
    """Else a frame that comes 50 ms late would be a gap in a word."""
    ear.feed(quiet(20), voiced(1))

    assert 200 == ear.player.queued_ms


def test_silence_is_left_out_while_too_much_waits(ear: Ear) -> None:
    """So what came in a burst is caught up in the pauses; no word is lost."""
    ear.feed(voiced(10), quiet(6), voiced(10))

    assert 2000 == ear.player.queued_ms
    assert 0 == ear.attached.interruptions


def test_what_was_heard_is_told_in_the_time_and_the_words_of_the_session(
    ear: Ear,
) -> None:
    """Across a long silence, of which nothing was played."""
    ear.feed(quiet(10), voiced(4), quiet(30), voiced(4))
    words = ((1000, "One"), (1200, " two"), (4400, "Three"), (4600, " four"))
    for start, text in words:
        ear.feed(said("assistant", text, start))
    ear.hear(300)

    assert 1200 == round(ear.attached.heard_ms)
    assert "One" == ear.attached.heard
    ear.hear(200)
    assert 1400 == round(ear.attached.heard_ms)
    assert "One two" == ear.attached.heard
    ear.hear(1000)
    assert "One twoThree four" == ear.attached.heard
    assert 4800 == round(ear.attached.heard_ms)


ME = [said("user", " stop it", 1500)]


@pytest.mark.parametrize(
    "rest", [[ME, quiet(2)], [quiet(1), ME], [quiet(8), ME]], ids=str
)
def test_what_waits_is_dropped_where_the_model_has_stopped_for_the_user(
    ear: Ear, rest: list[Any]
) -> None:
    """It says so by silence alone; the transcript comes before it or after it."""
    ear.feed(said("assistant", "a long", 0), said("assistant", " answer", 1000))
    ear.feed(voiced(18))
    ear.hear(300)
    ear.feed(*rest)

    assert 1 == ear.attached.interruptions
    assert ear.player.queued_ms <= 200
    assert 300 == round(ear.attached.heard_ms)
    assert "a long" == ear.attached.heard
    [[part]] = ear.cuts
    assert (300, "live_u0_1") == (round(part.heard_ms), part.item_id)
    ear.hear(300)
    ear.feed(quiet(20), voiced(2))
    ear.hear(300)
    # What is said afterwards is heard, and counted from where it lies.
    assert ear.attached.heard_ms > 2000


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([voiced(18), ME, voiced(4)], id="the model goes on"),
        pytest.param([ME, voiced(18), quiet(2)], id="asked before"),
        pytest.param(
            [voiced(18), said("user", "?", 1500), quiet(2)], id="a mark, no word"
        ),
        pytest.param([voiced(2), ME, quiet(2)], id="little waits"),
        pytest.param([voiced(60), ME, quiet(2)], id="long ago"),
    ],
)
def test_what_is_no_interruption_is_heard_to_its_end(
    ear: Ear, frames: list[Any]
) -> None:
    """Both sides overlap by design; a natural end is no reason to cut."""
    if frames[0] is ME:
        ear.feed(said("user", "Tell me", 0), quiet(10), *frames[1:])
    else:
        ear.feed(*frames)

    assert 0 == ear.attached.interruptions
    assert [] == ear.cuts


@pytest.mark.parametrize(
    "options", [{"barge_in": False}, {"may_interrupt": lambda: False}]
)
def test_interruptions_can_be_left_out(
    opened: tuple[live.LiveSession, LiveServer], options: dict[str, Any]
) -> None:
    """As for a message that is to be heard to its end."""
    ear = Ear(*opened, **options)
    ear.feed(voiced(18), ME, quiet(2))

    assert 0 == ear.attached.interruptions
    assert 1800 == ear.player.queued_ms


def test_interruption_by_hand_lasts_until_the_model_has_paused(ear: Ear) -> None:
    """The service knows no cancel, and is told nothing."""
    ear.feed(voiced(5))
    ear.hear(200)
    sent = len(ear.server.transport.sent)
    [part] = ear.attached.interrupt()
    ear.feed(voiced(5), quiet(2), voiced(2))

    assert (200, 500) == (round(part.heard_ms), part.received_ms)
    assert 0 == ear.player.queued_ms
    ear.feed(quiet(4), voiced(2))
    assert ear.player.queued_ms >= 200
    assert sent == len(ear.server.transport.sent)


@pytest.mark.parametrize(
    ("rest", "spans"),
    [
        pytest.param([ME, quiet(2)], [(300, 1900)], id="the user breaks in"),
        pytest.param([voiced(3), quiet(20)], [], id="heard to its end"),
        pytest.param([None, voiced(5), quiet(5), voiced(1)], [(300, 2300)], id="hand"),
        pytest.param(
            [None, voiced(2), quiet(2), voiced(1), quiet(5)],
            [(300, 2000), (2200, 2300)],
            id="hand, and it pauses",
        ),
    ],
)
def test_speech_that_nobody_heard_is_told_in_the_time_of_the_session(
    ear: Ear, rest: list[Any], spans: list[tuple[float, float]]
) -> None:
    """From the cut to where it is heard again; None is an interruption by hand."""
    ear.feed(voiced(18))
    ear.hear(300)
    for each in rest:
        if each is None:
            ear.attached.interrupt()
        else:
            ear.feed(each)
    ear.hear(2000)
    ear.feed(voiced(2))

    assert spans == [(round(a), round(b)) for a, b in ear.attached.unheard]


def test_what_was_said_before_a_player_came_counts_as_heard(
    opened: tuple[live.LiveSession, LiveServer],
) -> None:
    """Only what it was given can be cut off; and in another session nothing is yet."""
    session, server = opened
    server.feed(*voiced(30))
    ear = Ear(session, server)
    ear.feed(voiced(5))
    ear.attached.interrupt()
    before = ear.attached.unheard
    ear.feed({"type": "session.started", "session": {**SESSION, "id": "live_u0_2"}})

    assert ((3000, 3500),) == before
    assert () == ear.attached.unheard


def test_interruption_in_silence_or_without_cancel_mutes_nothing(ear: Ear) -> None:
    """Else the next answer would begin in the middle."""
    ear.feed(voiced(2), quiet(20))
    ear.attached.interrupt()
    ear.feed(voiced(1))
    assert ear.player.queued_ms > 0
    ear.attached.interrupt(cancel=False)
    ear.feed(voiced(1))

    assert 100 == ear.player.queued_ms


def test_account_begins_anew_with_another_session(ear: Ear) -> None:
    """Its clock begins at zero, whatever was heard before."""
    ear.feed(voiced(4))
    ear.hear(400)
    again = {**SESSION, "id": "live_u0_2"}
    ear.feed({"type": "session.started", "session": SESSION})
    assert 400 == round(ear.attached.heard_ms)
    ear.feed({"type": "session.started", "session": again})
    ear.feed(said("assistant", "Hello", 0))

    assert 0 == round(ear.attached.heard_ms)
    ear.feed(voiced(1))
    ear.hear(100)
    assert 100 == round(ear.attached.heard_ms)
    assert "Hello" == ear.attached.heard


def test_account_begins_anew_with_the_session_after_a_loss() -> None:
    """What the user said in the lost one does not cut the voice of the next."""
    with lost() as (session, server):
        ear = Ear(session, server)
        ear.feed(voiced(4), said("user", "Well then.", 60_000))
        ear.hear(400)
        server.transport.cut(1006)

        assert 0 == round(ear.attached.heard_ms)
        ear.feed(voiced(6), quiet(1))
        assert ear.player.queued_ms >= 600
        assert 0 == ear.attached.interruptions


def test_pieces_that_say_where_they_lie_are_believed() -> None:
    """Connections that are attached get 200 ms at a time, and gaps."""
    with live_session(call_id="live_1") as (session, server):
        ear = Ear(session, server)
        sound = audio.tone(440, 0.2, level=-6)
        for start in (200, 400, 1000):
            ear.feed(frame(sound, start_ms=start, end_ms=start + 200))
        ear.hear(500)

        assert 1100 == round(ear.attached.heard_ms)


def test_player_that_is_attached_late_knows_where_it_is(
    opened: tuple[live.LiveSession, LiveServer],
) -> None:
    """The clock of the session has run for a while."""
    session, server = opened
    server.feed(*quiet(30))
    ear = Ear(session, server)
    ear.feed(voiced(2))
    ear.hear(200)

    assert 3200 == round(ear.attached.heard_ms)


@pytest.mark.parametrize("format", ["g711_ulaw", "g711_alaw"])
def test_sound_of_a_telephone_is_converted_for_a_loudspeaker(format: str) -> None:
    """Silence is told from speech in either coding."""
    coded = audio.audio_format(format)
    with live_session(config=live.LiveConfig(format=format)) as (session, server):
        ear = Ear(session, server)
        ear.feed(quiet(20, coded))
        assert 0 == ear.player.queued_ms
        ear.feed(voiced(10, coded), quiet(20, coded))
        heard = ear.hear(1500)

        assert coded == audio.session_format(session, "input")
        assert coded == audio.session_format(session, "output")
        assert audio.level(heard).peak > -12
        assert 3000 == pytest.approx(ear.attached.heard_ms, abs=20)


def test_format_that_is_not_played_is_refused_where_it_is_attached(
    ear: Ear, opened: tuple[live.LiveSession, LiveServer]
) -> None:
    """And not at every piece of sound."""
    session, server = opened
    shape = {"format": {"type": "audio/opus"}}
    ear.feed({"type": "session.updated", "session": {**SESSION, "audio": shape}})

    with pytest.raises(ConfigurationError, match="audio/opus"):
        audio.Player().attach(session)


def test_format_that_comes_too_late_to_be_refused_is_told_once(
    ear: Ear, opened: tuple[live.LiveSession, LiveServer]
) -> None:
    """And not at every piece of sound."""
    session, server = opened
    told: list[Any] = []
    session.on("player.failed", lambda event: told.append(str(event.error)))
    session.on("handler.failed", lambda event: told.append(event.handler))
    shape = {"format": {"type": "audio/opus"}}
    ear.feed({"type": "session.updated", "session": {**SESSION, "audio": shape}})
    ear.feed(voiced(20), quiet(20), voiced(5))
    session.flush()

    assert 0 == ear.player.queued_ms
    (problem,) = told
    assert "audio/opus" in problem


def test_sink_that_fails_is_told_to_the_handlers_of_the_session() -> None:
    """As with every session."""
    with live_session() as (session, server):
        told: list[Any] = []
        session.on("player.failed", told.append)
        clock = ManualClock()

        def sink(block: bytes) -> None:
            raise OSError("gone")

        player = audio.Player(sink, clock=clock.now, thread=False)
        with player.attach(session):
            server.feed(*voiced(1))
            player.run_due()

        assert [True] == [event.retrying for event in told]
        server.feed(*voiced(3))
        assert player.queued_ms <= 100


def test_what_was_said_before_a_loss_is_played(
    opened: tuple[live.LiveSession, LiveServer],
) -> None:
    """Its last block does not wait for more."""
    session, server = opened
    clock, heard = ManualClock(), bytearray()
    player = audio.Player(heard.extend, clock=clock.now, thread=False)
    with player.attach(session):
        server.feed(frame(audio.tone(440, 0.01, level=-6)), Close(1011))
        while player.run_due() is not None:
            clock.advance(0.005)

    assert 480 == len(heard)
    with pytest.raises(ConnectionLost):
        session.run_forever()


# -- the way in --------------------------------------------------------------------


def sent(server: LiveServer) -> bytes:
    """The audio that the server was sent."""
    appended = server.sent("session.input_audio.append")
    return b"".join(base64.b64decode(each["audio"]) for each in appended)


def test_microphone_is_sent_until_it_ends(
    opened: tuple[live.LiveSession, LiveServer],
) -> None:
    """Block by block, whatever the model says meanwhile."""
    session, server = opened
    blocks = [bytes([number]) * 960 for number in range(5)]
    audio.talk(session, blocks, audio.Player())

    assert b"".join(blocks) == sent(server)


def test_button_sends_what_is_said_while_it_is_down(
    opened: tuple[live.LiveSession, LiveServer],
) -> None:
    """With the syllable before it; nothing is committed, nothing is configured."""
    session, server = opened
    button = audio.PushToTalk(preroll_ms=20)
    blocks = [bytes([number]) * 960 for number in range(8)]

    def microphone() -> Iterator[bytes]:
        for at, block in enumerate(blocks):
            if at == 3:
                server.feed(*voiced(3))
                button.press()
            if at == 5:
                button.release()
            yield block

    player = audio.Player()
    audio.talk(session, microphone(), player, push_to_talk=button)

    assert b"".join(blocks[2:6]) == sent(server)
    assert 0 == player.queued_ms
    kinds = {command["type"] for command in server.transport.sent}
    assert {"session.start", "session.input_audio.append"} == kinds


def test_file_is_streamed_in_the_coding_of_the_session(tmp_path: Path) -> None:
    """As for every session."""
    path = tmp_path / "question.wav"
    audio.write_wav(path, audio.tone(440, 1.0))
    config = live.LiveConfig(format="g711_ulaw")
    with live_session(config=config, idle_audio=None) as (session, server):
        seconds = audio.stream_file(session, path, pace="full", silence=0.5)

        assert 1.5 == seconds
        assert 12_000 == len(sent(server))
