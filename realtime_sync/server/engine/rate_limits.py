"""
What is left of a session's requests and tokens.
"""

from __future__ import annotations

from typing import Any

from .context import Options
from .plan import ResponsePlan

_LONGEST_OUTPUT = 4096
"""Tokens that a response without a bound of its own may write."""


class RateLimits:
    """
    Counts down; nothing is refused.

    While a response runs, what it might use at most is set aside; what it did not
    use is given back when it has ended.

    Args:
        options: the limits per minute.
    """

    def __init__(self, options: Options) -> None:
        self._limits = {
            "requests": options.requests_per_minute,
            "tokens": options.tokens_per_minute,
        }
        self._used = {"requests": 0, "tokens": 0}

    def reserve(self, plan: ResponsePlan) -> None:
        """Set aside for a response that begins."""
        self._used["requests"] += 1
        self._used["tokens"] += _reserved_of_rate_limit(plan)

    def settle(self, plan: ResponsePlan, tokens: int) -> None:
        """Count what a response that ended has really used."""
        self._used["tokens"] += tokens - _reserved_of_rate_limit(plan)

    def shown(self, *, requests: bool) -> list[dict[str, Any]]:
        """
        Build the ``rate_limits`` of an event.

        Args:
            requests: name the requests too, as the beta does.
        """
        names = ("requests", "tokens") if requests else ("tokens",)
        return [self._shown(name) for name in names]

    def _shown(self, name: str) -> dict[str, Any]:
        limit, used = self._limits[name], self._used[name]
        return {
            "name": name,
            "limit": limit,
            "remaining": max(0, limit - used),
            "reset_seconds": round(used * 60 / limit, 3),
        }


def _reserved_of_rate_limit(plan: ResponsePlan) -> int:
    return plan.read.total + (plan.max_output_tokens or _LONGEST_OUTPUT)
