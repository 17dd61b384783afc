"""Waits for silence: nobody speaks, and nothing is being worked on."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final, Optional

from ...deadline import Deadline, Flag
from ...dispatch.watches import Watch, WatchList, WatchSlot, WatchWaiting
from ...errors import ConnectionClosedOK, WaitTimeout

_SPEECH: Final = frozenset(
    {"session.input_transcript.delta", "session.output_transcript.delta"}
)
_WORK: Final = frozenset(
    {
        "session.delegation.created",
        "session.commentary.appended",
        "session.thinking.appended",
        "response.event",
        "decision.event",
        "delegation.finished",
        "error",
    }
)


class QuietWait:
    """
    Remembers when somebody spoke last.

    Args:
        watches: tell of events.
        waiting: how the session waits.
    """

    def __init__(self, watches: WatchList, waiting: WatchWaiting) -> None:
        self._watches = watches
        self._waiting = waiting
        # Written by the reader alone; a float, so that no lock is needed to read it.
        self._spoken_at = monotonic()
        watches.add(Watch(_SPEECH, self._note, lambda error: None, permanent=True))

    def _note(self, event: object) -> None:
        self._spoken_at = monotonic()

    def wait(
        self, seconds: float, working: Callable[[], bool], deadline: Deadline
    ) -> None:
        """
        Wait until nobody has spoken for so long and no work is open.

        Raises:
            ConnectionClosed: the connection ended first.
            WaitTimeout: not in time.
        """
        stirred, end = Flag(), WatchSlot()

        def ended(error: Optional[BaseException]) -> None:
            end.fail(error or ConnectionClosedOK("the session was closed", code=1000))
            stirred.set()

        watch = Watch(_SPEECH | _WORK, lambda event: stirred.set(), ended)
        self._watches.add(watch)
        try:
            while not end.done:
                stirred.clear()
                open_work = working()
                left = self._spoken_at + seconds - monotonic()
                if left <= 0 and not open_work:
                    return
                if deadline.passed:
                    what = "work is open" if open_work else "somebody speaks"
                    raise WaitTimeout(f"it is not quiet: {what}")
                step = deadline.limited(None if open_work else left)
                self._waiting.wait(stirred, step)
            end.result(self._waiting.wait, Deadline(0), "silence")
        finally:
            self._watches.remove(watch)
