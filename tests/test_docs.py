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
import signal
import subprocess
import sys
import tempfile
import textwrap
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Optional

import pytest

from realtime_sync.cli.main import parser

ROOT = Path(__file__).parent.parent

NOT_RUN: dict[tuple[str, str], str] = {}
"""(page, first line of the block) -> why it cannot be run."""

COMMANDS = (
    r"python -m pip install (tox && tox|\"\.\[\w+\]\"( && realtime-sync demo)?)",
    r"python -m pip install (--upgrade pip|-e \"\.\[all\]\" --group dev)",
    r"python3 -m venv \.venv && \. \.venv/bin/activate",
    r"(export OPENAI_BASE_URL=http://127\.0\.0\.1:8765/v1|python script\.py)",
    r"ffmpeg -i [\w.]+ -f wav - \| realtime-sync transcribe - -o [\w.]+",
    r"python -m pip install (flask|\"\.\[demo,jupyter\]\" jupyterlab)",
    r"(python -m flask --app app run|jupyter lab docs/examples/tutorial\.ipynb)",
    r"curl -H \"Content-Type: application/json\" "
    r"-d '\{\"question\": \"[\w ?]+\"\}' http://127\.0\.0\.1:5000/ask",
    r"python -m pip install pytest && python -m pytest test_\w+\.py",
    r"tox( -e (py|core|coverage|release)( -- [\w./ -]+)?| -m (versions|deep|soak))?",
)
"""
Shell commands that the documentation may give.

The first line is what a newcomer does and what continuous integration runs. Our
own command line needs no line here: its parser is asked whether it understands.
"""

LANGUAGES = {"python", "console", "ini", "json", "text"}


class Block(NamedTuple):
    """One block of a page: its language, first line number, and text."""

    page: str
    line: int
    language: str
    text: str
    afresh: bool = False

    @property
    def first(self) -> str:
        """First line of the text, or nothing."""
        return self.text.partition("\n")[0]


def pages() -> list[Path]:
    """The front page and every page of the documentation."""
    top = [ROOT / "README.rst", ROOT / "CONTRIBUTING.rst"]
    built = ROOT / "docs" / "_build"
    inner = [p for p in (ROOT / "docs").rglob("*.rst") if built not in p.parents]
    return top + sorted(inner)


def label(path: Path) -> str:
    """Path from the top of the tree."""
    return path.relative_to(ROOT).as_posix()


OPENING = re.compile(
    r"^(\s*)\.\. (?:(run-hidden|run-afresh)|(?:code-block|code):: *(\S*)) *$"
)


def blocks(path: Path) -> list[Block]:
    """Blocks of a page in order; hidden ones are Python."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = []
    for number, line in enumerate(lines):
        opening = OPENING.match(line)
        if opening:
            indent = len(opening[1])
            language = "python" if opening[2] else opening[3]
            start, text = body(lines, number + 1, indent)
            afresh = opening[2] == "run-afresh"
            found.append(Block(label(path), start + 1, language, text, afresh))
    return found


def body(lines: list[str], start: int, indent: int) -> tuple[int, str]:
    """Index of the first line of a directive's content, and the content."""
    while start < len(lines) and re.match(r"\s*(:[\w-]+:.*)?$", lines[start]):
        start += 1
    end = start
    while end < len(lines) and (
        not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > indent
    ):
        end += 1
    return start, textwrap.dedent("\n".join(lines[start:end])).strip("\n") + "\n"


def shown_tests(path: Path) -> list[Block]:
    """Blocks of a page that are test files with our fixtures."""
    return [
        block
        for block in blocks(path)
        if re.search(r"^def test_\w+\(.*\b(realtime|memory)_", block.text, re.M)
    ]


def programs(path: Path) -> list[list[Block]]:
    """Python blocks of a page, those that share an interpreter together."""
    groups: list[list[Block]] = [[]]
    for block in blocks(path):
        if block.language != "python" or (block.page, block.first) in NOT_RUN:
            continue
        if block.afresh:
            groups.append([])
        groups[-1].append(block)
    return [group for group in groups if group]


RUNNER = """
import faulthandler, logging, os, sys
from realtime_sync import connect
from realtime_sync.server import serve

class Complaints(logging.Handler):
    def emit(self, record):
        lines.append(self.format(record))

def stand_in(folder, output):
    os.chdir(folder)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(file, 1)
    os.dup2(file, 2)
    faulthandler.dump_traceback_later(60, exit=True)

# What every page imports and compiles, once for all of them.
with serve(agent="echo") as server, connect("m", base_url=server.url) as session:
    session.ask("Hello", timeout=20)
while line := sys.stdin.readline():
    folder, output, sources = eval(line)
    if hasattr(os, "fork"):
        child = os.fork()
        if child:
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            print(code, flush=True)
            continue
    stand_in(folder, output)
    break
else:
    sys.exit()
lines = []
logging.getLogger("realtime_sync").addHandler(Complaints(logging.WARNING))
with serve(agent="echo") as server:
    os.environ["OPENAI_BASE_URL"] = server.url
    os.environ["OPENAI_API_KEY"] = "sk-from-the-documentation"
    namespace = {"__name__": "__main__", "server": server}
    for page, line, text in sources:
        exec(compile("\\n" * (line - 1) + text, page, "exec"), namespace)
if lines:
    sys.exit("the library complained:\\n" + "\\n".join(lines))
"""
"""
Runs ``(page, line, text)`` triples; line numbers are those of the page.

Every program has a process of its own, which is a copy of one that is warm where
processes can be copied.
"""

WARNINGS = "error,ignore:connect() must be used as a context manager:DeprecationWarning"
"""Errors, apart from one that openai brings about in a page on migrating."""


class Runner:
    """
    A process that runs one program after the other.

    Args:
        python: interpreter; ours by default.
        tree: whether the package comes from this tree, and not from where it is
            installed.
    """

    def __init__(self, python: str = sys.executable, *, tree: bool = True) -> None:
        self._python = python
        self._path = {"PYTHONPATH": str(ROOT)} if tree else {}
        self._process: Optional[subprocess.Popen[str]] = None

    def __call__(self, page: str, sources: list[Block], folder: Path) -> None:
        """Run the Python blocks of one page."""
        triples = [(str(ROOT / page), block.line, block.text) for block in sources]
        output = folder / "output.txt"
        process = self._process or self._started()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{(str(folder), str(output), triples)!r}\n")
        process.stdin.flush()
        if hasattr(os, "fork"):
            self._process = process
            code = process.stdout.readline().strip()
        else:
            process.communicate()
            code = str(process.returncode)

        assert "0" == code, f"{page}\n{output.read_text(encoding='utf-8')}"

    def close(self) -> None:
        """End the process, and the program that it runs if that does not end."""
        if self._process is None:
            return
        try:
            self._process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()

    def _started(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self._python, "-c", RUNNER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=None if self._path else tempfile.gettempdir(),
            env={
                **{k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
                **self._path,
                "PYTHONWARNINGS": WARNINGS,
                "PYTHONIOENCODING": "utf-8",
            },
            encoding="utf-8",
            start_new_session=True,
        )


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
        parser().parse_args(words[1:])
    except SystemExit as exit:
        return exit.code in (0, None)
    return True


def commands(block: Block) -> list[str]:
    """Commands of a console block, without prompts, comments and output."""
    lines = [line for line in block.text.splitlines() if line.startswith("$ ")]
    return [line[2:].split("  #")[0].strip() for line in lines]


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
