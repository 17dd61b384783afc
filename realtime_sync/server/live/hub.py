"""
One session and the connections that share it.

Each connection has a thread of its own; the engine belongs to none of them. All
frames go through the queue of their participant, so that each has them in the order
in which the engine made them.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Callable, Final, Mapping, Optional, Union

from ..engine.context import EngineJob
from ..engine.refusal import Refusal
from .context import ATTACHED, EVERYBODY, PRIMARY, Audience
from .engine import LiveEngine
from .limits import SIDEBANDS

Frame = dict[str, Any]
_KEPT_FRAMES: Final = 200
_NO_CLOSE_FRAME: Final = 1006
_TOO_SLOW: Final = (1013, "reads too slowly")


class SessionHub:
    """
    A session; any thread may use it.

    Args:
        engine: the session.
        replay_seconds: how far back a connection is told what it has missed when it
            attaches.
    """

    def __init__(self, engine: LiveEngine, *, replay_seconds: float) -> None:
        self.engine = engine
        self._replay_seconds = replay_seconds
        # Guards the engine and everything below. Only wakers are called under it,
        # which neither wait nor come back.
        self.lock = threading.Lock()
        self._participants: dict[int, HubParticipant] = {}
        self._numbers = 0
        self._recent: deque[tuple[float, Frame]] = deque(maxlen=_KEPT_FRAMES)

    @property
    def session_id(self) -> str:
        """The session's id, which never changes."""
        return self.engine.session_id

    @property
    def running(self) -> bool:
        """Whether the session has begun and has not ended."""
        with self.lock:
            return self.engine.started and not self.engine.ended

    def expired(self, now: float) -> bool:
        """Whether the session's time is up and nobody has said so."""
        with self.lock:
            engine = self.engine
            return engine.started and not engine.ended and now >= engine.expires_at

    def join(self, role: str, *, graceful: bool = False) -> HubParticipant:
        """
        Return a new participant.

        Raises:
            Refusal: too many are attached.
        """
        with self.lock:
            attached = [p for p in self._participants.values() if p.role == ATTACHED]
            if role == ATTACHED and len(attached) >= SIDEBANDS:
                raise Refusal(
                    f"At most {SIDEBANDS} connections may be attached to a session.",
                    code="rate_limit_exceeded",
                )
            self._numbers += 1
            added = HubParticipant(self, role, self._numbers, graceful=graceful)
            self._participants[added.number] = added
        return added

    def act(self, now: float, act: Callable[[LiveEngine], None]) -> None:
        """
        Do something with the engine from outside of any connection.

        Raises:
            Refusal: what *act* raises.
        """
        with self.lock:
            try:
                act(self.engine)
            finally:
                self.spread(now)

    # -- for participants, under the lock --------------------------------------

    def spread(self, now: float) -> None:
        """Give the engine's frames to the participants they are for."""
        assert self.lock.locked()
        out = self.engine.take()
        for audience, frame in out:
            if audience == EVERYBODY:
                self._recent.append((now, frame))
            for participant in self._participants.values():
                if participant.is_meant(audience):
                    participant.put(frame)
        if out or self.engine.closing is not None:
            for participant in self._participants.values():
                participant.wake()

    def opened(self, participant: HubParticipant, now: float) -> None:
        """A connection is there; tell it what has just happened."""
        assert self.lock.locked()
        if participant.role == ATTACHED:
            self.engine.attended(now, True)
            # From here on: what came before is told below, not twice.
            participant.listening = True
            for at, frame in self._recent:
                if now - at <= self._replay_seconds:
                    participant.put(frame)

    def closed(self, participant: HubParticipant, now: float) -> None:
        """A connection is gone; with the primary one, the session is."""
        assert self.lock.locked()
        self._participants.pop(participant.number, None)
        if participant.role == PRIMARY:
            self.engine.lost(now)
            self.engine.drop_jobs()
        elif not any(each.role == ATTACHED for each in self._participants.values()):
            self.engine.attended(now, False)
        self.spread(now)


