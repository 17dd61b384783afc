"""What the documentation shows: its pages, the blocks of a page, its programs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import NamedTuple, Optional

ROOT = Path(__file__).parent.parent

NOT_RUN: dict[tuple[str, str], str] = {}
"""(page, first line of the block) -> why it cannot be run."""


class Block(NamedTuple):
    """One block of a page: its language, first line number, and text."""

    page: str
    line: int
    language: str
    text: str
    afresh: bool = False
    file: str = ""
    """File that the sentence before calls it; a reader saves it under that name."""

    @property
    def first(self) -> str:
        """First line of the text, or nothing."""
        return self.text.partition("\n")[0]

    @property
    def last(self) -> int:
        """Number of the last line."""
        return self.line + self.text.count("\n") - 1


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
            shown = opening[3] and language not in ("console", "text")
            file = named_file(lines[:number]) if shown else ""
            found.append(Block(label(path), start + 1, language, text, afresh, file))
    return found


def named_file(before: list[str]) -> str:
    """Name of the one file that the last sentence names, or nothing."""
    sentence = next((line for line in reversed(before) if line.strip()), "")
    names = re.findall(r"``((?:\.\./)?[\w/]+\.(?:py|json|yaml))``", sentence)
    return names[0] if len(names) == 1 and sentence.endswith(":") else ""


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


def commands(block: Block) -> list[str]:
    """Commands of a console block, without prompts, comments and output."""
    lines = [line for line in block.text.splitlines() if line.startswith("$ ")]
    return [line[2:].split("  #")[0].strip() for line in lines]
