"""
Makes the pictures of a conversation in a notebook: ``python docs/talk_pictures.py``.

It opens JupyterLab in a headless Chromium whose microphone hears two sentences, and
has them answered by the local voice server. Needs what the tests need.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The browser and the notebook are driven as the tests drive them.
sys.path.insert(0, str(ROOT))

from realtime_sync.server import serve  # noqa: E402
from realtime_sync.server.voice import DEMO_QUESTION  # noqa: E402
from tests.browser import Page, page, with_microphone  # noqa: E402
from tests.jupyter.lab import LabNotebook, lab  # noqa: E402
from tests.web.voice_page import spoken  # noqa: E402

FOLDER = Path(__file__).with_name("images")
THEMES = {"talk": "JupyterLab Light", "talk-dark": "JupyterLab Dark"}
SIZE = 900, 760

CELLS = (
    "from realtime_sync import audio, jupyter\n\n"
    'session = jupyter.connect("gpt-realtime-2.1", config=audio.TALK_CONFIG)',
    "session.show()",
)
BARE = (
    "'application:toggle-mode'",
    "'application:toggle-left-area'",
    "'application:toggle-side-tabbar', {side: 'left'}",
    "'application:toggle-side-tabbar', {side: 'right'}",
    "'statusbar:toggle'",
)
"""Commands that leave the notebook alone in the window."""


def converse(one: Page, notebook: LabNotebook) -> None:
    """Press Start, and wait until a story was cut off and a question answered."""
    for number in range(len(CELLS)):
        notebook.run(number)
    one.wait("document.querySelector('.rs-talk')")
    one.value("window.talk = document.querySelector('.rs-talk').parentElement.talk; 0")
    one.click("Start")
    one.wait("talk.log.innerText.includes('is Paris')", 50)
    one.wait("talk.rows.children.length > 1 && talk.word === 'waiting'")


def show(one: Page, theme: str) -> None:
    """Choose a theme of the notebook."""
    change = "jupyterapp.commands.execute('apputils:change-theme', {theme: %r})"
    one.value(change % theme)
    one.wait(f"document.body.dataset.jpThemeName === {theme!r}")
    one.wait("!document.getElementById('jupyterlab-splash')")
    one.wait("talk.other.value === 0")


def main() -> None:
    """Hold the conversation and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=FOLDER)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        said = spoken(
            folder / "said.wav", 2.0, "Tell me a story.", 4.0, DEMO_QUESTION, 60.0
        )
        served = folder / "served"
        served.mkdir()
        with serve(agent="voice", port=0) as server, lab(
            served, OPENAI_BASE_URL=server.url
        ) as address:
            with page(folder / "profile", *with_microphone(said)) as one:
                notebook = LabNotebook(one, address, served, CELLS)
                for command in BARE:
                    one.value(f"jupyterapp.commands.execute({command})")
                converse(one, notebook)
                for picture, theme in THEMES.items():
                    show(one, theme)
                    one.picture(options.output / f"{picture}.png", *SIZE, dark=False)


if __name__ == "__main__":
    main()
