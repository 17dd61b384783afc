"""
How a session ends: asked to, or because its connection is gone for good.
"""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

from attrs import evolve

from ..deadline import Cancellation, Deadline
from ..dispatch.notices import ConnectionEnded
from ..errors import ConnectionClosedOK
from . import process_hooks
from .close_report import CloseReport

if TYPE_CHECKING:
    from ..connection.connection import Connection
    from .lifecycle import Wiring


class Ending:
    """
    The end of one session.

    Attributes:
        asked: cancelled by `close`: nobody is to connect any more.
        over: set when the session has ended.
        report: how, as far as it has.
    """

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._farewell = (1000, "")
        self.asked = Cancellation()
        self.over = Event()
        self.report = CloseReport()

    def close(self, *, drain: bool, code: int, reason: str) -> CloseReport:
        """
        End the session within ``close_timeout``; see `Session.close`.
        """
        wiring, total = self._wiring, self._wiring.options.close_timeout
        deadline = Deadline(total)
        if not self.asked.requested:
            self._farewell = (code, reason)
        self.asked.cancel()
        connection, dispatcher = wiring.connection, wiring.dispatcher
        if connection is None:
            return self.report  # It was being opened, which fails now.
        self.begin_close(connection)
        if drain:
            dispatcher.discard_after(deadline)
        else:
            dispatcher.discard()
        if wiring.on_reader() or dispatcher.on_dispatcher():
            return self.report
        if not dispatcher.wait(self.over, Deadline(total * 0.6)):
            self._break_off(deadline)
        complete = dispatcher.drained(deadline)
        for part in wiring.parts():
            complete &= part.join(deadline)
        return self._final_report(complete)

    def leave(self, deadline: Deadline) -> None:
        """Ask for the end without waiting for it: the process is about to go."""
        self.asked.cancel()
        connection = self._wiring.connection
        if connection is not None:
            connection.begin_close(*self._farewell, deadline)

    def begin_close(self, connection: Connection) -> None:
        """Say farewell on a connection: half of the time is the server's."""
        patience = Deadline(self._wiring.options.close_timeout / 2)
        connection.begin_close(*self._farewell, patience)

    def finish(self, error: Any) -> None:
        """
        Everything ends: waits, held commands, handlers behind what is queued.

        Called once, by the reader of the last connection.
        """
        wiring = self._wiring
        connection, sender = wiring.connection, wiring.sender
        overflow = None if connection is None else connection.overflow
        failure = None if isinstance(error, ConnectionClosedOK) else overflow or error
        held, sender.held = sender.held, None
        unsent_commands = () if held is None else tuple(held.end())
        wiring.pending.release_all_held()
        sender.verdict.set()
        notice = ConnectionEnded(code=error.code, reason=error.reason, error=failure)
        wiring.watches.offer(notice)  # Before nobody can wait for it any more.
        wiring.watches.finish(overflow or error)
        wiring.emit(notice)
        active = wiring.snapshot.active_response
        self.report = CloseReport(
            code=error.code,
            reason=error.reason,
            active_response_id=None if active is None else active.id,
            unsent=0 if connection is None else connection.unsent(),
            unsent_commands=unsent_commands,
            undelivered=wiring.dispatcher.depth,
            error=failure,
        )
        wiring.taps.end(error.code, error.reason)
        wiring.detach_routers()
        wiring.dispatcher.stop()
        process_hooks.forget(wiring)
        self.over.set()

    def report_now(self) -> CloseReport:
        """The report as things stand."""
        if self.over.is_set() and not self.report.complete:
            return self._final_report(self._wiring.dispatcher.finished)
        return self.report

    def _break_off(self, deadline: Deadline) -> None:
        connection = self._wiring.connection
        if connection is not None:
            connection.abort()
        self.over.wait(deadline.remaining())

    def _final_report(self, complete: bool) -> CloseReport:
        dispatcher = self._wiring.dispatcher
        self.report = evolve(
            self.report,
            complete=complete and self.over.is_set(),
            undelivered=dispatcher.depth + dispatcher.discarded_at_close,
        )
        return self.report
