"""
Many calls at once, and what goes wrong while they are there.

The figures that the documentation gives are made by the deep ones; a tenth of each runs
always.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

import pytest

from realtime_sync.contrib.celery import CallLost, Fleet, RemoteCall
from realtime_sync.contrib.placement import CallLoad, Costs, calls_per_process
from tests.program import Program

from .conftest import HERE, ROOT, START, Broker, Start, looked

Load_ = Callable[[Broker], Fleet]
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="a broker that can be taken away"
)


class EventServer:
    """The server of these tests, in a process of its own."""

    def __init__(self, rate: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "event_server.py"), str(rate)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        port = self.process.stdout.readline().split()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        self.begun: list[str] = []
        self.ended: list[tuple[str, int, str]] = []
        self._reader = threading.Thread(target=self._read, name="event server")
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                kind, name, *rest = line.split()
                if kind == "begun":
                    self.begun.append(name)
                else:
                    self.ended.append((name, int(rest[0]), rest[1]))

    def stop(self) -> None:
        """End it; what it said is complete."""
        self.process.kill()
        self.process.wait(START)
        self._reader.join(START)


@contextmanager
def event_server(rate: float) -> Iterator[EventServer]:
    """A server that sends every call so many events per second."""
    server = EventServer(rate)
    try:
        yield server
    finally:
        server.stop()


def wait_until(reached: Callable[[], bool], timeout: float = 60.0) -> None:
    """Wait until something is so."""
    ends = time.monotonic() + timeout
    pause = threading.Event()
    while not reached():
        assert time.monotonic() < ends, "it does not come about"
        pause.wait(0.1)


def cpu_of(process: subprocess.Popen[str]) -> float:
    """Seconds of CPU that a process has taken."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def mib_of(process: subprocess.Popen[str]) -> float:
    """Memory that a process has to itself."""
    text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    kib = [int(line.split()[1]) for line in text.splitlines() if "Private" in line]
    return sum(kib) / 1024


def start_many(fleet: Fleet, count: int, what: str = "count") -> list[RemoteCall]:
    """So many calls, each with a model of its own name."""
    return [
        fleet.start(f"m-{number}", id=f"m-{number}", metadata={"do": what})
        for number in range(count)
    ]


def slowest_of(times: list[tuple[float, float]], seconds: float) -> list[float]:
    """The 99th percentile of the times, by when they began, of each ten seconds."""
    spans = [
        [took for at, took in times if begin <= at < begin + 10.0]
        for begin in range(0, int(seconds), 10)
    ]
    return [percentile(span, 0.99) for span in spans if span]


