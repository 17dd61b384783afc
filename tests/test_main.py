"""The command as a program: what is seen of it before and behind the commands."""

from __future__ import annotations

import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

INTERRUPT = """
import sys
from signal import SIGINT, default_int_handler, raise_signal, signal

class Finder:
    def find_spec(self, name, *rest):
        if name == {name!r}:
            raise_signal(SIGINT)

signal(SIGINT, default_int_handler)
sys.meta_path.insert(0, Finder())
"""
"""Presses Ctrl-C when a module is about to be loaded."""

MODULE = """
import runpy
sys.argv[:] = ["realtime-sync", "--help"]
runpy.run_module("realtime_sync", run_name="__main__", alter_sys=True)
"""


def console_script() -> str:
    """What the command ``realtime-sync`` runs, as an installation writes it."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    named = setup["options.entry_points"]["console_scripts"]
    module, _, function = named.partition("=")[2].strip().partition(":")
    return (
        f"sys.argv[:] = ['realtime-sync', '--help']\n"
        f"from {module} import {function}\nsys.exit({function}())\n"
    )


PROGRAMS = {"module": MODULE, "command": console_script()}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    "name",
    [
        "realtime_sync.cli",
        "realtime_sync.cli.main",
        "realtime_sync.cli.transcribe",
        "realtime_sync.cli.web",
    ],
)
def test_ctrl_c_while_it_loads_is_one_line(program: str, name: str) -> None:
    """Most of the first moments are spent there."""
    answer = subprocess.run(
        [sys.executable, "-c", INTERRUPT.format(name=name) + PROGRAMS[program]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ("", "realtime-sync: interrupted\n") == (answer.stdout, answer.stderr)
    assert 130 == answer.returncode


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_runs_the_command_line(program: str) -> None:
    """And ends as it does."""
    answer = subprocess.run(
        [sys.executable, "-c", "import sys\n" + PROGRAMS[program]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (0, "") == (answer.returncode, answer.stderr)
    assert "transcribe" in answer.stdout
