"""OpenTelemetry of live sessions: a span for each, and for what it hands on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Optional

from attrs import define

from .instruments import PREFIX, Instruments, Operation
from .live_work import ABANDONED, Work, WorkFollower, live_work_taken
from .tokens import Tokens

if TYPE_CHECKING:
    from .. import Subscription, live
    from ..dispatch.event_names import EventName
    from ..dispatch.notices import ConnectionEnded
    from .live_work import Renewed

SESSION: Final = "chat"
"""``gen_ai.operation.name`` of a session: the conventions have none of its own."""

DELEGATION: Final = "invoke_agent"
"""``gen_ai.operation.name`` of a delegation: another does work for the voice."""

_GOOD_ENDS: Final = frozenset({"close_requested", "remote_hangup"})
_BAD_OUTCOMES: Final = frozenset({"failed", "timeout", "cancelled", ABANDONED})


@define(eq=False)
class _Epoch:
    """
    One session of the service, of those that take each other's place.

    Attributes:
        id: of it.
        operation: its span.
        before: what was taken when it began.
        tokens: what its backend has taken.
        seconds: of it by kind, as they were last known.
    """

    id: str
    operation: Operation
    before: Tokens
    tokens: Tokens = Tokens()
    seconds: Mapping[str, float] = {}


class LiveTracing:
    """
    Follows one live session; its handlers run in the thread that delivers events.

    Args:
        instruments: spans and figures.
        session: open or not.
        server: attributes that say where the server is.
    """

    def __init__(
        self,
        instruments: Instruments,
        session: live.LiveSession,
        server: Mapping[str, Any],
    ) -> None:
        self._instruments = instruments
        self._session = session
        self._server = dict(server)
        self._parent = instruments.current()
        self._follower = WorkFollower(
            self._begun, self._ended, before=live_work_taken(session.snapshot)
        )
        # Guards everything below: who watches a session, who closes it and who
        # delivers may come together.
        self._lock = Lock()
        self._id: Optional[str] = None
        self._is_over = False
        self._epoch: Optional[_Epoch] = None
        self._works: dict[Work, Operation] = {}

    def subscribe(self) -> tuple[Subscription, ...]:
        """Register the handlers; a session that is open begins now."""
        on = self._session.on
        # First the work, then the session that it is part of.
        first: dict[EventName, Any] = {
            "session.started": self._started,
            # The start of a session in another's place is told to nobody but this.
            "connection.restored": self._started,
        }
        last: dict[EventName, Any] = {
            "session.usage.updated": self._used,
            "connection.lost": self._used,
            "session.closed": self._closed,
            "connection.closed": self._broken,
        }
        made = [
            on(name, _nameless_tracing_handler(handler))
            for handlers in (self._follower.handlers, first, last)
            for name, handler in handlers.items()
        ]
        if self._session.is_open:
            self._renew(self._session.snapshot)
        return tuple(made)

    # -- the session -------------------------------------------------------------

    def _started(self, event: Renewed, ctx: Any) -> None:
        self._renew(ctx.snapshot)

    def _renew(self, snapshot: live.LiveSnapshot) -> None:
        with self._lock:
            if snapshot.id is None or snapshot.id == self._id:
                return  # Said again to whoever attaches again.
            # At once: who watches and who delivers may both see the same beginning.
            self._id = snapshot.id
        # Not under the lock: a span's beginning runs what the program has installed.
        epoch = _Epoch(snapshot.id, self._begin(snapshot), live_work_taken(snapshot))
        with self._lock:
            before, self._epoch = self._epoch, epoch
            is_over = self._is_over
        if before is not None:
            self._finish(before, "connection_lost")
        if is_over:
            # Since this began, and that end has found nothing to end.
            self._over(snapshot, "", "connection_closed")

    def _begin(self, snapshot: live.LiveSnapshot) -> Operation:
        model = getattr(snapshot.session, "model", None) or self._session.model or ""
        return self._instruments.begin(
            SESSION,
            model,
            {**self._server, **({"gen_ai.request.model": model} if model else {})},
            parent=self._parent,
            more={
                "gen_ai.conversation.id": snapshot.id or "",
                "gen_ai.output.type": "speech",
            },
        )

    def _used(self, event: object, ctx: Any) -> None:
        with self._lock:
            epoch = self._epoch
        if epoch is not None:
            self._count(epoch, ctx.snapshot)

    def _count(self, epoch: _Epoch, snapshot: live.LiveSnapshot) -> None:
        now = {
            "billed": snapshot.usage.seconds,
            "input_audio": snapshot.sent_ms / 1000,
            "output_audio": snapshot.clock_ms / 1000,
        }
        with self._lock:
            before, epoch.seconds = epoch.seconds, now
            epoch.tokens = live_work_taken(snapshot) - epoch.before
        for kind, seconds in now.items():
            new = seconds - before.get(kind, 0.0)
            self._instruments.add_seconds(epoch.operation, kind, new)

    def _closed(self, event: live.events.SessionClosed, ctx: Any) -> None:
        reason = str(event.reason or "")
        self._over(ctx.snapshot, reason, None if reason in _GOOD_ENDS else reason)

    def _broken(self, event: ConnectionEnded, ctx: Any) -> None:
        """Where nothing has told the end, it is not confirmed."""
        with self._lock:
            self._is_over = True
        self._over(ctx.snapshot, "", "connection_closed")

    def _over(
        self, snapshot: live.LiveSnapshot, reason: str, error: Optional[str]
    ) -> None:
        with self._lock:
            epoch, self._epoch = self._epoch, None
        if epoch is None:
            return
        self._count(epoch, snapshot)
        if reason:
            reasons = (reason,)
            epoch.operation.span.set_attribute(
                "gen_ai.response.finish_reasons", reasons
            )
        self._finish(epoch, error)

    def _finish(self, epoch: _Epoch, error: Optional[str]) -> None:
        span = epoch.operation.span
        for kind, seconds in epoch.seconds.items():
            span.set_attribute(f"{PREFIX}.{kind}_seconds", round(seconds, 3))
        _trace_tokens(epoch.operation, epoch.tokens)
        self._instruments.end(epoch.operation, error)

    # -- what it hands on --------------------------------------------------------

    def _begun(self, work: Work) -> None:
        with self._lock:
            epoch = self._epoch
        more = {f"{PREFIX}.delegation_id": work.id}
        parent = self._parent
        if epoch is not None:
            more["gen_ai.conversation.id"] = epoch.id
            parent = self._instruments.inside(epoch.operation)
        operation = self._instruments.begin(
            DELEGATION,
            work.target,
            {**self._server, "gen_ai.agent.name": work.target},
            parent=parent,
            more=more,
        )
        with self._lock:
            self._works[work] = operation

    def _ended(self, work: Work) -> None:
        with self._lock:
            operation = self._works.pop(work)
        span = operation.span
        if work.model is not None:
            operation.attributes["gen_ai.request.model"] = work.model
            span.set_attribute("gen_ai.request.model", work.model)
        if work.response_id is not None:
            span.set_attribute("gen_ai.response.id", work.response_id)
        span.set_attribute("gen_ai.response.finish_reasons", (work.status,))
        if work.first is not None:
            self._instruments.output(operation, work.first)
        if work.tokens.total:
            _trace_tokens(operation, work.tokens)
            self._instruments.count(operation, work.tokens)
        error = work.status if work.status in _BAD_OUTCOMES else None
        self._instruments.end(operation, error)


def _nameless_tracing_handler(
    handler: Callable[[Any, Any], None],
) -> Callable[[Any, Any], None]:
    """Without a name, so that no notebook takes it for a ledger's and replaces that."""
    return lambda event, ctx: handler(event, ctx)


def _trace_tokens(operation: Operation, tokens: Tokens) -> None:
    for side, count in (("input", tokens.input), ("output", tokens.output)):
        operation.span.set_attribute(f"gen_ai.usage.{side}_tokens", count)
