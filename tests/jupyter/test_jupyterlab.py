"""
A conversation in JupyterLab itself, in a real browser, with a real server.

It is held once: a story is asked for and interrupted by a question, three times. Then
the cells run again, a running cell is interrupted, and the kernel restarted. The tests
look at what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from pathlib import Path
from typing import Any

import numpy
import pytest
from attrs import define, field

from realtime_sync import Router, Snapshot, events, replay
from realtime_sync.server import serve
from realtime_sync.server.voice import DEMO_QUESTION
from tests.browser import CHROMIUM, Page, page, with_microphone
from tests.jupyter import lab
from tests.web.voice_page import answers, played, spoken, start

pytestmark = [
    pytest.mark.deep,
    pytest.mark.skipif(
        CHROMIUM is None or not lab.FOUND,
        reason="there is no browser here, or no JupyterLab",
    ),
    pytest.mark.timeout(300),
]

CONNECT = """from realtime_sync import audio, jupyter
session = jupyter.connect(
    "m", base_url={url!r}, config=dict(audio.TALK_CONFIG), record=False
)
recording = session.record(session.id + ".jsonl")"""
CELLS = (
    "talk = jupyter.Talk(session)\ntalk",
    "recording.flush()",
    "import time\ntime.sleep(60)",
)
CONNECTS, TALKS, FLUSHES, WAITS = range(4)
STORY, ANSWER = "tell me a story", "what is the capital of france"
TIMES = 3


@define
class Held:
    """What came of a conversation, and what was told and running at what stage."""

    snapshot: Snapshot
    sent: list[numpy.ndarray[Any, Any]]
    played: numpy.ndarray[Any, Any]
    cuts: list[int]
    told: dict[str, str] = field(factory=dict)
    sessions: dict[str, int] = field(factory=dict)
    outputs: dict[str, int] = field(factory=dict)
    errors: list[str] = field(factory=list)


def recorded(path: Path) -> tuple[Snapshot, list[numpy.ndarray[Any, Any]]]:
    """What a recording ends with, and the samples of each answer in it."""
    sent: dict[str, bytearray] = {}
    router = Router()

    @router.on(events.ResponseAudioDelta)
    def said(event: events.ResponseAudioDelta) -> None:
        sent.setdefault(str(event.response_id), bytearray()).extend(event.delta)

    snapshot = replay(path, router=router)
    return snapshot, [numpy.frombuffer(each, "<i2") for each in sent.values()]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """The conversation, over when a test sees it."""
    folder = tmp_path_factory.mktemp("lab")
    said = [2.0, STORY, 3.0, DEMO_QUESTION, 5.0] * TIMES
    microphone = with_microphone(spoken(folder / "said.wav", *said, 60.0))
    served = folder / "served"
    served.mkdir()
    with serve(agent="voice", port=0) as server, lab.lab(served) as address:
        with page(folder / "profile", *microphone) as one:
            cells = [CONNECT.format(url=server.url), *CELLS]
            notebook = lab.LabNotebook(one, address, served, cells)
            notebook.run(CONNECTS)
            notebook.run(TALKS)
            lab.find_talk(one)
            start(one)
            for number in range(1, TIMES + 1):
                answered = f"talk.log.innerText.split('is Paris').length > {number}"
                one.wait(answered, 50)
            one.wait("talk.word === 'waiting'")
            notebook.run(FLUSHES)
            snapshot, sent = recorded(next(served.glob("*.jsonl")))
            whole = f"talk.played === cuts.at(-1) + {len(sent[-1])}"
            one.wait(whole)
            cuts = [int(each) for each in one.value("cuts")]
            found = Held(snapshot, sent, played(one), cuts)
            go_on(found, one, notebook, server.open_sessions)
            found.errors = one.errors
    yield found


def go_on(
    found: Held, one: Page, notebook: lab.LabNotebook, running: Callable[[], Sized]
) -> None:
    """Interrupt a cell, run the cells again, restart the kernel; take notes."""
    notebook.run(WAITS, waits=False)
    notebook.interrupt()
    one.value("talk.text.value = 'Good day.'")
    one.click("Send")
    one.wait("talk.log.innerText.includes('Good day.')")
    found.told["interrupted"] = one.value("talk.problem.textContent")
    for stage in ("run again", "restarted"):
        if stage == "restarted":
            notebook.restart()
            one.wait("!talk.running && talk.problem.textContent")
            found.told[stage] = one.value("talk.problem.textContent")
        notebook.run(CONNECTS)
        notebook.run(TALKS)
        lab.find_talk(one)
        start(one)
        one.wait("talk.word !== 'opening'")
        found.outputs[stage] = one.value("document.querySelectorAll('.rs-talk').length")
        found.sessions[stage] = len(running())


def test_questions_are_heard_right(held: Held) -> None:
    """Word for word, by the kernel's own channel."""
    users = [item.said.strip() for item in held.snapshot.items if item.role == "user"]

    assert [] == held.errors
    assert [STORY, ANSWER] * TIMES == users


def test_answers_samples_are_what_the_audio_thread_plays(held: Held) -> None:
    """Those before the cut of each that was cut, and all of the others."""
    found = answers(held.snapshot, held.sent, held.cuts)
    heard = [each.sent[: each.size] for each in found]

    numpy.testing.assert_array_equal(numpy.concatenate(heard), held.played)


def test_speaking_truncates_to_what_was_played(held: Held) -> None:
    """Within 50 ms, in that of three whose moment no busy machine has spoilt."""
    found = answers(held.snapshot, held.sent, held.cuts)
    off = [each.off_ms for each in found if each.off_ms is not None]

    assert TIMES <= len(off)
    assert min(off) < 50


def test_cells_that_run_again_leave_one_session_and_one_output(held: Held) -> None:
    """Also after the kernel was restarted, where nobody closed the session before."""
    assert {"run again": 1, "restarted": 1} == held.sessions == held.outputs


def test_interrupted_cell_leaves_the_conversation_alone(held: Held) -> None:
    """It was heard meanwhile, or is afterwards."""
    assert "" == held.told["interrupted"]


def test_restarted_kernel_is_a_sentence(held: Held) -> None:
    """And says what to do."""
    assert "The kernel was restarted" in held.told["restarted"]
    assert "run the cell that connects" in held.told["restarted"]
