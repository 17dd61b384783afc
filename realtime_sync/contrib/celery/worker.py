"""
The calls of one process of Celery's.

Threads meet here: each call has one of Celery's pool, which runs its function; commands
come on those of the `ControlListener`; one looks after what is due. What ends a call is
a closed session: Celery's pool of threads can end nothing by force.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from threading import Event, Lock, Thread
from typing import Any, Optional
from uuid import uuid4

from attrs import evolve

from ... import RealtimeClient, Session, call_control
from ...audio.telephony import CallBridge
from ...deadline import Deadline
from ...errors import (
    ConfigurationError,
    ConnectionClosed,
    LocalProtocolError,
    RealtimeError,
)
from ...telemetry import Budget, ProcessCalls
from ...transport.logs import area_logger
from .call import Answer, Call
from .claims import claim_with, persistently
from .commands import COMMANDS
from .control import Command, Control, ControlListener, NotHere
from .events import Publisher
from .listener import Listener, Stream
from .recordings import recorded
from .records import CallResult, Order, WorkerRow, packed
from .settings import Settings

_log = area_logger("realtime_sync.contrib.celery")

OPENS = 5.0
"""Seconds that a command waits for a session that is being opened."""

LISTENS = 30.0
"""Seconds within which commands can come; longer than that the broker is away."""

SESSION = "call "
"""How the names of sessions begin, before the id of the call."""

KEEP = 0.2
"""Seconds between two looks at what is due."""

ENDERS = 16
"""Threads that end calls, so that a server that does not answer holds up few others."""

RECORD_PATIENCE = 5.0
"""Seconds for which the calls are written down again after the broker was away."""


class CallWorker:
    """
    Has the calls of this process. Any thread.

    Args:
        settings: the fleet's.
        control: how its commands come.
        hostname: Celery's name for the worker.

    Attributes:
        name: of this process; another one of the same hostname has another.
    """

    def __init__(self, settings: Settings, control: Control, hostname: str) -> None:
        self._settings = settings
        self._backend = settings.app.backend
        self.name = f"{hostname}#{os.getpid()}-{uuid4().hex[:8]}"
        self._claim = claim_with(self._backend)
        self._client = settings.client()
        if not isinstance(self._client, RealtimeClient):
            raise ConfigurationError(
                f"the client of a fleet gives a RealtimeClient, not {self._client!r}"
            )
        # What may fail comes first: no thread runs then.
        line = settings.line
        self._account = line.account() if line and line.account else None
        self._line = None if line is None else Listener(line)
        self._threads = settings.threads()
        # Guards the calls.
        self._lock = Lock()
        self._calls: dict[str, Call] = {}
        self._drain_by: Optional[Deadline] = None
        # Set by a signal handler, which must wait for nobody: no lock, no thread.
        self._ends_in: Optional[float] = None
        self._over = Event()
        self._enders = ThreadPoolExecutor(
            ENDERS, thread_name_prefix="realtime-sync fleet end"
        )
        self._keeper = Thread(
            target=self._keep, name="realtime-sync fleet keeper", daemon=True
        )
        self._keeper.start()
        self._watched = ProcessCalls(sessions=self._sessions)
        self._publisher = Publisher(settings.app, control.namespace)
        self._listener = ControlListener(
            control, self.name, self._commands(), self._record_all
        )

    def __repr__(self) -> str:
        return f"<CallWorker {self.name!r}, {len(self._calls)} calls>"

    @property
    def draining(self) -> bool:
        """Whether it takes no calls any more."""
        return self._ends_in is not None

    def claim(self, call_id: str) -> Optional[str]:
        """Take a call: the token of it, or None if it was taken before."""
        token = f"{self.name} {uuid4().hex}"
        keep = self._settings.keep
        mine = persistently(lambda: self._claim(call_id, token, keep))
        return token if mine else None

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
        call = Call(call_id, order, self._client, self.name, token)
        with self._lock:
            self._calls[call_id] = call
        try:
            # Who reads the record sends a command, which must not come too early.
            self._listener.ready.wait(LISTENS)
            if order.stream and self._line is not None:
                call.stream = self._line.expect()
            persistently(lambda: self._record(call))
            # A context of its own: the pool's thread is another call's next.
            return packed(copy_context().run(self._run, call))
        finally:
            call.over.set()
            self._publisher.ended(call)
            if call.stream is not None and self._line is not None:
                self._line.forget(call.stream)
            with self._lock:
                del self._calls[call_id]

    def _run(self, call: Call) -> CallResult:
        call.enter()
        budget = Budget(math.inf)
        value: Any = None
        error = ""
        where: Optional[str] = None
        try:
            with ExitStack() as stack:
                session = self._open(call, budget, stack)
                place = self._settings.recordings
                where = stack.enter_context(recorded(session, place, call.id))
                # In here: once the session is closed, that is why the call has ended.
                value, error = self._answer(call)
        except Exception as exc:
            error = self._failed(call, exc)
        return CallResult(
            id=call.id,
            ended=call.ended,
            value=value,
            error=error,
            worker=self.name,
            seconds=round(call.seconds, 3),
            tokens=budget.tokens.total,
            recording=where,
        )

    def _open(self, call: Call, budget: Budget, stack: ExitStack) -> Session:
        order = call.order
        if order.call_id is not None and order.accept is not None:
            self._client.calls.accept(order.call_id, order.accept)
            call.attached()
        options: dict[str, Any] = {}
        if order.config is not None:
            options["config"] = order.config
        if order.call_id is not None:
            options["call_id"] = order.call_id
        session = self._client.session(
            order.model or self._settings.model,
            router=self._settings.router,
            threads=self._threads,
            name=f"{SESSION}{call.id}",
            **options,
        )
        if not isinstance(session, Session):
            raise ConfigurationError("the calls of a fleet are Realtime sessions")

        def closed(event: object) -> None:
            call.note_end("closed")
            call.over.set()

        # Not inline: a call is over when its handlers have seen everything.
        session.on("connection.closed", closed)
        budget.guard(session)
        self._limit(call, session)
        if call.stream is not None:
            self._await_carrier(call, call.stream)
        stack.enter_context(session)
        call.opened(session, self._bridged(call, session, stack))
        return session

    def _await_carrier(self, call: Call, stream: Stream) -> None:
        assert self._line is not None
        if call.order.to is not None and call.order.caller is not None:
            if self._account is None:
                raise ConfigurationError("to place calls, give the line an account")
            call_control.dial(
                self._account,
                call.order.to,
                caller=call.order.caller,
                stream_url=stream.url,
            )
        self._line.wait_there(stream, call.id, call.over)

    def _bridged(
        self, call: Call, session: Session, stack: ExitStack
    ) -> Optional[CallBridge]:
        """Join the session to the carrier's socket, if there is one."""
        if call.stream is None or self._settings.line is None:
            return None
        bridge = CallBridge(
            session,
            self._settings.line.carrier,
            send=call.stream.send,
            on_end=lambda reason: self._end(call, "closed"),
        )
        stack.enter_context(bridge)
        call.stream.bridge = bridge
        call.stream.ready.set()
        return bridge

    def _limit(self, call: Call, session: Session) -> None:
        if self._settings.tokens is not None:
            Budget(
                self._settings.tokens, on_exceeded=lambda exc: self._end(call, "budget")
            ).guard(session)

    def _answer(self, call: Call) -> tuple[Any, str]:
        """Run the function; what it returned, or what went wrong."""
        try:
            value = self._settings.answer(call)
            json.dumps(value)
        except BaseException as exc:
            # SystemExit too: Celery would write nothing down, and whoever asks for
            # the result would wait for as long as the worker lives.
            return None, self._failed(call, exc)
        self._ended(call, "returned")
        return value, ""

    def _failed(self, call: Call, exc: BaseException) -> str:
        """End the call; what is told of it, nothing if it is how a call ends."""
        if isinstance(exc, ConnectionClosed):
            call.note_end("closed")
        if call.ended and isinstance(exc, RealtimeError):
            return ""
        _log.error("! call %s has failed", call.id, exc_info=exc)
        self._ended(call, "failed")
        return f"{type(exc).__name__}: {exc}"

    def _record(self, call: Call) -> None:
        """Write down who has it, for those who have a command for it."""
        url = None if call.stream is None else call.stream.url
        found = {"worker": self.name, "stream": url}
        self._backend.store_result(call.id, found, "STARTED")

    # -- commands ----------------------------------------------------------------

    def _commands(self) -> Mapping[str, Command]:
        return {
            "look": lambda arguments: packed(self.row()),
            "calls": lambda arguments: [packed(each.row()) for each in self._all()],
            "rows": lambda arguments: self._watched_rows(),
            "call": self._told,
        }

    def _watched_rows(self) -> list[dict[str, Any]]:
        """The calls as a board shows them; its own ids are of no use elsewhere."""
        return [
            packed(evolve(row, id=row.name.removeprefix(SESSION), worker=self.name))
            for row in self._watched.rows()
            if row.name.startswith(SESSION)
        ]

    def _sessions(self) -> list[Session]:
        return [each.session for each in self._all() if each.state == "open"]

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
            persistently(lambda: self._record(call), RECORD_PATIENCE)
            persistently(lambda: self._claim_again(call), RECORD_PATIENCE)

    def _claim_again(self, call: Call) -> None:
        self._claim(call.id, call.token, self._settings.keep)

    def _all(self) -> list[Call]:
        with self._lock:
            return list(self._calls.values())

    # -- the end -----------------------------------------------------------------

    def drain(self, timeout: float) -> None:
        """
        Take no calls any more, and end those that there are in time.

        May be called in a signal handler: the keeper does the rest.
        """
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
        self._listener.close(deadline.remaining())
        self._enders.shutdown(wait=False)
        self._watched.close()
        if self._line is not None:
            self._line.close()
        self._threads.close(deadline.remaining() or 0.0)
        self._client.close()

    def _keep(self) -> None:
        while not self._over.wait(KEEP):
            if self._ends_in is not None:
                self._drain(self._ends_in)
            for call in self._all():
                if call.seconds > self._settings.longest_call and not call.ended:
                    self._end(call, "too long")

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
                    # Not by those that end calls: it may wait for as long as it likes.
                    Thread(
                        target=self._announce,
                        args=(call, self._settings.drained),
                        name=f"realtime-sync fleet drain {call.id}",
                        daemon=True,
                    ).start()

    def _announce(self, call: Call, drained: Answer) -> None:
        try:
            call.enter()
            drained(call)
        except BaseException as exc:  # SystemExit too: this is the top of a thread.
            _log.error("! on_drain of call %s has failed", call.id, exc_info=exc)

    def _end(self, call: Call, reason: str) -> None:
        """End a call without waiting for it."""
        self._enders.submit(self._ended, call, reason)

    def _ended(self, call: Call, reason: str) -> None:
        try:
            call.end(reason)
        except RealtimeError as exc:
            _log.warning("! call %s did not end in order: %s", call.id, exc)
