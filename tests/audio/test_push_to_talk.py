"""Talking: microphone in, loudspeaker out, button or voice detection."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from realtime_sync import Session, audio, connect
from realtime_sync.errors import ConnectionClosed
from realtime_sync.server import serve

BLOCK = 960
"""Bytes of 20 ms."""


@pytest.fixture
def session() -> Iterator[Session]:
    """A session with a server that hums back how long it was spoken to."""
    with serve(agent="echo", keep_frames=5000) as server:
        with connect("any", base_url=server.url) as session:
            yield session


def blocks(*pieces: bytes | Callable[[], object]) -> Iterator[bytes]:
    """A microphone: audio in blocks, and things that happen in between."""
    for piece in pieces:
        if callable(piece):
            piece()
            continue
        for start in range(0, len(piece), BLOCK):
            yield piece[start : start + BLOCK]


def test_voice_detection_finds_the_turn_and_the_answer_is_played(
    session: Session,
) -> None:
    """The whole loop: microphone, server, loudspeaker."""
    played = bytearray()
    with session.expect("response.done") as done:
        with audio.Player(played.extend) as player:
            audio.talk(
                session,
                blocks(
                    audio.tone(440, 0.4, level=-6),
                    audio.silence(1),
                    lambda: done.result(10),
                    lambda: player.wait_idle(10),
                ),
                player,
            )

    assert len(played) / 48 > 300


def test_a_button_sends_what_was_said_from_just_before_it(session: Session) -> None:
    """The first syllable is not lost; the end of the button is the end of the turn."""
    button = audio.PushToTalk(preroll_ms=100)
    with session.expect("response.done") as done:
        with audio.Player() as player:
            audio.talk(
                session,
                blocks(
                    audio.silence(1),
                    button.press,
                    audio.tone(440, 0.5, level=-6),
                    button.release,
                    audio.silence(0.02),
                    lambda: done.result(10),
                ),
                player,
                push_to_talk=button,
            )
    (user,) = [item for item in session.snapshot.items if item.role == "user"]
    spoken = next(i for i in session.snapshot.items if i.role == "assistant")

    assert user.committed
    assert "620 ms of audio" == spoken.said
    assert session.config.audio.input.turn_detection is None


def test_a_button_interrupts_the_answer(session: Session) -> None:
    """Pressing is silence, before the first word is spoken."""
    button = audio.PushToTalk()
    heard = threading.Event()
    with audio.Player(lambda block: heard.set()) as player:

        def press() -> None:
            session.conversation.add_message("a long answer, please, " * 20)
            session.response.create().result()
            assert heard.wait(10)
            button.press()
            button.press()

        audio.talk(
            session, blocks(audio.silence(0.1), press), player, push_to_talk=button
        )
        (answer,) = [i for i in session.snapshot.items if i.role == "assistant"]
        snapshot = session.snapshot
        while not snapshot.item(answer.id).truncated:  # type: ignore[union-attr]
            snapshot = session.wait_changed(snapshot.version, timeout=10)
        idle = player.wait_idle(10)

    assert idle
    assert button.pressed


def test_a_slip_of_the_finger_commits_nothing(session: Session) -> None:
    """The server would refuse less than 100 ms."""
    button = audio.PushToTalk(preroll_ms=0)
    sent: list[str] = []
    session.on("client.*", lambda event: sent.append(event.type), inline=True)
    audio.talk(
        session,
        blocks(button.press, audio.silence(0.04), button.release, audio.silence(0.04)),
        audio.Player(),
        push_to_talk=button,
    )

    assert "input_audio_buffer.append" in sent
    assert "input_audio_buffer.commit" not in sent
    assert 2 == sent.count("input_audio_buffer.clear")


def test_a_button_that_nobody_listens_to_can_be_pressed() -> None:
    """The keyboard may be faster than the connection."""
    button = audio.PushToTalk()
    button.press()
    button.release()

    assert not button.pressed


def test_closing_the_session_ends_the_talk(session: Session) -> None:
    """On purpose, and so without an exception."""
    audio.talk(
        session,
        blocks(audio.silence(0.1), session.close, audio.silence(9)),
        audio.Player(),
    )

    assert session.closed


def test_a_lost_connection_is_not_a_quiet_end() -> None:
    """The caller must know."""
    with serve(agent="echo") as server:
        with connect("any", base_url=server.url) as session:

            def cut() -> None:
                server.open_sessions()[0].close(1011)
                with pytest.raises(ConnectionClosed):
                    session.run_forever()

            with pytest.raises(ConnectionClosed):
                audio.talk(session, blocks(cut, audio.silence(1)), audio.Player())


def test_a_stop_ends_the_talk_with_the_next_block(session: Session) -> None:
    """From any thread; whatever has a player is a speaker."""
    stop = threading.Event()
    sent: list[str] = []
    session.on("client.*", lambda event: sent.append(event.type), inline=True)

    class Horn:
        """A speaker of another make."""

        player = audio.Player()

    audio.talk(session, blocks(bytes(BLOCK), stop.set, bytes(9999)), Horn(), stop=stop)

    assert ["input_audio_buffer.append"] == sent


def test_a_goodbye_is_played_to_its_end(session: Session) -> None:
    """Whoever closes the session has said it to be heard."""
    played = bytearray()
    with audio.Player(played.extend) as player:
        audio.talk(
            session,
            blocks(
                lambda: player.play(audio.tone(440, 0.5)),
                session.close,
                audio.silence(1),
            ),
            player,
        )

    assert 500 == len(played) / 48


def test_a_goodbye_that_is_never_over_is_not_waited_for(session: Session) -> None:
    """What is played out has a bound."""
    played = bytearray()
    with audio.Player(played.extend) as player:
        audio.talk(
            session,
            blocks(
                lambda: player.play(audio.tone(440, 60)),
                session.close,
                audio.silence(1),
            ),
            player,
            play_out=0.1,
        )

    assert len(played) / 48 < 10_000
