"""
Every code block of the documentation is run.

Each page runs in a process of its own, its blocks in order in one namespace,
against a local server that ``OPENAI_BASE_URL`` names; so a page may use
``connect("gpt-realtime-2.1")`` as its reader would. What a page needs and its reader
does not want to see stands in a comment of the page::

    .. run-hidden

       speaker = open(os.devnull, "wb")

Such a comment is run in its place like a block. ``.. run-afresh`` is the same and
begins a new process, for a page with several programs. A traceback names the
page and the line, and what the library logs as a warning or worse fails the page.
No block is skipped, except those in `NOT_RUN`, with the reason.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_sync.cli.main import command_line_parser
from tests.documented import (
    NOT_RUN,
    ROOT,
    Block,
    Runner,
    blocks,
    commands,
    label,
    pages,
    programs,
)

COMMANDS = (
    r"python -m pip install (tox && tox|\"\.\[\w+\]\"( && realtime-sync demo)?)",
    r"python -m pip install (--upgrade pip|-e \"\.\[all\]\" --group dev)",
    r"python3 -m venv \.venv && \. \.venv/bin/activate",
    r"(export OPENAI_BASE_URL=http://127\.0\.0\.1:8765/v1|python script\.py)",
    r"export OPENAI_WEBHOOK_SECRET=whsec_\.\.\.",
    r"ffmpeg -i [\w.]+ -f wav - \| realtime-sync transcribe - -o [\w.]+",
    r"python -m pip install (flask( gunicorn| simple-websocket)?|django)",
    r"python -m pip install \"\.\[demo,jupyter\]\" jupyterlab",
    r"python -m flask --app \w+(:web)? run( --with-threads)?",
    r"jupyter lab docs/examples/tutorial\.ipynb",
    r"gunicorn --config gunicorn_conf\.py",
    r"celery --app celery_service worker --concurrency 4",
    r"python (django_service\.py runserver --noreload|plain_service\.py 8100)",
    r"curl -H \"Content-Type: application/json\" "
    r"-d '\{\"question\": \"[\w ?]+\"\}' http://127\.0\.0\.1:\d+/ask",
    r"python -m pip install pytest && python -m pytest -q \.\./capital/test_\w+\.py",
    r"tox( -e (py|core|coverage|release)( -- [\w./ -]+)?| -m (versions|deep|soak))?",
)
"""
Shell commands that the documentation may give.

The first line is what a newcomer does and what continuous integration runs. Our
own command line needs no line here: its parser is asked whether it understands.
"""

LANGUAGES = {"python", "console", "ini", "json", "text"}


def shown_tests(path: Path) -> list[Block]:
    """Blocks of a page that are test files with our fixtures."""
    return [
        block
        for block in blocks(path)
        if re.search(r"^def test_\w+\(.*\b(realtime|memory)_", block.text, re.M)
    ]


@pytest.fixture(scope="module")
def run() -> Iterator[Runner]:
    """Runs programs of the documentation."""
    runner = Runner()
    yield runner
    runner.close()


@pytest.mark.parametrize("path", [p for p in pages() if programs(p)], ids=label)
def test_python_blocks_of_page_run(run: Runner, path: Path, tmp_path: Path) -> None:
    """What the documentation shows works, as it stands."""
    for program in programs(path):
        run(label(path), program, tmp_path)


BESIDE = ("django", "flask", "openai==3.57.*", "pytest", "simple-websocket")
"""What pages use that is not ours, and say so."""


@pytest.mark.deep
def test_every_page_runs_where_only_what_it_names_is_installed(tmp_path: Path) -> None:
    """In a fresh environment, from wheels, as a reader would; each step is counted."""
    venv.create(tmp_path / "fresh", with_pip=True)
    inner = tmp_path / "fresh" / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(inner / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--only-binary", ":all:", *BESIDE], check=True)
    # The package itself is built; all that it needs comes as wheels.
    subprocess.run([*pip, "--prefer-binary", f"{ROOT}[all]"], check=True)
    runner = Runner(str(inner / "python"), tree=False)
    steps, failed = 0, []
    try:
        for path in pages():
            folder = tmp_path / str(steps)
            folder.mkdir(exist_ok=True)
            for number, program in enumerate(programs(path)):
                steps += len(program)
                try:
                    runner(label(path), program, folder)
                except AssertionError as exc:
                    failed.append(f"program {number + 1}: {exc}")
    finally:
        runner.close()

    assert steps > 100
    assert [] == failed, f"{len(failed)} of {steps}\n" + "\n\n".join(failed)


def test_test_files_of_the_documentation_pass(tmp_path: Path) -> None:
    """A block with tests that ask for our fixtures is a file for pytest."""
    shown = [block for path in pages() for block in shown_tests(path)]
    for block in shown:
        name = re.sub(r"\W", "_", f"{block.page}_{block.line}")
        (tmp_path / f"test_{name}.py").write_text(block.text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "realtime_sync.testing.plugin"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    count = sum(block.text.count("def test_") for block in shown)

    assert {"README.rst", "docs/howto/testing.rst"} <= {block.page for block in shown}
    assert f"{count} passed in" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("path", pages(), ids=label)
def test_shell_blocks_of_page_are_known_commands(path: Path) -> None:
    """A command that the documentation gives is one that something here runs."""
    strange = [
        f"{block.page}:{block.line}: {command}"
        for block in blocks(path)
        if block.language == "console"
        for command in commands(block)
        if not (ours(command) or any(re.fullmatch(p, command) for p in COMMANDS))
    ]

    assert [] == strange


def ours(command: str) -> bool:
    """Whether a command is one of our own, with arguments that it takes."""
    words = shlex.split(command)
    if words[0] != "realtime-sync":
        return False
    try:
        command_line_parser().parse_args(words[1:])
    except SystemExit as exit:
        return exit.code in (0, None)
    return True


@pytest.mark.parametrize("path", pages(), ids=label)
def test_blocks_of_page_say_their_language(path: Path) -> None:
    """A block without a language is neither coloured nor checked."""
    strange = [
        f"{block.page}:{block.line}: {block.language!r}"
        for block in blocks(path)
        if block.language not in LANGUAGES
    ]

    assert [] == strange


def test_blocks_that_are_not_run_exist() -> None:
    """A reason that belongs to no block is stale."""
    known = {(b.page, b.first) for path in pages() for b in blocks(path)}

    assert set() == set(NOT_RUN) - known


@pytest.mark.parametrize("path", pages(), ids=label)
def test_page_has_one_sentence_per_line(path: Path) -> None:
    """A change to one sentence is a change to one line."""
    prose = re.compile(r"[a-z)`]\. +[A-Z`]")
    code = {
        line
        for block in blocks(path)
        for line in range(block.line, block.line + block.text.count("\n"))
    }
    lines = path.read_text(encoding="utf-8").splitlines()
    crowded = [
        f"{label(path)}:{number}: {line}"
        for number, line in enumerate(lines, start=1)
        if number not in code and prose.search(line)
    ]

    assert [] == crowded


def test_no_page_holds_two_versions_of_a_line() -> None:
    """What a merge has left open reads like text to Sphinx, and like a fault to us."""
    built = ROOT / "docs" / "_build"
    texts = [*ROOT.glob("*.rst"), *(ROOT / "docs").rglob("*.*")]
    marked = [
        label(path)
        for path in texts
        if path.suffix in {".css", ".html", ".js", ".json", ".rst", ".svg", ".yaml"}
        and built not in path.parents
        and re.search(r"^(<<<<<<<|>>>>>>>) ", path.read_text(encoding="utf-8"), re.M)
    ]

    assert [] == marked
