"""
What sessions do, in numbers: a ledger of turns, budgets, the calls of a process.

OpenTelemetry is for those who have it: the extra ``telemetry``.
"""

from __future__ import annotations

from ..state.latency import Turn, percentile
from .budget import Budget, BudgetExceeded, total_tokens
from .calls import CallRow, ProcessCalls, Rows, Totals, activity
from .data_frames import data_frame, token_columns
from .ledger import TIMES, Ledger, Spread
from .logs import RedactingFilter, without_secrets
from .prices import Prices
from .prometheus import METRICS_TYPE, metrics_text
from .tokens import Tokens
from .tracing import OpenTelemetry

__all__ = [
    "Budget",
    "BudgetExceeded",
    "CallRow",
    "Ledger",
    "METRICS_TYPE",
    "OpenTelemetry",
    "Prices",
    "ProcessCalls",
    "RedactingFilter",
    "Rows",
    "Spread",
    "TIMES",
    "Tokens",
    "Totals",
    "Turn",
    "activity",
    "data_frame",
    "metrics_text",
    "percentile",
    "token_columns",
    "total_tokens",
    "without_secrets",
]
