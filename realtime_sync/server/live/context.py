"""
What the parts of a GPT-Live session share: time, clock, ids, output and jobs.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, Mapping, Optional, Union

import attrs

from ..agents.base import Agent
from ..engine.context import EngineJob, Options
from ..engine.ids import Ids
from ..engine.refusal import Refusal
from .settings import LiveSettings

PRIMARY = "primary"
ATTACHED = "attached"
EVERYBODY = "everybody"
Audience = Union[str, int]
"""Who gets a frame: one of the three above, or the number of one connection."""
Frame = dict[str, Any]


@attrs.define(eq=False)
class LiveContext:
    """
    The session, as its parts see it.

    Attributes:
        agent: hears, answers and speaks.
        ids: source of ids.
        options: behaviour beyond the protocol.
        settings: how the session is configured.
        session_id: of the session.
        now: seconds since the epoch.
        clock_ms: how much audio of the user has been dealt with: the time of the
            session.
        out: what is to be sent, and to whom.
        jobs: work for the host.
        working: how many jobs have not come to their end, those dropped included.
        faults: what is to go wrong inside, by name.
    """

    agent: Agent
    ids: Ids
    options: Options
    settings: LiveSettings
    session_id: str
    now: float
    expires_at: int
    clock_ms: int = 0
    out: list[tuple[Audience, Frame]] = attrs.field(factory=list)
    jobs: list[EngineJob] = attrs.field(factory=list)
    working: int = 0
    faults: frozenset[str] = frozenset()

    def emit(
        self,
        kind: str,
        *,
        to: Audience = EVERYBODY,
        command_id: object = None,
        **fields: Any,
    ) -> str:
        """Send an event; returns its id."""
        event_id = self.ids.new("event")
        frame = {"type": kind, "event_id": event_id, **fields}
        if isinstance(command_id, str) and "no_client_ids" not in self.faults:
            frame["client_event_id"] = command_id
        self.out.append((to, frame))
        return event_id

    def emit_bare(self, to: Audience, frame: Frame) -> None:
        """Send audio, which has no id."""
        self.out.append((to, frame))

    def emit_refusal(
        self, refusal: Refusal, command_id: object = None, *, to: Audience = EVERYBODY
    ) -> None:
        """Send a refusal as an ``error``."""
        self.emit("error", to=to, error=live_context_error(refusal, command_id))

    def submit(
        self,
        name: str,
        work: Callable[[], Iterator[Any]],
        deliver: Callable[[Any], None],
        finish: Callable[[Optional[BaseException]], None],
    ) -> EngineJob:
        """Hand work to the host."""
        job = EngineJob(name, work, deliver, finish)
        self.jobs.append(job)
        self.working += 1
        return job

    def session(self) -> Mapping[str, Any]:
        """Build the session object; its status never changes."""
        return {
            "id": self.session_id,
            "status": "active",
            "expires_at": self.expires_at,
            **self.settings.shown(),
        }


def live_context_error(refusal: Refusal, command_id: object) -> dict[str, Any]:
    """Build the ``error`` of an event; a command has an id only if that is text."""
    details = {
        "type": refusal.type,
        "code": refusal.code or refusal.type,
        "message": refusal.message,
        "param": refusal.param,
    }
    if isinstance(command_id, str):
        details["client_event_id"] = command_id
    return details


def new_live_context(
    agent: Agent,
    settings: LiveSettings,
    *,
    ids: Ids,
    session_id: str,
    now: float,
    options: Options,
    faults: frozenset[str] = frozenset(),
) -> LiveContext:
    """Begin a session."""
    return LiveContext(
        agent=agent,
        ids=ids,
        options=options,
        settings=settings,
        session_id=session_id,
        now=now,
        expires_at=int(now + options.live_seconds),
        faults=faults,
    )
