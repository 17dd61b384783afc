"""A call from its begin to its end, in a thread of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Optional

from ... import Session, Threads, live
from ...audio.telephony import CallBridge
from ...errors import ConfigurationError, ConnectionClosed, RealtimeError
from ...transport.logs import area_logger
from .call import Call
from .limits import TakenOfLimits
from .listener import FleetListener
from .recordings import recorded_call
from .records import MOST_BYTES, CallResult
from .settings import FleetSettings

if TYPE_CHECKING:
    from .call import AnySession

_log = area_logger("realtime_sync.contrib.celery")

SESSION = "call "
"""How the names of sessions begin, before the id of the call."""

Told = Callable[[Call, str], None]
"""Called with a call and a reason, or a limit; waits for nothing."""


class CallRun:
    """
    Opens the session of a call, runs the fleet's function, and ends both.

    Args:
        call: which.
        settings: of the fleet.
        threads: that sessions share.
        listener: who brings its sound, or None.
        end: has the call ended, for a reason.
        reached: is told of a limit that the call has reached.
    """

    def __init__(
        self,
        call: Call,
        settings: FleetSettings,
        threads: Threads,
        listener: Optional[FleetListener],
        *,
        end: Told,
        reached: Told,
    ) -> None:
        self._call = call
        self._settings = settings
        self._threads = threads
        self._listener = listener
        self._end = end
        self._taken = TakenOfLimits(
            call.limits,
            settings.prices_of(call.order),
            lambda limit: reached(call, limit),
        )

    def run(self) -> CallResult:
        """Have the call; what became of it."""
        call = self._call
        call.enter()
        value: Any = None
        error = ""
        where: Optional[str] = None
        try:
            with ExitStack() as stack:
                session = self._open(stack)
                place = self._settings.recordings
                where = stack.enter_context(recorded_call(session, place, call.id))
                # In here: once the session is closed, that is why the call has ended.
                value, error = self._answer()
        except Exception as exc:
            error = self._failed(exc)
        return CallResult(
            id=call.id,
            ended=call.ended,
            value=value,
            error=error,
            worker=call.worker,
            seconds=round(call.seconds, 3),
            tokens=self._taken.tokens.total,
            billed_seconds=self._taken.tokens.seconds,
            cost=self._taken.cost,
            currency=self._taken.currency,
            limit=call.limit,
            recording=where,
        )

    def _open(self, stack: ExitStack) -> AnySession:
        call = self._call
        session = self._session()
        # Not inline: a call is over when its handlers have seen everything.
        on: Any = session.on
        on("connection.closed", self._closed)
        self._taken.guard(session)
        call.accept(session.session_type)
        if call.stream is not None and self._listener is not None:
            self._listener.bring(call.stream, call.order, call.id, call.over)
        stack.enter_context(session)
        call.opened(session, self._bridged(session, stack))
        return session

    def _session(self) -> AnySession:
        """The session, not open yet."""
        order = self._call.order
        options: dict[str, Any] = {
            "config": order.config,
            "call_id": order.call_id,
            "session_type": self._settings.session_type_of(order),
        }
        session: object = self._call.client.session(
            self._settings.model_of(order),
            router=self._settings.router,
            threads=self._threads,
            name=f"{SESSION}{self._call.id}",
            **{name: given for name, given in options.items() if given is not None},
        )
        if not isinstance(session, (Session, live.LiveSession)):
            raise ConfigurationError("the client of a fleet makes no sessions")
        return session

    def _closed(self, event: object) -> None:
        self._call.note_end("closed")
        self._call.over.set()

    def _bridged(self, session: AnySession, stack: ExitStack) -> Optional[CallBridge]:
        """Join the session to the carrier's socket, if there is one."""
        call = self._call
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

    def _answer(self) -> tuple[Any, str]:
        """Run the function; what it returned, or what went wrong."""
        try:
            value = self._settings.answer(self._call)
            size = len(json.dumps(value))
            if size > MOST_BYTES:
                raise ConfigurationError(
                    f"the value of a call is {MOST_BYTES:,} bytes of JSON at most, not "
                    f"{size:,}: keep it elsewhere, and return where"
                )
        except BaseException as exc:
            # SystemExit too: Celery would write nothing down, and whoever asks for
            # the result would wait for as long as the worker lives.
            return None, self._failed(exc)
        self._call.end_in_order("returned")
        return value, ""

    def _failed(self, exc: BaseException) -> str:
        """End the call; what is told of it, nothing if it is how a call ends."""
        call = self._call
        if isinstance(exc, ConnectionClosed):
            call.note_end("closed")
        if call.ended and isinstance(exc, RealtimeError):
            return ""
        _log.error("! call %s has failed", call.id, exc_info=exc)
        call.end_in_order("failed")
        return f"{type(exc).__name__}: {exc}"
