"""
Benchmarks: this client, openai-python and a bare socket, taking turns.

`measure` runs them, `table`, `as_csv`, `as_json` and `chart` show what came out. Every
measurement is a process of its own, and so is the server that they talk to.
"""

from __future__ import annotations

from .report import Row, as_csv, as_json, chart, combined, table
from .runner import measure
from .scenarios import SCENARIOS, Scenario

__all__ = [
    "SCENARIOS",
    "Row",
    "Scenario",
    "as_csv",
    "as_json",
    "chart",
    "combined",
    "measure",
    "table",
]
