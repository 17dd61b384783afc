"""What one measuring process is asked, and how it measures."""

from __future__ import annotations

import gc
import os
import ssl
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from ...state.latency import percentile

if TYPE_CHECKING:
    from ...protocol.events import ServerEvent

Figures = dict[str, float]
"""Name and unit of a figure to its value, for example ``"cpu us"``."""


@frozen(kw_only=True)
class BenchJob:
    """
    One measurement by one client, in a process of its own.

    Attributes:
        side: ``"ours"``, ``"peer"`` or ``"floor"``.
        scenario: name of what is measured.
        kind: what the server sends.
        port: of the server.
        events: how many are measured.
        certificate: file of the authority to trust, for TLS; or None.
        plain: do without the modules of the ``speed`` extra.
        sessions: how many at once.
        rate: events per second for each session.
        run: a number that no other job of the server has.
        confined: like a service that has been set up with care: on one core,
            where that can be asked for (Linux), with what it keeps for good out
            of the garbage collector's way, and with longer turns of its threads.
        arrangement: of our sessions: ``"workers"`` or ``"inline"`` for those that
            share threads, ``"own"`` for threads of their own, and whether they are
            ``"frozen"``, which holds for the peer's, too; of one stream,
            ``"inline"`` for handlers on its loop.
    """

    side: str
    scenario: str
    kind: str
    port: int
    events: int
    certificate: str | None = None
    plain: bool = False
    sessions: int = 1
    rate: int = 50
    run: int = 0
    confined: bool = False
    arrangement: str = ""

    @property
    def model(self) -> str:
        """Name of the model, which tells the server what to do."""
        if self.kind in ("paced", "speech"):
            return f"{self.kind}-{self.run}-{self.sessions}-{self.rate}-{self.events}"
        return f"{self.kind}-{self.events}-{max(1, self.events // 20)}"

    @property
    def url(self) -> str:
        """Base URL of the server."""
        scheme = "wss" if self.certificate else "ws"
        return f"{scheme}://127.0.0.1:{self.port}/v1"

    def tls(self) -> ssl.SSLContext | None:
        """Settings that trust the server, or None without TLS."""
        if self.certificate is None:
            return None
        return ssl.create_default_context(cafile=self.certificate)


def forget_speed_modules() -> None:
    """Make the modules of the ``speed`` extra look as if they were not there."""
    for name in ("orjson", "pybase64"):
        sys.modules[name] = None  # type: ignore[assignment]


def keep_to_one_core() -> None:
    """Run on one core from now on, the last of those that there are."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def settle_before_measuring(job: BenchJob) -> None:
    """Everything is made; the measurement is about to begin."""
    if job.confined:
        gc.collect()
        gc.freeze()
        # Whoever waits for the interpreter asks for it again after each interval;
        # with hundreds of threads that is work, and just when there is too much.
        sys.setswitchinterval(0.05)


class JobCpuMeter:
    """CPU time of this process and time of the wall, between two moments."""

    def __init__(self) -> None:
        self.cpu = self.wall = 0.0
        self._began = (0.0, 0.0)

    def start(self) -> None:
        """Begin to count."""
        self._began = (time.process_time(), time.perf_counter())

    def stop(self) -> None:
        """End counting."""
        cpu, wall = time.process_time(), time.perf_counter()
        self.cpu, self.wall = cpu - self._began[0], wall - self._began[1]

    def per(self, events: int, unit: str = "us") -> Figures:
        """CPU and wall time for each event."""
        scale = {"us": 1e6, "ms": 1e3}[unit] / events
        return {f"cpu {unit}": self.cpu * scale, f"wall {unit}": self.wall * scale}


def delay_figures(seconds: Sequence[float], expected: int) -> Figures:
    """Percentiles of delays, and how many events never came."""
    figures = seconds or [float("nan")]
    return {
        "p50 ms": percentile(figures, 50) * 1e3,
        "p99 ms": percentile(figures, 99) * 1e3,
        "max ms": max(figures) * 1e3,
        "missing": float(expected - len(seconds)),
    }


def many_sessions_figures(
    job: BenchJob,
    seen: Sequence[DelaysOfJob],
    meter: JobCpuMeter,
    memory: float,
    late: float,
) -> Figures:
    """
    What is told of many sessions at once.

    Args:
        job: that was done.
        seen: the delays of each session.
        meter: from the first command to the last event.
        memory: KiB of each session.
        late: seconds within which 99 of 100 events were sent after their time.
    """
    total = [second for each in seen for second in each.seconds]
    return {
        **delay_figures(total, job.events * job.sessions),
        "cpu us": meter.cpu / max(1, len(total)) * 1e6,
        "cpu %": meter.cpu / meter.wall * 100,
        "KiB/session": memory,
        "server late, p99 ms": late * 1e3,
    }


def resident_kib() -> float:
    """Memory that this process has in use, in KiB."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
    except OSError:
        return float("nan")  # Only Linux tells.
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


class DelaysOfJob:
    """Collects how long stamped events were under way."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def note(self, event: ServerEvent) -> None:
        """Take one event, whose id is when it was sent."""
        self.seconds.append(time.monotonic() - float(str(event.event_id)))
