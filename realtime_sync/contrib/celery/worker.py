"""
The calls of one process of Celery's.

Threads meet here: each call has one of Celery's pool, which runs its function; commands
come on those of the `ControlListener`; one looks after what is due. What ends a call is
a closed session: Celery's pool of threads can end nothing by force.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextvars import copy_context
from functools import partial
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Optional
from uuid import uuid4

from attrs import evolve

from ... import RealtimeClient
from ...deadline import Deadline
from ...errors import ConfigurationError, ConnectionClosed, LocalProtocolError
from ...server.host.workers import HostWorkers
from ...telemetry import ProcessCalls
from ...transport.logs import area_logger
from .call import Answer, Call
from .call_run import SESSION, CallRun
from .claims import claim_persistently, claims_in, new_claim_token
from .commands import COMMANDS
from .control import Command, ControlListener, NotHere, WorkerControl
from .limits import ENDS
from .listener import FleetListener
from .publisher import CallEventPublisher
from .records import Order, WorkerRow, packed_record
from .settings import FleetSettings

if TYPE_CHECKING:
    from .call import AnySession

_log = area_logger("realtime_sync.contrib.celery")

OPENS = 5.0
"""Seconds that a command waits for a session that is being opened."""

LISTENS = 30.0
"""Seconds within which commands can come; longer than that the broker is away."""

KEEP = 0.2
"""Seconds between two looks at what is due."""

ENDERS = 16
"""Threads that end calls, so that a server that does not answer holds up few others."""

GOODBYES = 1.0
"""Seconds at the end for functions of calls that are over, which may wait for ever."""

RECORD_PATIENCE = 5.0
"""Seconds for which the calls are written down again after the broker was away."""


class CallWorker:
    """
    Has the calls of this process. Any thread.

    Args:
        settings: the fleet's.
        control: how its commands come.
        hostname: Celery's name for the worker.
        must_terminate: whether Celery has been told to end at once.

    Attributes:
        name: of this process; another one of the same hostname has another.
    """

    def __init__(
        self,
        settings: FleetSettings,
        control: WorkerControl,
        hostname: str,
        must_terminate: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._must_terminate = must_terminate
        self._backend = settings.app.backend
        self.name = f"{hostname}#{os.getpid()}-{uuid4().hex[:8]}"
        self._claims = claims_in(self._backend)
        self._client = settings.client()
        if not isinstance(self._client, RealtimeClient):
            raise ConfigurationError(
                f"the client of a fleet gives a RealtimeClient, not {self._client!r}"
            )
        # What may fail comes first: no thread runs then.
        self._line = None if settings.line is None else FleetListener(settings.line)
        self._threads = settings.threads()
        # Guards the calls, and the threads that say goodbye to them.
        self._lock = Lock()
        self._calls: dict[str, Call] = {}
        self._goodbyes: set[Thread] = set()
        self._drain_by: Optional[Deadline] = None
        # Set by signal handlers, which must wait for nobody: no lock, no thread. Two,
        # as that of SIGQUIT may run in the middle of that of SIGTERM, which goes on
        # afterwards and takes nothing back.
        self._ends_in: Optional[float] = None
        self._ends_at_once = False
        self._over = Event()
        self._enders = HostWorkers("realtime-sync fleet end", limit=ENDERS)
        self._keeper = Thread(
            target=self._keep, name="realtime-sync fleet keeper", daemon=True
        )
        self._keeper.start()
        self._watched = ProcessCalls(sessions=self._sessions)
        self._publisher = CallEventPublisher(settings.app, control.namespace)
        self._listener = ControlListener(
            control, self.name, self._commands(), self._record_all
        )

    def __repr__(self) -> str:
        return f"<CallWorker {self.name!r}, {len(self._calls)} calls>"

    @property
    def draining(self) -> bool:
        """Whether it takes no calls any more."""
        return self._ends_at_once or self._ends_in is not None

    def claim(self, call_id: str) -> Optional[str]:
        """Take a call: the token of it, or None if it was taken before."""
        token = new_claim_token(self.name)
        return token if claim_persistently(lambda: self._take(call_id, token)) else None

    def _take(self, call_id: str, token: str) -> bool:
        task_id = self._settings.task_id(call_id)
        return self._claims.take(task_id, token, self._settings.keep)

    def row(self) -> WorkerRow:
        """The worker as it is now."""
        count = len(self._calls)
        free = 0 if self.draining else self._settings.calls_per_process - count
        return WorkerRow(
            worker=self.name, calls=count, free=max(0, free), draining=self.draining
        )

    # -- a call, in a thread of Celery's -----------------------------------------

    def run(self, call_id: str, token: str, order: Order) -> dict[str, Any]:
        """Have a call from its begin to its end; a `CallResult` as a mapping."""
        limits = self._settings.limits_of(order)
        call = Call(call_id, order, limits, self._client, self.name, token)
        with self._lock:
            self._calls[call_id] = call
        try:
            # Who reads the record sends a command, which must not come too early.
            self._listener.ready.wait(LISTENS)
            if order.stream and self._line is not None:
                call.stream = self._line.expect()
            claim_persistently(lambda: self._record(call))
            run = CallRun(
                call,
                self._settings,
                self._threads,
                self._line,
                end=self._end,
                reached=self._reached,
            )
            # A context of its own: the pool's thread is another call's next.
            return packed_record(copy_context().run(run.run))
        finally:
            call.over.set()
            self._publisher.ended(call)
            if call.stream is not None and self._line is not None:
                self._line.forget(call.stream)
            with self._lock:
                del self._calls[call_id]

    def _record(self, call: Call) -> None:
        """Write down who has it, for those who have a command for it."""
        url = None if call.stream is None else call.stream.url
        found = {"worker": self.name, "stream": url}
        task_id = self._settings.task_id(call.id)
        self._backend.store_result(task_id, found, "STARTED")

    # -- commands ----------------------------------------------------------------

    def _commands(self) -> Mapping[str, Command]:
        return {
            "look": lambda arguments: packed_record(self.row()),
            "calls": lambda arguments: [
                packed_record(each.row()) for each in self._all()
            ],
            "rows": lambda arguments: self._watched_rows(),
            "call": self._told,
        }

    def _watched_rows(self) -> list[dict[str, Any]]:
        """The calls as a board shows them; its own ids are of no use elsewhere."""
        return [
            packed_record(
                evolve(row, id=row.name.removeprefix(SESSION), worker=self.name)
            )
            for row in self._watched.rows()
            if row.name.startswith(SESSION)
        ]

    def _sessions(self) -> list[AnySession]:
        return [each.any_session for each in self._all() if each.state == "open"]

    def _told(self, arguments: Mapping[str, Any]) -> Any:
        call = self._calls.get(arguments["call"])
        if call is None:
            raise NotHere
        if arguments["command"] != "hang_up":
            call.wait_open(OPENS)
        try:
            return self._obey(call, arguments["command"], arguments["arguments"])
        except (ConnectionClosed, LocalProtocolError):
            if call.ended:  # meanwhile, or before there was a session
                raise NotHere from None
            raise

    def _obey(self, call: Call, command: str, wanted: Mapping[str, Any]) -> Any:
        if command == "subscribe":
            return self._publisher.subscribe(call, **wanted)
        if command == "unsubscribe":
            return self._publisher.unsubscribe(**wanted)
        return COMMANDS[command](call, **wanted)

    def _record_all(self) -> None:
        """The broker was away, and may have forgotten everything."""
        for call in self._all():
            claim_persistently(lambda: self._record(call), RECORD_PATIENCE)
            claim_persistently(lambda: self._take(call.id, call.token), RECORD_PATIENCE)

    def _all(self) -> list[Call]:
        with self._lock:
            return list(self._calls.values())

    # -- the end -----------------------------------------------------------------

    def drain(self, timeout: float) -> None:
        """
        Take no calls any more, and end those that there are in time.

        Of what is asked for, the first holds, and at once, 0.0, whenever it is asked
        for. May be called in a signal handler: the keeper does the rest.
        """
        if timeout == 0.0:
            self._ends_at_once = True
        elif self._ends_in is None:
            self._ends_in = timeout

    def close(self, timeout: float = 10.0) -> None:
        """
        End. Calls that go on are ended first; there are some only after a failure.
        """
        deadline = Deadline(timeout)
        self.drain(0.0)
        for call in self._all():
            call.over.wait(deadline.remaining())
        self._over.set()
        self._keeper.join(deadline.remaining())
        self._publisher.close(deadline.limited(2.0).remaining())
        self._listener.close(deadline)
        self._enders.close(deadline.remaining() or 0.0)
        self._watched.close()
        if self._line is not None:
            self._line.close(deadline.remaining() or 0.0)
        self._threads.close(deadline.remaining() or 0.0)
        self._client.close()
        self._join_goodbyes(deadline.limited(GOODBYES))

    def _join_goodbyes(self, deadline: Deadline) -> None:
        with self._lock:
            threads = list(self._goodbyes)
        for thread in threads:
            thread.join(deadline.remaining())
            if thread.is_alive():
                _log.warning("! %s goes on, though its call is over", thread.name)

    def _keep(self) -> None:
        while not self._over.wait(KEEP):
            # Looked at, too: Celery may wait for its tasks in the handler of SIGQUIT,
            # and may catch what that handler raises.
            if self._must_terminate():
                self.drain(0.0)
            if self._ends_at_once:
                self._drain(0.0)
            elif self._ends_in is not None:
                self._drain(self._ends_in)
            for call in self._all():
                self._look_after(call)

    def _look_after(self, call: Call) -> None:
        """Hold a call to its seconds, and to those that it has to say goodbye."""
        seconds = call.limits.seconds
        if seconds is not None and call.seconds > seconds:
            self._reached(call, "seconds")
        if call.leave_by is not None and call.leave_by.passed and not call.ended:
            self._end(call, ENDS[call.limit])

    def _reached(self, call: Call, limit: str) -> None:
        """A call has reached a limit: let it say goodbye, if that was asked for."""
        if not call.reach(limit):
            return
        _log.info("= call %s has reached its limit of %s", call.id, limit)
        said = self._settings.limited
        if said is None:
            self._end(call, ENDS[limit])
            return
        call.leave_by = Deadline(self._settings.grace)
        self._say_goodbye("limit", call, said)

    def _drain(self, timeout: float) -> None:
        if self._drain_by is None:
            _log.info("= %s ends within %s s", self.name, timeout)
            self._drain_by = Deadline(timeout)
        elif timeout == 0.0:  # asked again, and at once
            self._drain_by = Deadline(0.0)
        over = self._drain_by.passed
        for call in self._all():
            if over and not call.ended:
                self._end(call, "drained")
            elif not over and not call.draining.is_set():
                # Also one that was claimed at the last moment.
                call.draining.set()
                if self._settings.drained is not None:
                    self._say_goodbye("drain", call, self._settings.drained)

    def _say_goodbye(self, why: str, call: Call, function: Answer) -> None:
        """Run a function for a call that is to end."""
        # Not by those that end calls: it may wait for as long as it likes.
        thread = Thread(
            target=self._call_function,
            args=(why, call, function),
            name=f"realtime-sync fleet {why} {call.id}",
            daemon=True,
        )
        thread.start()
        with self._lock:
            self._goodbyes = {each for each in self._goodbyes if each.is_alive()}
            self._goodbyes.add(thread)

    def _call_function(self, why: str, call: Call, function: Answer) -> None:
        try:
            call.enter()
            function(call)
        except BaseException as exc:  # SystemExit too: this is the top of a thread.
            if call.ended and isinstance(exc, ConnectionClosed):
                return  # It has ended meanwhile.
            _log.error("! on_%s of call %s has failed", why, call.id, exc_info=exc)

    def _end(self, call: Call, reason: str) -> None:
        """End a call without waiting for it."""
        self._enders.submit(partial(call.end_in_order, reason))
