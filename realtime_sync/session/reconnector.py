"""
A new connection for a lost one, and the conversation on it again.

The work is done on a dialer, where waiting is allowed: the loop goes on reading,
the old connection as well as the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import get_ident
from time import monotonic, time
from typing import Any, Optional, Protocol, cast

from attrs import evolve

from ..connection.close_codes import is_retryable
from ..connection.connection import Connection
from ..connection.held_commands import HeldCommands
from ..connection.pending import PendingCommands
from ..connection.sender import Sender
from ..deadline import Cancellation, Deadline, Flag
from ..dispatch.notices import ConnectionOpened, ConnectionRestored, Notice
from ..errors import (
    ConfigurationError,
    ConnectFailed,
    ConnectionClosed,
    ConnectionLost,
    RealtimeError,
    RestoreError,
    SessionExpired,
    WaitTimeout,
)
from ..protocol.codec import Codec
from ..state.restore import Unconfirmed, resumed_conversation
from ..state.snapshot import Snapshot
from ..transport.backoff import backoff_delays
from ..transport.base import Transport
from ..transport.logs import area_logger
from .dialers import DialerTask
from .options import SessionOptions
from .reconnect_policy import ReconnectAttempt, ReconnectPolicy
from .restorer import RestorerRebuild, input_bytes_per_second, restored_session_config

logger = area_logger("realtime_sync.connection")

_LOOK_AGAIN = 0.25
_LAST_MOMENT = 10.0
_ROTATE_AGAIN = 5.0
_MOMENT = 1.0
_LONG = 60.0


class ReconnectorHost(Protocol):
    """What a reconnector asks of the session whose connections it replaces."""

    @property
    def snapshot(self) -> Snapshot:
        """The mirror as it is now."""

    def dial(self, options: SessionOptions, deadline: Deadline) -> Transport:
        """Open a transport to the session's endpoint."""

    def new_connection(self, snapshot: Snapshot) -> Connection:
        """Make a connection that serves nobody yet."""

    def submit(self, run: Callable[[], None]) -> DialerTask:
        """Have something done where waiting is allowed."""

    def switch_to(self, connection: Connection) -> bool:
        """Use a connection from now on; False when it has ended meanwhile."""

    def emit(self, notice: Notice) -> None:
        """Publish a notice."""

    @property
    def connection(self) -> Optional[Connection]:
        """The connection that is in use."""


Renew = Callable[[Connection, SessionOptions, Deadline], object]
"""Is given the connection that was lost; the session uses another when it returns."""


