"""Programs that tests run beside themselves."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


class Program:
    """
    A program that is being run in a process group of its own, and what it says.

    Args:
        command: with its arguments.
        folder: where it runs.
        environment: all of it.
        patience: seconds in which it must say something, or end.
        name: of it.
        sign: pattern of the line, with a group, by which it says that it is ready.
    """

    def __init__(
        self,
        command: list[str],
        folder: Path,
        environment: Mapping[str, str],
        *,
        patience: float,
        name: str = "program",
        sign: str = "",
    ) -> None:
        self.name = name
        self._sign = sign
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._patience = patience
        self._said: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name=f"{name} output")
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put("")

    def wait_for(self, pattern: str) -> str:
        """First group of the first line from now on that has the pattern."""
        ends = time.monotonic() + self._patience
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {pattern!r} in:\n{self.text}") from None
            self._said.append(line)
            found = re.search(pattern, line)
            if found:
                return found[1]
            assert line, f"it ended before {pattern!r}:\n{self.text}"

    def ready(self) -> Program:
        """Wait until it is."""
        self.wait_for(self._sign)
        return self

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Its exit code, once it has ended and all that it said was read."""
        code = self.process.wait(self._patience)
        self._reader.join(self._patience)
        return code

    def kill(self) -> None:
        """End what is left of it and of its children, without asking."""
        # The last of them may end by itself at this very moment.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()

    @property
    def alive(self) -> bool:
        """Whether the process or one of its children is there."""
        self.process.poll()
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    @property
    def text(self) -> str:
        """What it has said so far."""
        while not self._lines.empty():
            self._said.append(self._lines.get())
        return "".join(self._said)
