"""
The way in and out of an engine: checking, lifting, refusing, lowering, jobs.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator, Mapping, Optional, Union

from ...protocol.dialects import dialect_named
from .beta_frames import beta_fields
from .check import Rule
from .client_json import decoded_client_json
from .context import EngineContext, EngineJob
from .refusal import (
    Refusal,
    refuse_binary_message,
    refuse_invalid_json,
    refuse_invalid_value,
    refuse_missing,
)

Frame = dict[str, Any]


class Exchange:
    """
    Takes a client's frames apart and puts the server's together.

    Args:
        context: the session.
        shapes: what a command of each type must look like, as the client spells it.
        commands: what carries each out; they get it in GA shape and may raise
            `Refusal`.
    """

    def __init__(
        self,
        context: EngineContext,
        shapes: Mapping[str, Rule],
        commands: Mapping[str, Callable[[Frame], None]],
    ) -> None:
        self._context = context
        self._shapes = shapes
        self._commands = commands
        self._dialect = dialect_named(context.dialect)

    # -- in --------------------------------------------------------------------

    def receive(self, frame: object, now: float) -> list[Frame]:
        """
        Take one decoded message; returns the frames to send.

        Never raises for what a client sent: mistakes are answered with ``error``.
        """
        self._context.now = now
        self.attempt(lambda: self._command(frame), frame)
        return self.flush()

    def receive_text(self, data: Union[str, bytes], now: float) -> list[Frame]:
        """Take one text message; returns the frames to send."""
        try:
            frame = decoded_client_json(data)
        except Refusal as refusal:
            return self.refuse(refusal, now)
        return self.receive(frame, now)

    def receive_binary(self, now: float) -> list[Frame]:
        """Take one binary message, which is refused; returns the frames to send."""
        return self.refuse(refuse_binary_message(), now)

    def refuse(self, refusal: Refusal, now: float) -> list[Frame]:
        """Answer with an error; returns the frames to send."""
        self._context.now = now
        self.emit_refusal(refusal)
        return self.flush()

    def attempt(self, act: Callable[[], object], frame: object = None) -> None:
        """Do something that may be refused; the refusal is then emitted."""
        try:
            act()
        except Refusal as refusal:
            command_id = frame.get("event_id") if isinstance(frame, dict) else None
            self.emit_refusal(refusal, command_id)

    def _command(self, frame: object) -> None:
        if not isinstance(frame, dict):
            raise refuse_invalid_json("Expected an object.")
        kind = frame.get("type")
        if kind is None:
            raise refuse_missing("type")
        shape = self._shapes.get(kind) if isinstance(kind, str) else None
        if shape is None:
            raise refuse_invalid_value(kind, self._shapes, "type")
        shape(frame, "")
        self._commands[kind](dict(self._dialect.lift_client(frame)))

    # -- out -------------------------------------------------------------------

    def emit_refusal(self, refusal: Refusal, command_id: object = None) -> None:
        """Emit a refusal as an ``error``."""
        event = refusal.event(command_id)
        self._context.emit(event["type"], error=event["error"])

    def flush(self) -> list[Frame]:
        """Return what was emitted, in the session's dialect."""
        out, self._context.out = self._context.out, []
        frames: Iterable[Mapping[str, Any]] = out
        if self._context.dialect == "beta":
            frames = map(beta_fields, out)
        lowered = (self._dialect.lower_server(frame) for frame in frames)
        return [dict(frame) for frame in lowered if frame is not None]

    # -- jobs ------------------------------------------------------------------

    def take_jobs(self) -> list[EngineJob]:
        """Return the work that came up since the last call."""
        jobs, self._context.jobs = self._context.jobs, []
        return jobs

    def job_output(self, job: EngineJob, piece: object, now: float) -> list[Frame]:
        """Take one element of a job's output; returns the frames to send."""
        self._context.now = now
        if not job.dropped:
            job.deliver(piece)
        return self.flush()

    def job_done(
        self, job: EngineJob, error: Optional[BaseException], now: float
    ) -> list[Frame]:
        """Take the end of a job, or what it died of; returns the frames to send."""
        self._context.now = now
        if not job.dropped:
            self.attempt(lambda: job.finish(error))
        return self.flush()

    def settle(self, now: float) -> Iterator[Frame]:
        """
        Do all work here and now, and yield the frames to send.

        For tests and for hosts on one thread: it blocks as long as the agent does.
        """
        jobs = self.take_jobs()
        while jobs:
            for job in jobs:
                error: Optional[BaseException] = None
                try:
                    for piece in job.work():
                        yield from self.job_output(job, piece, now)
                except Exception as exc:
                    # Whatever an agent raises ends its own job only.
                    error = exc
                yield from self.job_done(job, error, now)
            jobs = self.take_jobs()
