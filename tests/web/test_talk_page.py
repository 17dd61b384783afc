"""
A conversation in a real browser, whose microphone hears a file, with a real server.

It is held once: a story is asked for and interrupted by a question, again if the
machine was busy just then. The tests look at what came of it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy
import pytest
from attrs import define, field

from realtime_sync import RealtimeClient, Session, Snapshot, events
from realtime_sync.server import serve
from realtime_sync.server.voice import DEMO_QUESTION
from realtime_sync.web import serve as serve_page
from tests.browser import CHROMIUM, Page, page, with_microphone
from tests.web.voice_page import RATE, Answer, answers, played, show, spoken, start

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no browser here"),
    pytest.mark.timeout(150),
]


TIMES = 3
"""How often the story is interrupted at most, until it was at a quiet moment."""

CLOSE_MS = 50.0
"""How far what was heard may be off what was played."""

STORY, ANSWER = "tell me a story", "what is the capital of france"


@define
class Held:
    """What came of a conversation."""

    sessions: list[Session] = field(factory=list)
    sent: dict[str, bytearray] = field(factory=dict)
    snapshot: Snapshot | None = None
    answers: list[Answer] = field(factory=list)
    played: numpy.ndarray[Any, Any] = field(factory=lambda: numpy.zeros(0))
    rate: int = 0
    shown: str = ""
    unheard: str = ""
    turns: int = 0
    errors: list[str] = field(factory=list)

    def begun(self, session: Session) -> None:
        """Take note of a session, and of what its server says aloud."""
        self.sessions.append(session)
        session.on(events.ResponseAudioDelta, self.said)

    def said(self, event: events.ResponseAudioDelta) -> None:
        """Keep what an answer sounds like."""
        self.sent.setdefault(str(event.response_id), bytearray()).extend(event.delta)

    def look(self, one: Page) -> None:
        """Take note of the answers, of which the last was played to its end."""
        self.snapshot = self.sessions[0].snapshot
        sent = [numpy.frombuffer(bytes(each), "<i2") for each in self.sent.values()]
        cuts = [int(each) for each in one.value("cuts")]
        self.answers = answers(self.snapshot, sent, cuts)

    @property
    def off_ms(self) -> list[float]:
        """How far what was heard is off what was played, of what was interrupted."""
        return [each.off_ms for each in self.answers if each.off_ms is not None]


def talk(found: Held, one: Page) -> None:
    """Listen until a story was interrupted when the machine had time for it."""
    for number in range(1, TIMES + 1):
        one.wait(f"talk.log.innerText.split('is Paris.').length > {number}")
        one.wait("talk.word === 'waiting'")
        found.look(one)
        if min(found.off_ms) < CLOSE_MS:
            break
    # What the microphone hears next is of no interest.
    one.click("Mute")
    one.wait("talk.word === 'waiting' && talk.rows.children.length > 1")


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """The conversation, over when a test sees it."""
    folder = tmp_path_factory.mktemp("browser")
    said = [0.5, "Tell me a story.", 3.0, DEMO_QUESTION, 6.0] * TIMES
    question = spoken(folder / "q.wav", *said, 30.0)
    found = Held()
    before = set(threading.enumerate())
    with serve(agent="voice", port=0) as server:
        client = RealtimeClient(base_url=server.url)
        with serve_page(client, on_session=found.begun) as host:
            with page(folder / "profile", *with_microphone(question)) as one:
                show(one, host.url())
                start(one)
                talk(found, one)
                found.look(one)
                one.wait(f"talk.played === {sum(each.size for each in found.answers)}")
                found.rate = one.value("talk.sound.context.sampleRate")
                found.played = played(one)
                found.shown = one.value("talk.log.innerText")
                struck = "talk.log.querySelector('.rs-by-assistant del').textContent"
                found.unheard = one.value(struck)
                found.turns = one.value("talk.rows.children.length")
                found.errors = one.errors
    left = [t.name for t in threading.enumerate() if t not in before and t.is_alive()]
    assert [] == left
    yield found


def test_what_is_said_into_the_browser_is_heard_right(held: Held) -> None:
    """Both sentences, word for word, by one session."""
    assert held.snapshot is not None
    heard = [i.said.strip().lower() for i in held.snapshot.items if i.role == "user"]

    assert [] == held.errors
    assert 1 == len(held.sessions)
    assert [STORY, ANSWER] == heard[:2]
    assert ([STORY, ANSWER] * TIMES)[: len(heard)] == heard


def test_answers_samples_are_what_the_audio_thread_plays(held: Held) -> None:
    """Those before the cut of each that was cut, and all of the others."""
    heard = [each.sent[: each.size] for each in held.answers]

    assert RATE == held.rate
    assert held.answers[0].size < len(held.answers[0].sent)
    numpy.testing.assert_array_equal(numpy.concatenate(heard), held.played)


def test_speaking_truncates_to_what_was_played(held: Held) -> None:
    """
    Within 50 ms of what the browser's own clock says.

    A machine that is busy at that very moment cuts later; the story is asked for, and
    interrupted, again then.
    """
    assert 0 < held.answers[0].size
    assert min(held.off_ms) < CLOSE_MS


def test_page_shows_both_sides_and_strikes_off_what_was_not_heard(held: Held) -> None:
    """In words, with the latencies of both turns."""
    assert "Once upon a time" in held.shown
    assert "The capital of France is Paris." in held.shown
    assert held.snapshot is not None
    story = next(item for item in held.snapshot.items if item.truncated)

    assert story.said == story.heard + held.unheard
    assert "lit the lamp" in held.unheard
    assert "Once upon a time" not in held.unheard
    assert 2 <= held.turns <= len(held.answers)


def test_session_ends_with_its_window(held: Held) -> None:
    """A key is worth money, and a forgotten session costs."""
    assert held.sessions[0].closed