class Reconnector:
    """
    Replaces the connection of one session.

    Args:
        host: whose connections are replaced.
        policy: how.
        given_up: cancelled when the session is being closed.
        name: of the session, for logs.
        options: of the session.
        codec: of the session.
        pending: commands that wait for their answers.
        sender: holds commands meanwhile.

    Attributes:
        left: what the last restore left open; the next one goes on from it.
        renew: puts another session in the place of the lost one, and gives a report;
            None where the conversation is rebuilt item by item.
    """

    def __init__(
        self,
        host: ReconnectorHost,
        policy: ReconnectPolicy,
        given_up: Cancellation,
        *,
        name: str,
        options: SessionOptions,
        codec: Codec,
        pending: PendingCommands,
        sender: Sender,
    ) -> None:
        if not isinstance(policy, ReconnectPolicy):
            raise ConfigurationError(
                f"reconnect must be a ReconnectPolicy or None, not {policy!r}"
            )
        self._host = host
        self._name = name
        self._options = options
        self._codec = codec
        self._pending = pending
        self._sender = sender
        self.policy = policy
        self._used = 0
        self.left: Optional[Unconfirmed] = None
        self.renew: Optional[Renew] = None
        self._given_up = given_up
        self._task: Optional[DialerTask] = None
        self._rotated: Optional[Connection] = None
        self._rotate_at = 0.0
        # What a rotation waits for; touched by any thread, one operation at a time.
        self._busy_while: list[Callable[[], bool]] = []
        # Set while no thread replaces a connection; `_busy` is the thread that does.
        # It alone writes both, but for the loop that begins a rotation.
        self._idle = Flag()
        self._idle.set()
        self._busy: Optional[int] = None

    @property
    def here(self) -> bool:
        """Whether the calling thread is the one that replaces a connection."""
        return self._busy == get_ident()

    @property
    def idle(self) -> bool:
        """Whether no thread replaces a connection, so that `settle` does not wait."""
        return self._idle.is_set()

    def settle(self) -> None:
        """Wait until a replacement under way in another thread is over."""
        # The hook of a reconnect may use the session: it would wait for itself.
        if not self.here:
            self._idle.wait(self._options.connect_timeout)

    def join(self, deadline: Deadline) -> bool:
        """Wait until nothing of this runs any more, unless it is the caller."""
        if self._task is not None and self._task.claim():
            self._idle.set()  # It was still in line, and is not to begin any more.
        settled = self.here or self._idle.wait(deadline.remaining())
        # Only now: the thread that was at it may have left an old connection.
        old = self._rotated
        if old is not None:
            old.abort()
            old.join(deadline)
        return settled

    def should_try(self, connection: Connection) -> bool:
        """Whether a connection that ended is to be replaced."""
        error, transport = connection.error, self._options.transport
        if connection.closing or connection.overflow or self._given_up.requested:
            return False
        if transport is not None and not callable(transport):
            return False  # The one that was given is used up.
        return error is not None and (
            is_retryable(error.code) or isinstance(error, SessionExpired)
        )

    def hold_commands(self, keep_audio: float) -> None:
        """
        From now on hold commands for the next connection.

        Args:
            keep_audio: seconds of microphone audio to hold.
        """
        sender = self._sender
        if sender.held is None:
            rate = input_bytes_per_second(self._host.snapshot)
            order = self._pending.order
            sender.held = HeldCommands(
                self.policy.queue_limit, int(keep_audio * rate), order
            )
        # After `held` is there: a sender that is let go before it would find neither
        # a connection nor a place to wait, and raise what is being mended.
        sender.verdict.set()

    def replace(self, old: Connection, error: ConnectionClosed) -> Optional[Exception]:
        """
        Try until there is a new connection or the budget is spent.

        Returns:
            None when the session goes on, else why it does not.
        """
        with self._replacing():
            if old.age() >= self.policy.stable_after:
                self._used = 0
            return self._try_all(old, error)

    def _try_all(self, old: Connection, error: ConnectionClosed) -> Optional[Exception]:
        policy, failure = self.policy, cast(Exception, error)
        waits = backoff_delays(policy.rng, base=policy.base, cap=policy.cap)
        for _ in range(self._used):
            next(waits)
        while self._used < policy.attempts:
            self._used += 1
            # A server that says when to come back is taken at its word.
            delay = max(next(waits), getattr(failure, "retry_after", None) or 0.0)
            headers = self._ask_hook(error, failure, delay)
            if headers is False:
                return failure
            # Not a sleep: `close` ends it at once.
            if self._given_up.wait(delay):
                return error
            try:
                self._attempt(old, headers)
                return None
            except Exception as exc:
                if self._given_up.requested:
                    return error
                self._log_failure(exc)
                failure = exc
                if _is_final_for_reconnector(exc):
                    break
        return failure

    def consider_rotation(self, connection: Connection) -> Optional[float]:
        """
        Begin a rotation when the session's time is nearly up and all is quiet.

        Called on the loop. A session that is never quiet ends when its time
        is up, and is then restored like any that was lost.

        Returns:
            Seconds after which to consider again; None for no particular time.
        """
        if self.renew is not None:
            return None  # One that runs cannot be taken over; it is renewed at its end.
        expires_at, margin = connection.snapshot.expires_at, self.policy.rotate_before
        if margin is None or not expires_at or self._given_up.requested:
            return None
        if not self._idle.is_set():
            return None
        remaining = expires_at - time() - margin
        if remaining > 0:
            return remaining
        if remaining < -margin:
            return None  # Late already, or the clocks disagree; a loss will tell.
        # A command that no answer comes to must not hold it up for ever.
        patient = remaining > _LAST_MOMENT - margin
        if monotonic() < self._rotate_at or not self._is_quiet(connection, patient):
            return _LOOK_AGAIN
        self._rotate_at = monotonic() + _ROTATE_AGAIN
        # Here and not in the new thread: a loss or a close in between would take
        # the session for idle, and two threads would replace its connection.
        self._idle.clear()
        self._task = self._host.submit(lambda: self._rotate(connection))
        return None

    def _is_quiet(self, connection: Connection, patient: bool) -> bool:
        snapshot = connection.snapshot
        return (
            snapshot.active_response is None
            and not snapshot.user_speaking
            and not (patient and self._pending.any)
            and not (patient and any(busy() for busy in tuple(self._busy_while)))
        )

    def wait_while(self, busy: Callable[[], bool]) -> Callable[[], None]:
        """
        Rotate no connection while a function says so; it must be quick.

        Returns:
            What undoes it.
        """
        self._busy_while.append(busy)

        def undo() -> None:
            if busy in self._busy_while:
                self._busy_while.remove(busy)

        return undo

    def _rotate(self, old: Connection) -> None:
        """Bring a new connection up while the old one still works."""
        with self._replacing():
            # Those of the old connection, before any command is held for the new one:
            # what is held gets its answer there and must not be failed with these.
            stale = self._pending.handles()
            self.hold_commands(keep_audio=self._options.connect_timeout or _LONG)
            try:
                self._attempt(old, None, alive=True)
            except Exception as exc:
                self._log_failure(exc)
                # It still works; what was held for the other would never be sent.
                self._sender.send_held(old)
                return
            self._rotated = old
            old.begin_close(1000, "rotated", Deadline(self._options.close_timeout))
            self._pending.abandon(
                stale, ConnectionLost("the connection was rotated", code=1001)
            )

    @contextmanager
    def _replacing(self) -> Iterator[None]:
        self._idle.clear()
        self._busy = get_ident()
        try:
            yield
        finally:
            # In this order: who is woken may begin the next replacement, and its thread
            # would no longer be known as the one that must not wait for itself.
            self._busy = None
            self._idle.set()

    def _ask_hook(
        self, error: ConnectionClosed, failure: Exception, delay: float
    ) -> Any:
        if self.policy.hook is None:
            return None
        attempt = ReconnectAttempt(
            number=self._used, code=error.code, error=failure, delay=delay
        )
        try:
            return self.policy.hook(attempt)
        except Exception:
            logger.exception("! %s: the reconnect hook failed", self._name)
            return None

    def _attempt(
        self,
        old: Connection,
        headers: Optional[Mapping[str, str]],
        *,
        alive: bool = False,
    ) -> None:
        options = self._options
        if headers:
            options = evolve(
                options, extra_headers={**(options.extra_headers or {}), **headers}
            )
        deadline = Deadline(options.connect_timeout)
        if self.renew is not None:
            self._tell(self.renew(old, options, deadline))
            return
        transport = self._host.dial(options, deadline)
        before = old.snapshot
        connection = self._host.new_connection(
            Snapshot(
                version=before.version + 1,
                usage=before.usage,
                limits=before.limits,
                habits=before.habits,
            )
        )
        config = self._effective_config(before)
        rebuild = RestorerRebuild(connection, self._codec, config, deadline)
        try:
            rebuild.start(transport)
            # `close` must not wait for a server that is silent while we restore.
            self._given_up.attach(connection.abort)
            if options.wait_created:
                rebuild.greet()
            report = rebuild.run(before, items=self.policy.restore, left=self.left)
            # The old one was read all the while: what it brought since the copy was
            # made would be missing in the new one.
            if alive and old.snapshot.version != before.version:
                raise ConnectionLost("the old connection was not quiet", code=1001)
            if not self._host.switch_to(connection):
                raise connection.error or ConnectionLost("lost at once", code=1006)
        except BaseException:
            connection.abort()
            connection.join(deadline.limited(_MOMENT))
            raise
        finally:
            self._given_up.detach(connection.abort)
        # A loss right after this one goes on from the same conversation.
        self.left = Unconfirmed(
            items=resumed_conversation(before, self.left),
            ids=frozenset(report.unconfirmed),
            names=rebuild.names,
        )
        self._tell(report)

    def _tell(self, report: object) -> None:
        self._host.emit(ConnectionOpened(attempt=self._used))
        self._host.emit(ConnectionRestored(report=report, attempt=self._used))
        # Handlers know before anything is sent that was held meanwhile.
        connection = self._host.connection
        assert connection is not None
        self._sender.send_held(connection)

    def _effective_config(self, snapshot: Snapshot) -> Optional[Mapping[str, Any]]:
        """
        The configuration in force, with the tools as they were sent: the
        server does not give back what is secret in them.
        """
        config = restored_session_config(snapshot)
        tools = self._sender.tools
        return config if config is None or tools is None else {**config, "tools": tools}

    def _log_failure(self, exc: Exception) -> None:
        expected = isinstance(exc, (RealtimeError, WaitTimeout))
        logger.info(
            "= %s: attempt %s: %s",
            self._name,
            self._used,
            exc,
            exc_info=None if expected else exc,
        )


def _is_final_for_reconnector(exc: Exception) -> bool:
    """Whether trying again would give the same answer."""
    if isinstance(exc, (ConnectFailed, RestoreError)):
        return not exc.retryable
    if isinstance(exc, ConnectionClosed):
        return not is_retryable(exc.code)
    return isinstance(exc, ConfigurationError)
