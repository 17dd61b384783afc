"""
Benchmarks: this client, openai-python and a bare socket, taking turns.

`measure` runs them; `rows_as_table`, `rows_as_csv`, `rows_as_json` and `rows_as_chart`
show what came out. Every measurement is a process of its own, and so is the server that
they talk to.
"""

from __future__ import annotations

from .report import (
    BenchRow,
    combine_rows,
    rows_as_chart,
    rows_as_csv,
    rows_as_json,
    rows_as_table,
)
from .runner import measure
from .scenarios import SCENARIOS, BenchScenario

__all__ = [
    "SCENARIOS",
    "BenchRow",
    "BenchScenario",
    "combine_rows",
    "measure",
    "rows_as_chart",
    "rows_as_csv",
    "rows_as_json",
    "rows_as_table",
]
