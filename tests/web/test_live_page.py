"""
The page with a live session, in a real browser, with the local voice server.

A browser that hears a file says a question; what it plays is the answer.
"""

from __future__ import annotations

from pathlib import Path

import pytest

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

TIMES = 3
"""How often it is asked: a machine that is busy just then leaves words out."""


def plain(text: str) -> str:
    """Words as they are compared."""
    return " ".join(normal_words(text))


def words_played(one: Page) -> str:
    """What the page has played since Start, in words."""
    return plain(default_recognizer().transcribe(played(one).tobytes(), RATE))


def test_question_is_heard_its_answer_played_and_the_end_confirmed(
    tmp_path: Path,
) -> None:
    """By sound alone, both ways; the page says what is billed."""
    said = [1.0, DEMO_QUESTION, 8.0] * TIMES
    question = spoken(tmp_path / "q.wav", *said, 60.0)
    sessions: list[live.LiveSession] = []
    with serve(agent="voice", port=0) as server:
        client = RealtimeClient(base_url=server.url, close_timeout=30)
        with serve_page(client, "gpt-live-1", on_session=sessions.append) as host:
            with page(tmp_path / "p", *with_microphone(question)) as one:
                show(one, host.url())
                start(one)
                one.wait(f"talk.log.innerText.includes({ANSWER!r})", 60)
                wait_for(lambda: plain(ANSWER) in words_played(one), 1)
                shown = one.value("talk.log.innerText")
                one.click("End")
                one.wait("talk.word === 'closed'")
                told = one.value("talk.problem.textContent")
                errors = one.errors
        [session] = sessions
        report = session.close_report

    assert [] == errors
    assert plain(DEMO_QUESTION) in plain(shown)
    assert report.confirmed
    assert f"The session is over; {report.seconds:g} s are billed." == told
