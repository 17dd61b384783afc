"""Workers whose answers are what a test says, for tests of one process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional

from celery import Celery

from realtime_sync.contrib.celery.control import WorkerControl


class AnsweredControl(WorkerControl):
    """Asks nobody: *answer* tells who is there, with what each would say."""

    def __init__(self, app: Celery, answer: Callable[[], dict[str, Any]]) -> None:
        super().__init__(app, "calls")
        self.count = 0
        self._answer = answer

    def ask(
        self,
        command: str,
        arguments: Mapping[str, Any],
        *,
        workers: Optional[Sequence[str]] = None,
        limit: Optional[int] = None,
        timeout: float,
    ) -> dict[str, Any]:
        """Count, and have those answer who are asked, and there."""
        self.count += 1
        there = self._answer()
        return {
            name: there[name] for name in there if workers is None or name in workers
        }
