"""A JupyterLab of its own, and a notebook that is open in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import nbformat

from tests.browser import SOON, Page
from tests.jupyter.notebooks import ROOT

FOUND = find_spec("jupyterlab") is not None
TOKEN = "of-the-tests"
NOTEBOOK = "[...jupyterapp.shell.widgets('main')][0]"
KERNEL = f"{NOTEBOOK}.sessionContext.session.kernel"

NEWS = Path("@jupyterlab/apputils-extension/notification.jupyterlab-settings")
"""Settings by which it asks nobody whether to be told of news."""

OPTIONS = (
    "--no-browser",
    "--allow-root",
    "--expose-app-in-browser",
    "--ip=127.0.0.1",
    "--port=0",
    f"--IdentityProvider.token={TOKEN}",
    # Neither news nor updates are asked for: tests talk to nobody else.
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)


@contextmanager
def lab(folder: Path, **environment: str) -> Iterator[str]:
    """The address of a JupyterLab that serves a folder and ends with the block."""
    settings = {"PYTHONPATH": str(ROOT), "PYTHONDEVMODE": "", "HOME": str(folder)}
    for name in ("config", "data", "runtime"):
        settings[f"JUPYTER_{name.upper()}_DIR"] = str(folder / f".{name}")
    chosen = folder / ".settings"
    settings["JUPYTERLAB_SETTINGS_DIR"] = str(chosen)
    (chosen / NEWS.parent).mkdir(parents=True)
    (chosen / NEWS).write_text('{"fetchNews": "false", "checkForUpdates": false}')
    log = folder / ".log"
    with log.open("wb") as written:
        running = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *OPTIONS, f"--notebook-dir={folder}"],
            cwd=folder,
            env={**os.environ, **settings, **environment},
            stdout=written,
            stderr=written,
        )
    try:
        yield _address(folder / ".runtime", running, log)
    finally:
        # Asked, and not killed: it ends its kernels.
        running.terminate()
        running.wait(SOON)


def _address(folder: Path, running: subprocess.Popen[bytes], log: Path) -> str:
    """Where it listens, once it has said so."""
    ends = time.monotonic() + SOON
    while time.monotonic() < ends:
        try:
            running.wait(0.05)
        except subprocess.TimeoutExpired:
            pass
        else:
            break
        for told in folder.glob("jpserver-*.json"):
            try:
                return str(json.loads(told.read_text())["url"])
            except ValueError:
                continue  # It is being written.
    raise AssertionError(log.read_text())


class LabNotebook:
    """
    A notebook that is open in JupyterLab, driven by the commands of its menus.

    Args:
        page: of the browser, which goes there.
        address: of the JupyterLab.
        folder: that it serves.
        sources: of the cells.
    """

    def __init__(
        self, page: Page, address: str, folder: Path, sources: Sequence[str]
    ) -> None:
        self._page = page
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        kernel = {"name": "python3", "display_name": "Python", "language": "python"}
        notebook = nbformat.v4.new_notebook(
            cells=cells, metadata={"kernelspec": kernel}
        )
        nbformat.write(notebook, folder / "talk.ipynb")
        # Commands of menus act on what has the focus, and no window is in front here.
        page.command("Emulation.setFocusEmulationEnabled", enabled=True)
        page.go(f"{address}lab/tree/talk.ipynb?token={TOKEN}")
        page.wait(f"{KERNEL}.status === 'idle'")
        page.value(f"jupyterapp.shell.activateById({NOTEBOOK}.id)")

    def run(self, number: int, *, waits: bool = True) -> None:
        """Run a cell; and wait until it has ended, unless *waits* is false."""
        how = "return" if waits else "void"
        self._page.value(f"""(() => {{
              const notebook = {NOTEBOOK};
              notebook.content.activeCellIndex = {number};
              {how} jupyterapp.commands.execute("notebook:run-cell");
            }})()""")
        self._page.wait(f"{KERNEL}.status === '{'idle' if waits else 'busy'}'")

    def interrupt(self) -> None:
        """Interrupt the kernel, and wait until the cell has ended."""
        self._page.value("jupyterapp.commands.execute('notebook:interrupt-kernel')")
        self._page.wait(f"{KERNEL}.status === 'idle'")

    def restart(self) -> None:
        """Restart the kernel."""
        self._page.value(f"{KERNEL}.restart()")


def find_talk(one: Page) -> None:
    """Have ``talk`` be the conversation in the output that was made last."""
    one.wait("document.querySelector('.rs-talk')")
    one.value("""(() => {
      const outputs = [...document.querySelectorAll('.rs-talk')];
      window.talk = outputs.at(-1).parentElement.talk;
    })()""")
