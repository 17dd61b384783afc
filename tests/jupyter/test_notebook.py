"""Cells in a real kernel: outputs, handlers and sessions where they belong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import nbformat
import pytest

from realtime_sync.server import Server

from .notebooks import ROOT, Notebook, opened

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CELLS = [
    "from realtime_sync import jupyter, on",
    "session = jupyter.connect('gpt-realtime-2.1')\nsession",
    "live = jupyter.LiveTranscript(session)",
    "@on('response.done')\ndef loud(event):\n    print('answered', flush=True)",
    "reply = session.ask('Hello there', timeout=20)\nsession.flush()\nreply",
    "print('a cell that has nothing to do with it')",
]
IMPORTS, CONNECT, LIVE, HANDLER, ASK, OTHER = range(6)
PROBE = (
    "len(jupyter.sessions()), len([s for s in on.__self__.handlers()]), "
    "sum(t.name.startswith('realtime-sync') and t.name.endswith(' loop')"
    " for t in __import__('threading').enumerate())"
)
"""Sessions, handlers of the default router, loops."""

END = """
from realtime_sync.server.voice import default_recognizer
server.close()
default_recognizer().close()
"""

TUTORIAL = ROOT / "docs" / "examples" / "tutorial.ipynb"


@pytest.fixture
def notebook(server: Server, tmp_path: Path) -> Iterator[Notebook]:
    """A notebook of six cells, none of them run yet."""
    with opened(
        CELLS, tmp_path, OPENAI_BASE_URL=server.url, OPENAI_API_KEY="sk-none-of-many"
    ) as running:
        yield running


def errors_in(notebook: Notebook) -> list[str]:
    """What went wrong in any cell, or was complained about."""
    return [
        str(output.get("evalue") or output.get("text"))
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "error" or output.get("name") == "stderr"
    ]


def test_live_transcript_stays_in_its_cell(notebook: Notebook) -> None:
    """What another cell asks appears in the cell of the transcript, and only there."""
    for number in (IMPORTS, CONNECT, LIVE, ASK, OTHER):
        notebook.run(number)

    assert [] == errors_in(notebook)
    assert 2 == notebook.shown(LIVE).count("Hello there</div>")
    assert "waiting" in notebook.shown(LIVE)
    assert 1 == len(notebook.cells[LIVE].outputs) == len(notebook.cells[ASK].outputs)
    assert "a cell that has nothing to do with it\n" == notebook.shown(OTHER)


def test_cells_that_are_run_again_leave_one_of_everything(
    notebook: Notebook, server: Server
) -> None:
    """Twice top to bottom: one session, one handler, one loop."""
    for number in [*range(6), *range(6)]:
        notebook.run(number)
    probe = notebook.evaluate(PROBE)

    assert [] == errors_in(notebook)
    assert "1 1 1" == probe
    assert 1 == sum(each.open for each in server.sessions)


def test_perverse_order_leaves_one_of_everything(
    notebook: Notebook, server: Server
) -> None:
    """Handlers before the session, asking before watching, connecting in between."""
    order = [IMPORTS, HANDLER, CONNECT, ASK, LIVE, OTHER, CONNECT, HANDLER, ASK]
    for number in [*order, OTHER, HANDLER, LIVE, ASK, CONNECT, LIVE, ASK]:
        notebook.run(number)
    probe = notebook.evaluate(PROBE)

    assert [] == errors_in(notebook)
    assert "1 1 1" == probe
    assert 1 == sum(each.open for each in server.sessions)
    assert "a cell that has nothing to do with it\n" == notebook.shown(OTHER)
    assert 2 == notebook.shown(LIVE).count("Hello there</div>")


def test_interrupt_leaves_a_session_that_can_be_used(notebook: Notebook) -> None:
    """Ctrl-C while waiting ends the wait at once, not the session."""
    for number in (IMPORTS, CONNECT):
        notebook.run(number)
    ended = notebook.run_source(
        "import os, signal, threading\n"
        "timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))\n"
        "timer.start()\n"
        "try:\n"
        "    session.wait_for('response.done', timeout=30)\n"
        "except KeyboardInterrupt as exc:\n"
        "    print(type(exc).__name__)\n"
    )
    notebook.run(ASK)

    assert "KeyboardInterrupt" == ended
    assert [] == errors_in(notebook)
    assert "Hello there" in notebook.shown(ASK)


def readme_cells() -> list[str]:
    """The cells that the README shows."""
    text = (ROOT / "README.rst").read_text(encoding="utf-8")
    rest = text.partition("\nA notebook\n----------\n")[2]
    section = re.split(r"\n[^\n]+\n-{5,}\n", rest)[0]
    blocks = re.findall(r"^\.\. code-block:: python\n((?:\n|   .*\n)+)", section, re.M)
    return [dedent(block).strip() for block in blocks]


def test_cells_of_the_readme_run_again_and_again(
    server: Server, tmp_path: Path
) -> None:
    """Five times over, there is one session, and one loop."""
    cells = readme_cells()
    with opened(
        cells, tmp_path, OPENAI_BASE_URL=server.url, OPENAI_API_KEY="sk-none-of-many"
    ) as notebook:
        for number in (*[0] * 4, *range(len(cells))):
            notebook.run(number)
        notebook.run_source("from realtime_sync import on")
        probe = notebook.evaluate(PROBE)

        assert [] == errors_in(notebook)
    assert 3 == len(cells)
    assert "1 0 1" == probe


@pytest.mark.parametrize("order", ["twice", "perverse"])
def test_tutorial_runs(tmp_path: Path, order: str) -> None:
    """As it stands, twice top to bottom, and in an order nobody would choose."""
    cells = nbformat.read(TUTORIAL, as_version=4).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    numbers = list(range(len(sources)))
    runs = numbers * 2
    if order == "perverse":
        # Close, and ask again; watch last; the handler three times.
        runs = [0, 4, 1, 5, 2, 4, 7, 8, 16, 1, 4, 9, 5, 6, 3, 2, 7, 8, *range(10, 16)]
    with opened(sources, tmp_path) as notebook:
        for number in runs:
            notebook.run(number)
        probe = notebook.evaluate(PROBE)
        closed = order == "twice"
        said, many, table = map(notebook.shown, (5, 9, 11))
        drawn = notebook.shown(13)
        watched, timed = map(notebook.shown, (2, 3))
        size = len(nbformat.writes(nbformat.v4.new_notebook(cells=notebook.cells)))
        # A kernel that ends waits for its children, which the recognizer has.
        notebook.run_source(END)

        assert [] == errors_in(notebook)
    assert ("0 1 0" if closed else "1 1 1") == probe
    assert "Lima" in said and "data:audio/mpeg" in said
    assert "Lima" in many and "Madrid" in many
    assert "first_audio_ms" in table and "rs-bar" in timed
    assert size < 1_000_000
    assert "<svg" in drawn
    assert re.search("Paris", watched)
    assert (tmp_path / "conversation.html").exists()