def percentile(values: list[float], share: float) -> float:
    """The value that so large a share does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


@pytest.mark.alone
@pytest.mark.deep
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("calls", "seconds"), [(400, 60.0)])
def test_calls_are_held_and_told_by_a_third_process(
    broker: Broker, start_worker: Start, load: Load_, calls: int, seconds: float
) -> None:
    """
    No call is lost, and a command is answered while events come.

    Within 200 ms, in that of the six times ten seconds which other programs have
    disturbed least: what they do comes and goes, and a fault of ours would be in all of
    them. How many events come is held against how many were sent, and not against the
    clock: a busy machine sends fewer.
    """
    with event_server(20.0) as server:
        fleet = load(broker)
        options = {"calls": calls // 2, "model_url": server.url}
        workers = [start_worker(broker, **options).ready() for _ in range(2)]
        began = time.monotonic()
        held = start_many(fleet, calls)
        wait_until(lambda: len(server.begun) == calls)
        for call in held:
            call.wait_started(START)
        started = time.monotonic() - began
        before = [cpu_of(worker.process) for worker in workers]
        times: list[tuple[float, float]] = []
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            asked = time.monotonic()
            held[len(times) * 7 % calls].tools()
            times.append((asked - begin, time.monotonic() - asked))
            threading.Event().wait(0.05)
        took = time.monotonic() - begin
        after = [cpu_of(worker.process) for worker in workers]
        memory = [mib_of(worker.process) for worker in workers]
        rows = looked(fleet.calls, calls)
        for call in held:
            call.hang_up()
        results = [call.result(START) for call in held]
        codes = [worker.end() for worker in workers]

    counts = {call.id: int(each.value) for call, each in zip(held, results)}
    sent = {name: count for name, count, _ in server.ended}
    took_each = [each for _, each in times]
    slowest = slowest_of(times, seconds)
    print(
        f"\n{calls} calls up in {started:.1f} s; {len(times)} commands: "
        f"p50 {percentile(took_each, 0.5) * 1e3:.0f} ms, "
        f"p99 {percentile(took_each, 0.99) * 1e3:.0f} ms, of each ten seconds "
        f"{[round(each * 1e3) for each in slowest]}, "
        f"max {max(took_each) * 1e3:.0f} ms; "
        f"cores {[round((a - b) / took, 3) for a, b in zip(after, before)]}, "
        f"MiB {[round(each) for each in memory]}, events {sum(counts.values())}"
    )
    assert {call.id for call in held} == {row.id for row in rows}
    assert {"hung up"} == {result.ended for result in results}
    assert {"clean"} == {clean for _, _, clean in server.ended}
    assert counts.keys() == sent.keys()
    # Those that came while the call was being ended are the others.
    assert {} == {name: n for name, n in counts.items() if n < sent[name] * 0.8}
    assert [0, 0] == codes
    assert min(slowest) <= 0.2


@pytest.mark.parametrize(
    ("calls", "away"),
    [
        pytest.param(6, 0.3),
        pytest.param(
            100,
            30.0,
            marks=[pytest.mark.deep, pytest.mark.alone, pytest.mark.timeout(400)],
        ),
    ],
)
def test_calls_go_on_while_the_broker_is_away(
    broker: Broker, start_worker: Start, load: Load_, calls: int, away: float
) -> None:
    """Commands are answered again, and no call was lost, by a Redis that forgot all."""
    assert broker.redis is not None
    with event_server(20.0) as server:
        fleet = load(broker)
        worker = start_worker(broker, calls=calls, model_url=server.url).ready()
        held = start_many(fleet, calls)
        wait_until(lambda: len(server.begun) == calls)
        for call in held:
            call.wait_started(START)
        broker.redis.stop()
        threading.Event().wait(away)
        ended = list(server.ended)
        broker.redis.start()
        began = time.monotonic()
        wait_until(lambda: len(answered(fleet)) == calls)
        resumed = time.monotonic() - began
        later = fleet.start("later", id="later", metadata={"do": "count"})
        fresh = [fleet.call(call.id) for call in held]
        first = fresh[0].tools()
        for call in fresh:
            call.hang_up()
        results = [call.result(START) for call in fresh]
        later.hang_up(timeout=START)
        code = worker.end()

    print(f"\ncontrol was back {resumed:.1f} s after Redis")
    assert [] == ended
    assert [] == first
    assert {"hung up"} == {result.ended for result in results}
    assert {"clean"} == {clean for _, _, clean in server.ended}
    assert calls + 1 == len(set(server.begun)) == len(server.begun)
    assert 0 == code, worker.text


def answered(fleet: Fleet) -> list[str]:
    """The calls that workers tell of."""
    try:
        return [row.id for row in fleet.calls()]
    except TimeoutError:
        return []


@pytest.mark.parametrize(
    ("starts", "restarts", "bound"),
    [
        pytest.param(40, 1, 4),
        pytest.param(
            1000,
            3,
            20,
            marks=[pytest.mark.deep, pytest.mark.alone, pytest.mark.timeout(400)],
        ),
    ],
)
def test_each_call_begins_once(
    broker: Broker,
    start_worker: Start,
    load: Load_,
    starts: int,
    restarts: int,
    bound: int,
) -> None:
    """However often a worker is told to end while calls are begun."""
    with event_server(1.0) as server:
        fleet = load(broker)
        # As long as a busy machine takes to begin a call and to return from it.
        options = {"calls": bound, "model_url": server.url, "drain": START}
        worker = start_worker(broker, **options).ready()
        if restarts > 1:
            start_worker(broker, **options).ready()
        held = start_many(fleet, starts, "return")
        codes = []
        for number in range(1, restarts + 1):
            share = starts * number // (restarts + 1)
            wait_until(lambda: len(server.begun) >= share, 120.0)
            # The next one begins before this one ends, as it does in a cluster.
            following = start_worker(broker, **options)
            codes.append(worker.end())
            worker = following.ready()
        results = [call.result(START) for call in held]

    assert {1} == set(Counter(server.begun).values())
    assert {"returned"} == {result.ended for result in results}
    assert starts == len(server.begun)
    assert [0] * restarts == codes


@pytest.mark.alone
@pytest.mark.deep
@pytest.mark.timeout(400)
def test_killed_worker_loses_its_calls_within_five_seconds(
    broker: Broker, start_worker: Start, load: Load_
) -> None:
    """Two hundred of them; the two hundred of the other are untouched."""
    with event_server(5.0) as server:
        fleet = load(broker)
        options = {"calls": 200, "model_url": server.url}
        workers = [start_worker(broker, **options).ready() for _ in range(2)]
        held = start_many(fleet, 400)
        wait_until(lambda: len(server.begun) == 400)
        have = {call.id: call.wait_started(START) for call in held}
        victim = have["m-0"]
        lost: dict[str, float] = {}
        waiters = [
            threading.Thread(target=wait_lost, args=(call, lost))
            for call in held
            if have[call.id] == victim
        ]
        for waiter in waiters:
            waiter.start()
        dead = [each for each in workers if victim.startswith(host_of(each))]
        dead[0].process.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        for waiter in waiters:
            waiter.join(START)
        kept = [call for call in held if have[call.id] != victim]
        rows = looked(fleet.calls, len(kept))
        states = {call.state for call in kept}

    took = max(lost.values()) - killed
    print(f"\n{len(lost)} calls were reported lost within {took:.1f} s")
    assert len(waiters) == len(lost) > 0
    assert took <= 5.0
    assert {call.id for call in kept} == {row.id for row in rows}
    assert {"running"} == states


def wait_lost(call: RemoteCall, lost: dict[str, float]) -> None:
    """Note when it is said to be lost."""
    try:
        call.result(START)
    except CallLost:
        lost[call.id] = time.monotonic()


def host_of(worker: Program) -> str:
    """How the names of a worker's processes begin."""
    return f"{worker.name}#"


