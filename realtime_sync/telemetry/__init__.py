"""
What sessions did, in numbers: a ledger of turns, budgets, logs without keys.

OpenTelemetry is for those who have it: the extra ``telemetry``.
"""

from __future__ import annotations

from ..state.latency import Turn, percentile
from .budget import Budget, BudgetExceeded, total_tokens
from .ledger import TIMES, Ledger, Spread
from .logs import RedactingFilter, without_secrets
from .tokens import Tokens
from .tracing import OpenTelemetry

__all__ = [
    "Budget",
    "BudgetExceeded",
    "Ledger",
    "OpenTelemetry",
    "RedactingFilter",
    "Spread",
    "TIMES",
    "Tokens",
    "Turn",
    "percentile",
    "total_tokens",
    "without_secrets",
]
