"""What shells are told of the command line."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from realtime_sync.cli import main
from realtime_sync.cli.completion import SHELLS

from .completion_files import made

Output = pytest.CaptureFixture[str]


@pytest.mark.parametrize("shell", SHELLS)
def test_shipped_file_is_what_the_parser_makes(shell: str, capsys: Output) -> None:
    """If not, run ``python -m tests.cli.completion_files``."""
    code = main(["completion", shell])

    assert (0, made(shell)) == (code, capsys.readouterr().out)


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["transc"], "transcribe"),
        (["ask", "--dial"], "--dialect"),
        (["ask", "--dialect", "b"], "beta"),
        (["report", "x.jsonl", "-o", "setup.c"], "setup.cfg"),
        (["report", "setup.c"], "setup.cfg"),
        (["completion", "f"], "fish"),
    ],
)
def test_completion_is_a_script_that_bash_takes(
    typed: list[str], completed: str, tmp_path: Path, capsys: Output
) -> None:
    """It completes a command, its options, their values, and files."""
    main(["completion", "bash"])
    script = capsys.readouterr().out
    (tmp_path / "setup.cfg").touch()
    asked = (
        f"{script}\nCOMP_WORDS=(realtime-sync {' '.join(typed)}); "
        f"COMP_CWORD={len(typed)}; _shtab_realtime_sync; echo ${{COMPREPLY[@]}}"
    )
    done = subprocess.run(
        ["bash", "-c", asked],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=10,
    )

    assert (completed, "") == (done.stdout.strip(), done.stderr)


@pytest.mark.parametrize("shell", [each for each in SHELLS if shutil.which(each)])
def test_completion_is_a_script_that_its_shell_can_read(
    shell: str, capsys: Output
) -> None:
    """As far as the shells are here to be asked."""
    main(["completion", shell])
    done = subprocess.run(
        [shell, "-n"],
        input=capsys.readouterr().out,
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert (0, "") == (done.returncode, done.stderr)
