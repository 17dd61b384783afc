"""What a live session hands on, from its beginning to its end, and what it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Optional, TypeVar, Union

from attrs import define, evolve

from .tokens import Tokens

if TYPE_CHECKING:
    from .. import Subscription, live
    from ..dispatch.event_names import EventName
    from ..dispatch.notices import (
        ConnectionEnded,
        ConnectionRestored,
        DelegationFinished,
    )

    Used = Union[
        live.events.SessionUsageUpdated, live.events.SessionClosed, ConnectionEnded
    ]
    Renewed = Union[live.events.SessionStarted, ConnectionRestored]

T = TypeVar("T")

MOST_OPEN: Final = 256
"""Delegations of a session that are followed at a time; the oldest of more end."""

ABANDONED: Final = "abandoned"
"""The status of work whose session ended first, or that is followed no longer."""


@define(eq=False)
class Work:
    """
    One delegation, as far as it is.

    Attributes:
        id: of the delegation.
        target: ``"client"``, ``"responses"`` or ``"decisions"``.
        began: when it was handed on, in seconds of the monotonic clock.
        created, first: when the backend began, and wrote its first word; None before.
        ended: when it was over, None before.
        response_id: the latest response of the backend, None without one.
        model: of the backend, None while unknown.
        tokens: what the backend took for it.
        status: an outcome of `delegation.finished`, or the state of the mirror.
    """

    id: str
    target: str
    began: float
    created: Optional[float] = None
    first: Optional[float] = None
    ended: Optional[float] = None
    response_id: Optional[str] = None
    model: Optional[str] = None
    tokens: Tokens = Tokens()
    status: str = "open"


def live_work_taken(snapshot: live.LiveSnapshot) -> Tokens:
    """What a live session has taken so far: the backend's tokens, and seconds."""
    backend = tuple(snapshot.usage.backend.values())
    given, made = (sum(each[side] for each in backend) for side in (0, 1))
    return Tokens(
        total=given + made,
        input=given,
        output=made,
        seconds=snapshot.usage.total_seconds,
    )


def follow_live_work(
    session: live.LiveSession, *handlers: Mapping[EventName, Callable[..., Any]]
) -> Subscription:
    """
    Register handlers that one subscription stands for.

    Args:
        session: of which.
        handlers: by event; the first one's subscription stands for all.

    Returns:
        The `Subscription`; when it is cancelled none of them is called any more.
    """
    every = [pair for each in handlers for pair in each.items()]
    name, handler = every.pop(0)
    first = session.on(name, handler)
    for other, handler in every:
        session.on(other, handler, where=lambda _: first.active)
    return first


