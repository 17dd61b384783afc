"""What IPython is told of the library's classes."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime_sync.jupyter.formatters import KINDS
from realtime_sync.jupyter.html import SHOWN

PROGRAM = """
import sys
from realtime_sync import Snapshot
assert "realtime_sync.report" not in sys.modules
shown = get_ipython().display_formatter
shown.active_types = ["text/plain", "text/html"]  # as in a notebook
print(shown.format({shown})[0].get("text/html", "no HTML"))
"""


@pytest.mark.parametrize("module, name", KINDS)
def test_class_is_where_ipython_is_told_it_is(module: str, name: str) -> None:
    """A class that moved would be shown as plain text, without any error."""
    assert isinstance(getattr(importlib.import_module(module), name), type)


def test_every_kind_of_html_is_registered() -> None:
    """Nothing that can be shown is left out."""
    assert set(SHOWN) == set(KINDS.values())


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("Snapshot()", "version 0"),
        ("type('Mine', (Snapshot,), {})()", "version 0"),
        ("[Snapshot()]", "no HTML"),
    ],
)
def test_objects_are_html_without_the_notebook_room(
    shown: str, expected: str, tmp_path: Path
) -> None:
    """``import realtime_sync`` is enough, and loads nothing before it is shown."""
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--quick", "-c", PROGRAM.format(shown=shown)],
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert expected in done.stdout, done.stderr
