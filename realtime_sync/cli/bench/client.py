"""
A measuring process: ``python -m realtime_sync.cli.bench.client JOB``.

The job is JSON in, the figures are one line of JSON out.
"""

from __future__ import annotations

import importlib
import json
import sys

from .job import BenchJob, forget_speed_modules, keep_to_one_core


def measure_job() -> None:
    """Do the job of the command line."""
    job = BenchJob(**json.loads(sys.argv[1]))
    if job.plain:
        forget_speed_modules()
    if job.confined:
        keep_to_one_core()
    side = importlib.import_module(f"{__package__}.{job.side}")
    print(json.dumps(side.MEASUREMENTS[job.scenario](job)))


if __name__ == "__main__":
    measure_job()
