"""One client delegation: what the function that answers it is given."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock
from time import monotonic
from typing import Any, Final, Optional, Protocol

from ...deadline import Deadline, Flag, check_seconds
from ...state.live.segments import LOSSLESS, segments
from ...state.live.snapshot import LiveSnapshot
from .handles import TextHandle

SETTLE: Final = 0.6
"""Seconds without a word of the user after which a sentence counts as finished."""


class TaskSpeaker(Protocol):
    """What a task says something with: the session."""

    @property
    def snapshot(self) -> LiveSnapshot:
        """What is known of the session."""

    def say(self, text: str, *, delegation_id: Optional[str] = None) -> TextHandle:
        """Have the model say something."""

    def note(self, text: str, *, delegation_id: Optional[str] = None) -> TextHandle:
        """Let the model know something."""


class Task:
    """
    Work that the voice has delegated to the program.

    The service says that there is work, but not which: that is in the `transcript`.
    The delegation may come before the user has finished; see `settle`.

    Attributes:
        id: of the delegation.
        revision: counts the client delegations of the session, from 1.
        offset_ms: where in the session it was asked for, in milliseconds.
        stopped: set when nobody waits for the answer any more: its time is up or the
            session is over. A function that takes long waits on it instead of
            sleeping.
    """

    def __init__(
        self,
        session: TaskSpeaker,
        *,
        id: str,
        revision: int,
        offset_ms: float,
        said_before: int,
        latest: Callable[[], int],
        wait: Callable[[Event, Deadline], bool],
    ) -> None:
        self.id = id
        self.revision = revision
        self.offset_ms = offset_ms
        self.stopped = Flag()
        self.epoch = session.snapshot.epoch
        self._session = session
        self._said_before = said_before
        self._latest = latest
        self._wait = wait
        # Guards the outcome: an answer and the deadline may come together.
        self._lock = Lock()
        self._outcome: Optional[str] = None
        # Set when a piece of what the user says comes; see `settle`.
        self.stirred = Flag()
        self.heard_at = monotonic()

    def __repr__(self) -> str:
        return f"<Task {self.id} revision {self.revision} {self._outcome or 'open'}>"

    @property
    def transcript(self) -> tuple[tuple[str, str], ...]:
        """Who said what since the delegation before this one, both sides."""
        said = self._session.snapshot.said
        fragments = said.all()[max(0, self._said_before - said.dropped) :]
        made = segments(fragments, policy=LOSSLESS, closed=True)
        ordered = sorted(made, key=lambda each: (each.epoch, each.start_ms))
        return tuple((each.speaker, each.text.strip()) for each in ordered)

    @property
    def text(self) -> str:
        """What the user said since the delegation before this one."""
        return " ".join(text for who, text in self.transcript if who == "user")

    @property
    def stale(self) -> bool:
        """Whether the voice has delegated more since, as after a correction."""
        return self._latest() > self.revision

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.stopped.is_set()

    @property
    def outcome(self) -> Optional[str]:
        """The outcome, as in `delegation.finished`; None while it is open."""
        return self._outcome

    def settle(self, quiet: float = SETTLE, *, timeout: float = 5.0) -> str:
        """
        Wait until the user has finished the sentence.

        Args:
            quiet: seconds without a further word.
            timeout: seconds to wait at most.

        Returns:
            `text`, as it is then.
        """
        deadline = Deadline(check_seconds(timeout))
        quiet = check_seconds(quiet, "quiet") or 0.0
        while not self.cancelled and not deadline.passed:
            self.stirred.clear()
            left = self.heard_at + quiet - monotonic()
            if left <= 0:
                break
            self._wait(self.stirred, deadline.limited(left))
        return self.text

    def note(self, text: str) -> TextHandle:
        """Tell the model how the work goes; it does not have to say it."""
        return self._session.note(text, delegation_id=self._named())

    def say(self, text: str) -> TextHandle:
        """Have the model say something now; what the function returns comes as well."""
        return self._session.say(text, delegation_id=self._named())

    def conclude(self, outcome: str) -> bool:
        """Give it an outcome; False when it has one. Of the library's own."""
        with self._lock:
            if self._outcome is not None:
                return False
            self._outcome = outcome
        return True

    def _named(self) -> Optional[str]:
        # A session that took the place of another does not know the id.
        here = self._session.snapshot.epoch == self.epoch
        return self.id if here else None


TaskFunction = Callable[[Task], Any]
"""Answers a delegation: text is said, None is nothing."""