@pytest.mark.alone
@pytest.mark.deep
@pytest.mark.timeout(400)
@pytest.mark.parametrize("rate", [15.0, 40.0, 100.0])
def test_model_tells_calls_per_process(
    broker: Broker, start_worker: Start, load: Load_, rate: float
) -> None:
    """As many as were predicted take a quarter of a core, within a fifth."""
    costs = Costs(share=0.25)
    predicted = int(
        calls_per_process(CallLoad(calls=1, events=rate, seconds=1e9), costs)
    )
    with event_server(rate) as server:
        fleet = load(broker)
        worker = start_worker(broker, calls=predicted, model_url=server.url).ready()
        alone = mib_of(worker.process)
        idle = cpu_of(worker.process)
        start_many(fleet, predicted)
        wait_until(lambda: len(server.begun) == predicted)
        threading.Event().wait(3.0)
        before, began = cpu_of(worker.process), time.monotonic()
        threading.Event().wait(20.0)
        took = time.monotonic() - began
        share = (cpu_of(worker.process) - before) / took
        events = sum(row.events for row in looked(fleet.calls, predicted))
        memory = mib_of(worker.process)

    found = predicted * costs.share / share
    print(
        f"\n{rate:g} events/s: predicted {predicted} calls, found {found:.0f}; "
        f"{predicted} took {share:.3f} cores, "
        f"{share / predicted / rate * 1e6:.1f} us an event; "
        f"{alone:.0f} MiB without calls, {(memory - alone) * 1024 / predicted:.0f} KiB "
        f"a call; {(before - idle) / predicted * 1e3:.1f} ms a start"
    )
    assert events >= rate * took * predicted * 0.95
    assert found == pytest.approx(predicted, rel=0.2)


@pytest.mark.alone
@pytest.mark.deep
@pytest.mark.timeout(400)
def test_two_hundred_calls_end_as_asked(
    broker: Broker, start_worker: Start, load: Load_
) -> None:
    """Half of them leave by themselves, the others when the time is over."""
    with event_server(20.0) as server:
        fleet = load(broker)
        options = {"calls": 200, "model_url": server.url, "drain": 5.0}
        worker = start_worker(broker, **options).ready()
        held = [
            fleet.start(f"m-{number}", metadata={"leaves": number % 2 == 0})
            for number in range(200)
        ]
        wait_until(lambda: len(server.begun) == 200)
        for call in held:
            call.wait_started(START)
        began = time.monotonic()
        code = worker.end()
        took = time.monotonic() - began
        results = [call.result(START) for call in held]

    print(f"\n200 calls and their worker ended within {took:.1f} s")
    assert 0 == code, worker.text
    assert {"hung up": 100, "drained": 100} == Counter(each.ended for each in results)
    assert {"clean"} == {clean for _, _, clean in server.ended}


@pytest.mark.alone
@pytest.mark.deep
@pytest.mark.parametrize(
    ("how", "ended", "code"),
    [("remote", "drained", 0), ("quit", "drained", 1), ("term, quit", "drained", None)],
)
def test_calls_end_however_the_worker_is_ended(
    broker: Broker,
    start_worker: Start,
    load: Load_,
    how: str,
    ended: str,
    code: Optional[int],
) -> None:
    """By remote control, at once, and at once after all."""
    fleet = load(broker)
    drain = 2.0 if how == "remote" else 100.0
    worker = start_worker(broker, drain=drain).ready()
    calls = [fleet.start() for _ in range(3)]
    for call in calls:
        call.transcript()
    if how == "remote":
        fleet.app.control.shutdown()
    if "term" in how:
        worker.process.send_signal(signal.SIGTERM)
        worker.wait_for("(Warm shutdown)")
    if "quit" in how:
        worker.process.send_signal(signal.SIGQUIT)
    found = worker.wait()
    results = [call.result(START) for call in calls]

    assert {ended} == {result.ended for result in results}
    assert code in (found, None), worker.text
