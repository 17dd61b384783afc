"""
The page with a live session, in a real browser, with the local voice server.

A browser that hears a file says a question; what it plays is the answer.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import define

from realtime_sync import RealtimeClient, live
from realtime_sync.server import serve
from realtime_sync.server.voice import (
    DEMO_QUESTION,
    default_recognizer,
    normal_words,
)
from realtime_sync.web import serve as serve_page
from tests.browser import CHROMIUM, Page, page, with_microphone
from tests.web.test_conversation import wait_for
from tests.web.voice_page import RATE, played, show, spoken, start

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no browser here"),
    pytest.mark.timeout(150),
]

ANSWER = "The capital of France is Paris."

ASKED = """[...talk.log.querySelectorAll('.rs-by-user .rs-said')].map(
  each => each.textContent).join(' ')"""

TIMES = 3
"""How often it is asked: a machine that is busy just then leaves words out."""


def plain(text: str) -> str:
    """Words as they are compared."""
    return " ".join(normal_words(text))


def words_played(one: Page) -> str:
    """What the page has played since Start, in words."""
    return plain(default_recognizer().transcribe(played(one).tobytes(), RATE))


@define
class Held:
    """What a page has shown of a conversation, and what went wrong in it."""

    asked: str
    shown: str
    errors: list[str]


def held(folder: Path, *said: str | float, until: str = ANSWER) -> Held:
    """Say something again and again, until it is shown and the answer heard."""
    microphone = spoken(folder / "q.wav", *[*said, 8.0] * TIMES, 60.0)
    with serve(agent="voice", port=0) as server:
        client = RealtimeClient(base_url=server.url)
        with serve_page(client, "gpt-live-1") as host:
            with page(folder / "p", *with_microphone(microphone)) as one:
                show(one, host.url())
                start(one)
                one.wait(f"talk.log.innerText.includes({until!r})", 60)
                wait_for(lambda: plain(ANSWER) in words_played(one), 1)
                asked, shown = one.value(ASKED), one.value("talk.log.innerText")
                return Held(plain(asked), plain(shown), one.errors)


def test_page_plays_what_is_said_and_tells_what_is_billed(tmp_path: Path) -> None:
    """Once the service has confirmed the end; the socket waits for that."""
    silence = spoken(tmp_path / "silence.wav", 1.0)
    sessions: list[live.LiveSession] = []
    with serve(agent="voice", port=0) as server:
        client = RealtimeClient(base_url=server.url, close_timeout=30)
        with serve_page(client, "gpt-live-1", on_session=sessions.append) as host:
            with page(tmp_path / "p", *with_microphone(silence)) as one:
                show(one, host.url())
                start(one)
                one.wait("talk.word === 'waiting'")
                sessions[0].say("Welcome to the show.")
                one.wait("talk.log.innerText.includes('Welcome to the show.')")
                one.wait("talk.played > 0")
                one.click("End")
                one.wait("talk.word === 'closed'")
                told = one.value("talk.problem.textContent")
                errors = one.errors
    [session] = sessions
    report = session.close_report

    assert [] == errors
    assert report.confirmed
    assert f"The session is over; {report.seconds:g} s are billed." == told


@pytest.mark.deep
def test_question_is_heard_and_its_answer_played(tmp_path: Path) -> None:
    """By sound alone, both ways."""
    found = held(tmp_path, 1.0, DEMO_QUESTION)

    assert [] == found.errors
    # A machine that is busy puts silence between words: not each is heard right.
    assert "capital of france" in found.asked
    assert plain(ANSWER) in found.shown


@pytest.mark.deep
def test_story_stops_when_a_question_is_asked(tmp_path: Path) -> None:
    """By itself: nothing on the wire says so, and little of it waits."""
    said = 1.0, "Tell me a story.", 4.0, DEMO_QUESTION
    found = held(tmp_path, *said, until="Once upon a time")

    assert [] == found.errors
    assert plain(ANSWER) in found.shown
    ends = found.shown.count("left the door open")
    assert ends < found.shown.count("once upon a time")
