"""
What clients add to the model's context: rules, facts, and words to be said.
"""

from __future__ import annotations

from typing import Optional

import attrs

from ..engine.refusal import Refusal
from .context import LiveContext
from .limits import (
    CONTEXT_TOKENS,
    GRID_MS,
    PENDING_APPENDS,
    check_append_limit,
    tokens_for_limit,
)

_AHEAD_MS = 600


@attrs.frozen(kw_only=True)
class Pending:
    """
    Text on its way into the context.

    Attributes:
        kind: ``instructions``, ``thinking`` or ``commentary``.
        command_id: of the command.
        start_ms, end_ms: where it will stand on the session's clock.
    """

    kind: str
    command_id: object
    start_ms: int
    end_ms: int


class Appends:
    """
    Texts that wait for the clock to pass them.

    Args:
        context: the session.
    """

    def __init__(self, context: LiveContext) -> None:
        self._context = context
        self._pending: list[Pending] = []
        self.rules: list[str] = []

    def add(self, kind: str, content: str, command_id: object) -> None:
        """
        Add a text.

        Raises:
            Refusal: it is too long, too many wait, or there are too many rules.
        """
        check_append_limit(content)
        if kind == "instructions" and self._rules_full(content):
            raise Refusal(
                "The instructions of the session are too long.",
                code="context_full",
                param="content",
            )
        if len(self._pending) >= PENDING_APPENDS:
            raise Refusal(
                f"At most {PENDING_APPENDS} context appends may be pending.",
                code="rate_limit_exceeded",
            )
        grid = -(-self._context.clock_ms // GRID_MS) * GRID_MS
        self._pending.append(
            Pending(
                kind=kind,
                command_id=command_id,
                start_ms=grid + _AHEAD_MS,
                end_ms=grid + _AHEAD_MS + GRID_MS,
            )
        )
        if kind == "instructions":
            self.rules.append(content)

    def _rules_full(self, content: str) -> bool:
        """Whether one more rule would not fit into the model's context."""
        return sum(map(tokens_for_limit, (*self.rules, content))) > CONTEXT_TOKENS

    def step(self) -> None:
        """Tell of those that the clock has passed."""
        while self._pending and self._pending[0].end_ms <= self._context.clock_ms:
            passed = self._pending.pop(0)
            self._context.emit(
                f"session.{passed.kind}.appended",
                command_id=passed.command_id,
                start_ms=passed.start_ms,
                end_ms=passed.end_ms,
            )

    def fail(self) -> None:
        """The session is being closed: none of them will be told of."""
        pending, self._pending = self._pending, []
        for each in pending:
            self._context.emit_refusal(append_refusal_at_close(), each.command_id)


def append_refusal_at_close(param: Optional[str] = None) -> Refusal:
    """Refuse what comes, or waits, while the session is being closed."""
    return Refusal("The session is closing.", code="session_closed", param=param)
