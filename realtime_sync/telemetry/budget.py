"""A limit on what sessions may take."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional, cast
from weakref import WeakKeyDictionary

from ..errors import RealtimeError
from .live_work import follow_live_work, live_work_taken
from .tokens import Tokens

if TYPE_CHECKING:
    from .. import Context, Session, Subscription, live
    from ..dispatch.event_names import EventName
    from ..protocol import events
    from .calls import AnySession
    from .live_work import Used


_MOST_COUNTED = 256
"""Responses of a session that are remembered; what is repeated comes soon."""


class BudgetExceeded(RealtimeError):
    """
    More was taken than is allowed.

    Attributes:
        spent: what was taken, in the unit of the budget.
        limit: what is allowed.
    """

    def __init__(self, message: str, *, spent: float, limit: float) -> None:
        super().__init__(message)
        self.spent = spent
        self.limit = limit


def total_tokens(tokens: Tokens) -> float:
    """The measure of a budget in tokens of any kind."""
    return tokens.total


class Budget:
    """
    Adds up what responses take, and acts once when it is too much.

    ``Budget(50_000).guard(session)`` closes a session that takes more. What a
    response takes is known when it ends, so the response that crosses the limit
    is completed. What a session of GPT-Live takes is known when the service says so,
    about every 15 seconds and at its end. All methods may be called from any thread.

    Args:
        limit: in the unit of *measure*.
        measure: what tokens count: by default each one, of whatever kind. Give a
            function with your prices for a budget in money; ``Tokens.seconds`` are
            those of live sessions.
        on_exceeded: called once with the `BudgetExceeded`, in the thread that
            delivers events. Without it, the guarded sessions are closed.
    """

    def __init__(
        self,
        limit: float,
        *,
        measure: Callable[[Tokens], float] = total_tokens,
        on_exceeded: Optional[Callable[[BudgetExceeded], Any]] = None,
    ) -> None:
        if limit < 0:
            raise ValueError(f"a budget cannot be {limit}")
        self.limit = limit
        self._measure = measure
        self._on_exceeded = on_exceeded
        # Guards everything below; the measure and the callback are called outside.
        self._lock = threading.Lock()
        self._tokens = Tokens()
        self._sessions: list[AnySession] = []
        # What the live sessions have told so far.
        self._told: WeakKeyDictionary[AnySession, Tokens] = WeakKeyDictionary()
        # Responses that are counted: a server may say twice that one is over.
        self._counted: WeakKeyDictionary[AnySession, dict[str, None]] = (
            WeakKeyDictionary()
        )
        self._exceeded = False

    def guard(self, session: AnySession) -> Subscription:
        """
        Count what a session takes; one budget may guard many.

        Returns:
            The `Subscription`; cancel it to stop counting.
        """
        with self._lock:
            self._sessions = [each for each in self._sessions if not each.closed]
            self._sessions.append(session)
        if session.session_type == "live":
            # An end tells what was taken since, also one that is not confirmed.
            told: tuple[EventName, ...] = (
                "session.usage.updated",
                "session.closed",
                "connection.closed",
            )
            watched = cast("live.LiveSession", session)
            return follow_live_work(watched, dict.fromkeys(told, self._used))
        return session.on("response.done", self._done)

    @property
    def tokens(self) -> Tokens:
        """What was taken so far."""
        with self._lock:
            return self._tokens

    @property
    def spent(self) -> float:
        """What was taken so far, in the unit of the budget."""
        return self._measure(self.tokens)

    @property
    def left(self) -> float:
        """What may still be taken, never below 0."""
        return max(0.0, self.limit - self.spent)

    def check(self) -> None:
        """
        Raise if nothing more may be taken; for use before a question is asked.

        Raises:
            BudgetExceeded: the limit was passed.
        """
        spent = self.spent
        if spent > self.limit:
            raise self._error(spent)

    def _done(self, event: events.ResponseDone, ctx: Context) -> None:
        usage = getattr(event.response, "usage", None) or None
        response_id = getattr(event.response, "id", None) or None
        if usage is None or not self._is_new(ctx.session, response_id):
            return
        self._count(Tokens.of(usage))

    def _is_new(self, session: AnySession, response_id: Optional[str]) -> bool:
        """Note a response; False if it is counted. One without an id always is new."""
        if response_id is None:
            return True
        with self._lock:
            counted = self._counted.setdefault(session, {})
            if response_id in counted:
                return False
            counted[response_id] = None
            if len(counted) > _MOST_COUNTED:
                del counted[next(iter(counted))]
        return True

    def _used(self, event: Used, ctx: Any) -> None:
        """Count what is new: the service tells the whole of it each time."""
        now = live_work_taken(ctx.snapshot)
        with self._lock:
            before = self._told.get(ctx.session, Tokens())
            self._told[ctx.session] = now
        self._count(now - before)

    def _count(self, tokens: Tokens) -> None:
        with self._lock:
            self._tokens += tokens
            every = self._tokens
        # Not under the lock: a measure may look at the budget.
        spent = self._measure(every)
        if spent <= self.limit:
            return
        with self._lock:
            if self._exceeded:
                return
            self._exceeded = True
            sessions = list(self._sessions)
        error = self._error(spent)
        if self._on_exceeded is not None:
            self._on_exceeded(error)
            return
        for session in sessions:
            if session.session_type == "live":
                session.close()
            else:
                cast("Session", session).close(reason="budget exceeded")

    def _error(self, spent: float) -> BudgetExceeded:
        return BudgetExceeded(
            f"{spent:g} was taken of a budget of {self.limit:g}; "
            "nothing more should be asked",
            spent=spent,
            limit=self.limit,
        )
