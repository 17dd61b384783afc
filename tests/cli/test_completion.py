"""What shells are told of the command line."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from realtime_sync.cli import main
from realtime_sync.cli.completion import vocabulary

Output = pytest.CaptureFixture[str]


def test_completion_knows_every_command_and_option(capsys: Output) -> None:
    """It is read from the parser, so it is never out of date."""
    words = vocabulary()
    for shell in ("bash", "zsh", "fish"):
        assert 0 == main(["completion", shell])
        script = capsys.readouterr().out
        for name in words:
            assert name in script
    assert {"ask", "bench", "demo", "doctor", "talk", "transcribe"} < set(words)
    assert "--language" in words["transcribe"]


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["transc"], "transcribe"),
        (["ask", "--dial"], "--dialect"),
        (["ask", "--dialect", "b"], "beta"),
        (["report", "x.jsonl", "-o", "setup.c"], "setup.cfg"),
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
        f"COMP_CWORD={len(typed)}; _realtime_sync; echo ${{COMPREPLY[@]}}"
    )
    done = subprocess.run(
        ["bash", "-c", asked],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=10,
    )

    assert (completed, "") == (done.stdout.strip(), done.stderr)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_is_a_script_that_other_shells_take(
    shell: str, capsys: Output
) -> None:
    """As far as they are here to be asked."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    main(["completion", shell])
    done = subprocess.run(
        [shell],
        input=capsys.readouterr().out,
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert (0, "") == (done.returncode, done.stderr)
