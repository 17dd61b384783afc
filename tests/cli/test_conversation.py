"""Following a spoken conversation, event by event."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from realtime_sync.cli.conversation import GRACE, SpokenConversation
from realtime_sync.cli.latency import COLUMNS
from realtime_sync.cli.plain_screen import PlainScreen
from realtime_sync.cli.transcript import TerminalTranscript


class Wire:
    """Stands in for a session: takes handlers, and fires them."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[[Any], None]] = {}
        self.now = 100.0

    def on(self, name: str, handler: Callable[[Any], None]) -> None:
        """Take a handler."""
        self.handlers[name] = handler

    def fire(self, name: str, **fields: Any) -> None:
        """Deliver an event."""
        self.handlers[name](SimpleNamespace(**fields))

    def response(self, name: str, **fields: Any) -> None:
        """Deliver an event that carries a response."""
        self.fire(name, response=SimpleNamespace(**fields))


@pytest.fixture
def wire() -> Wire:
    """A session that the test drives."""
    return Wire()


@pytest.fixture
def out() -> io.StringIO:
    """What is printed."""
    return io.StringIO()


@pytest.fixture
def conversation(wire: Wire, out: io.StringIO) -> SpokenConversation:
    """A conversation on the wire of the test, by its clock."""
    return SpokenConversation(
        wire,  # type: ignore[arg-type]
        TerminalTranscript(PlainScreen(out)),
        clock=lambda: wire.now,
    )


def ask(wire: Wire, item_id: str = "u1") -> None:
    """Speak for a moment, then be silent until the turn is found."""
    wire.fire("input_audio_buffer.speech_started", item_id=item_id)
    wire.now += 0.3
    wire.fire("input_audio_buffer.speech_stopped", item_id=item_id)
    wire.fire("input_audio_buffer.committed", item_id=item_id)


def answer(wire: Wire, response_id: str = "r1") -> None:
    """Answer in audio and words."""
    wire.response("response.created", id=response_id)
    wire.now += 0.1
    wire.fire("response.output_audio.delta", response_id=response_id, delta=b"\1\2")
    wire.fire(
        "response.output_audio_transcript.delta", response_id=response_id, delta="Lima."
    )
    wire.now += 1
    wire.response("response.done", id=response_id, status="completed")
    wire.fire(
        "turn.finished",
        response_id=response_id,
        found_ms=300.0,
        first_audio_ms=400.0,
        done_ms=1400.0,
    )


def heard(wire: Wire, text: str, item_id: str = "u1") -> None:
    """Give the transcript of the user's words."""
    wire.fire(
        "conversation.item.input_audio_transcription.completed",
        item_id=item_id,
        transcript=text,
    )


def test_a_turn_takes_what_the_session_says(
    wire: Wire, conversation: SpokenConversation
) -> None:
    """One figure for everybody; the transcript counts from the same moment."""
    ask(wire)
    answer(wire)
    heard(wire, "capital of peru")
    (turn,) = conversation.turns

    assert [300, 1400, 400, 1400] == [
        pytest.approx(turn.after_ms(name)) for _, name in COLUMNS
    ]
    assert ("capital of peru", "Lima.", b"\1\2", "completed") == (
        turn.said,
        turn.answer,
        bytes(turn.audio),
        turn.status,
    )


def test_a_late_transcript_is_printed_before_its_answer(
    wire: Wire, conversation: SpokenConversation, out: io.StringIO
) -> None:
    """Both sides stand in the order in which they spoke."""
    ask(wire)
    answer(wire)
    heard(wire, "capital of peru")

    assert "you     capital of peru\nserver  Lima." == out.getvalue()


def test_a_conversation_is_settled_when_answered_and_transcribed(
    wire: Wire, conversation: SpokenConversation
) -> None:
    """Speech that goes on, an answer or a transcript to come: not settled."""
    settled = [conversation.settled()]
    ask(wire)
    settled.append(conversation.settled())
    answer(wire)
    settled.append(conversation.settled())
    heard(wire, "capital of peru")
    settled.append(conversation.settled())
    wire.fire("input_audio_buffer.speech_started", item_id="u2")
    settled.append(conversation.settled())

    assert [False, False, False, True, False] == settled


def test_a_transcript_that_never_comes_is_not_waited_for_long(
    wire: Wire, conversation: SpokenConversation
) -> None:
    """Some servers do not transcribe, whatever they were asked."""
    ask(wire)
    answer(wire)
    wire.now += GRACE + 0.1

    assert conversation.settled()
    assert conversation.wait_settled(0)


def test_waiting_has_an_end(wire: Wire, conversation: SpokenConversation) -> None:
    """A server that says nothing does not hang the command."""
    assert not conversation.wait_settled(0)
    assert not conversation.started


def test_a_refused_transcript_settles_too(
    wire: Wire, conversation: SpokenConversation, out: io.StringIO
) -> None:
    """Failure to understand is an answer."""
    ask(wire)
    answer(wire)
    wire.fire("conversation.item.input_audio_transcription.failed", item_id="u1")

    assert conversation.settled()
    assert "(not understood)" in out.getvalue()


def test_answers_belong_to_their_turns(
    wire: Wire, conversation: SpokenConversation
) -> None:
    """Two turns, two answers, in order."""
    ask(wire, "u1")
    answer(wire, "r1")
    ask(wire, "u2")
    answer(wire, "r2")

    assert [("u1", "r1"), ("u2", "r2")] == [
        (turn.item_id, turn.response_id) for turn in conversation.turns
    ]


def test_a_server_that_speaks_unasked_has_a_turn(
    wire: Wire, conversation: SpokenConversation
) -> None:
    """A greeting is a turn without words of the user, and not what we wait for."""
    answer(wire, "r0")

    assert ["Lima."] == [turn.answer for turn in conversation.turns]
    assert not conversation.started
    assert not conversation.settled()


def test_complaints_are_kept(wire: Wire, conversation: SpokenConversation) -> None:
    """They are shown at the end, or as the reason when nothing came."""
    wire.fire("error", error=SimpleNamespace(message="no"))

    assert ["no"] == conversation.errors
