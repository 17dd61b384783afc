"""The calls of a fleet as the rows of a board."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Lock

from attrs import evolve

from ...telemetry import CallRow

LOST_SHOWN = 600.0
"""Seconds for which a call that was lost is shown."""


class BoardRows:
    """
    Remembers what was shown, so that a call that is lost is seen to be. Any thread.

    Args:
        state_of: says how it is with a call, see `RemoteCall.state`.
    """

    def __init__(self, state_of: Callable[[str], str]) -> None:
        self._state_of = state_of
        # Guards the rows that were shown the last time. Not held while somebody is
        # asked for the state of a call.
        self._lock = Lock()
        self._shown: dict[str, tuple[float, CallRow]] = {}

    def shown(self, found: Sequence[CallRow]) -> list[CallRow]:
        """
        What is to be shown now.

        A call that was there the last time is ``"lost"`` if its worker is gone, and
        shown as it was if the worker only did not answer.

        Args:
            found: what the workers told.
        """
        now = time.monotonic()
        shown = {row.id: (now, row) for row in found}
        with self._lock:
            before = self._shown
        for call_id, (seen, row) in before.items():
            if call_id in shown or row.state == "ended" or now - seen > LOST_SHOWN:
                continue
            state = "lost" if row.state == "lost" else self._state_of(call_id)
            if state != "ended":
                row = evolve(row, state="lost") if state == "lost" else row
                shown[call_id] = seen, row
        with self._lock:
            self._shown = shown
        return [row for _, row in shown.values()]
