"""A call, in the worker that has it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Optional, Union, cast

from ...deadline import Deadline, Flag
from ...errors import LocalProtocolError, RealtimeError
from ...transport.logs import area_logger
from .limits import Limits
from .records import CallRow, Order

if TYPE_CHECKING:
    from ... import RealtimeClient, Session, live
    from ...audio.telephony import CallBridge
    from .listener import ListenerStream

    AnySession = Union[Session, live.LiveSession]

_log = area_logger("realtime_sync.contrib.celery")

_current: ContextVar[Call] = ContextVar("realtime_sync_call")


def this_call() -> Call:
    """
    The call that the calling code is a part of.

    In a handler of `Fleet.on`, in a tool and in what `Fleet.on_call` runs.

    Raises:
        LocalProtocolError: the calling code is no part of a call.
    """
    try:
        return _current.get()
    except LookupError:
        raise LocalProtocolError("this code does not run for a call") from None


class Call:
    """
    A call of a fleet; what the function of `Fleet.on_call` is given.

    Any thread may call any method.

    Attributes:
        id: the same for whoever asks for it, in every process.
        order: what it was started with.
        limits: what it may take.
        metadata: that of the application.
        client: the worker's.
        worker: its name.
        token: what the worker has claimed the call with.
        stream: the carrier's socket; None where there is none.
        leave_by: until when it may say goodbye; None for as long as it likes.
        limit: that it has reached, see `CallResult`; empty if none.
        since: when the worker took it, in seconds since the epoch.
        over: set when the call has ended.
        draining: set when the worker takes no new calls and waits for this one to
            end; see `Fleet.on_drain`.
    """

    def __init__(
        self,
        call_id: str,
        order: Order,
        limits: Limits,
        client: RealtimeClient,
        worker: str,
        token: str,
    ) -> None:
        self.id = call_id
        self.order = order
        self.limits = limits
        self.metadata: Mapping[str, Any] = order.metadata
        self.client = client
        self.worker = worker
        self.token = token
        self.since = time.time()
        # Flags: a signal handler may hang up while its thread waits for the end.
        self.over: Event = Flag()
        self.draining: Event = Flag()
        # Guards the reason and the limit, the first of which stays, and who hangs up.
        self._lock = Lock()
        self._ended = ""
        self._attached = False
        self._open: Event = Flag()
        self._session: Optional[AnySession] = None
        self._live = False
        self._bridge: Optional[CallBridge] = None
        self.stream: Optional[ListenerStream] = None
        self.limit = ""
        self.leave_by: Optional[Deadline] = None
        self._began = time.monotonic()

    def __repr__(self) -> str:
        return f"<Call {self.id!r} {self.state}>"

    @property
    def session(self) -> Session:
        """
        The session of a call of Realtime.

        Raises:
            LocalProtocolError: it is not open yet, or one of GPT-Live.
        """
        session = self.any_session
        if self._live:
            raise LocalProtocolError(
                f"call {self.id} is one of GPT-Live: call.live is its session"
            )
        return cast("Session", session)

    @property
    def live(self) -> live.LiveSession:
        """
        The session of a call of GPT-Live.

        Raises:
            LocalProtocolError: it is not open yet, or one of Realtime.
        """
        session = self.any_session
        if not self._live:
            raise LocalProtocolError(
                f"call {self.id} is one of Realtime: call.session is its session"
            )
        return cast("live.LiveSession", session)

    @property
    def any_session(self) -> AnySession:
        """
        The session, of whichever protocol.

        Raises:
            LocalProtocolError: it is not open yet.
        """
        if self._session is None:
            raise LocalProtocolError(f"the session of call {self.id} is not open yet")
        return self._session

    def transcript(self) -> list[tuple[str, str]]:
        """
        Who said what so far, oldest first.

        Raises:
            LocalProtocolError: its session is not open yet.
        """
        lines: Sequence[Any] = self.any_session.snapshot.transcript()
        # Those of GPT-Live are pairs already.
        return [
            each if isinstance(each, tuple) else (each.role, each.text)
            for each in lines
        ]

    @property
    def bridge(self) -> Optional[CallBridge]:
        """What joins it to the carrier's socket; None where there is none."""
        return self._bridge

    @property
    def state(self) -> str:
        """``"opening"``, ``"open"`` or ``"closing"``."""
        if self._ended:
            return "closing"
        return "open" if self._session is not None else "opening"

    @property
    def ended(self) -> str:
        """Why it ends, see `CallResult`; empty while it goes on."""
        return self._ended

    @property
    def seconds(self) -> float:
        """How long the worker has had it."""
        return time.monotonic() - self._began

    def wait(self, timeout: Optional[float] = None) -> bool:
        """
        Wait until the call is over: the caller, the server or somebody else ends it.

        Args:
            timeout: seconds; None for as long as it takes.

        Returns:
            Whether it is over.
        """
        return self.over.wait(timeout)

    def hang_up(self) -> None:
        """End the call; its function's waits end with `ConnectionClosed`."""
        self.end("hung up")

    def end(self, reason: str) -> None:
        """End the call for a reason of `CallResult`. Does nothing the second time."""
        if not self.note_end(reason):
            return
        try:
            self._leave()
        finally:
            if self._session is not None:
                self._session.close()
            self.over.set()
            self._open.set()

    def end_in_order(self, reason: str) -> None:
        """End the call; what the carrier or the service refuses is logged."""
        try:
            self.end(reason)
        except RealtimeError as exc:
            _log.warning("! call %s did not end in order: %s", self.id, exc)

    def _leave(self) -> None:
        """Tell the carrier or the service, once, that there is no call any more."""
        if self.bridge is not None:
            # Others end a call when its socket is closed, which comes after this.
            if self.bridge.carrier.hangs_up:
                self.bridge.hang_up()
            return
        with self._lock:
            attached, self._attached = self._attached, False
        if attached and self.order.call_id is not None:
            service = self.client.live if self._live else self.client.calls
            service.hangup(self.order.call_id)

    def note_end(self, reason: str) -> bool:
        """Keep why it ends; False if that is known already."""
        with self._lock:
            if self._ended:
                return False
            self._ended = reason
            return True

    def row(self) -> CallRow:
        """The call as it is now."""
        session = self._session
        lines = self.transcript()[-1:] if session is not None else []
        return CallRow(
            id=self.id,
            worker=self.worker,
            state=self.state,
            since=self.since,
            seconds=self.seconds,
            model=self.order.model,
            events=session.stats.events if session is not None else 0,
            said=": ".join(lines[0])[:LONGEST] if lines else "",
            metadata=self.metadata,
        )

    # -- for the worker ----------------------------------------------------------

    def wait_open(self, timeout: float) -> None:
        """Wait until the session is open, or that is in vain."""
        self._open.wait(timeout)

    def enter(self) -> None:
        """Let `this_call` find it in this thread and in handlers."""
        _current.set(self)

    def accept(self, session_type: str) -> None:
        """Have the service give us the call, if it is to be accepted first."""
        self._live = session_type == "live"
        call_id, accept = self.order.call_id, self.order.accept
        if call_id is not None and accept is not None:
            service = self.client.live if self._live else self.client.calls
            service.accept(call_id, accept)
            self._attach()

    def reach(self, limit: str) -> bool:
        """Keep which limit it has reached; False if it had reached one before."""
        with self._lock:
            if self.limit:
                return False
            self.limit = limit
            return True

    def _attach(self) -> None:
        """The service has the call for us: it is hung up when it ends."""
        with self._lock:
            self._attached = True

    def opened(self, session: AnySession, bridge: Optional[CallBridge]) -> None:
        """The session is open, and joined to the carrier."""
        self._bridge = bridge
        self._session = session
        self._attach()
        self._open.set()
        if self._ended:
            # Somebody hung up meanwhile, when there was nothing to close.
            try:
                self._leave()
            finally:
                session.close()


LONGEST = 200
"""Characters of the latest line that are shown in a row."""


Answer = Callable[[Call], Any]
"""What runs for each call."""
