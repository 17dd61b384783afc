"""Runs the scenarios: one server process, and clients that take turns."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import asdict, evolve

from ...errors import ConfigurationError
from .job import BenchJob, Figures
from .report import BenchRow, bench_rows
from .scenarios import BenchScenario

_PACKAGE = __package__ or ""
_TREE = Path(__file__).parents[3]
_LONGEST = 900.0

_IMPORTS = {
    ("alone", "ours"): "import realtime_sync",
    ("alone", "peer"): "import openai; openai.OpenAI(api_key='x').realtime",
    ("used", "ours"): (
        "import realtime_sync; realtime_sync.RealtimeClient(api_key='x').session('m')"
    ),
    ("used", "peer"): (
        "import openai; openai.OpenAI(api_key='x').realtime.connect(model='m')"
    ),
}
_IMPORT_PROBE = """
import json, time
cpu, wall = time.process_time(), time.perf_counter()
{}
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
print(json.dumps({{"cpu ms": cpu * 1e3, "wall ms": wall * 1e3}}))
"""


def measure(
    scenarios: Sequence[BenchScenario],
    *,
    pairs: int = 5,
    scale: float = 1.0,
    tls: bool = False,
    plain: bool = False,
    sides: Sequence[str] | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> list[BenchRow]:
    """
    Measure, each client in turn.

    Args:
        scenarios: what.
        pairs: how often each client has its turn.
        scale: share of the events of a scenario.
        tls: over ``wss``; needs trustme.
        plain: without orjson and pybase64, as if they were not installed.
        sides: only these of ``"ours"``, ``"peer"``, ``"floor"``; without it
            all that there are.
        told: called with a line about all of it, and one about each scenario that
            begins.

    Returns:
        One row for each figure of each scenario.

    Raises:
        ConfigurationError: something that is needed is not installed.
        RuntimeError: a measuring process failed; the text is what it said.
    """
    if sides is None:
        sides = tuple(side for side in ("ours", "peer", "floor") if side_can_run(side))
    told(run_estimate(scenarios, pairs, scale, sides))
    rows: list[BenchRow] = []
    runs = itertools.count()
    with _running_bench_server(tls) as (port, certificate):
        for number, scenario in enumerate(scenarios, start=1):
            told(f"{scenario.name} ({number} of {len(scenarios)})")
            job = BenchJob(
                side="",
                scenario=scenario.measurement,
                kind=scenario.kind,
                port=port,
                events=max(1, round(scenario.events * scale)),
                certificate=certificate,
                plain=plain,
                **scenario.settings,
            )
            found: dict[str, list[Figures]] = {}
            for _ in range(turns_of_scenario(scenario, pairs)):
                for side in scenario.sides:
                    if side in sides:
                        one = evolve(job, side=side, run=next(runs))
                        found.setdefault(side, []).append(_run_client(one))
            rows += bench_rows(scenario.name, found)
    return rows


def turns_of_scenario(scenario: BenchScenario, pairs: int) -> int:
    """How often each client has its turn."""
    return 1 if scenario.single else pairs


def run_estimate(
    scenarios: Sequence[BenchScenario], pairs: int, scale: float, sides: Sequence[str]
) -> str:
    """How many measurements there will be, and about how long they will take."""
    counts = [
        turns_of_scenario(each, pairs) * sum(1 for side in each.sides if side in sides)
        for each in scenarios
    ]
    # A process needs a second to begin, whatever its share of the events.
    seconds = sum(
        count * (1.0 + (each.seconds - 1.0) * scale)
        for count, each in zip(counts, scenarios)
    )
    long = f"{seconds / 60:.0f} minutes" if seconds > 90 else f"{seconds:.0f} seconds"
    return f"{sum(counts)} measurements, about {long}; longer on a busy machine"


def side_can_run(side: str) -> bool:
    """Whether a side can be measured: the peer has to be installed."""
    if side != "peer":
        return True
    return all(importlib.util.find_spec(name) for name in ("openai", "websockets"))


def _run_client(job: BenchJob) -> Figures:
    if job.scenario == "import":
        command = ["-c", _IMPORT_PROBE.format(_IMPORTS[job.kind, job.side])]
    else:
        command = ["-m", f"{_PACKAGE}.client", json.dumps(asdict(job))]
    done = subprocess.run(
        [sys.executable, *command],
        env=_client_environment(),
        capture_output=True,
        text=True,
        timeout=_LONGEST,
    )
    if done.returncode:
        raise RuntimeError(f"{job.side}, {job.scenario}: {done.stderr.strip()}")
    figures: Figures = json.loads(done.stdout)
    return figures


def _client_environment() -> dict[str, str]:
    """The environment without what makes Python slow to find mistakes."""
    slow = ("PYTHONDEVMODE", "PYTHONWARNINGS", "PYTHONASYNCIODEBUG", "COVERAGE_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith((*slow, "OPENAI_"))
    }
    return {**kept, "PYTHONPATH": str(_TREE), "NO_PROXY": "127.0.0.1"}


@contextmanager
def _running_bench_server(tls: bool) -> Iterator[tuple[int, str | None]]:
    """Port of a running server, and the file of the authority to trust."""
    with TemporaryDirectory() as folder:
        key, authority = (
            _certificate_for_bench_server(Path(folder)) if tls else None
        ) or (None, None)
        process = subprocess.Popen(
            [sys.executable, "-m", f"{_PACKAGE}.server", *([key] if key else [])],
            env=_client_environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), authority
        finally:
            process.kill()
            process.communicate()


def _certificate_for_bench_server(folder: Path) -> tuple[str, str]:
    try:
        trustme = importlib.import_module("trustme")
    except ImportError:
        raise ConfigurationError(
            "measuring over TLS needs trustme: pip install trustme"
        ) from None
    authority = trustme.CA()
    key, trusted = folder / "server.pem", folder / "authority.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(key)
    authority.cert_pem.write_to_path(trusted)
    return str(key), str(trusted)
