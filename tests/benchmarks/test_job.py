"""What a measuring process loads, and how it sums up."""

from __future__ import annotations

import subprocess
import sys
from math import isnan

from realtime_sync.cli.bench.job import delay_figures

PROBE = """
import sys
import realtime_sync.cli.bench.job
print(*(name for name in sys.modules if name.startswith("realtime_sync.telemetry")))
"""


def test_a_measured_process_loads_no_telemetry() -> None:
    """It would be measured as a part of the client."""
    answer = subprocess.run(
        [sys.executable, "-c", PROBE], check=True, capture_output=True, timeout=60
    )

    assert b"" == answer.stdout.strip()


def test_delays_are_summed_up_by_nearest_rank() -> None:
    """The one percentile of the library; what never came is counted."""
    figures = delay_figures([0.004, 0.001, 0.003, 0.002], 5)

    assert {"p50 ms": 2.0, "p99 ms": 4.0, "max ms": 4.0, "missing": 1.0} == figures
    assert isnan(delay_figures([], 1)["p50 ms"])
