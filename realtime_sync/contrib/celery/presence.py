"""Which workers are there, as one process sees it."""

from __future__ import annotations

from threading import Lock
from time import monotonic

from ...transport.logs import area_logger
from .control import Control
from .errors import NoAnswer

_log = area_logger("realtime_sync.contrib.celery")

FRESH = 0.5
"""Seconds for which a look is good for all who wait."""

ANSWER = 1.0
"""Seconds that a worker has for an answer."""

GONE = 3.0
"""
Seconds without an answer after which a worker is gone. Longer than it takes to connect
to a broker again that was away.
"""

FORGOTTEN = 600.0
"""Seconds after which a worker that is gone is not remembered any more."""


class Presence:
    """
    Tells workers that are gone from those that are slow. Any thread.

    However many wait for results: all workers are asked, and at most once in `FRESH`
    seconds.

    Args:
        control: the fleet's.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        # Guards everything below, and lets one look for all: whoever waits for it has
        # the answer then. Held while the workers are asked, for `ANSWER` seconds.
        self._lock = Lock()
        self._looked = -FRESH
        self._seen: dict[str, float] = {}
        self._missed: dict[str, float] = {}

    def is_gone(self, worker: str) -> bool:
        """Look, and say whether a worker has been gone for long enough."""
        with self._lock:
            fresh = GONE if self._gone(worker) else FRESH
            if monotonic() - self._looked > fresh:
                self._look(worker)
                self._looked = monotonic()
            return self._gone(worker)

    def known_gone(self, worker: str) -> bool:
        """Whether that is known without a look."""
        with self._lock:
            return self._gone(worker)

    def _gone(self, worker: str) -> bool:
        missed = self._missed.get(worker)
        return missed is not None and monotonic() - missed > GONE

    def _look(self, worker: str) -> None:
        began = monotonic()
        # Whoever was missed is not waited for again, but for the one in question.
        expected = {*self._seen, worker}
        awaited = {name for name in expected if name not in self._missed} | {worker}
        try:
            answers = self._control.ask("look", {}, limit=len(awaited), timeout=ANSWER)
        except NoAnswer as exc:
            # Nothing is known of anybody; whoever was missed gets his time again.
            _log.info("! %s", exc)
            self._missed.clear()
            return
        for name in answers:
            self._seen[name] = began
            self._missed.pop(name, None)
        for name in expected - set(answers):
            self._missed.setdefault(name, began)
            if began - self._missed[name] > FORGOTTEN:
                self._seen.pop(name, None)
                self._missed.pop(name, None)