class HubParticipant:
    """
    What one connection has of a session; drives like any `ConnectionEngine`.

    Attributes:
        role: ``primary`` or ``attached``.
        number: of the connection in its session.
        wake: called when there is something to do; neither waits nor comes back.
        listening: whether it is told what happens; not before it was opened.
        congested: tells whether the connection reads too slowly.
    """

    def __init__(
        self, hub: SessionHub, role: str, number: int, *, graceful: bool
    ) -> None:
        self.hub = hub
        self.role = role
        self.number = number
        self.wake: Callable[[], None] = lambda: None
        self.congested: Callable[[], bool] = lambda: False
        self.listening = role == PRIMARY
        self._graceful = graceful
        self._queue: deque[Frame] = deque()
        self._own_jobs: dict[int, EngineJob] = {}
        self._cut: Optional[tuple[int, str]] = None
        self._now = 0.0

    @property
    def session_id(self) -> str:
        """The id of the session."""
        return self.hub.session_id

    @property
    def closing(self) -> Optional[tuple[int, str]]:
        """How the connection is to end, once everything is told; else None."""
        with self.hub.lock:
            if self._queue:
                return None
            if self._cut is not None or self.role == PRIMARY:
                return self._cut or self.hub.engine.closing
            if self.hub.engine.closing is None:
                return None
            return (1000, "") if self._graceful else (_NO_CLOSE_FRAME, "")

    def is_meant(self, audience: Audience) -> bool:
        """Whether frames for *audience* are for this connection."""
        return audience in (EVERYBODY, self.role, self.number)

    def put(self, frame: Frame) -> None:
        """Queue a frame; a connection that reads too slowly is cut off instead."""
        assert self.hub.lock.locked()
        if self._cut is not None or not self.listening:
            return
        if self.role == ATTACHED and self.congested():
            self._cut = _TOO_SLOW
            self._queue.clear()
            return
        self._queue.append(frame)

    def truth(self) -> dict[str, Any]:
        """Describe the session: what it is, and what was said and done in it."""
        with self.hub.lock:
            return self.hub.engine.truth()

    # -- as a session's engine -------------------------------------------------

    def open(self, now: float) -> list[Frame]:
        """Begin; returns the frames to send."""
        return self._do(now, lambda engine: self.hub.opened(self, now))

    def receive_text(self, data: Union[str, bytes], now: float) -> list[Frame]:
        """Take one text message; returns the frames to send."""
        return self._do(
            now,
            lambda engine: engine.receive_text(
                data, now, role=self.role, sender=self.number
            ),
        )

    def receive(self, frame: Mapping[str, Any], now: float) -> list[Frame]:
        """Take one decoded message; returns the frames to send."""
        return self._do(
            now,
            lambda engine: engine.receive(
                frame, now, role=self.role, sender=self.number
            ),
        )

    def receive_binary(self, now: float) -> list[Frame]:
        """Take one binary message, which is refused; returns the frames to send."""
        return self._do(
            now, lambda engine: engine.receive_binary(now, sender=self.number)
        )

    def tick(self, now: float) -> list[Frame]:
        """Let time pass; returns the frames to send."""
        return self._do(now, lambda engine: engine.tick(now))

    def deadline(self) -> float:
        """Return when `tick` has something to do, seconds since the epoch."""
        with self.hub.lock:
            return 0.0 if self._queue else self.hub.engine.deadline()

    def take_jobs(self) -> list[EngineJob]:
        """Return the work that came up since the last call."""
        with self.hub.lock:
            jobs = self.hub.engine.take_jobs()
            self._own_jobs.update((id(job), job) for job in jobs)
        return jobs

    def job_output(self, job: EngineJob, piece: Any, now: float) -> list[Frame]:
        """Take one element of a job's output; returns the frames to send."""
        return self._do(now, lambda engine: engine.job_output(job, piece, now))

    def job_done(
        self, job: EngineJob, error: Optional[BaseException], now: float
    ) -> list[Frame]:
        """Take the end of a job, or what it died of; returns the frames to send."""

        def done(engine: LiveEngine) -> None:
            self._own_jobs.pop(id(job), None)
            engine.job_done(job, error, now)

        return self._do(now, done)

    def expire(self) -> None:
        """Let the session's time be up."""
        self.end("expired")

    def end(self, reason: str) -> None:
        """End the session for a reason of the protocol's."""
        with self.hub.lock:
            self.hub.engine.end(reason)
            self.hub.spread(self._now)

    def close(self) -> None:
        """The connection is gone; what was worked on for it has failed."""
        with self.hub.lock:
            self.hub.closed(self, self._now)
            for job in self._own_jobs.values():
                error = ConnectionError("the connection is gone")
                self.hub.engine.job_done(job, error, self._now)
            self._own_jobs.clear()
            self.hub.spread(self._now)

    def settle(self, now: float) -> list[Frame]:
        """Do all work here and now; returns the frames to send."""
        frames: list[Frame] = []
        jobs = self.take_jobs()
        while jobs:
            for job in jobs:
                error: Optional[BaseException] = None
                try:
                    for piece in () if job.dropped else job.work():
                        frames += self.job_output(job, piece, now)
                except Exception as exc:
                    # Whatever an agent raises ends its own job only.
                    error = exc
                frames += self.job_done(job, error, now)
            jobs = self.take_jobs()
        return frames

    def _do(self, now: float, act: Callable[[LiveEngine], None]) -> list[Frame]:
        with self.hub.lock:
            self._now = now
            act(self.hub.engine)
            self.hub.spread(now)
            frames, self._queue = list(self._queue), deque()
        return frames
