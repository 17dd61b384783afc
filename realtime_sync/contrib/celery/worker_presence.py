"""Which workers are there, as one process sees it."""

from __future__ import annotations

import math
from threading import Event, Lock
from time import monotonic
from typing import Optional

from ...transport.logs import area_logger
from .control import WorkerControl
from .errors import NoAnswer

_log = area_logger("realtime_sync.contrib.celery")

FRESH = 0.5
"""Seconds for which a look is good for all who wait."""

ANSWER = 1.0
"""Seconds that a worker has for an answer."""

LOOK_ANSWER = 0.5
"""
The same when it is only asked whether it is there. Who does not answer is asked again,
and a look that waits longer would end after the worker is known to be gone.
"""

LOOK_ENDS = 5.0
"""
Seconds for which the look of another thread is waited for: longer than it takes to
connect to a broker and to ask.
"""

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

    def __init__(self, control: WorkerControl) -> None:
        self._control = control
        # Guards everything below. Not held while the workers are asked: one thread
        # looks for all, and the others wait for the end of its look.
        self._lock = Lock()
        self._going: Optional[Event] = None
        self._looked = -math.inf
        self._seen: dict[str, float] = {}
        self._missed: dict[str, float] = {}

    def is_gone(self, worker: str) -> bool:
        """
        Look, and say whether a worker has been gone for long enough.

        Returns within `LOOK_ENDS` seconds, even if the look of another thread does not.
        """
        with self._lock:
            fresh = GONE if self._gone(worker) else FRESH
            if monotonic() - self._looked <= fresh:
                return self._gone(worker)
            going, mine = self._going, Event()
            if going is None:
                self._going = mine
        if going is not None:
            going.wait(LOOK_ENDS)
        else:
            try:
                self._look(worker)
            finally:
                with self._lock:
                    self._going = None
                mine.set()
        return self.known_gone(worker)

    def known_gone(self, worker: str) -> bool:
        """Whether that is known without a look; waits for none."""
        with self._lock:
            return self._gone(worker)

    def _gone(self, worker: str) -> bool:
        missed = self._missed.get(worker)
        return missed is not None and monotonic() - missed > GONE

    def _look(self, worker: str) -> None:
        began = monotonic()
        with self._lock:
            # Whoever was missed is not waited for again, but for the one in question.
            expected = {*self._seen, worker}
            awaited = {name for name in expected if name not in self._missed}
        limit = len(awaited | {worker})
        try:
            answers = self._control.ask("look", {}, limit=limit, timeout=LOOK_ANSWER)
        except NoAnswer as exc:
            _log.info("! %s", exc)
            answers = None
        with self._lock:
            self._looked = monotonic()
            if answers is None:
                # Nothing is known of anybody; whoever was missed gets his time again.
                self._missed.clear()
            else:
                self._note(expected, set(answers), began)

    def _note(self, expected: set[str], answered: set[str], began: float) -> None:
        assert self._lock.locked()
        for name in answered:
            self._seen[name] = began
            self._missed.pop(name, None)
        for name in expected - answered:
            self._missed.setdefault(name, began)
            if began - self._missed[name] > FORGOTTEN:
                self._seen.pop(name, None)
                self._missed.pop(name, None)
