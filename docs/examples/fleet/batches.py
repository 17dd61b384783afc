"""
Many recordings scored by Dask: for batches, where nobody waits on the line.

``python batches.py 'calls/*.jsonl'`` has processes of this machine; with ``--scheduler
tcp://host:8786`` those of a cluster::

    python -m pip install ".[evaluation]" distributed
"""

from __future__ import annotations

import argparse
from glob import glob

from distributed import Client

from realtime_sync.evaluation import evaluate, first_audio_ms, problems

GATES = [first_audio_ms(p95=900), problems()]


def main() -> None:
    """Score, and say how many passed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("recordings")
    parser.add_argument("--scheduler")
    given = parser.parse_args()
    # None makes a cluster of this machine's own processes.
    with Client(given.scheduler, dashboard_address=None) as client:
        table = evaluate(
            sorted(glob(given.recordings)), GATES, executor=client.get_executor()
        )
    print(f"{table.pass_rate:.0%} passed")


if __name__ == "__main__":
    main()
