"""
Every command of the front page, the introduction and the how-tos is carried out.

As a reader would: in a clone of the tree, in the environment that the first commands
of the front page make, page after page from top to bottom. What a page calls a file is
saved under that name, the extras that it names are installed, and what one command
exports the next one finds. A block of text right under a command is what it must print,
with ``...`` for what varies. A server keeps running until the end of its page and is
then stopped with Ctrl-C. What cannot be carried out stands in `ELSEWHERE`.

The ports are those of the documentation, so nothing else may listen on them.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Optional

import pytest

from realtime_sync.deadline import Deadline, Flag
from tests.documented import ROOT, Block, Runner, blocks, commands, label, programs

ELSEWHERE = {
    r"realtime-sync talk --mic( .*)?": "needs a microphone and a loudspeaker",
    r"ffmpeg .*": "needs a program that pip does not install",
}
"""Commands that are not carried out -> why."""

OURS = r"realtime-sync (serve|web|debug|talk --browser)\b.*"
KEEPS_RUNNING = {
    OURS: r"http://127\.0\.0\.1:\d+",
    r"python -m flask .* run( .*)?": r"Running on http://127\.0\.0\.1:\d+",
    r"gunicorn .*": r"Listening at: http://127\.0\.0\.1:\d+",
    r"celery .* worker .*": r"\[queues\]",
    r"python django_service\.py runserver .*": r"http://127\.0\.0\.1:\d+",
    r"python plain_service\.py .*": r"http://127\.0\.0\.1:\d+",
    r"jupyter lab .*": r"http://\S+token=",
}
"""Commands that run until Ctrl-C -> what they print when they are ready."""

BROUGHT = {"docs/howto/transcribe.rst": ("meeting.wav", "interviews/one.wav")}
"""Files that a page takes for its reader's own: somebody who asks something."""

FRONT = ROOT / "README.rst"
EXAMPLES = ROOT / "docs" / "examples"
SERVE = "realtime-sync serve"
EXPORT = "export OPENAI_BASE_URL=http://127.0.0.1:8765/v1"
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".tox", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache"
)


def walked() -> list[Path]:
    """Pages with commands, in the order in which one reads them."""
    found = [FRONT]
    for room in ("intro", "howto"):
        found += sorted((ROOT / "docs" / room).rglob("*.rst"))
    return [p for p in found if any(b.language == "console" for b in blocks(p))]


def matching(table: dict[str, str], command: str) -> Optional[str]:
    """What a table of patterns says about a command."""
    return next((v for k, v in table.items() if re.fullmatch(k, command)), None)


def pattern(promised: str) -> str:
    """Regular expression for output that is promised; ``...`` is anything."""
    return ".*?".join(re.escape(p) for p in promised.strip().split("..."))


def prints(promised: str, output: str) -> bool:
    """Whether the output is what was promised, and no more."""
    plain = "\n".join(line.rstrip() for line in output.splitlines())
    return re.fullmatch(pattern(promised), plain.strip(), re.S) is not None


def follows(block: Block, below: Block) -> bool:
    """Whether a block of text stands right under another, as its output."""
    # An empty line, the directive, an empty line.
    return below.language == "text" and below.line == block.last + 4


class Step(NamedTuple):
    """One command: where it stands, how long it took, what was wrong with it."""

    page: str
    command: str
    took: float
    problem: str


class Running:
    """A command in a terminal of its own, until Ctrl-C."""

    def __init__(self, command: str, env: dict[str, str]) -> None:
        self.command = command
        self.output = ""
        self._process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=env["PWD"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )
        self._reading = threading.Thread(target=self._read, name="rest of the output")

    def wait_ready(self, sign: str, seconds: float = 120.0) -> bool:
        """Read until the sign is there; false if the command ends or takes longer."""
        assert self._process.stdout is not None
        watchdog = threading.Timer(seconds, self._process.kill)
        watchdog.start()
        while not re.search(sign, self.output, re.S):
            line = self._process.stdout.readline()
            if not line:
                break
            self.output += line
        else:
            self._reading.start()
            self._wait_listening(seconds)
        watchdog.cancel()
        watchdog.join()
        return self._reading.ident is not None

    def interrupt(self) -> Optional[int]:
        """Press Ctrl-C, twice if need be; the exit code, or None if it goes on."""
        # gunicorn now and then gives a worker its 30 seconds, with any program.
        for seconds in (15, 40):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGINT)
            try:
                self._process.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                pass
        code = self._process.poll()
        if code is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._reading.ident is not None:
            self._reading.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    def _wait_listening(self, seconds: float) -> None:
        """Some say where they listen a moment before they do."""
        port = re.search(r"http://127\.0\.0\.1:(\d+)", self.output)
        deadline = Deadline(seconds)
        while port and self._process.poll() is None and not deadline.passed:
            try:
                socket.create_connection(("127.0.0.1", int(port[1])), 1.0).close()
                break
            except OSError:
                Flag().wait(0.05)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output += line


