"""
A conversation with GPT-Live in JupyterLab itself, in a real browser.

It is held once: a question is asked until its answer is heard, then the page lets go,
the session is closed by a cell, the cells run again, and the kernel is restarted. The
tests look at what came of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from attrs import define, field

from realtime_sync import live, replay
from realtime_sync.server import serve
from realtime_sync.server.voice import DEMO_QUESTION
from tests.browser import CHROMIUM, page, with_microphone
from tests.jupyter import lab
from tests.web.test_conversation import wait_for
from tests.web.test_live_page import ANSWER, ASKED, TIMES, plain, words_played
from tests.web.voice_page import spoken, start

pytestmark = [
    pytest.mark.deep,
    pytest.mark.skipif(
        CHROMIUM is None or not lab.FOUND,
        reason="there is no browser here, or no JupyterLab",
    ),
    pytest.mark.timeout(300),
]

CELLS = (
    """from realtime_sync import jupyter
session = jupyter.connect("gpt-live-1", base_url={url!r}, record=False)
recording = session.record(session.id + ".jsonl")""",
    "talk = jupyter.Talk(session)\ntalk",
    """import json
report = session.close()
told = {{"confirmed": report.confirmed, "seconds": report.seconds}}
Path("report.json").write_text(json.dumps(told))""",
)
CONNECTS, TALKS, CLOSES = range(3)


@define
class Held:
    """What came of a conversation, and what was told and running at what stage."""

    snapshot: live.LiveSnapshot | None = None
    asked: str = ""
    shown: str = ""
    heard: str = ""
    report: dict[str, object] = field(factory=dict)
    told: dict[str, str] = field(factory=dict)
    sessions: int = 0
    outputs: int = 0
    errors: list[str] = field(factory=list)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """The conversation, over when a test sees it."""
    folder = tmp_path_factory.mktemp("lab")
    said = [1.0, *[DEMO_QUESTION, 8.0] * TIMES, 60.0]
    microphone = with_microphone(spoken(folder / "said.wav", *said))
    served = folder / "served"
    served.mkdir()
    found = Held()
    with serve(agent="voice", port=0) as server, lab.lab(served) as address:
        with page(folder / "profile", *microphone) as one:
            cells = [each.format(url=server.url) for each in CELLS]
            notebook = lab.LabNotebook(one, address, served, cells)
            notebook.run(CONNECTS)
            notebook.run(TALKS)
            lab.find_talk(one)
            start(one)
            one.wait(f"talk.log.innerText.includes({ANSWER!r})", 60)
            wait_for(lambda: plain(ANSWER) in words_played(one), 1)
            found.asked = plain(one.value(ASKED))
            found.shown = plain(one.value("talk.log.innerText"))
            found.heard = words_played(one)
            one.click("End")
            one.wait("talk.problem.textContent.includes('is billed')")
            found.told["ended"] = one.value("talk.problem.textContent")
            notebook.run(CLOSES)
            found.report = json.loads((served / "report.json").read_text("utf-8"))
            snapshot = replay(next(served.glob("*.jsonl")))
            assert isinstance(snapshot, live.LiveSnapshot)
            found.snapshot = snapshot
            one.click("Start")
            one.wait("!talk.running && talk.problem.textContent.includes('over')")
            found.told["closed"] = one.value("talk.problem.textContent")
            notebook.run(CONNECTS)
            notebook.run(TALKS)
            lab.find_talk(one)
            start(one)
            one.wait("talk.word !== 'opening'")
            found.outputs = one.value("document.querySelectorAll('.rs-talk').length")
            found.sessions = len(server.open_sessions())
            notebook.restart()
            one.wait("!talk.running && talk.problem.textContent")
            found.told["restarted"] = one.value("talk.problem.textContent")
            found.errors = one.errors
    yield found


def test_a_question_is_heard_and_its_answer_played(held: Held) -> None:
    """By sound alone, both ways, through the kernel's own channel."""
    assert [] == held.errors
    # A machine that is busy puts silence between words: not each is heard right.
    assert "capital of france" in held.asked
    assert plain(ANSWER) in held.shown
    assert plain(ANSWER) in held.heard


def test_the_mirror_has_what_the_output_shows(held: Held) -> None:
    """Of the recording that a cell has begun."""
    assert held.snapshot is not None
    said = plain("".join(each.text for each in held.snapshot.assistant.fragments))

    assert plain(ANSWER) in said


def test_the_end_of_a_conversation_is_not_that_of_the_session(held: Held) -> None:
    """It is billed until a cell closes it; who presses Start then is told so."""
    assert "stays open, and is billed" in held.told["ended"]
    assert True is held.report["confirmed"]
    assert "The session is over" in held.told["closed"]


def test_cells_that_run_again_leave_one_session_and_one_output(held: Held) -> None:
    """The seconds of another would be billed to whoever forgot it."""
    assert (1, 1) == (held.sessions, held.outputs)


def test_restarted_kernel_is_a_sentence(held: Held) -> None:
    """And says what to do."""
    assert "The kernel was restarted" in held.told["restarted"]
    assert "run the cell that connects" in held.told["restarted"]
