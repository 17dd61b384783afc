"""
A conversation in a real browser, whose microphone hears a file, with a real server.

It is held once: a story is asked for and interrupted by a question. The tests look at
what came of it.
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
from tests.browser import CHROMIUM, page, with_microphone
from tests.web.voice_page import RATE, played, show, spoken, start

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no browser here"),
    pytest.mark.timeout(90),
]


@define
class Held:
    """What came of a conversation."""

    sessions: list[Session] = field(factory=list)
    sent: dict[str, bytearray] = field(factory=dict)
    snapshot: Snapshot | None = None
    cleared_ms: float = 0.0
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


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """The conversation, over when a test sees it."""
    folder = tmp_path_factory.mktemp("browser")
    question = spoken(
        folder / "q.wav", 0.5, "Tell me a story.", 3.0, DEMO_QUESTION, 30.0
    )
    found = Held()
    before = set(threading.enumerate())
    with serve(agent="voice", port=0) as server:
        client = RealtimeClient(base_url=server.url)
        with serve_page(client, on_session=found.begun) as host:
            with page(folder / "profile", *with_microphone(question)) as one:
                show(one, host.url())
                start(one)
                one.wait("talk.cleared")
                one.wait("document.body.innerText.includes('Paris.')")
                one.wait("talk.rows.children.length > 1")
                samples = len(list(found.sent.values())[-1]) // 2
                one.wait(f"talk.played === talk.cleared.played + {samples}")
                found.cleared_ms = one.value("talk.cleared.played / 24")
                found.rate = one.value("talk.sound.context.sampleRate")
                found.played = played(one)
                found.shown = one.value("talk.log.innerText")
                struck = "talk.log.querySelector('.rs-by-assistant del').textContent"
                found.unheard = one.value(struck)
                found.turns = one.value("talk.rows.children.length")
                found.errors = one.errors
                found.snapshot = found.sessions[0].snapshot
    left = [t.name for t in threading.enumerate() if t not in before and t.is_alive()]
    assert [] == left
    yield found


def lines(held: Held, role: str) -> list[str]:
    """What a side has said, by the mirror."""
    assert held.snapshot is not None
    return [
        item.said.strip().lower() for item in held.snapshot.items if item.role == role
    ]


def test_what_is_said_into_the_browser_is_heard_right(held: Held) -> None:
    """Both sentences, word for word, by one session."""
    assert [] == held.errors
    assert 1 == len(held.sessions)
    assert ["tell me a story", "what is the capital of france"] == lines(held, "user")


def test_answers_samples_are_what_the_audio_thread_plays(held: Held) -> None:
    """
    Each of them, of the answer that was heard to its end; and of the one that was
    cut, those before the cut.
    """
    story, capital = [numpy.frombuffer(each, "<i2") for each in held.sent.values()]
    cut = round(held.cleared_ms * RATE / 1000)

    assert RATE == held.rate
    assert cut < len(story)
    numpy.testing.assert_array_equal(story[:cut], held.played[:cut])
    numpy.testing.assert_array_equal(capital, held.played[cut:])


def test_speaking_truncates_to_what_was_played(held: Held) -> None:
    """Within 50 ms of what the browser's own clock says."""
    assert held.snapshot is not None
    story = next(item for item in held.snapshot.items if item.truncated)
    assert story.heard_ms is not None

    assert 0 < held.cleared_ms
    assert abs(story.heard_ms - held.cleared_ms) < 50


def test_page_shows_both_sides_and_strikes_off_what_was_not_heard(held: Held) -> None:
    """In words, with the latencies of both turns."""
    assert "Once upon a time" in held.shown
    assert "The capital of France is Paris." in held.shown
    assert held.snapshot is not None
    story = next(item for item in held.snapshot.items if item.truncated)

    assert story.said == story.heard + held.unheard
    assert "lit the lamp" in held.unheard
    assert "Once upon a time" not in held.unheard
    assert 2 == held.turns


def test_session_ends_with_its_window(held: Held) -> None:
    """A key is worth money, and a forgotten session costs."""
    assert held.sessions[0].closed