class Reader:
    """Somebody with a shell in a clone, who does what the pages say."""

    def __init__(self, clone: Path) -> None:
        hidden = ("OPENAI_", "PYTHON", "VIRTUAL_ENV", "TOX", "COVERAGE", "PYTEST")
        self.clone = clone
        self.steps: list[Step] = []
        self.elsewhere: list[tuple[str, str, str]] = []
        self._running: list[Running] = []
        self._env = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
        # What a terminal and a desktop would do: show lines at once, open a browser.
        self._env |= {"PYTHONUNBUFFERED": "1", "BROWSER": "true"}
        self._env |= {"PWD": str(clone), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        self._env["JUPYTER_CONFIG_DIR"] = str(clone.parent)
        config = clone.parent / "jupyter_server_config.py"
        config.write_text("c.ServerApp.allow_root = True\n", encoding="utf-8")

    def read(self, path: Path, found: list[Block]) -> None:
        """Do what blocks of a page say, in the folder where the shell is."""
        folder = Path(self._env["PWD"])
        for block in found:
            if block.file:
                (folder / block.file).parent.mkdir(exist_ok=True)
                (folder / block.file).write_text(block.text, encoding="utf-8")
        for block, below in zip(found, [*found[1:], None]):
            if block.language == "console":
                self._follow(block, below)
        while self._running:
            self._interrupt(label(path), self._running.pop())

    def read_in_folder(self, path: Path, folder: Path) -> None:
        """Do what a page says in a new folder, with what it takes for granted."""
        text = path.read_text(encoding="utf-8")
        kept = self._env
        if "\nFrom a clone" in text:
            folder = self.clone
        folder.mkdir(exist_ok=True)
        self._env = {**kept, "PWD": str(folder)}
        for name in re.findall(r"\b(\w+\.(?:py|yaml))\b", text):
            if (EXAMPLES / name).is_file():
                shutil.copy(EXAMPLES / name, folder)
        if "howto" in path.parts:
            self._arrive(path, text)
        for name in BROUGHT.get(label(path), ()):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(self.clone / "realtime-demo" / "question.wav", folder / name)
        self.read(path, blocks(path))
        self._env = kept

    def wrong(self, page: str) -> list[str]:
        """Steps of a page that failed, with what was seen."""
        return [
            f"{page}: $ {step.command}\n{step.problem}"
            for step in self.steps
            if step.page == page and step.problem
        ]

    def report(self) -> str:
        """Every step, and what is done elsewhere."""
        failed = sum(1 for step in self.steps if step.problem)
        lines = [f"{len(self.steps)} steps, {failed} failed"]
        for step in self.steps:
            how = "FAIL" if step.problem else "ok"
            lines.append(f"{how:4} {step.took:5.1f} s  {step.page}: {step.command}")
        lines += [f"not walked: {page}: {c} ({why})" for page, c, why in self.elsewhere]
        return "\n".join(lines)

    def _arrive(self, path: Path, text: str) -> None:
        """What somebody has done who comes to a how-to from the front page."""
        page = label(path)
        extras = sorted(set(re.findall(r"\bextras? ``(\w+)``", text)))
        if extras:
            where = f"{self.clone}[{','.join(extras)}]"
            self._carry_out(page, f'python -m pip install -q "{where}"', "")
        if f"$ {SERVE}" not in text:
            self._start(page, SERVE, KEEPS_RUNNING[OURS])
            self._carry_out(page, EXPORT, "")
        runner = Runner(str(self.clone / ".venv" / "bin" / "python"), tree=False)
        try:
            for program in programs(path):
                runner(page, program, Path(self._env["PWD"]))
        except AssertionError as exc:
            self.steps.append(Step(page, "its programs", 0.0, str(exc)))
        finally:
            runner.close()

    def _follow(self, block: Block, below: Optional[Block]) -> None:
        lines = block.text.splitlines()
        shown = [i for i, line in enumerate(lines) if line.startswith("$ ")]
        for at, end, command in zip(shown, [*shown[1:], len(lines)], commands(block)):
            promised = "\n".join(lines[at + 1 : end])
            if end == len(lines) and below and follows(block, below):
                promised = below.text
            reason = matching(ELSEWHERE, command)
            sign = matching(KEEPS_RUNNING, command)
            if reason:
                self.elsewhere.append((block.page, command, reason))
            elif sign:
                promise = pattern(promised) if promised.strip() else sign
                self._start(block.page, command, promise)
            else:
                self._carry_out(block.page, command, promised)

    def _carry_out(self, page: str, command: str, promised: str) -> None:
        state = self.clone.parent / "environment"
        began = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", f"{command}\ncode=$?; env -0 > '{state}'; exit $code"],
            cwd=self._env["PWD"],
            env=self._env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=1200,
        )
        took = time.monotonic() - began
        # What the command exports and activates is there for the next one.
        pairs = state.read_text(encoding="utf-8").split("\0")[:-1]
        self._env = dict(pair.split("=", 1) for pair in pairs)
        problem = ""
        if done.returncode:
            problem = f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
        elif promised and not prints(promised, done.stdout):
            problem = f"promised:\n{promised}\nprinted:\n{done.stdout}"
        self.steps.append(Step(page, command, took, problem))

    def _start(self, page: str, command: str, sign: str) -> None:
        began = time.monotonic()
        running = Running(command, self._env)
        self._running.append(running)
        ready = running.wait_ready(sign)
        problem = "" if ready else f"did not print {sign}:\n{running.output}"
        self.steps.append(Step(page, command, time.monotonic() - began, problem))

    def _interrupt(self, page: str, running: Running) -> None:
        began = time.monotonic()
        code = running.interrupt()
        ended = code in (0, 130, -signal.SIGINT)
        if not running.command.startswith("realtime-sync"):
            ended = code is not None  # Celery says 1 when it has ended well.
        problem = "" if ended else f"exit code {code}\n{running.output}"
        command = f"{running.command}  # Ctrl-C"
        self.steps.append(Step(page, command, time.monotonic() - began, problem))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Somebody who has just done what the front page begins with."""
    clone = tmp_path_factory.mktemp("reader") / "clone"
    shutil.copytree(ROOT, clone, ignore=LEFT_OUT)
    reader = Reader(clone)
    reader.read(FRONT, [next(b for b in blocks(FRONT) if b.language == "console")])
    yield reader
    print(f"\n{reader.report()}")


@pytest.mark.deep
@pytest.mark.parametrize("path", walked(), ids=label)
def test_commands_of_page_do_what_it_says(reader: Reader, path: Path) -> None:
    """From the first command to the output that is promised."""
    if path == FRONT:
        found = blocks(FRONT)
        begin = next(i for i, b in enumerate(found) if b.language == "console")
        reader.read(FRONT, found[begin + 1 :])
    else:
        reader.read_in_folder(path, reader.clone / f"of-{path.stem}")
    wrong = reader.wrong(label(path))

    assert [] == wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("row", [*ELSEWHERE, *KEEPS_RUNNING])
def test_rows_about_commands_have_commands(row: str) -> None:
    """A reason that belongs to no command is stale."""
    found = [
        command
        for path in walked()
        for block in blocks(path)
        if block.language == "console"
        for command in commands(block)
    ]

    assert any(re.fullmatch(row, command) for command in found)


@pytest.mark.parametrize(
    "promised, output, kept",
    [
        ("Lima.", "Lima.\n", True),
        ("Lima.", "Lima. \n\n", True),
        ("turn 1 at ... s\n  done", "turn 1 at 2.3 s\n  done\n", True),
        ("first\n...\nlast", "first\none\ntwo\nlast\n", True),
        ("...last", "first\nlast", True),
        ("Lima.", "Quito.\n", False),
        ("Lima.", "Lima. And more.\n", False),
        ("a ... c", "a b d\n", False),
        ("a+", "aa", False),
    ],
)
def test_promised_output_is_compared_to_the_letter(
    promised: str, output: str, kept: bool
) -> None:
    """Apart from dots for what varies and space at the ends of lines."""
    assert kept == prints(promised, output)