class WorkFollower:
    """
    Follows the delegations of one live session, each once from begin to end.

    Its `handlers` run in the thread that delivers events.

    Args:
        begun: told of each delegation when it begins.
        ended: told of it when it is over.
        before: what the session had taken already, which is of no delegation here.
    """

    def __init__(
        self,
        begun: Callable[[Work], None] = lambda work: None,
        ended: Callable[[Work], None] = lambda work: None,
        *,
        before: Tokens = Tokens(),
    ) -> None:
        self._begun = begun
        self._ended = ended
        # Guards everything below: sessions that share workers change the thread.
        self._lock = Lock()
        self._open: dict[str, Work] = {}
        # Outcomes that are told: of a quick function before its delegation is; and
        # who attaches again may be told of the delegation once more.
        self._early: dict[str, str] = {}
        self._over: dict[str, None] = {}
        self._counted = before

    @property
    def handlers(self) -> dict[EventName, Callable[..., Any]]:
        """What is to be registered, by event; each takes the event and its context."""
        return {
            "session.delegation.created": self._created,
            "session.started": self._renewed,
            # The start of a session in another's place is told to nobody but this.
            "connection.restored": self._renewed,
            "session.commentary.appended": self._said,
            "response.event": self._worked,
            "error": self._failed,
            "decision.event": self._decided,
            "delegation.finished": self._finished,
            "session.closed": self._over_all,
            "connection.closed": self._over_all,
        }

    def _created(self, event: live.events.DelegationCreated, ctx: Any) -> None:
        task = event.delegation
        name = getattr(task, "id", None)
        known = ctx.snapshot.delegations.get(name) if isinstance(name, str) else None
        if known is None or known.state != "open":
            return
        with self._lock:
            outcome = self._early.pop(known.id, None)
            over = known.id in self._over
        if over:
            return
        self._begin(known)
        if outcome is not None:
            self._end(known.id, outcome)

    def _begin(self, known: live.Delegation) -> None:
        work = Work(known.id, known.target, time.monotonic())
        with self._lock:
            if known.id in self._open:
                return  # Told again.
            self._open[known.id] = work
            oldest = next(iter(self._open)) if len(self._open) > MOST_OPEN else None
        self._begun(work)
        if oldest is not None:
            self._end(oldest, ABANDONED)

    def _worked(self, event: live.events.ResponseEvent, ctx: Any) -> None:
        snapshot: live.LiveSnapshot = ctx.snapshot
        name = event.delegation_id
        known = snapshot.delegations.get(name) if isinstance(name, str) else None
        now = live_work_taken(snapshot)
        with self._lock:
            before = self._counted
            # What was watched late may have counted this event already.
            self._counted = now if now.total > before.total else before
            new = evolve(self._counted - before, seconds=0.0)
        if known is None:
            return
        if known.state == "open":
            self._begin(known)
        with self._lock:
            work = self._open.get(known.id)
        if work is None:
            return
        self._note(work, known, event.event)
        work.tokens += new
        if known.state != "open":
            self._end(known.id, known.state)

    def _note(self, work: Work, known: live.Delegation, inner: Any) -> None:
        now = time.monotonic()
        if known.response_ids:
            work.response_id = known.response_ids[-1]
        model = getattr(getattr(inner, "response", None), "model", None)
        if isinstance(model, str) and model:
            work.model = model
        kind = getattr(inner, "type", None)
        if work.created is None and kind == "response.created":
            work.created = now
        if work.first is None and kind == "response.output_text.delta":
            work.first = now

    def _decided(self, event: live.events.DecisionEvent, ctx: Any) -> None:
        if isinstance(event.delegation_id, str):
            self._end(event.delegation_id, "answered")

    def _said(self, event: live.events.CommentaryAppended, ctx: Any) -> None:
        """What the program answers by hand is over; a function's has an outcome."""
        if ctx.session.answering is not None:
            return
        for name, known in self._known(ctx.snapshot):
            if known is not None and known.state == "answered":
                self._end(name, known.state)

    def _failed(self, event: live.events.Error, ctx: Any) -> None:
        """The backend may have failed without an end of its response."""
        for name, known in self._known(ctx.snapshot):
            if known is not None and known.state == "failed":
                self._end(name, known.state)

    def _finished(self, event: DelegationFinished, ctx: Any) -> None:
        if self._end(event.delegation_id, event.outcome):
            return
        with self._lock:
            if event.delegation_id not in self._over:
                _keep_live_work(self._early, event.delegation_id, event.outcome)

    def _renewed(self, event: Renewed, ctx: Any) -> None:
        """Nothing of a session goes over to the one that takes its place."""
        for name, known in self._known(ctx.snapshot):
            if known is None or known.state == ABANDONED:
                self._end(name, ABANDONED)

    def _known(
        self, snapshot: live.LiveSnapshot
    ) -> list[tuple[str, Optional[live.Delegation]]]:
        with self._lock:
            return [(name, snapshot.delegations.get(name)) for name in self._open]

    def _over_all(self, event: object, ctx: Any) -> None:
        """The session is over, and so is what it had handed on."""
        with self._lock:
            waiting = tuple(self._open)
        for name in waiting:
            self._end(name, ABANDONED)

    def _end(self, name: str, status: str) -> bool:
        with self._lock:
            work = self._open.pop(name, None)
            if work is not None and work.target == "client":
                _keep_live_work(self._over, name, None)
        if work is None:
            return False
        work.status = status
        work.ended = time.monotonic()
        self._ended(work)
        return True


def _keep_live_work(known: dict[str, T], name: str, value: T) -> None:
    known[name] = value
    while len(known) > MOST_OPEN:
        del known[next(iter(known))]
