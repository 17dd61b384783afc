"""What a page shows of a live session; a device and a clock that a test moves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync import live
from realtime_sync.web import live_view, view
from realtime_sync.web.live_view import LivePageView
from tests.audio.live_frames import quiet, voiced
from tests.audio.test_live_playback import Ear
from tests.session.live.live_session import SESSION, delegated, live_session, said
from tests.session.live.test_renewal import lost

Row = tuple[str, str, str]


class Looking:
    """A page that puts together what it is told."""

    def __init__(self, session: live.LiveSession, ear: Ear) -> None:
        self.view = LivePageView(session, ear.attached)
        self.ear = ear
        self.state = ""
        self.lines: dict[str, dict[str, Any]] = {}
        self.told = 0

    def look(self, *frames: Any) -> list[Row]:
        """Let the server say something; who said what then, and what was not heard."""
        self.ear.feed(*frames)
        for message in self.view.news():
            self.told += 1
            if message["kind"] == "state":
                self.state = message["state"]
            else:
                changed = {each["id"]: each for each in message["changed"]}
                known = {**self.lines, **changed}
                self.lines = {name: known[name] for name in message["order"]}
        return [(e["role"], e["text"], e["unheard"]) for e in self.lines.values()]


@pytest.fixture
def page() -> Iterator[Looking]:
    """A page of a session that has begun."""
    with live_session(config={"delegation": {"type": "client"}}) as (session, server):
        yield Looking(session, Ear(session, server))


def test_each_side_has_a_line_until_it_pauses(page: Looking) -> None:
    """Piece by piece, and told only where something is new."""
    first = page.look(said("user", "Good", 0), said("user", " day.", 200))
    then = page.look(
        said("assistant", "Hello,", 1000), said("assistant", " you.", 1200)
    )
    told = page.told
    same = page.look(*quiet(3))
    later = page.look(said("assistant", "So?", 5000))

    assert [("user", "Good day.", "")] == first
    assert [*first, ("assistant", "Hello, you.", "")] == then == same
    assert [*then, ("assistant", "So?", "")] == later
    assert page.told == told + 1


def test_sides_that_speak_at_once_keep_a_line_each(page: Looking) -> None:
    """Both overlap by design; words of the user come later than they were said."""
    rows = page.look(
        said("user", "I would", 0),
        said("assistant", "Mm-hm", 200),
        said("user", " like", 200),
        said("user", " a table", 400),
        said("assistant", ", sure.", 400),
        said("user", " for two.", 600),
    )
    late = page.look(said("assistant", "A table.", 9000), said("user", "Yes", 6000))

    assert [("user", "I would like a table for two.", "")] == rows[:1]
    assert [("assistant", "Mm-hm, sure.", "")] == rows[1:]
    assert ["I would like a table for two.", "Mm-hm, sure.", "Yes", "A table."] == [
        text for _, text, _ in late
    ]


def test_pause_makes_a_line_where_the_other_has_spoken_meanwhile(
    page: Looking,
) -> None:
    """The full stop of a sentence belongs to it all the same."""
    rows = page.look(
        said("user", "Stop", 0),
        said("assistant", "Well", 300),
        said("user", ".", 200),
        said("user", "Please", 1100),
    )

    assert ["Stop.", "Well", "Please"] == [text for _, text, _ in rows]


def test_what_was_not_heard_is_struck_off_and_what_follows_stands_below(
    page: Looking,
) -> None:
    """As by the button that interrupts, while the model speaks on."""
    page.ear.feed(voiced(6))
    page.ear.hear(300)
    words = ["A", " long", " story", " of", " old", " times"]
    page.look(*(said("assistant", word, 200 * at) for at, word in enumerate(words[:3])))
    page.ear.attached.interrupt()
    cut = page.look()
    page.ear.feed(voiced(2))
    more = page.look(*(said("assistant", words[at], 200 * at) for at in (3,)))
    page.ear.feed(quiet(5), voiced(2))
    rows = page.look(said("assistant", " Hello", 1300))

    assert [("assistant", "A long", " story")] == cut
    assert [("assistant", "A long", " story of")] == more
    assert [*more, ("assistant", "Hello", "")] == rows
    assert ["cut off", ""] == [each["remark"] for each in page.lines.values()]


def test_lines_of_a_session_before_stay_as_they_were() -> None:
    """Times begin anew in the session that takes its place."""
    with lost() as (session, server):
        page = Looking(session, Ear(session, server))
        page.ear.feed(voiced(6))
        page.look(said("assistant", "An answer", 0))
        page.ear.attached.interrupt()
        before = page.look()
        server.transport.cut(1006)
        after = page.look(said("assistant", "Again", 0), said("user", "Yes", 100))

    assert [("assistant", "", "An answer")] == before
    assert [*before, ("assistant", "Again", ""), ("user", "Yes", "")] == after


def test_what_was_said_last_before_a_loss_is_not_left_out() -> None:
    """The page may look only when the next session has begun."""
    with lost() as (session, server):
        page = Looking(session, Ear(session, server))
        page.ear.feed(voiced(6))
        page.look(said("assistant", "An answer", 0))
        page.ear.attached.interrupt()
        page.look()
        page.ear.feed(said("assistant", " to that", 200), said("user", "Stop", 100))
        server.transport.cut(1006)
        rows = page.look(said("assistant", "Again", 0))

    assert [
        ("assistant", "", "An answer to that"),
        ("user", "Stop", ""),
        ("assistant", "Again", ""),
    ] == rows


def test_work_that_is_handed_on_stands_where_it_was_asked_for(page: Looking) -> None:
    """With what has become of it."""
    page.look(said("user", "Which gate?", 3600), said("assistant", "One moment", 4600))
    rows = page.look(delegated("item_1"))
    states = page.lines["item_1"]["remark"]

    assert ["user", "tool", "assistant"] == [role for role, _, _ in rows]
    assert ("tool", "delegated to client", "") == rows[1]
    assert "open" == states


def test_typed_words_stand_at_their_time_and_take_nothing_in(page: Looking) -> None:
    """No event repeats them; what is spoken after them is another line."""
    page.look(said("assistant", "Yes?", 0), *quiet(8))
    page.view.typed("Good day.")
    rows = page.look(said("user", "Hello", 900))

    assert [
        ("assistant", "Yes?", ""),
        ("user", "Good day.", ""),
        ("user", "Hello", ""),
    ] == rows


def test_state_says_who_speaks_and_what_is_waited_for(page: Looking) -> None:
    """There are no turns: sound, words and open work tell."""
    states = []
    for frames in (
        quiet(2),
        [said("user", "Well?", 200)],
        quiet(14),
        [delegated("item_1")],
        voiced(1),
        quiet(12),
        [{"type": "session.paused", "event_id": "e"}],
        [{"type": "session.closed", "reason": "expired", "session": SESSION}],
    ):
        page.look(*frames)
        states.append(page.state)

    assert [
        "waiting",
        "listening",
        "waiting",
        "thinking",
        "answering",
        "thinking",
        "paused",
        "closed",
    ] == states


def test_page_that_comes_late_is_told_the_latest_lines(
    page: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only as many as a page shows; new ones take the place of the oldest."""
    monkeypatch.setattr(view, "MOST_LINES", 3)
    step = int(live_view.PAUSE_MS) + 200
    page.ear.feed(*(said("user", f"{at}", at * step) for at in range(5)))
    first = page.look()
    then = page.look(said("assistant", "six", 6 * step))

    assert ["2", "3", "4"] == [text for _, text, _ in first]
    assert ["3", "4", "six"] == [text for _, text, _ in then]
