"""
A new connection for a lost one, and the conversation on it again.

The work is done by the reader thread of the connection that ended; the new
connection has a reader of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread, current_thread, get_ident
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Optional, cast

from attrs import evolve, field, frozen

from ..connection.close_codes import is_retryable
from ..connection.connection import Connection
from ..connection.held_commands import HeldCommands
from ..deadline import Cancellation, Deadline
from ..dispatch.notices import ConnectionDropped, ConnectionOpened, ConnectionRestored
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
from ..state.snapshot import Snapshot
from ..transport.backoff import delays
from ..transport.logs import area_logger
from .opening import dial
from .restorer import Rebuild, input_bytes_per_second, session_config

if TYPE_CHECKING:
    from .lifecycle import Wiring

logger = area_logger("realtime_sync.connection")

_LOOK_AGAIN = 0.25
_LAST_MOMENT = 10.0
_ROTATE_AGAIN = 5.0
_MOMENT = 1.0
_LONG = 60.0


@frozen(kw_only=True)
class ReconnectAttempt:
    """
    What the hook of a policy is told before an attempt.

    Attributes:
        number: 1 for the first attempt after a loss.
        code: close code of the connection that was lost.
        error: what it was lost with, or why the previous attempt failed.
        delay: seconds that will be waited before the attempt.
    """

    number: int
    code: Optional[int]
    error: Exception
    delay: float


@frozen(kw_only=True)
class ReconnectPolicy:
    """
    Whether and how a session replaces a lost connection.

    Attributes:
        attempts: how often in a row; a connection that has lived for
            `stable_after` gives the budget back.
        base: first upper bound of the random delay, in seconds.
        cap: largest upper bound of a delay, in seconds.
        stable_after: seconds after which a connection counts as stable.
        restore: rebuild the conversation, not only the configuration.
        queue_limit: commands that may wait while there is no connection.
        keep_audio: seconds of microphone audio to keep meanwhile; 0 drops it.
        rotate_before: seconds before ``expires_at`` at which a connection is
            replaced, at the first quiet moment; None never does.
        hook: called before each attempt with a `ReconnectAttempt`; returns
            False to give up, a mapping of request headers to send as well, or
            None to go on. Runs on the reader thread, so it must be quick.
    """

    attempts: int = 5
    base: float = 0.5
    cap: float = 30.0
    stable_after: float = 30.0
    restore: bool = True
    queue_limit: int = 1000
    keep_audio: float = 0.0
    rotate_before: Optional[float] = 60.0
    hook: Optional[Callable[[ReconnectAttempt], Any]] = None
    rng: random.Random = field(factory=random.Random, repr=False, eq=False)


class Reconnector:
    """
    Replaces the connection of one session.

    Args:
        wiring: the session's parts.
        policy: how.
        given_up: cancelled when the session is being closed.
    """

    def __init__(
        self, wiring: Wiring, policy: ReconnectPolicy, given_up: Cancellation
    ) -> None:
        if not isinstance(policy, ReconnectPolicy):
            raise ConfigurationError(
                f"reconnect must be a ReconnectPolicy or None, not {policy!r}"
            )
        self._wiring = wiring
        self.policy = policy
        self._used = 0
        self._given_up = given_up
        self._rotation: Optional[Thread] = None
        self._rotated: Optional[Connection] = None
        self._rotate_at = 0.0
        # Set while no thread replaces a connection; the thread that does.
        self._idle = Event()
        self._idle.set()
        self._busy: Optional[int] = None

    @property
    def here(self) -> bool:
        """Whether the calling thread is the one that replaces a connection."""
        return self._busy == get_ident()

    def settle(self) -> None:
        """Wait until a replacement under way in another thread is over."""
        if not self.here:
            self._idle.wait(self._wiring.options.connect_timeout)

    def join(self, deadline: Deadline) -> bool:
        """Wait until nothing of this runs any more, unless it is the caller."""
        settled = self.here or self._idle.wait(deadline.remaining())
        thread, old = self._rotation, self._rotated
        if thread is not None and thread is not current_thread():
            thread.join(deadline.remaining())
        if old is not None:
            old.abort()
            old.join(deadline)
        return settled and (thread is None or not thread.is_alive())

    def should_try(self, connection: Connection) -> bool:
        """Whether a connection that ended is to be replaced."""
        error, transport = connection.error, self._wiring.options.transport
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
        sender = self._wiring.sender
        if sender.held is None:
            rate = input_bytes_per_second(self._wiring.snapshot)
            order = self._wiring.pending.order
            sender.held = HeldCommands(
                self.policy.queue_limit, int(keep_audio * rate), order
            )
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
        waits = delays(policy.rng, base=policy.base, cap=policy.cap)
        for _ in range(self._used):
            next(waits)
        while self._used < policy.attempts:
            self._used += 1
            # A server that says when to come back is taken at its word.
            delay = max(next(waits), getattr(failure, "retry_after", None) or 0.0)
            headers = self._ask_hook(error, failure, delay)
            if headers is False:
                return failure
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
                if _is_final(exc):
                    break
        return failure

    def consider_rotation(self, connection: Connection) -> Optional[float]:
        """
        Begin a rotation when the session's time is nearly up and all is quiet.

        Called on the reader. A session that is never quiet ends when its time
        is up, and is then restored like any that was lost.

        Returns:
            Seconds after which to consider again; None for no particular time.
        """
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
        self._idle.clear()
        rotation = Thread(
            target=self._rotate,
            args=(connection,),
            name=f"realtime-sync {self._wiring.name} rotation",
            daemon=True,
        )
        rotation.start()
        self._rotation = rotation
        return None

    def _is_quiet(self, connection: Connection, patient: bool) -> bool:
        snapshot = connection.snapshot
        return (
            snapshot.active_response is None
            and not snapshot.user_speaking
            and not (patient and self._wiring.pending.any)
        )

    def _rotate(self, old: Connection) -> None:
        """Bring a new connection up while the old one still works."""
        wiring = self._wiring
        with self._replacing():
            stale = wiring.pending.handles()
            self.hold_commands(keep_audio=wiring.options.connect_timeout or _LONG)
            try:
                self._attempt(old, None, alive=True)
            except Exception as exc:
                self._log_failure(exc)
                wiring.sender.send_held(old)
                return
            self._rotated = old
            old.begin_close(1000, "rotated", Deadline(wiring.options.close_timeout))
            wiring.pending.abandon(
                stale, ConnectionLost("the connection was rotated", code=1001)
            )

    @contextmanager
    def _replacing(self) -> Iterator[None]:
        self._idle.clear()
        self._busy = get_ident()
        try:
            yield
        finally:
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
            logger.exception("! %s: the reconnect hook failed", self._wiring.name)
            return None

    def _attempt(
        self,
        old: Connection,
        headers: Optional[Mapping[str, str]],
        *,
        alive: bool = False,
    ) -> None:
        wiring = self._wiring
        options = wiring.options
        if headers:
            options = evolve(
                options, extra_headers={**(options.extra_headers or {}), **headers}
            )
        deadline = Deadline(options.connect_timeout)
        transport = dial(
            wiring.endpoint,
            wiring.model,
            options,
            wiring.dialect,
            deadline,
            self._given_up,
        )
        before = old.snapshot
        connection = wiring.new_connection(
            Snapshot(
                version=before.version + 1,
                usage=before.usage,
                limits=before.limits,
                habits=before.habits,
            )
        )
        config = self._effective_config(before)
        rebuild = Rebuild(connection, wiring.codec, config, deadline)
        try:
            rebuild.start(transport)
            self._given_up.attach(connection.abort)
            if options.wait_created:
                rebuild.greet()
            report = rebuild.run(before, items=self.policy.restore)
            if alive and old.snapshot.version != before.version:
                raise ConnectionLost("the old connection was not quiet", code=1001)
            if not wiring.switch_to(connection):
                raise connection.error or ConnectionLost("lost at once", code=1006)
        except BaseException:
            connection.abort()
            connection.join(deadline.limited(_MOMENT))
            raise
        finally:
            self._given_up.detach(connection.abort)
        wiring.emit(ConnectionOpened(attempt=self._used))
        wiring.emit(ConnectionRestored(report=report, attempt=self._used))
        # Handlers know before anything is sent that was held meanwhile.
        wiring.sender.send_held(connection)

    def _effective_config(self, snapshot: Snapshot) -> Optional[Mapping[str, Any]]:
        """
        The configuration in force, with the tools as they were sent: the
        server does not give back what is secret in them.
        """
        config = session_config(snapshot)
        tools = self._wiring.sender.tools
        return config if config is None or tools is None else {**config, "tools": tools}

    def _log_failure(self, exc: Exception) -> None:
        expected = isinstance(exc, (RealtimeError, WaitTimeout))
        logger.info(
            "= %s: attempt %s: %s",
            self._wiring.name,
            self._used,
            exc,
            exc_info=None if expected else exc,
        )


def _is_final(exc: Exception) -> bool:
    """Whether trying again would give the same answer."""
    if isinstance(exc, (ConnectFailed, RestoreError)):
        return not exc.retryable
    if isinstance(exc, ConnectionClosed):
        return not is_retryable(exc.code)
    return isinstance(exc, ConfigurationError)


def lost_notice(error: ConnectionClosed, retrying: bool) -> ConnectionDropped:
    """The notice of a lost connection."""
    return ConnectionDropped(
        error=error, code=error.code, reason=error.reason, retrying=retrying
    )
