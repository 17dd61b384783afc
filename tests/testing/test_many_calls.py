"""Many calls at once in one process, and how late their sound goes out."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from realtime_sync import RealtimeClient, Threads
from realtime_sync.audio.telephony import TWILIO, CallBridge
from realtime_sync.testing.carrier_lines import TwilioCarrierLine

CALLS = 60
WORDS = "what is said takes sixty milliseconds a letter, " * 5
"""About fourteen seconds."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The local server in a process of its own, as the service is."""
    command = [sys.executable, "-m", "realtime_sync", "serve", "--port", "0"]
    with subprocess.Popen(
        [*command, "--agent", "echo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = ""
        for line in process.stdout:
            found = re.search(r"http://\S+?/v1", line)
            if found:
                url = found[0]
                break
        yield url
        process.terminate()


MACHINE = """
import threading, time
begun, late, tick = time.monotonic(), [], threading.Event()
for number in range(700):
    tick.wait(max(begun + 0.02 * number - time.monotonic(), 0))
    late.append(1000 * (time.monotonic() - begun - 0.02 * number))
late = sorted(late[25:])
print(late[int(len(late) * 0.5)], late[int(len(late) * 0.99)])
"""
"""Somebody with nothing else to do, in a process of their own, at the same time."""


class Line:
    """A carrier that notes when each block of sound comes, and returns marks."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.marks: deque[str] = deque()

    def send(self, message: str) -> None:
        """Take a message."""
        if '"media"' in message:
            self.at.append(time.monotonic())
        else:
            self.marks.append(message)

    def lateness(self) -> list[float]:
        """
        Milliseconds by which blocks came later than 20 ms after the one before.

        Counted from the block that was earliest of all: what is late once is not
        made up for by the next one's being counted from there.
        """
        steps = [at - 0.02 * number for number, at in enumerate(self.at)]
        begin = min(steps)
        return [1000 * (each - begin) for each in steps]


@pytest.mark.alone
@pytest.mark.deep
def test_sixty_calls_at_once(elsewhere: str) -> None:
    """Each speaks and hears at the same time; none waits for another."""
    caller, lines = TwilioCarrierLine(), [Line() for _ in range(CALLS)]
    piece = caller.caller(b"\xff" * 160)
    over = threading.Event()
    with ExitStack() as stack:
        threads = stack.enter_context(Threads(workers=4, dialers=8))
        client = RealtimeClient(base_url=elsewhere, threads=threads)
        bridges, sessions = [], []
        for line in lines:
            session = stack.enter_context(client.connect("m"))
            sessions.append(session)
            bridge = CallBridge(session, TWILIO, send=line.send)
            bridges.append(stack.enter_context(bridge))
            for message in caller.begin():
                bridge.receive(message)
        threads.freeze()

        def callers() -> None:
            begun, number = time.monotonic(), 0
            while not over.is_set():
                number += 1
                for bridge, line in zip(bridges, lines):
                    bridge.receive(piece)
                    while line.marks:
                        bridge.receive(line.marks.popleft())
                over.wait(max(begun + 0.02 * number - time.monotonic(), 0))

        feeder = threading.Thread(target=callers, name="callers")
        feeder.start()
        began = time.process_time()
        first = time.monotonic()
        machine = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", MACHINE], stdout=subprocess.PIPE, text=True
            )
        )
        for session in sessions:
            session.conversation.add_message(WORDS)
            session.response.create()
        outcomes = [bridge.wait_heard(40) for bridge in bridges]
        cpu = (time.process_time() - began) / (time.monotonic() - first)
        over.set()
        feeder.join()
        idle50, idle99 = map(float, machine.communicate()[0].split())
    late = sorted(each for line in lines for each in line.lateness()[25:])
    p50, p99 = (late[int(len(late) * share)] for share in (0.5, 0.99))
    print(
        f"{CALLS} calls, {len(late)} blocks: p50 {p50:.1f} ms, p99 {p99:.1f} ms, "
        f"most {late[-1]:.1f} ms; {cpu:.2f} processors; an idle process beside it: "
        f"p50 {idle50:.1f} ms, p99 {idle99:.1f} ms"
    )
    gc.unfreeze()

    assert min(len(line.at) for line in lines) > 500
    assert set(outcomes) == {"heard"}
    # What the machine itself is late, busy with something else, is not ours.
    assert p99 <= 5.0 + idle99
