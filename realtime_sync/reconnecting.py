"""
A new connection for a lost one, and the conversation on it again.

The work is done by the reader thread of the connection that ended; the new
connection has a reader of its own.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from threading import Event, Thread, current_thread
from time import time
from typing import TYPE_CHECKING, Any, Optional

from attrs import evolve, field, frozen

from .backoff import delays
from .closing import is_retryable
from .connection import Connection
from .deadline import Deadline
from .errors import (
    ConnectFailed,
    ConnectionClosed,
    ConnectionClosedOK,
    RestoreError,
    WaitTimeout,
)
from .notices import ConnectionDropped, ConnectionOpened, ConnectionRestored
from .opening import dial
from .protocol.codec import to_mapping
from .rebuilding import Rebuild
from .state.snapshot import Snapshot

if TYPE_CHECKING:
    from .wiring import Wiring

logger = logging.getLogger("realtime_sync.connection")


_FAILURES = (ConnectFailed, WaitTimeout, ConnectionClosed, RestoreError)
_LAST_MOMENT = 5.0
_LOOK_AGAIN = 0.25


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
            replaced; None never does.
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
    """

    def __init__(self, wiring: Wiring, policy: ReconnectPolicy) -> None:
        self._wiring = wiring
        self.policy = policy
        self._used = 0
        self._cancelled = Event()
        self._candidate: Optional[Connection] = None
        self._rotation: Optional[Thread] = None

    def cancel(self) -> None:
        """Stop trying; the session is being closed."""
        self._cancelled.set()
        candidate = self._candidate
        if candidate is not None:
            candidate.abort()

    def join(self, deadline: Deadline) -> bool:
        """Wait for a rotation that is under way, unless it is the caller."""
        thread = self._rotation
        if thread is None or thread is current_thread():
            return True
        thread.join(deadline.remaining())
        return not thread.is_alive()

    def should_try(self, error: ConnectionClosed) -> bool:
        """Whether a connection that ended like this is to be replaced."""
        return is_retryable(error.code) and not self._cancelled.is_set()

    def replace(self, old: Connection, error: ConnectionClosed) -> Optional[Exception]:
        """
        Try until there is a new connection or the budget is spent.

        Returns:
            None when the session goes on, else why it does not.
        """
        wiring, policy = self._wiring, self.policy
        rotation = self._rotation
        if rotation is not None:
            rotation.join(wiring.options.connect_timeout)
            if wiring.connection is not old:
                return None  # The rotation was faster.
        if old.age() >= policy.stable_after:
            self._used = 0
        failure: Exception = error
        waits = delays(policy.rng, base=policy.base, cap=policy.cap)
        for _ in range(self._used):
            next(waits)
        while self._used < policy.attempts:
            self._used += 1
            delay = next(waits)
            headers = self._ask_hook(error, failure, delay)
            if headers is False or self._cancelled.wait(delay):
                return error
            try:
                self._attempt(old, headers)
                return None
            except _FAILURES as exc:
                if self._cancelled.is_set():
                    return error
                logger.info("= %s: attempt %s: %s", wiring.name, self._used, exc)
                failure = exc
                if isinstance(exc, ConnectFailed) and not exc.retryable:
                    return exc
        return failure

    def consider_rotation(self, connection: Connection) -> Optional[float]:
        """
        Begin a rotation when the session's time is nearly up and all is quiet.

        Called on the reader.

        Returns:
            Seconds after which to consider again; None for no particular time.
        """
        expires_at, margin = connection.snapshot.expires_at, self.policy.rotate_before
        if margin is None or not expires_at or self._cancelled.is_set():
            return None
        if self._rotation is not None and self._rotation.is_alive():
            return None
        remaining = expires_at - time() - margin
        if remaining > 0:
            return remaining
        if not self._is_quiet(connection) and remaining > _LAST_MOMENT - margin:
            return _LOOK_AGAIN
        if remaining < -margin:
            return None  # Late already, or the clocks disagree; a loss will tell.
        self._rotation = Thread(
            target=self._rotate,
            args=(connection,),
            name=f"realtime-sync {self._wiring.name} rotation",
            daemon=True,
        )
        self._rotation.start()
        return None

    def _is_quiet(self, connection: Connection) -> bool:
        snapshot = connection.snapshot
        return (
            snapshot.active_response is None
            and not snapshot.user_speaking
            and not self._wiring.pending.any
        )

    def _rotate(self, old: Connection) -> None:
        """Bring a new connection up while the old one still works."""
        wiring = self._wiring
        wiring.open_gap()
        try:
            self._attempt(old, None)
        except _FAILURES as exc:
            logger.warning("! %s: rotation failed: %s", wiring.name, exc)
            try:
                wiring.sender.close_gap(old)
            except ConnectionClosed as lost:
                logger.warning("! %s: lost in a rotation: %s", wiring.name, lost)
            return
        old.begin_close(1000, "rotated", Deadline(wiring.options.close_timeout))

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

    def _attempt(self, old: Connection, headers: Optional[Mapping[str, str]]) -> None:
        wiring = self._wiring
        options = wiring.options
        if headers:
            options = evolve(
                options, extra_headers={**(options.extra_headers or {}), **headers}
            )
        deadline = Deadline(options.connect_timeout)
        transport = dial(
            wiring.endpoint, wiring.model, options, wiring.dialect, deadline
        )
        connection = wiring.new_connection(
            evolve(Snapshot(), version=old.snapshot.version + 1)
        )
        self._candidate = connection
        rebuild = Rebuild(
            connection, wiring.codec, wiring.effective_config(old.snapshot), deadline
        )
        try:
            rebuild.greet(transport, options.wait_created)
            report = rebuild.run(old.snapshot, items=self.policy.restore)
            if self._cancelled.is_set():
                raise ConnectionClosedOK("the session was closed", code=1000)
        except BaseException:
            connection.abort()
            raise
        finally:
            self._candidate = None
        wiring.switch_to(
            connection,
            ConnectionOpened(attempt=self._used),
            ConnectionRestored(report=report, attempt=self._used),
        )


def lost_notice(error: ConnectionClosed, retrying: bool) -> ConnectionDropped:
    """The notice of a lost connection."""
    return ConnectionDropped(
        error=error, code=error.code, reason=error.reason, retrying=retrying
    )


def session_config(snapshot: Snapshot) -> Optional[Mapping[str, Any]]:
    """The configuration that the server last told, as a GA mapping."""
    if snapshot.session is None:
        return None
    mapping = to_mapping(snapshot.session)
    return mapping if isinstance(mapping, Mapping) else None
